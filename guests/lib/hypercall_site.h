/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instruction that calls the hypervisor, wherever it stands in a guest: VMCALL as it is linked,
 * and made VMMCALL by hypercall_init() where the hypervisor runs on AMD-V. Each place is written
 * down in the section hypercall_sites. In assembly it is the macro hypercall_site
 * (hypercall_site.inc), in C the text HYPERCALL_SITE for an asm statement. A jump may lead to it,
 * and a trap may come behind it, as with VMCALL itself.
 */
#ifndef GUESTS_LIB_HYPERCALL_SITE_H
#define GUESTS_LIB_HYPERCALL_SITE_H

#define HYPERCALL_BYTES 3 /* VMCALL is 0F 01 C1, VMMCALL 0F 01 D9 */
#define HYPERCALL_LAST_VMMCALL 0xd9

#define HYPERCALL_SITE                                                                             \
	".pushsection hypercall_sites, \"a\"\n"                                                    \
	".quad 77f\n"                                                                              \
	".popsection\n"                                                                            \
	"77: vmcall"

#endif
