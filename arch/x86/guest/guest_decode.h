/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instruction that made a memory-mapped access to a device: what it is, and what it does (Intel
 * SDM vol. 2, chapters 2 to 6 and appendix A; AMD APM vol. 3, chapters 1 to 3). Covered is what
 * compilers and kernels emit for such accesses: MOV in all forms with a general register or an
 * immediate, MOVZX, MOVSX, MOVSXD, ADD to CMP in both directions, TEST, XCHG, INC, DEC, NOT, NEG,
 * and BT, BTS, BTR, BTC with an immediate. All else is refused; so are string instructions.
 *
 * Pure. No function here reads memory but through its arguments.
 */
#ifndef ARCH_X86_GUEST_GUEST_DECODE_H
#define ARCH_X86_GUEST_GUEST_DECODE_H

#include "arch/x86/guest/guest_place.h"

#define GUEST_INSTRUCTION_BYTES_MAX 15

/* The first eight in the order of their encoding. */
enum guest_operation {
	GUEST_ADD,
	GUEST_OR,
	GUEST_ADC,
	GUEST_SBB,
	GUEST_AND,
	GUEST_SUB,
	GUEST_XOR,
	GUEST_CMP,
	GUEST_TEST,
	GUEST_MOV, /* MOVZX, MOVSX and MOVSXD, too */
	GUEST_XCHG,
	GUEST_INC,
	GUEST_DEC,
	GUEST_NOT,
	GUEST_NEG,
	GUEST_BT, /* this and the next three in the order of their encoding */
	GUEST_BTS,
	GUEST_BTR,
	GUEST_BTC,
};

struct guest_instruction {
	uint8_t length; /* bytes, prefixes included: 1 to 15 */
	enum guest_operation operation;

	/* The operand in memory. With both it is read, then written (LOCK or not). */
	uint8_t bytes; /* 1, 2, 4 or 8 */
	bool reads;
	bool writes;

	/* The other operand: a general register, or else an immediate, which may mean nothing. */
	uint8_t gpr;	    /* enum gpr, or GUEST_NO_REGISTER */
	uint8_t gpr_bytes;  /* 1, 2, 4 or 8: MOVZX and MOVSX have one wider than `bytes` */
	bool gpr_high;	    /* bits 15:8 of the register: AH, CH, DH, BH */
	bool gpr_first;	    /* it is the first operand, the one in memory the second */
	bool gpr_written;   /* it gets a new value: the result, or with XCHG what was in memory */
	bool sign_extends;  /* MOVSX, MOVSXD */
	uint64_t immediate; /* extended to 64 bits as the manual says */

	struct guest_place place; /* where the operand is */
};

enum guest_decoding {
	GUEST_DECODED,
	GUEST_CUT,     /* it goes on behind the last byte */
	GUEST_REFUSED, /* none of those above, or not legal */
};

/*
 * Decodes what is at `bytes`: at most `count` bytes are read, and at most 15. `bits` is 16, 32 or
 * 64: the mode of the code segment. *instruction is filled where the answer is GUEST_DECODED. CUT
 * with 15 bytes or more is an instruction that is too long.
 */
enum guest_decoding guest_decode(const uint8_t *bytes, size_t count, unsigned bits,
				 struct guest_instruction *instruction);

#endif
