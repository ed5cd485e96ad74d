/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checks of VMRUN in software, to say which rule a refused entry broke (AMD APM vol. 2, 15.5.1,
 * "Canonicalization and Consistency Checks"). Pure.
 */
#ifndef ARCH_X86_SVM_SVM_CHECK_H
#define ARCH_X86_SVM_SVM_CHECK_H

#include "arch/x86/guest/entry_checks.h"
#include "arch/x86/svm/svm_vmcb.h"

void svm_vmcb_check(const struct vmcb *vmcb, uint32_t asid_count, unsigned physical_bits,
		    struct entry_checks *violations);

#endif
