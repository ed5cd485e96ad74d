/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Steps on the way from an exit to the next entry, inline in each of the ways (vmx_run.c,
 * vmx_quick.c). For the CPU on which the VMCS is current.
 */
#ifndef ARCH_X86_VMX_VMX_STEPS_H
#define ARCH_X86_VMX_VMX_STEPS_H

#include "arch/x86/cpu/tsc.h"
#include "arch/x86/guest/guest_exit.h"
#include "arch/x86/vmx/vmx_caps.h"
#include "arch/x86/vmx/vmx_fields.h"
#include "arch/x86/vmx/vmx_vcpu.h"

#define BLOCKING_BY_STI_OR_MOV_SS 0x3u

/* vmx_run.c: the interrupt shadow, which held for one instruction, is over. */
void vmx_unblock(uint32_t blocking) __attribute__((cold));

/* vmx_run.c: what the processor does with RF and TF behind every instruction. */
void vmx_flags_advance(uint64_t flags) __attribute__((cold));

/* The timer counts down from here; zero exits before the first instruction. */
static inline void vmx_timer_write(const struct vmx_vcpu *vmx)
{
	uint64_t ticks = vmx->arch.deadline_tsc - tsc_read();

	if ((int64_t)ticks < 0) {
		ticks = 0;
	}
	/* 32 bits of it: the deadline is never further away (timer_deadline). */
	vmcs_write(VMCS_preemption_timer, ticks >> vmx_caps.timer_shift);
}

/* The controls that ask for an exit as soon as the guest can take an interrupt, or an NMI. */
#define PRIMARY_WINDOWS (PRIMARY_INTERRUPT_WINDOW | PRIMARY_NMI_WINDOW)

/* Whatever its local APIC has, the guest still takes none: the window's exit tells when. */
static inline bool vmx_window_is_awaited(const struct vmx_vcpu *vmx)
{
	return (vmx->primary & PRIMARY_WINDOWS) == PRIMARY_INTERRUPT_WINDOW &&
	       !vmx->arch.event.info && vmx->arch.vcpu->vm->platform != NULL &&
	       !vmx->arch.vcpu->nmi_pending && !(vmcs_read_guest_rflags() & RFLAGS_IF);
}

/* Behind the instruction: the only place that moves RIP. */
static inline __attribute__((always_inline)) void vmx_complete_inline(uint64_t next)
{
	uint32_t blocking = vmcs_read_guest_interruptibility();
	uint64_t flags;

	if (blocking & BLOCKING_BY_STI_OR_MOV_SS) {
		vmx_unblock(blocking);
	}
	vmcs_write_guest_rip(next);
	flags = vmcs_read_guest_rflags();
	if (__builtin_expect(flags & (RFLAGS_TF | RFLAGS_RF), 0)) {
		vmx_flags_advance(flags);
	}
}

static inline __attribute__((always_inline)) void vmx_advance(struct vcpu *vcpu)
{
	vmx_complete_inline(
		guest_next_rip(vcpu, vmcs_read_guest_rip(), vmcs_read_exit_instruction_length()));
}

#endif
