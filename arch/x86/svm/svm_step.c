/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One instruction of the guest, executed by the processor alone. It is run
 * under the single-step flag with every exception intercepted, so that the guest cannot see the
 * flag anywhere: the next exit, whichever it is, puts everything back before anything else is
 * decided. An exit for another reason just means that the instruction is tried again.
 */
#include "arch/x86/cpu/interrupt.h"
#include "arch/x86/cpu/registers.h"
#include "arch/x86/guest/guest_exit.h"
#include "arch/x86/svm/svm_debug.h"
#include "arch/x86/svm/svm_exits.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "base/bits.h"

#define VECTOR_ALIGNMENT 17
#define VECTOR_CONTROL_PROTECTION 21

/* All that exist; NMI has an intercept of its own. */
#define EXCEPTIONS_ALL (~(uint32_t)BIT(VECTOR_NMI))

/* DR6: breakpoints 0 to 3, guarded access and the step: each new exception says its own. */
#define DR6_CAUSES (0xfull | DR6_ACCESS_DETECTED | DR6_SINGLE_STEP)

enum exit_action svm_step_begin(struct svm_vcpu *svm, bool open)
{
	struct vmcb *vmcb = svm->vmcb;

	svm->step.active = true;
	svm->step.own_flag = (vmcb->rflags & RFLAGS_TF) != 0;
	svm->step.dr6 = vmcb->dr6;
	vmcb->dr6 &= ~DR6_CAUSES;
	vmcb->rflags |= RFLAGS_TF;
	if (open) {
		vmcb->intercept_cr_read &= (uint16_t)~BIT(0);
		vmcb->intercept_cr_write &= (uint16_t)~BIT(0);
	}
	vmcb->intercept_exceptions = EXCEPTIONS_ALL;
	return EXIT_RESUME;
}

/*
 * LMSW has written the processor's CR0; bits that are hidden stay as the guest wrote them. Another
 * vCPU may have made a MOV of it meanwhile, which writes the hidden ones as well.
 */
static void cr0_collect(struct svm_vcpu *svm)
{
	uint64_t value = (svm->arch.cr0 & SVM_CR0_HIDDEN) | (svm->vmcb->cr0 & ~SVM_CR0_HIDDEN);

	if (value != svm->arch.cr0 || svm->vmcb->cr0 & SVM_CR0_HIDDEN) {
		guest_write(svm->arch.vcpu, GUEST_CR0, value);
	}
}

bool svm_step_finish(struct svm_vcpu *svm, uint32_t code)
{
	struct vmcb *vmcb = svm->vmcb;

	svm->step.active = false;
	svm_setup_intercepts(svm);
	if (!svm->step.own_flag) {
		vmcb->rflags &= ~(uint64_t)RFLAGS_TF;
	}
	cr0_collect(svm);
	if (code >= SVM_EXIT_EXCEPTION && code < SVM_EXIT_EXCEPTION_END) {
		return true;
	}
	vmcb->dr6 = svm->step.dr6;
	return false;
}

static bool has_error_code(uint8_t vector)
{
	return vector == VECTOR_DOUBLE_FAULT ||
	       (vector >= VECTOR_INVALID_TSS && vector <= VECTOR_PAGE_FAULT) ||
	       vector == VECTOR_ALIGNMENT || vector == VECTOR_CONTROL_PROTECTION;
}

/* The instruction is done, or guarded. Its step is the guest's only if that wanted one. */
static enum exit_action step_done(struct svm_vcpu *svm)
{
	struct vmcb *vmcb = svm->vmcb;
	uint64_t causes = vmcb->dr6 & DR6_CAUSES;

	if (!svm->step.own_flag) {
		causes &= ~(uint64_t)DR6_SINGLE_STEP;
	}
	if (causes == 0) {
		vmcb->dr6 = svm->step.dr6;
		return EXIT_RESUME;
	}
	vmcb->dr6 = svm->step.dr6 | causes;
	*svm_dr7(svm) &= ~(uint64_t)DR7_GENERAL_DETECT;
	return guest_inject(svm->arch.vcpu, VECTOR_DEBUG, false, 0);
}

enum exit_action svm_step_exception(struct svm_vcpu *svm, uint8_t vector)
{
	struct vmcb *vmcb = svm->vmcb;

	switch (vector) {
	case VECTOR_MACHINE_CHECK:
		machine_check_report();
	case VECTOR_DEBUG:
		return step_done(svm);
	case VECTOR_BREAKPOINT:
	case VECTOR_OVERFLOW:
		/* INT3 and INTO come again, without an intercept: they push RIP behind them. */
		vmcb->dr6 = svm->step.dr6;
		return EXIT_RESUME;
	case VECTOR_PAGE_FAULT:
		svm_cr2_write(svm, vmcb->exit_info_2); /* the exit came before it was written */
		break;
	}
	vmcb->dr6 = svm->step.dr6;
	return guest_inject(svm->arch.vcpu, vector, has_error_code(vector),
			    (uint32_t)vmcb->exit_info_1);
}
