/* SPDX-License-Identifier: BSD-2-Clause */
/* Arithmetic on two operands of 1, 2, 4 or 8 bytes, with the flags that it leaves. */
#include "arch/x86/guest/guest_execute.h"

#include "base/bits.h"

/* RFLAGS (SDM vol. 1, 3.4.3.1) */
#define FLAG_CARRY BIT(0)
#define FLAG_PARITY BIT(2)
#define FLAG_ADJUST BIT(4)
#define FLAG_ZERO BIT(6)
#define FLAG_SIGN BIT(7)
#define FLAG_OVERFLOW BIT(11)
#define FLAGS_RESULT (FLAG_PARITY | FLAG_ZERO | FLAG_SIGN)
#define FLAGS_ARITHMETIC (FLAGS_RESULT | FLAG_CARRY | FLAG_ADJUST | FLAG_OVERFLOW)

static uint64_t mask_of(unsigned bytes)
{
	return ~0ull >> (64 - 8 * bytes);
}

static bool top_bit(uint64_t value, unsigned bytes)
{
	return (value >> (8 * bytes - 1) & 1) != 0;
}

static uint64_t flag_if(bool condition, uint64_t flag)
{
	return condition ? flag : 0;
}

static uint64_t result_flags(uint64_t result, unsigned bytes)
{
	return flag_if(!__builtin_parityll(result & 0xff), FLAG_PARITY) |
	       flag_if((result & mask_of(bytes)) == 0, FLAG_ZERO) |
	       flag_if(top_bit(result, bytes), FLAG_SIGN);
}

static uint64_t set_flags(uint64_t flags, uint64_t which, uint64_t to)
{
	return (flags & ~which) | (to & which);
}

/* One addition: what it carries out of each bit decides on CF, OF and AF. */
static uint64_t add(uint64_t first, uint64_t second, bool carry, unsigned bytes, uint64_t *flags)
{
	uint64_t result = first + second + carry;
	uint64_t carries = (first & second) | ((first | second) & ~result);

	*flags = result_flags(result, bytes) | flag_if(top_bit(carries, bytes), FLAG_CARRY) |
		 flag_if(top_bit((first ^ result) & (second ^ result), bytes), FLAG_OVERFLOW) |
		 flag_if((carries & BIT(3)) != 0, FLAG_ADJUST);
	return result;
}

static uint64_t subtract(uint64_t first, uint64_t second, bool borrow, unsigned bytes,
			 uint64_t *flags)
{
	uint64_t result = first - second - borrow;
	uint64_t borrows = (~first & second) | ((~first | second) & result);

	*flags = result_flags(result, bytes) | flag_if(top_bit(borrows, bytes), FLAG_CARRY) |
		 flag_if(top_bit((first ^ second) & (first ^ result), bytes), FLAG_OVERFLOW) |
		 flag_if((borrows & BIT(3)) != 0, FLAG_ADJUST);
	return result;
}

static uint64_t logic(uint64_t result, unsigned bytes, uint64_t *flags)
{
	*flags = result_flags(result, bytes);
	return result;
}

/* Changes CF alone; answers the operand with the bit set, reset or complemented. */
static uint64_t bit_test(const struct guest_instruction *instruction, uint64_t value,
			 uint64_t *flags)
{
	unsigned number = (unsigned)instruction->immediate & (8u * instruction->bytes - 1);

	*flags = set_flags(*flags, FLAG_CARRY, value >> number & 1 ? FLAG_CARRY : 0);
	switch (instruction->operation) {
	case GUEST_BTS:
		return value | BIT(number);
	case GUEST_BTR:
		return value & ~BIT(number);
	case GUEST_BTC:
		return value ^ BIT(number);
	default:
		return value;
	}
}

/* The result of all that change the arithmetic flags, and these flags: all six where not said. */
static uint64_t arithmetic(const struct guest_instruction *instruction, uint64_t first,
			   uint64_t second, uint64_t *flags)
{
	unsigned bytes = instruction->bytes;
	bool carry = (*flags & FLAG_CARRY) != 0;
	uint64_t which = FLAGS_ARITHMETIC;
	uint64_t to = 0;
	uint64_t result;

	switch (instruction->operation) {
	case GUEST_ADD:
		result = add(first, second, false, bytes, &to);
		break;
	case GUEST_ADC:
		result = add(first, second, carry, bytes, &to);
		break;
	case GUEST_SBB:
		result = subtract(first, second, carry, bytes, &to);
		break;
	case GUEST_SUB:
	case GUEST_CMP:
		result = subtract(first, second, false, bytes, &to);
		break;
	case GUEST_NEG:
		result = subtract(0, first, false, bytes, &to);
		break;
	case GUEST_INC:
		which &= ~FLAG_CARRY;
		result = add(first, 1, false, bytes, &to);
		break;
	case GUEST_DEC:
		which &= ~FLAG_CARRY;
		result = subtract(first, 1, false, bytes, &to);
		break;
	case GUEST_OR:
		result = logic(first | second, bytes, &to);
		break;
	case GUEST_XOR:
		result = logic(first ^ second, bytes, &to);
		break;
	default: /* GUEST_AND, GUEST_TEST */
		result = logic(first & second, bytes, &to);
		break;
	}
	*flags = set_flags(*flags, which, to);
	return result;
}

static uint64_t compute(const struct guest_instruction *instruction, uint64_t first,
			uint64_t second, uint64_t *flags)
{
	switch (instruction->operation) {
	case GUEST_MOV:
	case GUEST_XCHG:
		return second;
	case GUEST_NOT:
		return ~first;
	case GUEST_BT:
	case GUEST_BTS:
	case GUEST_BTR:
	case GUEST_BTC:
		return bit_test(instruction, first, flags);
	default:
		return arithmetic(instruction, first, second, flags);
	}
}

static uint64_t gpr_read(const struct guest_instruction *instruction, uint64_t gpr)
{
	if (instruction->gpr == GUEST_NO_REGISTER) {
		return instruction->immediate;
	}
	return instruction->gpr_high ? gpr >> 8 : gpr;
}

/* A result of 32 bits clears the upper half, a narrower one leaves the rest as it is. */
static uint64_t gpr_write(const struct guest_instruction *instruction, uint64_t gpr, uint64_t value)
{
	uint64_t mask = mask_of(instruction->gpr_bytes);

	if (instruction->gpr_high) {
		return (gpr & ~0xff00ull) | (value & 0xff) << 8;
	}
	return instruction->gpr_bytes >= 4 ? value & mask : (gpr & ~mask) | (value & mask);
}

static uint64_t extend(const struct guest_instruction *instruction, uint64_t memory)
{
	unsigned unused = 64 - 8u * instruction->bytes;

	return instruction->sign_extends ? (uint64_t)((int64_t)(memory << unused) >> unused)
					 : memory;
}

void guest_execute(const struct guest_instruction *instruction, struct guest_operands *operands)
{
	uint64_t mask = mask_of(instruction->bytes);
	uint64_t gpr = gpr_read(instruction, operands->gpr);
	uint64_t memory = operands->memory & mask;
	uint64_t result;

	if (instruction->gpr_first) {
		result = compute(instruction, gpr, extend(instruction, memory), &operands->flags);
		if (instruction->gpr_written) {
			operands->gpr = gpr_write(instruction, operands->gpr, result);
		}
		return;
	}
	result = compute(instruction, memory, gpr, &operands->flags);
	if (instruction->gpr_written) {
		operands->gpr = gpr_write(instruction, operands->gpr, memory); /* XCHG */
	}
	if (instruction->writes) {
		operands->memory = result & mask;
	}
}
