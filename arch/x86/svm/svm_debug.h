/* SPDX-License-Identifier: BSD-2-Clause */
/* Breakpoints of guests on processors that do not take them out of DR7 at an exit. */
#ifndef ARCH_X86_SVM_SVM_DEBUG_H
#define ARCH_X86_SVM_SVM_DEBUG_H

#include "arch/x86/svm/svm_caps.h"
#include "arch/x86/svm/svm_vcpu.h"

/* What a guest reads back from DR7, bits 63:32 of `written` being zero; and that, disarmed. */
uint64_t svm_dr7_visible(uint64_t written);
uint64_t svm_dr7_harmless(uint64_t visible);

/* DR7 as the guest reads it. */
static inline uint64_t *svm_dr7(struct svm_vcpu *svm)
{
	return svm_caps.breakpoints_stay ? &svm->dr7 : &svm->vmcb->dr7;
}

/* The debug registers in the VMCB of a new guest, and what exits because of them. */
void svm_debug_setup(struct svm_vcpu *svm);

/* An exit because of DR7, which happens only where breakpoints stay armed. */
enum exit_action svm_decide_dr(struct svm_vcpu *svm);

#endif
