/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running a vCPU: what is prepared before each entry, what is collected after each exit, and how
 * RIP moves (AMD APM vol. 2, 15.20 on event injection, 15.21 on virtual interrupts). Interrupts are
 * off throughout, except while the guest runs. Longer than 400 lines: one way in and one way out,
 * which no other file may enter in the middle.
 */
#include "arch/x86/cpu/interrupt.h"
#include "arch/x86/cpu/lapic.h"
#include "arch/x86/cpu/speculation.h"
#include "arch/x86/cpu/tsc.h"
#include "arch/x86/guest/guest_exit.h"
#include "arch/x86/guest/guest_trace.h"
#include "arch/x86/svm/svm_caps.h"
#include "arch/x86/svm/svm_debug.h"
#include "arch/x86/svm/svm_exits.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "base/bits.h"
#include "base/compiler.h"
#include "base/time.h"
#include "arch/arch.h"
#include "kernel/vm/exit_reasons.h"
#include "kernel/vm/tlb.h"
#include "kernel/vm/vm.h"

/*
 * Until the instruction in a shadow has surely been executed: a hundredth of a millisecond, and
 * twice as long each time that was too short.
 */
#define SHADOW_TICKS_PER_KHZ 100
#define SHADOW_CARRIED_MAX 8

static void wait_a_moment(const struct svm_vcpu *svm, unsigned doublings)
{
	uint64_t wait = (arch_tsc_khz() / SHADOW_TICKS_PER_KHZ) << doublings;

	lapic_timer_arm(min_u64(svm->arch.deadline_tsc, tsc_read() + wait));
}

/* What an NMI waits for is over soon, and without an exit. */
static void nmi_wait(struct svm_vcpu *svm)
{
	svm->nmi.waits = false;
	__atomic_store_n(&svm->arch.vcpu->doorbell_pending, true, __ATOMIC_RELEASE);
	wait_a_moment(svm, svm->nmi.waited);
	svm->nmi.waited += svm->nmi.waited < SHADOW_CARRIED_MAX;
}

/*
 * The doorbell is an event of the entry where the guest can take it at once. Where IF or an
 * interrupt shadow holds it off it is a virtual interrupt, which the processor delivers as soon as
 * they let it through. Where CR8 does, it stays pending: every write to CR8 exits. (Some emulators
 * also deliver a virtual interrupt of the class that CR8 names, which the manual forbids: APM vol.
 * 2, 15.21.4.)
 *
 * QEMU reports an exit during the delivery of a virtual interrupt as one during that of an
 * exception of the same vector. We know better; KVM, where it is between the two, injects that
 * exception, which does not exist, and the VM is lost. So where that may be
 * (svm_caps.virtual_exits: as with breakpoints, nothing in a register shows it, and real processors
 * have long had the saved next RIP) a virtual interrupt only asks for an exit at the moment when it
 * is due, and then becomes an event.
 *
 * And QEMU's own emulation (TCG, seen with 7.2.22) may deliver an interrupt that an entry injects
 * once more, whatever IF says, when it stops for a moment before the next exit; virtual
 * interrupts it delivers once. There (svm_caps.repeats_injected) every interrupt is a virtual one,
 * and one whose delivery an exit interrupted is offered anew.
 *
 * A processor that forgets the shadow at VMRUN would deliver it in front of the instruction, which
 * may be the HLT that waits for it: it is offered only when that has been executed, a few
 * microseconds later.
 */
static void doorbell_prepare(struct svm_vcpu *svm)
{
	struct vcpu *vcpu = svm->arch.vcpu;
	struct vmcb *vmcb = svm->vmcb;
	struct guest_interrupt next =
		guest_interrupt_next(vcpu, vmcb->virtual_interrupt & VIRTUAL_TPR);
	bool shadow = (vmcb->interrupt_shadow & INTERRUPT_SHADOW) != 0;

	if (__builtin_expect(next.nmi || svm->nmi.blocked, 0)) {
		svm_nmi_prepare(svm, next.nmi);
	}
	if (next.vector == 0 || next.held_off || svm->step.active) {
		return; /* the end of a step exits, too */
	}
	if (vcpu->vm->platform != NULL &&
	    (svm->arch.event.info & EVENT_TYPE) == EVENT_TYPE_EXTERNAL && svm->arch.event.info) {
		return; /* one of the local APIC is on its way: what ends its handler exits, too */
	}
	if (shadow && !svm_caps.takes_shadow) {
		if (svm->arch.event.info == 0 && svm_can_step(svm)) {
			(void)svm_step_begin(svm, false);
		} else {
			wait_a_moment(svm, svm->shadow.carried);
		}
		return;
	}
	next.vector = guest_interrupt_take(vcpu, next.vector);
	uint32_t priority = (uint32_t)next.vector >> 4;
	svm->offered = next.vector;
	if (vmcb->rflags & RFLAGS_IF && !shadow && !svm->arch.event.info &&
	    !svm_caps.repeats_injected) {
		svm->arch.event.info = EVENT_VALID | EVENT_TYPE_EXTERNAL | next.vector;
		return;
	}
	vmcb->virtual_vector = next.vector;
	vmcb->virtual_interrupt = (vmcb->virtual_interrupt & ~VIRTUAL_PRIORITY) | VIRTUAL_REQUEST |
				  priority << VIRTUAL_PRIORITY_SHIFT;
}

/*
 * A processor that forgets the shadow at VMRUN does not save it either when the next exit comes
 * before the instruction is completed. RIP tells. A loop may lead back to the same place without a
 * shadow: so not for ever.
 */
static void shadow_collect(struct svm_vcpu *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	if (vmcb->interrupt_shadow & INTERRUPT_SHADOW) {
		svm->shadow.carried = 0;
	} else if (svm->shadow.entered && svm->shadow.rip == vmcb->rip &&
		   svm->shadow.carried < SHADOW_CARRIED_MAX && !svm_caps.takes_shadow) {
		svm->shadow.carried++;
		vmcb->interrupt_shadow |= INTERRUPT_SHADOW;
	}
}

/*
 * An external interrupt that was not injected: some emulators report an INT so. RIP is that of the
 * INT, which comes again by itself. (Others report the exception that came before the INT. That may
 * as well be a trap that is delivered in front of it, so it is delivered again.)
 */
static bool is_unasked(const struct svm_vcpu *svm, uint32_t info)
{
	return (info & EVENT_TYPE) == EVENT_TYPE_EXTERNAL && (info & EVENT_VECTOR) != svm->offered;
}

/* It was on its way: the next entry delivers it, or offers it anew. */
static void event_keep(struct svm_vcpu *svm, uint32_t info)
{
	if (svm_caps.repeats_injected && (info & EVENT_TYPE) == EVENT_TYPE_EXTERNAL) {
		guest_interrupt_put_back(svm->arch.vcpu, info & EVENT_VECTOR);
		return;
	}
	svm->arch.event.info = info & (EVENT_VALID | EVENT_HAS_ERROR | EVENT_TYPE | EVENT_VECTOR);
	svm->arch.event.error = (uint32_t)(svm->vmcb->exit_event >> 32);
}

/* What was on its way when the exit came: delivered again, or still pending. */
static void events_collect(struct svm_vcpu *svm)
{
	struct vmcb *vmcb = svm->vmcb;
	uint32_t info = (uint32_t)vmcb->exit_event;

	shadow_collect(svm);
	if (__builtin_expect(info & EVENT_VALID, 0)) {
		info = event_normal(info);
		if ((info & EVENT_TYPE) == EVENT_TYPE_EXTERNAL) {
			/* Some emulators take the request back only after the delivery. */
			vmcb->virtual_interrupt &= ~VIRTUAL_REQUEST;
		}
		if (!event_is_repeated(info) && !is_unasked(svm, info)) {
			event_keep(svm, info);
		}
	}
	if (vmcb->virtual_interrupt & VIRTUAL_REQUEST) {
		vmcb->virtual_interrupt &= ~VIRTUAL_REQUEST;
		guest_interrupt_put_back(svm->arch.vcpu, (uint8_t)vmcb->virtual_vector);
	}
}

/* Announces the entry. Translations under our ASID have to be from the epoch that this answers. */
static inline uint64_t epoch_enter(struct svm_vcpu *svm)
{
	struct s2 *s2 = svm->arch.s2;
	unsigned cpu = svm->cpu->index;

	tlb_enter(s2, cpu);
	return s2->tlb.seen[cpu]; /* written by this CPU alone */
}

static void asid_renew(struct svm_vcpu *svm, uint64_t epoch)
{
	struct vmcb *vmcb = svm->vmcb;

	vmcb->tlb_control = svm_asid_enter(&svm->cpu->asids, &svm->asid, svm->arch.vcpu, epoch,
					   svm_caps.flush_by_asid);
	vmcb->asid = svm->asid.number;
}

/*
 * The last before an entry: the address space. Another vCPU of it may have raised this CPU's epoch
 * before us; before a run all ASIDs may have been handed out anew, or the vCPU is new here.
 */
static inline void address_space_prepare(struct svm_vcpu *svm, bool begins)
{
	uint64_t epoch = epoch_enter(svm);

	svm->vmcb->tlb_control = TLB_KEEP;
	if (__builtin_expect(svm->asid.epoch != epoch ||
				     (begins && !svm_asid_holds(&svm->cpu->asids, &svm->asid)),
			     0)) {
		asid_renew(svm, epoch);
	}
	svm_asid_check(&svm->cpu->asids, &svm->asid, svm->arch.vcpu, epoch);
}

/* There is an event, or a doorbell that may become one. */
static NOT_INLINE void event_deliver(struct svm_vcpu *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	if (svm->arch.event.info && (svm->arch.event.info & EVENT_TYPE) == EVENT_TYPE_EXTERNAL) {
		svm->offered = svm->arch.event.info & EVENT_VECTOR;
	}
	if (guest_doorbell_rang(svm->arch.vcpu)) {
		doorbell_prepare(svm);
	}
	if (__builtin_expect(svm->nmi.waits, 0)) {
		nmi_wait(svm);
	}
	if (svm->arch.event.info) {
		vmcb->entry_event = (uint64_t)svm->arch.event.error << 32 | svm->arch.event.info;
		svm->entered_event = vmcb->entry_event;
		svm->arch.event.info = 0;
	}
}

static inline __attribute__((always_inline)) void event_prepare(struct svm_vcpu *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	svm->offered = 0;
	vmcb->entry_event = 0;
	svm->entered_event = 0;
	if (__builtin_expect(guest_doorbell_rang(svm->arch.vcpu) || svm->arch.event.info, 0)) {
		event_deliver(svm);
	}
	svm->shadow.entered = (vmcb->interrupt_shadow & INTERRUPT_SHADOW) != 0;
	if (svm->shadow.entered) {
		svm->shadow.rip = vmcb->rip;
	}
}

void svm_trap(struct svm_vcpu *svm, uint64_t causes)
{
	struct vmcb *vmcb = svm->vmcb;

	if (causes == 0) {
		return;
	}
	/* Injecting an event changes neither (APM vol. 2, 15.20). */
	vmcb->dr6 |= causes;
	*svm_dr7(svm) &= ~(uint64_t)DR7_GENERAL_DETECT;
	svm->arch.event.info = EVENT_VALID | EVENT_TYPE_EXCEPTION | VECTOR_DEBUG;
}

/* What the processor does with the flags behind every instruction. */
static __attribute__((noinline, cold)) void flags_advance(struct svm_vcpu *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	vmcb->rflags &= ~(uint64_t)RFLAGS_RF;
	svm_trap(svm, vmcb->rflags & RFLAGS_TF ? DR6_SINGLE_STEP : 0);
}

/* Behind the instruction: the only place that moves RIP. */
static inline __attribute__((always_inline)) void move_rip(const struct svm_vcpu *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	vmcb->rip = svm->next_rip;
	/* It held for one instruction, and that is over. */
	vmcb->interrupt_shadow &= ~INTERRUPT_SHADOW;
}

static inline __attribute__((always_inline)) void advance(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);

	move_rip(svm);
	if (__builtin_expect(svm->vmcb->rflags & (RFLAGS_TF | RFLAGS_RF), 0)) {
		flags_advance(svm);
	}
}

void svm_complete(struct svm_vcpu *svm, uint64_t next)
{
	svm->next_rip = next;
	advance(svm->arch.vcpu);
}

/* An exit that is no hypercall in its short form. */
static inline enum exit_action exit_decide(struct svm_vcpu *svm, uint32_t code)
{
	events_collect(svm);
	if (svm_step_end(svm, code)) {
		return svm_step_exception(svm, (uint8_t)(code - SVM_EXIT_EXCEPTION));
	}
	return code == SVM_EXIT_NESTED_PAGE_FAULT ? svm_exit_s2_fault(svm)
						  : svm_exit_decide(svm, code);
}

static NOT_INLINE bool exit_finish(struct svm_vcpu *svm, enum exit_action action)
{
	if (!guest_apply(svm->arch.vcpu, action, advance)) {
		return false;
	}
	event_prepare(svm);
	address_space_prepare(svm, false);
	return true;
}

/*
 * A hypercall cannot have interrupted the delivery of an event; where no doorbell and no
 * single-stepping is about, its way is short. A CPU that signals after this look also sends an
 * interrupt, which ends the next run at once.
 */
static NOT_INLINE bool exit_in_full(struct vcpu *vcpu, uint32_t code)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	struct vmcb *vmcb = svm->vmcb;
	enum exit_action action;

	tlb_leave(svm->cpu->index);
	vcpu_count_reason(vcpu, code);
	if (code != SVM_EXIT_VMMCALL || vmcb->virtual_interrupt & VIRTUAL_REQUEST ||
	    svm->step.active) {
		return exit_finish(svm, exit_decide(svm, code));
	}
	action = svm_decide_hypercall(svm);
	if (action != EXIT_ADVANCE || guest_doorbell_rang(vcpu) ||
	    vmcb->rflags & (RFLAGS_TF | RFLAGS_RF)) {
		return exit_finish(svm, action);
	}
	move_rip(svm);
	vmcb->entry_event = 0;
	address_space_prepare(svm, false);
	return true;
}

/*
 * Where nothing is to be delivered and nothing to be looked at but the instruction itself. The CPU
 * stays announced as one in the guest: no translation changes meanwhile.
 */
static NOT_INLINE bool exit_quickly(struct vcpu *vcpu, uint32_t code)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	struct vmcb *vmcb = svm->vmcb;

	if (vmcb->virtual_interrupt & VIRTUAL_REQUEST || svm->step.active ||
	    guest_doorbell_rang(vcpu) || vmcb->rflags & (RFLAGS_TF | RFLAGS_RF) ||
	    !svm_decide_quick(svm, code)) {
		return exit_in_full(vcpu, code);
	}
	move_rip(svm);
	vmcb->entry_event = 0;
	vmcb->tlb_control = TLB_KEEP;
	return true;
}

bool svm_exit(struct vcpu *vcpu)
{
	/* Not all emulators write the upper half. */
	uint32_t code = (uint32_t)svm_of(vcpu)->vmcb->exit_code;

	if (code == SVM_EXIT_IO || (code == SVM_EXIT_VMMCALL && guest_is_null_hypercall(vcpu))) {
		return exit_quickly(vcpu, code);
	}
	return exit_in_full(vcpu, code);
}

/* Any exit, while they are traced. */
bool svm_exit_traced(struct vcpu *vcpu)
{
	const struct vmcb *vmcb = svm_of(vcpu)->vmcb;
	uint64_t exit_tsc = guest_trace_exit(vcpu, (uint32_t)vmcb->exit_code, vmcb->rip);
	bool goes_on = svm_exit(vcpu);

	if (goes_on) {
		guest_trace_entry(vcpu, exit_tsc, vmcb->rip);
	}
	return goes_on;
}

void svm_deadline_set(struct vcpu *vcpu, uint64_t deadline_tsc)
{
	vcpu->arch->deadline_tsc = deadline_tsc;
	lapic_timer_arm(deadline_tsc);
}

static __attribute__((noinline, cold)) void enter_traced(struct svm_vcpu *svm, hpa_t place,
							 hpa_t host_area)
{
	guest_trace_entry(svm->arch.vcpu, tsc_read(), svm->vmcb->rip);
	svm_enter_traced(svm->arch.vcpu, svm->vmcb, place, host_area);
}

static void enter(struct svm_vcpu *svm)
{
	hpa_t place = pfn_to_hpa(svm->arch.control);
	hpa_t host_area = pfn_to_hpa(svm->cpu->host_area);

	if (!speculation_way_is_rare()) {
		svm_enter(svm->arch.vcpu, svm->vmcb, place, host_area);
	} else if (speculation_way_is_traced()) {
		enter_traced(svm, place, host_area);
	} else {
		svm_enter_guarded(svm->arch.vcpu, svm->vmcb, place, host_area);
	}
}

void svm_vcpu_run(struct vcpu *vcpu, uint64_t deadline_tsc)
{
	struct svm_vcpu *svm = svm_of(vcpu);

	svm_load(svm);
	svm->arch.slice_tsc = deadline_tsc;
	deadline_tsc = min_u64(deadline_tsc, vcpu->timer_tsc);
	svm->arch.deadline_tsc = deadline_tsc;
	/* AMD-V has no timer of its own: the host's interrupt ends the slice. */
	lapic_timer_arm(deadline_tsc);
	tlb_run_begin(svm->arch.s2, svm->cpu->index);
	event_prepare(svm);
	address_space_prepare(svm, true);
	enter(svm);
	lapic_timer_disarm();
}
