/* SPDX-License-Identifier: BSD-2-Clause */
/* Prefixes, two-byte opcode, ModRM; nothing else is needed for registers. */
#include "arch/x86/svm/svm_decode.h"

#include "base/bits.h"

#define PREFIX_OPERAND_SIZE 0x66
#define PREFIX_LOCK 0xf0
#define REX_MASK 0xf0
#define REX 0x40
#define REX_W 0x8
#define REX_R 0x4
#define REX_B 0x1

#define ESCAPE 0x0f
#define OPCODE_GROUP_7 0x01
#define OPCODE_CLTS 0x06
#define OPCODE_MOV_FROM 0x20
#define OPCODE_MOV_FROM_DR 0x21
#define OPCODE_MOV_TO 0x22
#define OPCODE_MOV_TO_DR 0x23
#define GROUP_7_SMSW 4
#define GROUP_7_LMSW 6

#define MODRM_MOD(modrm) ((modrm) >> 6)
#define MODRM_REG(modrm) ((modrm) >> 3 & 7u)
#define MODRM_RM(modrm) ((modrm)&7u)
#define MOD_REGISTER 3

struct prefixes {
	uint8_t rex;
	bool lock;
	bool operand_size;
};

static bool is_legacy_prefix(uint8_t byte)
{
	static const uint8_t all[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65,
				      0x66, 0x67, 0xf0, 0xf2, 0xf3};

	if (byte == ESCAPE) {
		return false; /* the usual end of the search */
	}
	for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
		if (all[i] == byte) {
			return true;
		}
	}
	return false;
}

/*
 * Answers the place of the opcode. A REX prefix counts only right before the opcode: any other
 * prefix behind it makes the processor forget it.
 */
static size_t read_prefixes(const uint8_t *bytes, size_t count, unsigned bits,
			    struct prefixes *prefixes)
{
	size_t at;

	*prefixes = (struct prefixes){0};
	for (at = 0; at < count; at++) {
		if (is_legacy_prefix(bytes[at])) {
			prefixes->lock |= bytes[at] == PREFIX_LOCK;
			prefixes->operand_size |= bytes[at] == PREFIX_OPERAND_SIZE;
			prefixes->rex = 0;
		} else if (bits == 64 && (bytes[at] & REX_MASK) == REX) {
			prefixes->rex = bytes[at];
		} else {
			break;
		}
	}
	return at;
}

static void decode_mov(struct svm_instruction *instruction, uint8_t modrm,
		       const struct prefixes *prefixes)
{
	/* LOCK stands for REX.R where there is no REX: AMD's way to CR8 outside 64-bit mode. */
	bool upper = prefixes->rex & REX_R || prefixes->lock;

	/* The mod field is ignored: the operand is always a register. */
	instruction->cr = MODRM_REG(modrm) | (upper ? 8u : 0);
	instruction->gpr = MODRM_RM(modrm) | (prefixes->rex & REX_B ? 8u : 0);
}

static void decode_group_7(struct svm_instruction *instruction, uint8_t modrm,
			   const struct prefixes *prefixes, unsigned bits)
{
	if (MODRM_REG(modrm) == GROUP_7_SMSW) {
		instruction->kind = INSTRUCTION_SMSW;
	} else if (MODRM_REG(modrm) == GROUP_7_LMSW) {
		instruction->kind = INSTRUCTION_LMSW;
	}
	instruction->memory = MODRM_MOD(modrm) != MOD_REGISTER;
	instruction->gpr = MODRM_RM(modrm) | (prefixes->rex & REX_B ? 8u : 0);
	instruction->operand_16 =
		!(prefixes->rex & REX_W) && prefixes->operand_size == (bits != 16);
}

static void decode_modrm(struct svm_instruction *instruction, uint8_t opcode, uint8_t modrm,
			 const struct prefixes *prefixes, unsigned bits)
{
	switch (opcode) {
	case OPCODE_MOV_TO:
		instruction->kind = INSTRUCTION_MOV_TO;
		decode_mov(instruction, modrm, prefixes);
		break;
	case OPCODE_MOV_FROM:
		instruction->kind = INSTRUCTION_MOV_FROM;
		decode_mov(instruction, modrm, prefixes);
		break;
	case OPCODE_MOV_TO_DR:
		instruction->kind = INSTRUCTION_MOV_TO_DR;
		decode_mov(instruction, modrm, prefixes);
		break;
	case OPCODE_MOV_FROM_DR:
		instruction->kind = INSTRUCTION_MOV_FROM_DR;
		decode_mov(instruction, modrm, prefixes);
		break;
	case OPCODE_GROUP_7:
		decode_group_7(instruction, modrm, prefixes, bits);
		break;
	}
}

struct svm_instruction svm_decode(const uint8_t *bytes, size_t count, unsigned bits)
{
	struct svm_instruction instruction = {.kind = INSTRUCTION_OTHER};
	struct prefixes prefixes;
	size_t at;

	count = min_u64(count, SVM_INSTRUCTION_BYTES_MAX);
	at = read_prefixes(bytes, count, bits, &prefixes);
	if (at < count && bytes[at] != ESCAPE) {
		return instruction;
	}
	if (count - at >= 2 && bytes[at + 1] == OPCODE_CLTS) {
		instruction.kind = INSTRUCTION_CLTS;
		instruction.length = (unsigned)at + 2;
		return instruction;
	}
	if (count - at < 3) {
		instruction.kind = INSTRUCTION_CUT;
		return instruction;
	}
	instruction.length = (unsigned)at + 3;
	decode_modrm(&instruction, bytes[at + 1], bytes[at + 2], &prefixes, bits);
	return instruction;
}

static bool contains(const uint8_t *list, size_t count, uint8_t byte)
{
	for (size_t i = 0; i < count; i++) {
		if (list[i] == byte) {
			return true;
		}
	}
	return false;
}

bool svm_steps_unseen(const uint8_t *bytes, size_t count, unsigned bits)
{
	/* POP SS, MOV SS, PUSHF, POPF, INT3, INT, INTO, IRET, INT1, STI */
	static const uint8_t seen[] = {0x17, 0x8e, 0x9c, 0x9d, 0xcc, 0xcd, 0xce, 0xcf, 0xf1, 0xfb};
	/* SYSCALL, SYSRET, SYSENTER, SYSEXIT */
	static const uint8_t seen_escaped[] = {0x05, 0x07, 0x34, 0x35};
	struct prefixes prefixes;
	size_t at = read_prefixes(bytes, count, bits, &prefixes);

	if (count - at < 2) {
		return false;
	}
	if (bytes[at] == ESCAPE) {
		return !contains(seen_escaped, sizeof(seen_escaped), bytes[at + 1]);
	}
	return !contains(seen, sizeof(seen), bytes[at]);
}

unsigned svm_prefix_bytes(const uint8_t *bytes, size_t count, unsigned bits)
{
	struct prefixes prefixes;

	return (unsigned)read_prefixes(bytes, count, bits, &prefixes);
}
