/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NMIs of a guest's local APIC (AMD APM vol. 2, 15.20 and 15.21). The processor delivers what is
 * injected, and does not know when the guest may get the next one: from the delivery until an IRET
 * has been executed there is none (8.2.3). So that IRET exits; the exit comes before it, and RIP
 * tells later that it is done, even if it has faulted. Another event or an interrupt shadow that is
 * in the way ends without an exit: then the next look is a moment later (svm_run.c).
 */
#include "arch/x86/cpu/interrupt.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "base/bits.h"
#include "kernel/vm/platform.h"

static void iret_intercept(struct svm_vcpu *svm, bool wanted)
{
	svm->vmcb->intercept_1 &= ~(uint32_t)INTERCEPT_IRET;
	if (wanted) {
		svm->vmcb->intercept_1 |= (uint32_t)INTERCEPT_IRET;
	}
}

void svm_nmi_prepare(struct svm_vcpu *svm, bool pending)
{
	bool closed = svm->arch.event.info != 0 || svm->step.active ||
		      (svm->vmcb->interrupt_shadow & INTERRUPT_SHADOW) != 0;

	svm->nmi.waits = false;
	if (!svm_nmi_is_blocked(svm)) {
		svm->nmi.blocked = false;
		svm->nmi.leaving = false;
	}
	if (!pending || (svm->nmi.blocked && !svm->nmi.leaving)) {
		return;
	}
	svm->nmi.waits = svm->nmi.blocked || closed;
	if (!svm->nmi.waits && platform_nmi_take(svm->arch.vcpu)) {
		svm->arch.event.info = EVENT_VALID | EVENT_TYPE_NMI | VECTOR_NMI;
		svm->nmi.blocked = true;
		svm->nmi.waited = 0;
		iret_intercept(svm, true);
	}
}

enum exit_action svm_decide_iret(struct svm_vcpu *svm)
{
	iret_intercept(svm, false);
	svm->nmi.leaving = true;
	svm->nmi.rip = svm->vmcb->rip;
	/* The next entries look whether there is another one. */
	__atomic_store_n(&svm->arch.vcpu->doorbell_pending, true, __ATOMIC_RELEASE);
	return EXIT_RESUME;
}
