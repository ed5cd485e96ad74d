/* SPDX-License-Identifier: BSD-2-Clause */
/* Prefixes, opcode, ModRM, SIB, displacement, immediate: in this order, as the bytes come. */
#include "arch/x86/guest/guest_decode.h"

#include "base/bits.h"

#define ESCAPE 0x0f
#define ESCAPED 0x100 /* an opcode behind 0x0f */

struct decoder {
	struct guest_reader reader;
	struct guest_prefixes prefixes;
	unsigned bits;
	unsigned opcode; /* with ESCAPED */
	uint8_t modrm;
	uint8_t operand_bytes; /* as prefixes and mode have it */
	struct guest_instruction *instruction;
};

static void segment_prefix(struct decoder *decoder, enum guest_segment_register segment)
{
	/* In 64-bit mode the other four have no meaning (SDM vol. 1, 3.3.7.1). */
	if (decoder->bits == 64 && segment != GUEST_SEGMENT_FS && segment != GUEST_SEGMENT_GS) {
		return;
	}
	decoder->prefixes.has_segment = true;
	decoder->prefixes.segment = segment;
}

/* Takes note of a prefix; false: it is none. REX is one only right before the opcode. */
static bool legacy_prefix(struct decoder *decoder, uint8_t byte)
{
	switch (byte) {
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
		segment_prefix(decoder, byte >> 3 & 3);
		return true;
	case 0x64:
	case 0x65:
		segment_prefix(decoder, byte & 7);
		return true;
	case 0x66:
		decoder->prefixes.operand_size = true;
		return true;
	case 0x67:
		decoder->prefixes.address_size = true;
		return true;
	case 0xf0:
		decoder->prefixes.lock = true;
		return true;
	case 0xf2:
	case 0xf3:
		/* Nothing that is decoded here repeats; some of it has them as a hint. */
		return true;
	default:
		return false;
	}
}

static uint8_t read_prefixes(struct decoder *decoder)
{
	for (;;) {
		uint8_t byte = guest_next_byte(&decoder->reader);

		if (decoder->bits == 64 && (byte & REX_MASK) == REX) {
			decoder->prefixes.rex = byte;
		} else if (legacy_prefix(decoder, byte)) {
			decoder->prefixes.rex = 0;
		} else {
			return byte;
		}
	}
}

static uint8_t operand_bytes(const struct decoder *decoder)
{
	if (decoder->prefixes.rex & REX_W) {
		return 8;
	}
	return decoder->prefixes.operand_size == (decoder->bits == 16) ? 4 : 2;
}

/* False: the operand is a register, so no memory is accessed. */
static bool read_modrm(struct decoder *decoder)
{
	decoder->modrm = guest_next_byte(&decoder->reader);
	return guest_place_read(&decoder->instruction->place, &decoder->reader, &decoder->prefixes,
				decoder->bits, decoder->modrm);
}

/* The register that ModRM names; `bytes` of it. */
static void set_gpr(struct decoder *decoder, uint8_t bytes, bool first)
{
	struct guest_instruction *instruction = decoder->instruction;
	unsigned number = MODRM_REG(decoder->modrm) | (decoder->prefixes.rex & REX_R ? 8u : 0);

	if (bytes == 1 && decoder->prefixes.rex == 0 && number >= 4) {
		instruction->gpr_high = true;
		number -= 4;
	}
	instruction->gpr = (uint8_t)number;
	instruction->gpr_bytes = bytes;
	instruction->gpr_first = first;
}

static void set_immediate(struct decoder *decoder, unsigned bytes)
{
	decoder->instruction->immediate =
		(uint64_t)guest_next_signed(&decoder->reader, (unsigned)min_u64(bytes, 4));
}

/* What becomes of the two operands. `bytes` is that of the one in memory. */
static void set_operation(struct decoder *decoder, enum guest_operation operation, uint8_t bytes)
{
	struct guest_instruction *instruction = decoder->instruction;
	bool compares = operation == GUEST_CMP || operation == GUEST_TEST || operation == GUEST_BT;

	instruction->operation = operation;
	instruction->bytes = bytes;
	instruction->reads = operation != GUEST_MOV || instruction->gpr_first;
	instruction->writes = !compares && !instruction->gpr_first;
	instruction->gpr_written = operation == GUEST_XCHG || (!compares && instruction->gpr_first);
}

/* Even opcodes work on bytes, odd ones on operands of the usual width. */
static uint8_t width_of(const struct decoder *decoder)
{
	return decoder->opcode & 1 ? decoder->operand_bytes : 1;
}

/* 0x00 to 0x3b (one bit says which operand comes first), TEST, XCHG, MOV: with a register. */
static bool with_gpr(struct decoder *decoder, enum guest_operation operation, bool gpr_first)
{
	uint8_t bytes = width_of(decoder);

	if (!read_modrm(decoder)) {
		return false;
	}
	set_gpr(decoder, bytes, gpr_first);
	set_operation(decoder, operation, bytes);
	return true;
}

/* 0x80 to 0x83: ModRM names the operation. */
static bool group_1(struct decoder *decoder)
{
	uint8_t bytes = width_of(decoder);

	if (!read_modrm(decoder)) {
		return false;
	}
	set_immediate(decoder, decoder->opcode == 0x83 ? 1 : bytes);
	set_operation(decoder, MODRM_REG(decoder->modrm), bytes);
	return true;
}

/* 0xf6, 0xf7: TEST with an immediate (twice), NOT, NEG; multiplication and division. */
static bool group_3(struct decoder *decoder)
{
	static const enum guest_operation operations[] = {GUEST_TEST, GUEST_TEST, GUEST_NOT,
							  GUEST_NEG};
	uint8_t bytes = width_of(decoder);

	if (!read_modrm(decoder) || MODRM_REG(decoder->modrm) >= ARRAY_COUNT(operations)) {
		return false;
	}
	set_operation(decoder, operations[MODRM_REG(decoder->modrm)], bytes);
	if (decoder->instruction->operation == GUEST_TEST) {
		set_immediate(decoder, bytes);
	}
	return true;
}

/* 0xfe, 0xff: INC and DEC; CALL, JMP and PUSH. */
static bool group_4_5(struct decoder *decoder)
{
	if (!read_modrm(decoder) || MODRM_REG(decoder->modrm) > 1) {
		return false;
	}
	set_operation(decoder, MODRM_REG(decoder->modrm) == 0 ? GUEST_INC : GUEST_DEC,
		      width_of(decoder));
	return true;
}

/* 0x0f 0xba: BT and its kind. Only an immediate never leads outside the operand. */
static bool group_8(struct decoder *decoder)
{
	if (!read_modrm(decoder) || MODRM_REG(decoder->modrm) < 4) {
		return false;
	}
	set_immediate(decoder, 1);
	set_operation(decoder, GUEST_BT + (MODRM_REG(decoder->modrm) - 4), decoder->operand_bytes);
	return true;
}

static bool move_immediate(struct decoder *decoder)
{
	uint8_t bytes = width_of(decoder);

	if (!read_modrm(decoder) || MODRM_REG(decoder->modrm) != 0) {
		return false;
	}
	set_immediate(decoder, bytes);
	set_operation(decoder, GUEST_MOV, bytes);
	return true;
}

/* 0xa0 to 0xa3: the accumulator, and an address without ModRM. */
static bool move_absolute(struct decoder *decoder)
{
	struct guest_instruction *instruction = decoder->instruction;
	uint8_t bytes = width_of(decoder);

	instruction->place.displacement =
		(int64_t)guest_next_bytes(&decoder->reader, instruction->place.bits / 8u);
	instruction->gpr = GPR_RAX;
	instruction->gpr_bytes = bytes;
	instruction->gpr_first = decoder->opcode < 0xa2;
	set_operation(decoder, GUEST_MOV, bytes);
	return true;
}

/* MOVZX, MOVSX, MOVSXD: a register of the usual width from `bytes` of memory. */
static bool move_extended(struct decoder *decoder, uint8_t bytes, bool sign)
{
	if (!read_modrm(decoder)) {
		return false;
	}
	set_gpr(decoder, decoder->operand_bytes, true);
	decoder->instruction->sign_extends = sign;
	set_operation(decoder, GUEST_MOV, bytes);
	return true;
}

static bool read_escaped(struct decoder *decoder)
{
	switch (decoder->opcode) {
	case ESCAPED | 0xb6:
	case ESCAPED | 0xb7:
		return move_extended(decoder, decoder->opcode & 1 ? 2 : 1, false);
	case ESCAPED | 0xba:
		return group_8(decoder);
	case ESCAPED | 0xbe:
	case ESCAPED | 0xbf:
		return move_extended(decoder, decoder->opcode & 1 ? 2 : 1, true);
	default:
		return false;
	}
}

/* Reads all that follows the opcode; false: it is none of ours. */
static bool read_operands(struct decoder *decoder)
{
	unsigned opcode = decoder->opcode;

	switch (opcode) {
	case 0x88:
	case 0x89:
		return with_gpr(decoder, GUEST_MOV, false);
	case 0x8a:
	case 0x8b:
		return with_gpr(decoder, GUEST_MOV, true);
	case 0x63:
		/* Elsewhere it is ARPL; the vendors disagree on what a 16-bit one reads. */
		return decoder->bits == 64 && decoder->operand_bytes != 2 &&
		       move_extended(decoder, 4, true);
	case 0x82:
		return decoder->bits != 64 && group_1(decoder);
	case 0x80:
	case 0x81:
	case 0x83:
		return group_1(decoder);
	case 0x84:
	case 0x85:
		return with_gpr(decoder, GUEST_TEST, false);
	case 0x86:
	case 0x87:
		return with_gpr(decoder, GUEST_XCHG, false);
	case 0xa0 ... 0xa3:
		return move_absolute(decoder);
	case 0xc6:
	case 0xc7:
		return move_immediate(decoder);
	case 0xf6:
	case 0xf7:
		return group_3(decoder);
	case 0xfe:
	case 0xff:
		return group_4_5(decoder);
	default:
		break;
	}
	if (opcode < 0x40 && (opcode & 7) < 4) {
		return with_gpr(decoder, opcode >> 3, (opcode & 2) != 0);
	}
	return opcode >= ESCAPED && read_escaped(decoder);
}

/* LOCK is legal only where memory is read and written (SDM vol. 2, LOCK). */
static bool lock_is_legal(const struct decoder *decoder)
{
	return !decoder->prefixes.lock ||
	       (decoder->instruction->reads && decoder->instruction->writes);
}

enum guest_decoding guest_decode(const uint8_t *bytes, size_t count, unsigned bits,
				 struct guest_instruction *instruction)
{
	struct decoder decoder = {
		.reader = {.bytes = bytes, .count = min_u64(count, GUEST_INSTRUCTION_BYTES_MAX)},
		.bits = bits,
		.instruction = instruction,
	};
	bool known;

	*instruction = (struct guest_instruction){.gpr = GUEST_NO_REGISTER};
	decoder.opcode = read_prefixes(&decoder);
	if (decoder.opcode == ESCAPE) {
		decoder.opcode = ESCAPED | guest_next_byte(&decoder.reader);
	}
	decoder.operand_bytes = operand_bytes(&decoder);
	guest_place_init(&instruction->place, &decoder.prefixes, bits);
	known = read_operands(&decoder);
	if (decoder.reader.cut) {
		return GUEST_CUT;
	}
	instruction->length = (uint8_t)decoder.reader.at;
	return known && lock_is_legal(&decoder) ? GUEST_DECODED : GUEST_REFUSED;
}
