/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exits that guests take often and that are decided on the spot: no lock, no device, nothing to
 * wait for, and no look at a translation. (CPUID and MSRs are not among them: without the saved
 * next RIP their instruction has to be read from the guest's memory.)
 */
#include "arch/x86/guest/breakpoint.h"
#include "arch/x86/guest/guest_exit.h"
#include "arch/x86/svm/svm_debug.h"
#include "arch/x86/svm/svm_exits.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "kernel/exit/port.h"
#include "kernel/vm/exit_reasons.h"

static inline bool null_hypercall(struct svm_vcpu *svm)
{
	if (!guest_is_null_hypercall(svm->arch.vcpu) || !svm_is_kernel(svm)) {
		return false;
	}
	svm_hypercall_ends(svm);
	svm->arch.vcpu->hypercall_count++;
	return true;
}

static inline bool port(struct svm_vcpu *svm)
{
	struct vcpu *vcpu = svm->arch.vcpu;
	uint64_t info = svm->vmcb->exit_info_1;

	if (info & SVM_IO_STRING || vcpu->vm->platform != NULL ||
	    svm->vmcb->exit_event & EVENT_VALID || *svm_dr7(svm) & DR7_ANY_ENABLED) {
		return false;
	}
	svm->next_rip = svm->vmcb->exit_info_2;
	port_without_device(vcpu, SVM_IO_BYTES(info), (info & SVM_IO_IN) != 0);
	return true;
}

bool svm_decide_quick(struct svm_vcpu *svm, uint32_t code)
{
	if (code == SVM_EXIT_VMMCALL ? null_hypercall(svm) : code == SVM_EXIT_IO && port(svm)) {
		guest_exit_count(svm->arch.vcpu);
		vcpu_count_reason(svm->arch.vcpu, code);
		return true;
	}
	return false;
}
