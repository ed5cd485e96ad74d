/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checks of VM entry on the guest's state, in software, to say which rule a refused entry broke
 * (SDM vol. 3, 27.3.1). Pure.
 */
#ifndef ARCH_X86_VMX_VMX_CHECK_H
#define ARCH_X86_VMX_VMX_CHECK_H

#include "arch/x86/guest/guest_vcpu.h"
#include "arch/x86/guest/entry_checks.h"
#include "base/types.h"

struct vmx_guest_state {
	struct {
		uint16_t selector;
		uint32_t limit;
		uint32_t rights;
		uint64_t base;
	} segments[GUEST_SEGMENT_COUNT];
	uint64_t gdtr_base, idtr_base;
	uint32_t gdtr_limit, idtr_limit;
	uint64_t cr0, cr3, cr4, dr7;
	uint64_t efer, pat, debugctl;
	uint64_t sysenter_esp, sysenter_eip;
	uint64_t rip, rsp, rflags;
	uint64_t pending_debug;
	uint64_t link_pointer;
	uint32_t interruptibility, activity;
	uint32_t entry_controls, entry_event;
	unsigned physical_bits;
	uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
};

void vmx_guest_check(const struct vmx_guest_state *state, struct entry_checks *violations);

#endif
