/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The five instructions that reach control registers, for processors that do not say themselves
 * what they were about to execute (AMD APM vol. 3: MOV CRn, CLTS, LMSW, SMSW). Pure.
 */
#ifndef ARCH_X86_SVM_SVM_DECODE_H
#define ARCH_X86_SVM_SVM_DECODE_H

#include "base/types.h"

#define SVM_INSTRUCTION_BYTES_MAX 15

enum svm_instruction_kind {
	INSTRUCTION_OTHER,    /* none of these, or cut off */
	INSTRUCTION_MOV_TO,   /* MOV cr, gpr */
	INSTRUCTION_MOV_FROM, /* MOV gpr, cr */
	INSTRUCTION_CLTS,
	INSTRUCTION_LMSW, /* with a register; an operand in memory is INSTRUCTION_OTHER */
	INSTRUCTION_SMSW,
};

struct svm_instruction {
	enum svm_instruction_kind kind;
	unsigned length;
	unsigned cr;
	unsigned gpr;
	bool operand_16; /* SMSW: only the low half of the register changes */
};

/* `bits` is 16, 32 or 64: the mode of the code segment. */
struct svm_instruction svm_decode(const uint8_t *bytes, size_t count, unsigned bits);

#endif
