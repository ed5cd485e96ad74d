/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running a vCPU: what is prepared before each entry, what happens after each exit, and the one
 * function that carries out an action. Interrupts are off throughout (SDM vol. 3, 27.6 on event
 * injection, 26.5.1 on the preemption timer).
 */
#include "arch/x86/cpu/speculation.h"
#include "arch/x86/cpu/tsc.h"
#include "arch/x86/guest/guest_cpuid.h"
#include "arch/x86/guest/guest_exit.h"
#include "arch/x86/guest/guest_msr.h"
#include "arch/x86/guest/guest_trace.h"
#include "arch/x86/vmx/vmx_caps.h"
#include "arch/x86/vmx/vmx_fields.h"
#include "arch/x86/vmx/vmx_reasons.h"
#include "arch/x86/vmx/vmx_steps.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "base/bits.h"
#include "base/compiler.h"
#include "base/check.h"
#include "kernel/vm/exit_reasons.h"
#include "kernel/vm/tlb.h"
#include "kernel/vm/vm.h"

#define PENDING_SINGLE_STEP BIT(14)

/* Rare, and out of the way of what is not: nothing is kept in registers for its sake. */
#define COLD __attribute__((noinline, cold))

void vmx_window_set(struct vmx_vcpu *vmx, uint32_t window, bool wanted)
{
	uint32_t primary = vmx->primary & ~window;

	if (wanted) {
		primary |= window;
	}
	if (primary != vmx->primary) {
		vmx->primary = primary;
		vmcs_write_primary_controls(primary);
	}
}

/* The doorbell rings now, or as soon as the guest lets it. */
static void doorbell_prepare(struct vmx_vcpu *vmx)
{
	struct vcpu *vcpu = vmx->arch.vcpu;
	struct guest_interrupt next = guest_interrupt_next(vcpu, vmx->cr8);

	if (next.nmi || vmx->primary & PRIMARY_NMI_WINDOW) {
		vmx_nmi_prepare(vmx, next.nmi);
	}
	if (!guest_doorbell_rang(vcpu) || next.held_off) {
		/* Task priority holds it off: a write to CR8 exits, and we come here again. */
		vmx_window_set(vmx, PRIMARY_INTERRUPT_WINDOW, false);
		return;
	}
	if (vmx->arch.event.info || !(vmcs_read_guest_rflags() & RFLAGS_IF) ||
	    vmcs_read_guest_interruptibility() & BLOCKING_BY_STI_OR_MOV_SS) {
		vmx_window_set(vmx, PRIMARY_INTERRUPT_WINDOW, true);
		return;
	}
	vmx_window_set(vmx, PRIMARY_INTERRUPT_WINDOW, false);
	next.vector = guest_interrupt_take(vcpu, next.vector);
	vmcs_write_entry_event(EVENT_VALID | EVENT_TYPE_EXTERNAL | next.vector);
}

static void event_write(struct vmx_vcpu *vmx)
{
	vmcs_write_entry_event(vmx->arch.event.info);
	if (vmx->arch.event.info & EVENT_HAS_ERROR) {
		vmcs_write_entry_event_error(vmx->arch.event.error);
	}
	if (event_is_software(vmx->arch.event.info)) {
		vmcs_write_entry_instruction_length(vmx->arch.event.length);
	}
	vmx->arch.event.info = 0;
}

/* What is left to do when no event is to be delivered and no translation to be dropped. */
static inline void entry_prepare_last(struct vmx_vcpu *vmx)
{
	vmx_timer_write(vmx);
	tlb_enter(vmx->arch.s2, vmx->cpu);
}

/* A doorbell is pending or its window is open; there may be an event besides. */
static NOT_INLINE void events_prepare(struct vmx_vcpu *vmx)
{
	doorbell_prepare(vmx);
	if (vmx->arch.event.info) {
		event_write(vmx);
	}
}

static inline __attribute__((always_inline)) void entry_prepare(struct vmx_vcpu *vmx)
{
	if (__builtin_expect(guest_doorbell_rang(vmx->arch.vcpu) || vmx->primary & PRIMARY_WINDOWS,
			     0)) {
		if (!vmx_window_is_awaited(vmx)) {
			events_prepare(vmx);
		}
	} else if (__builtin_expect(vmx->arch.event.info != 0, 0)) {
		event_write(vmx);
	}
	if (vmx->invalidate_vpid) {
		vmx_invalidate_vpid(vmx->vpid);
		vmx->invalidate_vpid = false;
	}
	entry_prepare_last(vmx);
}

/* It held for one instruction, and that is over. */
COLD void vmx_unblock(uint32_t blocking)
{
	vmcs_write_guest_interruptibility(blocking & ~BLOCKING_BY_STI_OR_MOV_SS);
}

/* What the processor does with the flags behind every instruction. */
COLD void vmx_flags_advance(uint64_t flags)
{
	if (flags & RFLAGS_RF) {
		vmcs_write_guest_rflags(flags & ~(uint64_t)RFLAGS_RF);
	}
	if (flags & RFLAGS_TF) {
		vmcs_write_guest_pending_debug(vmcs_read_guest_pending_debug() |
					       PENDING_SINGLE_STEP);
	}
}

void vmx_complete(uint64_t next)
{
	vmx_complete_inline(next);
}

static NOT_INLINE bool exit_finish(struct vcpu *vcpu, enum exit_action action)
{
	if (!guest_apply(vcpu, action, vmx_advance)) {
		return false;
	}
	entry_prepare(vmx_of(vcpu));
	return true;
}

/*
 * CPUID and MSRs: the instruction cannot have interrupted the delivery of an event, so its way is
 * as short as that of a hypercall, unless it has made cached translations wrong.
 */
static NOT_INLINE bool exit_instruction(struct vcpu *vcpu, uint32_t reason)
{
	enum exit_action action;

	guest_exit_count(vcpu);
	if (reason == REASON_CPUID) {
		action = guest_cpuid(vcpu);
	} else if (reason == REASON_RDMSR) {
		action = guest_msr_read(vcpu, guest_msr_index(vcpu));
	} else {
		action = guest_msr_write(vcpu, guest_msr_index(vcpu), guest_msr_value(vcpu));
	}
	if (__builtin_expect(action != EXIT_ADVANCE || guest_doorbell_rang(vcpu) ||
				     vmx_of(vcpu)->invalidate_vpid,
			     0)) {
		return exit_finish(vcpu, action);
	}
	vmx_advance(vcpu);
	entry_prepare_last(vmx_of(vcpu));
	return true;
}

/*
 * The ways of a hypercall and of a touch are short: between their exit and the next entry nothing
 * else can have come up than a doorbell, or the event that the touch interrupted. (The window is
 * open only while a doorbell is pending; should that be taken back, the window's exit shuts it.)
 * A CPU that signals after this look also sends an interrupt, which ends the next run at once.
 */
bool vmx_exit(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);
	uint32_t reason;
	enum exit_action action;

	tlb_leave(vmx->cpu);
	reason = vmcs_read_exit_reason();
	vcpu_count_reason(vcpu, reason);
	if (reason != REASON_EPT_VIOLATION) {
		if (reason == REASON_CPUID || reason == REASON_RDMSR || reason == REASON_WRMSR) {
			return exit_instruction(vcpu, reason);
		}
		return exit_finish(vcpu, vmx_exit_decide(vmx, reason));
	}
	action = vmx_exit_s2_fault(vmx);
	if (action != EXIT_RESUME || vmx->arch.event.info || guest_doorbell_rang(vcpu)) {
		return exit_finish(vcpu, action);
	}
	entry_prepare_last(vmx);
	return true;
}

bool vmx_exit_hypercall(struct vcpu *vcpu)
{
	enum exit_action action;

	if (guest_is_null_hypercall(vcpu) && vmx_is_kernel(vmx_of(vcpu)) &&
	    !guest_doorbell_rang(vcpu)) {
		/* As short as vmx_exit_quick(), and for the same reasons. */
		guest_exit_count(vcpu);
		vcpu_count_reason(vcpu, REASON_VMCALL);
		vcpu->hypercall_count++;
		vmx_advance(vcpu);
		vmx_timer_write(vmx_of(vcpu));
		return true;
	}
	tlb_leave(vmx_of(vcpu)->cpu);
	vcpu_count_reason(vcpu, REASON_VMCALL);
	action = guest_exit_hypercall(vcpu, vmx_is_kernel(vmx_of(vcpu)));
	if (__builtin_expect(action != EXIT_ADVANCE || guest_doorbell_rang(vcpu), 0)) {
		return exit_finish(vcpu, action);
	}
	vmx_advance(vcpu);
	entry_prepare_last(vmx_of(vcpu));
	return true;
}

/* VMfail: the processor found fault with controls or host state, which no guest can reach. */
_Noreturn void vmx_entry_refused(struct vcpu *vcpu)
{
	uint32_t error = vmcs_read_instruction_error();

	tlb_leave(vmx_of(vcpu)->cpu);
	vmx_vcpu_dump(vcpu);
	panic("VM entry refused: %s (%u)", vmx_instruction_error_text(error), error);
}

/* Rounded up to a tick of the timer, and never further away than it can count. */
static uint64_t timer_deadline(uint64_t deadline_tsc)
{
	uint64_t tick = BIT(vmx_caps.timer_shift);
	uint64_t furthest = tsc_read() + (UINT32_MAX - 1) * tick;

	return min_u64(deadline_tsc, furthest) + tick;
}

void vmx_deadline_set(struct vcpu *vcpu, uint64_t deadline_tsc)
{
	vcpu->arch->deadline_tsc = timer_deadline(deadline_tsc);
}

/* Any exit, while they are traced: a quick one, too. */
bool vmx_exit_traced(struct vcpu *vcpu, uint32_t reason)
{
	uint64_t exit_tsc = guest_trace_exit(vcpu, reason, vmcs_read_guest_rip());
	bool quick = reason <= VMX_QUICK_REASON_LAST && VMX_QUICK_REASONS >> reason & 1;
	bool goes_on;

	if (reason == REASON_VMCALL) {
		goes_on = vmx_exit_hypercall(vcpu);
	} else {
		goes_on = (quick && vmx_exit_quick(vcpu, reason)) || vmx_exit(vcpu);
	}
	if (goes_on) {
		guest_trace_entry(vcpu, exit_tsc, vmcs_read_guest_rip());
	}
	return goes_on;
}

static COLD void enter_traced(struct vcpu *vcpu, bool launched)
{
	uint64_t host_rip = vmcs_read_host_rip();

	speculation_run_begin();
	vmcs_write_host_rip((uintptr_t)vmx_exit_traced_entry);
	guest_trace_entry(vcpu, tsc_read(), vmcs_read_guest_rip());
	vmx_enter_traced(vcpu, launched);
	vmcs_write_host_rip(host_rip);
}

static COLD void enter_rarely(struct vcpu *vcpu, bool launched)
{
	if (speculation_way_is_traced()) {
		enter_traced(vcpu, launched);
		return;
	}
	speculation_run_begin();
	vmx_enter_guarded(vcpu, launched);
}

void vmx_vcpu_run(struct vcpu *vcpu, uint64_t deadline_tsc)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);
	bool launched = vmx->launched;

	vmx_load(vmx);
	vmx->arch.slice_tsc = deadline_tsc;
	vmx->arch.deadline_tsc = timer_deadline(min_u64(deadline_tsc, vcpu->timer_tsc));
	vmx->launched = true;
	tlb_run_begin(vmx->arch.s2, vmx->cpu);
	entry_prepare(vmx);
	if (speculation_way_is_rare()) {
		enter_rarely(vcpu, launched);
	} else {
		vmx_enter(vcpu, launched);
	}
}
