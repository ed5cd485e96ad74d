/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running a vCPU: what is prepared before each entry, what happens after each exit, and the one
 * function that carries out an action. Interrupts are off throughout (SDM vol. 3, 27.6 on event
 * injection, 26.5.1 on the preemption timer).
 */
#include "arch/x86/cpu/tsc.h"
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
	struct vcpu *vcpu = vmx->vcpu;
	uint8_t vector = vcpu->vm->balloon.vector;

	if (!vcpu->doorbell_pending || !vector || vector >> 4 <= vmx->cr8) {
		/* Task priority holds it off: a write to CR8 exits, and we come here again. */
		window_set(vmx, false);
		return;
	}
	if (vmx->event.info || !(vmcs_read_guest_rflags() & RFLAGS_IF) ||
	    vmcs_read_guest_interruptibility() & BLOCKING_BY_STI_OR_MOV_SS) {
		window_set(vmx, true);
		return;
	}
	window_set(vmx, false);
	vcpu->doorbell_pending = false;
	vmx->event = (struct vmx_event){.info = EVENT_VALID | EVENT_TYPE_EXTERNAL | vector};
}

static void event_write(struct vmx_vcpu *vmx)
{
	vmcs_write_entry_event(vmx->event.info);
	if (vmx->event.info & EVENT_HAS_ERROR) {
		vmcs_write_entry_event_error(vmx->event.error);
	}
	if (event_is_software(vmx->event.info)) {
		vmcs_write_entry_instruction_length(vmx->event.length);
	}
	vmx->event.info = 0;
}

/* The timer counts down from here; zero exits before the first instruction. */
static void timer_write(const struct vmx_vcpu *vmx)
{
	uint64_t now = tsc_read();
	uint64_t ticks = 0;

	if (now < vmx->deadline_tsc) {
		ticks = ((vmx->deadline_tsc - now) >> vmx_caps.timer_shift) + 1;
		ticks = min_u64(ticks, UINT32_MAX);
	}
	vmcs_write_preemption_timer((uint32_t)ticks);
}

static inline void entry_prepare(struct vmx_vcpu *vmx)
{
	if (vmx->vcpu->doorbell_pending || vmx->primary & PRIMARY_INTERRUPT_WINDOW) {
		doorbell_prepare(vmx);
	}
	if (vmx->event.info) {
		event_write(vmx);
	}
	if (__builtin_expect(vmx->invalidate_vpid, 0)) {
		vmx_invalidate_vpid(vmx->vpid);
		vmx->invalidate_vpid = false;
	}
	timer_write(vmx);
	tlb_enter(vmx->s2, vmx->cpu);
}

/* Behind the instruction: the only place that moves RIP. */
static void advance(const struct vmx_vcpu *vmx)
{
	uint64_t rip = vmcs_read_guest_rip();
	uint64_t next = rip + vmcs_read_exit_instruction_length();
	uint32_t blocking = vmcs_read_guest_interruptibility();

	if ((rip ^ next) >> 32 && !vmx_is_64bit(vmx)) {
		next = (uint32_t)next;
	}
	vmcs_write_guest_rip(next);
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

/* False: the exception was one too many, and the guest shuts down. */
static bool inject(struct vmx_vcpu *vmx)
{
	struct vcpu *vcpu = vmx->vcpu;
	struct vmx_event first = vmx->event;
	struct vmx_event second = {
		.info = EVENT_VALID | EVENT_TYPE_EXCEPTION | vcpu->inject.vector,
		.error = vcpu->inject.error,
	};
	struct vm_exit vm_exit = {.kind = VM_EXIT_TRIPLE_FAULT, .raw_reason = REASON_TRIPLE_FAULT};
	bool lost_external;

	if (vcpu->inject.has_error) {
		second.info |= EVENT_HAS_ERROR;
	}
	if (event_combine(&first, &second, &vmx->event, &lost_external) == EVENT_TRIPLE_FAULT) {
		CHECK(vm_exit_handle(vcpu, &vm_exit) == EXIT_KILL);
		return false;
	}
	if (!(vmx->cr0 & CR0_PE)) {
		/* Real mode has no error codes, and VM entry insists (27.2.1.3). */
		vmx->event.info &= ~EVENT_HAS_ERROR;
	}
	if (lost_external) {
		vcpu->doorbell_pending = true; /* the only source of external interrupts */
	}
	return true;
}

/* Carries out an action; answers whether the guest goes on at once. */
static inline bool vmx_apply(struct vmx_vcpu *vmx, enum exit_action action)
{
	switch (action) {
	case EXIT_ADVANCE:
		advance(vmx);
		return true;
	case EXIT_RESUME:
		return !vmx->entry_failed;
	case EXIT_INJECT:
		return inject(vmx);
	case EXIT_WAIT:
		advance(vmx);
		return false;
	case EXIT_BLOCK:
	case EXIT_YIELD:
	case EXIT_KILL:
		return false;
	}
	return false;
}

bool vmx_exit(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);

	if (!vmx_apply(vmx, vmx_exit_decide(vmx))) {
		return false;
	}
	entry_prepare(vmx);
	return true;
}

/* VMfail: the processor found fault with controls or host state, which no guest can reach. */
_Noreturn void vmx_entry_refused(struct vcpu *vcpu)
{
	uint32_t error = vmcs_read_instruction_error();

	vmx_vcpu_dump(vcpu);
	panic("VM entry refused: %s (%u)", vmx_instruction_error_text(error), error);
}

void vmx_vcpu_run(struct vcpu *vcpu, uint64_t deadline_tsc)
{
	struct vmx_vcpu *vmx = vmx_of(vcpu);
	bool launched = vmx->launched;

	vmx_make_current(vmx);
	vmx_state_load(vmx);
	vmx->deadline_tsc = deadline_tsc;
	vmx->launched = true;
	tlb_run_begin(vmx->s2, vmx->cpu);
	entry_prepare(vmx);
	vmx_enter(vcpu, launched);
	tlb_run_end(vmx->s2, vmx->cpu);
}
