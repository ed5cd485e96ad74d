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

#include "base/types.h"
#include "kernel/vm/vcpu.h"

#define GUEST_INSTRUCTION_BYTES_MAX 15
#define GUEST_NO_REGISTER 0xff

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

/* In the order of their encoding. */
enum guest_segment_register {
	GUEST_SEGMENT_ES,
	GUEST_SEGMENT_CS,
	GUEST_SEGMENT_SS,
	GUEST_SEGMENT_DS,
	GUEST_SEGMENT_FS,
	GUEST_SEGMENT_GS,
};

struct guest_instruction {
	uint8_t length; /* bytes, prefixes included: 1 to 15 */
	enum guest_operation operation;

	/* The operand in memory. With both it is read, then written (LOCK or not). */
	uint8_t bytes; /* 1, 2, 4 or 8 */
	bool reads;
	bool writes;

	/* The other operand: a general register, an immediate, or none. */
	uint8_t gpr;	    /* enum gpr, or GUEST_NO_REGISTER */
	uint8_t gpr_bytes;  /* 1, 2, 4 or 8: MOVZX and MOVSX have one wider than `bytes` */
	bool gpr_high;	    /* bits 15:8 of the register: AH, CH, DH, BH */
	bool writes_gpr;    /* it is the destination, or one of two */
	bool sign_extends;  /* MOVSX, MOVSXD */
	uint64_t immediate; /* where there is no register: extended to 64 bits */

	/* Where the operand is: segment base + base + index * scale + displacement. */
	struct {
		enum guest_segment_register segment;
		uint8_t base;  /* enum gpr, or GUEST_NO_REGISTER */
		uint8_t index; /* the same */
		uint8_t scale; /* 1, 2, 4 or 8 */
		uint8_t bits;  /* 16, 32 or 64: how wide the sum is */
		bool next_rip; /* relative to the next instruction */
		int64_t displacement;
	} place;
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

/*
 * The offset of its operand inside the segment. `base` and `index` are those registers, whole, and
 * are ignored where there is none; `next_rip` is RIP behind the instruction.
 */
uint64_t guest_operand_offset(const struct guest_instruction *instruction, uint64_t base,
			      uint64_t index, uint64_t next_rip);

/* What it works on. */
struct guest_operands {
	uint64_t gpr;	 /* the whole register; a new value only where instruction->writes_gpr */
	uint64_t memory; /* what was read, zero-extended; then what is to be written, the same */
	uint64_t flags;	 /* RFLAGS */
};

/*
 * Executes it on *operands. Flags that the manual leaves undefined: AF is cleared by AND, OR, XOR
 * and TEST; BT and its kind change CF alone.
 */
void guest_execute(const struct guest_instruction *instruction, struct guest_operands *operands);

#endif
