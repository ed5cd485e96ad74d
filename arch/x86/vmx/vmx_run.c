/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running a vCPU: what is prepared before each entry, what happens after each exit, and the one
 * function that carries out an action. Interrupts are off throughout (SDM vol. 3, 27.6 on event
 * injection, 26.5.1 on the preemption timer).
 */
#include "arch/x86/cpu/tsc.h"
#include "arch/x86/guest/exit.h"
#include "arch/x86/vmx/vmx_caps.h"
#include "arch/x86/vmx/vmx_fields.h"
#include "arch/x86/vmx/vmx_reasons.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "base/bits.h"
#include "base/check.h"
#include "kernel/tlb.h"
#include "kernel/vm.h"

#define BLOCKING_BY_STI_OR_MOV_SS 0x3u
#define PENDING_SINGLE_STEP BIT(14)

/* Requests or drops an exit at the first moment at which the guest can take an interrupt. */
static void window_set(struct vmx_vcpu *vmx, bool wanted)
{
	uint32_t primary = vmx->primary & ~PRIMARY_INTERRUPT_WINDOW;

	if (wanted) {
		primary |= PRIMARY_INTERRUPT_WINDOW;
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
	uint8_t vector = vcpu->vm->balloon.vector;

	if (!vcpu->doorbell_pending || !vector || vector >> 4 <= vmx->cr8) {
		/* Task priority holds it off: a write to CR8 exits, and we come here again. */
		window_set(vmx, false);
		return;
	}
	if (vmx->arch.event.info || !(vmcs_read_guest_rflags() & RFLAGS_IF) ||
	    vmcs_read_guest_interruptibility() & BLOCKING_BY_STI_OR_MOV_SS) {
		window_set(vmx, true);
		return;
	}
	window_set(vmx, false);
	vcpu->doorbell_pending = false;
	vmx->arch.event = (struct guest_event){.info = EVENT_VALID | EVENT_TYPE_EXTERNAL | vector};
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

/* The timer counts down from here; zero exits before the first instruction. */
static inline void timer_write(const struct vmx_vcpu *vmx)
{
	uint64_t ticks = sub_floor_u64(vmx->arch.deadline_tsc, tsc_read());

	vmcs_write_preemption_timer((uint32_t)(ticks >> vmx_caps.timer_shift));
}

static inline bool doorbell_concerns(const struct vmx_vcpu *vmx)
{
	return vmx->arch.vcpu->doorbell_pending || vmx->primary & PRIMARY_INTERRUPT_WINDOW;
}

/* What is left to do when no event is to be delivered and no translation to be dropped. */
static inline void entry_prepare_last(struct vmx_vcpu *vmx)
{
	timer_write(vmx);
	tlb_enter(vmx->arch.s2, vmx->cpu);
}

static void entry_prepare(struct vmx_vcpu *vmx)
{
	if (doorbell_concerns(vmx)) {
		doorbell_prepare(vmx);
	}
	if (vmx->arch.event.info) {
		event_write(vmx);
	}
	if (vmx->invalidate_vpid) {
		vmx_invalidate_vpid(vmx->vpid);
		vmx->invalidate_vpid = false;
	}
	entry_prepare_last(vmx);
}

/* Behind the instruction: the only place that moves RIP. */
static inline __attribute__((always_inline)) void advance(struct vcpu *vcpu)
{
	uint32_t blocking = vmcs_read_guest_interruptibility();

	vmcs_write_guest_rip(
		guest_next_rip(vcpu, vmcs_read_guest_rip(), vmcs_read_exit_instruction_length()));
	if (blocking & BLOCKING_BY_STI_OR_MOV_SS) {
		/* It held for one instruction, and that is over. */
		vmcs_write_guest_interruptibility(blocking & ~BLOCKING_BY_STI_OR_MOV_SS);
	}
	if (vmcs_read_guest_rflags() & RFLAGS_TF) {
		/* The processor would have raised its single-step trap behind it. */
		vmcs_write_guest_pending_debug(vmcs_read_guest_pending_debug() |
					       PENDING_SINGLE_STEP);
	}
}

static __attribute__((noinline)) bool exit_finish(struct vcpu *vcpu, enum exit_action action)
{
	if (!guest_apply(vcpu, action, advance)) {
		return false;
	}
	entry_prepare(vmx_of(vcpu));
	return true;
}

/*
 * The ways of a hypercall and of a touch are short: between their exit and the next entry nothing
 * else can have come up than a doorbell, or the event that the touch interrupted.
 */
bool vmx_exit(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);
	uint32_t reason = vmcs_read_exit_reason();
	struct vm_exit vm_exit;
	enum exit_action action;

	if (reason == REASON_EPT_VIOLATION) {
		action = vmx_exit_s2_fault(vmx);
		if (action != EXIT_RESUME || vmx->arch.event.info || doorbell_concerns(vmx)) {
			return exit_finish(vcpu, action);
		}
		entry_prepare_last(vmx);
		return true;
	}
	if (__builtin_expect(reason != REASON_VMCALL, 0)) {
		return exit_finish(vcpu, vmx_exit_decide(vmx, reason));
	}
	vm_exit.kind = VM_EXIT_HYPERCALL;
	vm_exit.raw_reason = reason;
	vm_exit.privileged = vmx_is_kernel(vmx);
	action = vm_exit_handle(vcpu, &vm_exit);
	if (__builtin_expect(action != EXIT_ADVANCE || doorbell_concerns(vmx), 0)) {
		return exit_finish(vcpu, action);
	}
	advance(vcpu);
	entry_prepare_last(vmx);
	return true;
}

/* VMfail: the processor found fault with controls or host state, which no guest can reach. */
_Noreturn void vmx_entry_refused(struct vcpu *vcpu)
{
	uint32_t error = vmcs_read_instruction_error();

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

void vmx_vcpu_run(struct vcpu *vcpu, uint64_t deadline_tsc)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);
	bool launched = vmx->launched;

	vmx_make_current(vmx);
	vmx_state_load(vmx);
	vmx->arch.deadline_tsc = timer_deadline(deadline_tsc);
	vmx->launched = true;
	tlb_run_begin(vmx->arch.s2, vmx->cpu);
	entry_prepare(vmx);
	vmx_enter(vcpu, launched);
	tlb_run_end(vmx->arch.s2, vmx->cpu);
}
