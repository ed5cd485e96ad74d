/* SPDX-License-Identifier: BSD-2-Clause */
/* A page of code that surrenders itself, and a page that catches who runs through the zeros. */
#include "abi/aerostat.h"
#include "guests/lib/hypercall_site.inc"

	.section .text.requests_code, "ax"
	.code64
	.balign 4096
	.globl surrender_own_code_page, surrender_own_code
surrender_own_code_page:
	/* void surrender_own_code(void *range); what comes behind VMCALL is gone. */
surrender_own_code:
	movl $AEROSTAT_CALL_BALLOON_SURRENDER, %eax
	movl $1, %esi
	xorl %edx, %edx
	xorl %r10d, %r10d
	hypercall_site
	ret
	.balign 4096, 0x90
	.rept 64
	ud2
	.endr
	.balign 4096, 0x90

	.section .note.GNU-stack, "", @progbits
