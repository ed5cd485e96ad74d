/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instructions that reach control and debug registers, for processors that do not say
 * themselves what they were about to execute (AMD APM vol. 3: MOV CRn, MOV DRn, CLTS, LMSW, SMSW;
 * section 1.2 on the order of prefixes). Pure.
 */
#ifndef ARCH_X86_SVM_SVM_DECODE_H
#define ARCH_X86_SVM_SVM_DECODE_H

#include "base/types.h"

#define SVM_INSTRUCTION_BYTES_MAX 15

enum svm_instruction_kind {
	INSTRUCTION_OTHER,    /* none of these */
	INSTRUCTION_CUT,      /* it goes on behind the last byte */
	INSTRUCTION_MOV_TO,   /* MOV cr, gpr */
	INSTRUCTION_MOV_FROM, /* MOV gpr, cr */
	INSTRUCTION_MOV_TO_DR,
	INSTRUCTION_MOV_FROM_DR,
	INSTRUCTION_CLTS,
	INSTRUCTION_LMSW,
	INSTRUCTION_SMSW,
};

struct svm_instruction {
	enum svm_instruction_kind kind;
	unsigned length; /* without the address bytes of an operand in memory */
	unsigned cr;	 /* MOV: 0 to 15, also those that do not exist */
	unsigned gpr;
	bool memory;	 /* LMSW, SMSW: the operand is in memory, and `gpr` means nothing */
	bool operand_16; /* SMSW: only the low half of the register changes */
};

/* `bits` is 16, 32 or 64: the mode of the code segment. At most 15 bytes are looked at. */
struct svm_instruction svm_decode(const uint8_t *bytes, size_t count, unsigned bits);

/*
 * Can the instruction be executed under the single-step flag without the guest noticing? False for
 * all that read or write the flags as a whole, for those that hold the trap off, and where it is
 * cut off.
 */
bool svm_steps_unseen(const uint8_t *bytes, size_t count, unsigned bits);

/* How many prefixes precede the opcode, REX prefixes that do not count included. */
unsigned svm_prefix_bytes(const uint8_t *bytes, size_t count, unsigned bits);

#endif
