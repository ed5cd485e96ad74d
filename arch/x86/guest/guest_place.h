/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The operand in memory of an instruction: ModRM, SIB and displacement (Intel SDM vol. 2, 2.1.5 and
 * 2.2.1), from which guest_decode.c has it, and the address that they mean. Pure.
 */
#ifndef ARCH_X86_GUEST_GUEST_PLACE_H
#define ARCH_X86_GUEST_GUEST_PLACE_H

#include "base/types.h"
#include "kernel/vm/vcpu.h"

#define GUEST_NO_REGISTER 0xff

/* REX prefix */
#define REX 0x40u
#define REX_MASK 0xf0u
#define REX_W 0x8u
#define REX_R 0x4u
#define REX_X 0x2u
#define REX_B 0x1u

#define MODRM_REG(modrm) ((modrm) >> 3 & 7u)

/* In the order of their encoding. */
enum guest_segment_register {
	GUEST_SEGMENT_ES,
	GUEST_SEGMENT_CS,
	GUEST_SEGMENT_SS,
	GUEST_SEGMENT_DS,
	GUEST_SEGMENT_FS,
	GUEST_SEGMENT_GS,
};

/* Segment base + base + index * scale + displacement. */
struct guest_place {
	enum guest_segment_register segment;
	uint8_t base;  /* enum gpr, or GUEST_NO_REGISTER */
	uint8_t index; /* the same */
	uint8_t scale; /* 1, 2, 4 or 8 */
	uint8_t bits;  /* 16, 32 or 64: how wide the sum is, without the segment's base */
	bool next_rip; /* relative to the next instruction */
	int64_t displacement;
};

/* Where the bytes come from. Reading past the end yields zeros, and is remembered. */
struct guest_reader {
	const uint8_t *bytes;
	size_t count;
	size_t at;
	bool cut;
};

static inline uint8_t guest_next_byte(struct guest_reader *reader)
{
	if (reader->at >= reader->count) {
		reader->cut = true;
		return 0;
	}
	return reader->bytes[reader->at++];
}

/* `bytes` of them, 0 to 8, the low one first; the other one extends the sign: 1 to 8. */
uint64_t guest_next_bytes(struct guest_reader *reader, unsigned bytes);
int64_t guest_next_signed(struct guest_reader *reader, unsigned bytes);

/* The prefixes that precede the opcode. */
struct guest_prefixes {
	uint8_t rex; /* 0: none */
	bool lock;
	bool operand_size;
	bool address_size;
	bool has_segment;
	enum guest_segment_register segment;
};

/* An operand at the address 0 of the segment DS, or of the one that a prefix says. */
void guest_place_init(struct guest_place *place, const struct guest_prefixes *prefixes,
		      unsigned bits);

/*
 * Reads what follows a ModRM byte into *place, which guest_place_init() has filled. `bits` is 16,
 * 32 or 64: the mode of the code segment. False: the operand is a register.
 */
bool guest_place_read(struct guest_place *place, struct guest_reader *reader,
		      const struct guest_prefixes *prefixes, unsigned bits, uint8_t modrm);

/*
 * The offset inside the segment. `base` and `index` are those registers, whole, and are ignored
 * where there is none; `next_rip` is RIP behind the instruction.
 */
uint64_t guest_place_offset(const struct guest_place *place, uint64_t base, uint64_t index,
			    uint64_t next_rip);

#endif
