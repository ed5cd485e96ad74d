/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running a vCPU: what is prepared before each entry, what is collected after each exit, and how
 * RIP moves (AMD APM vol. 2, 15.20 on event injection, 15.21 on virtual interrupts). Interrupts are
 * off throughout, except while the guest runs.
 */
#include "arch/x86/cpu/interrupt.h"
#include "arch/x86/cpu/lapic.h"
#include "arch/x86/guest/exit.h"
#include "arch/x86/svm/svm_caps.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "base/bits.h"
#include "kernel/tlb.h"
#include "kernel/vm.h"

/*
 * The doorbell is a virtual interrupt: the processor delivers it as soon as the guest's IF and CR8
 * let it through. While an instruction is shadowed by STI or MOV SS it is not even offered, because
 * some emulators forget the shadow at VMRUN; the next exit comes with the end of the slice at the
 * latest.
 */
static void doorbell_prepare(struct svm_vcpu *svm)
{
	struct vcpu *vcpu = svm->arch.vcpu;
	struct vmcb *vmcb = svm->vmcb;
	uint8_t vector = vcpu->vm->balloon.vector;
	uint32_t priority = (uint32_t)vector >> 4;

	if (!vector || vmcb->interrupt_shadow & INTERRUPT_SHADOW) {
		return;
	}
	vcpu->doorbell_pending = false;
	vmcb->virtual_vector = vector;
	vmcb->virtual_interrupt = (vmcb->virtual_interrupt & ~VIRTUAL_PRIORITY) | VIRTUAL_REQUEST |
				  priority << VIRTUAL_PRIORITY_SHIFT;
}

/* What was on its way when the exit came: delivered again, or still pending. */
static inline void events_collect(struct svm_vcpu *svm)
{
	struct vmcb *vmcb = svm->vmcb;
	uint32_t info = (uint32_t)vmcb->exit_event;

	if (__builtin_expect(info & EVENT_VALID, 0)) {
		if ((info & EVENT_TYPE) == EVENT_TYPE_EXTERNAL) {
			/* Some emulators take the request back only after the delivery. */
			vmcb->virtual_interrupt &= ~VIRTUAL_REQUEST;
		}
		if (!event_is_repeated(info)) {
			svm->arch.event.info =
				info & (EVENT_VALID | EVENT_HAS_ERROR | EVENT_TYPE | EVENT_VECTOR);
			svm->arch.event.error = (uint32_t)(vmcb->exit_event >> 32);
		}
	}
	if (vmcb->virtual_interrupt & VIRTUAL_REQUEST) {
		vmcb->virtual_interrupt &= ~VIRTUAL_REQUEST;
		svm->arch.vcpu->doorbell_pending = true;
	}
}

static inline void entry_prepare(struct svm_vcpu *svm)
{
	struct svm_cpu *cpu = svm_cpu();
	struct vcpu *vcpu = svm->arch.vcpu;
	struct vmcb *vmcb = svm->vmcb;

	if (vcpu->doorbell_pending) {
		doorbell_prepare(svm);
	}
	vmcb->entry_event = 0;
	if (svm->arch.event.info) {
		vmcb->entry_event = (uint64_t)svm->arch.event.error << 32 | svm->arch.event.info;
		svm->arch.event.info = 0;
	}
	tlb_enter(svm->arch.s2, arch_cpu_index());
	vmcb->tlb_control =
		svm_asid_enter(&cpu->asids, &svm->asid, vcpu, svm->flush, svm_caps.flush_by_asid);
	vmcb->asid = svm->asid.number;
	svm->flush = false;
}

/* Behind the instruction: the only place that moves RIP. */
static void advance(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	struct vmcb *vmcb = svm->vmcb;

	vmcb->rip = svm->next_rip;
	/* It held for one instruction, and that is over. */
	vmcb->interrupt_shadow &= ~INTERRUPT_SHADOW;
	if (__builtin_expect(vmcb->rflags & RFLAGS_TF, 0) && !svm->arch.event.info) {
		/* The processor would have raised its single-step trap behind it. */
		vmcb->dr6 |= DR6_SINGLE_STEP;
		svm->arch.event.info = EVENT_VALID | EVENT_TYPE_EXCEPTION | VECTOR_DEBUG;
	}
}

bool svm_exit(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = svm_of(vcpu);

	events_collect(svm);
	if (!guest_apply(vcpu, svm_exit_decide(svm), advance)) {
		return false;
	}
	entry_prepare(svm);
	return true;
}

void svm_vcpu_run(struct vcpu *vcpu, uint64_t deadline_tsc)
{
	struct svm_vcpu *svm = svm_of(vcpu);
	unsigned cpu = arch_cpu_index();

	svm_state_load(svm);
	svm->arch.deadline_tsc = deadline_tsc;
	/* AMD-V has no timer of its own: the host's interrupt ends the slice. */
	lapic_timer_arm(deadline_tsc);
	tlb_run_begin(svm->arch.s2, cpu);
	entry_prepare(svm);
	svm_enter(vcpu, svm->vmcb, pfn_to_hpa(svm->arch.control), pfn_to_hpa(svm_cpu()->host_area));
	tlb_run_end(svm->arch.s2, cpu);
	lapic_timer_disarm();
}
