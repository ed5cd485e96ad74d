/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions of a hostile guest: nothing is read behind the last byte, all numbers of the result
 * are in range, what is cut says so, and execution changes nothing but what the result names. The
 * first byte of an input is the mode, the second the number of bytes that can be read.
 */
#include <stdlib.h>

#include "fuzz.h"

#include "arch/x86/guest/guest_execute.h"

#define ARITHMETIC_FLAGS 0x8d5ull

const char fuzz_name[] = "decode";

static bool is_width(unsigned bytes)
{
	return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
}

static bool is_register(unsigned number, unsigned bits)
{
	return number == GUEST_NO_REGISTER || number < (bits == 64 ? 16u : 8u);
}

static void check_instruction(const struct guest_instruction *got, unsigned bits)
{
	const struct guest_place *place = &got->place;

	FUZZ_CHECK(got->operation <= GUEST_BTC);
	FUZZ_CHECK(is_width(got->bytes) && (got->reads || got->writes));
	FUZZ_CHECK(bits == 64 || (got->bytes < 8 && got->gpr_bytes < 8));
	FUZZ_CHECK(is_register(got->gpr, bits));
	FUZZ_CHECK(got->gpr == GUEST_NO_REGISTER ? got->gpr_bytes == 0 : is_width(got->gpr_bytes));
	FUZZ_CHECK(got->gpr != GUEST_NO_REGISTER ||
		   (!got->gpr_high && !got->gpr_first && !got->gpr_written));
	FUZZ_CHECK(!got->gpr_high || (got->gpr_bytes == 1 && got->gpr < 4));
	FUZZ_CHECK(got->operation == GUEST_MOV || got->gpr == GUEST_NO_REGISTER ||
		   got->gpr_bytes == got->bytes);
	FUZZ_CHECK(is_register(place->base, bits) && is_register(place->index, bits));
	FUZZ_CHECK(place->index != GPR_RSP && is_width(place->scale));
	FUZZ_CHECK(place->segment <= GUEST_SEGMENT_GS);
	FUZZ_CHECK(place->bits == 16 || place->bits == 32 || place->bits == 64);
	FUZZ_CHECK((place->bits == 64) <= (bits == 64) && (place->bits == 16) <= (bits != 64));
	FUZZ_CHECK(!place->next_rip || bits == 64);
	uint64_t offset = guest_place_offset(place, UINT64_MAX, UINT64_MAX, UINT64_MAX);
	FUZZ_CHECK(place->bits == 64 || offset >> place->bits == 0);
}

static void check_execution(const struct guest_instruction *got, struct fuzz_input *input)
{
	const struct guest_operands before = {
		.gpr = fuzz_take(input, 8),
		.memory = fuzz_take(input, 8),
		.flags = fuzz_take(input, 8),
	};
	struct guest_operands after = before;

	guest_execute(got, &after);
	FUZZ_CHECK(((after.flags ^ before.flags) & ~ARITHMETIC_FLAGS) == 0);
	FUZZ_CHECK(got->gpr_written || after.gpr == before.gpr);
	FUZZ_CHECK(got->writes ? after.memory >> (8 * got->bytes - 1) <= 1
			       : after.memory == before.memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = {data, bytes};
	unsigned bits = 16u << fuzz_take(&input, 1) % 3;
	size_t count = fuzz_take(&input, 1) % 20;
	struct guest_instruction got, part;

	count = count < input.bytes ? count : input.bytes;
	/* In memory of its own: one byte too many is seen by the sanitizer. */
	uint8_t *code = malloc(count + 1);
	memcpy(code, input.data, count);
	code = realloc(code, count > 0 ? count : 1);
	enum guest_decoding decoding = guest_decode(code, count, bits, &got);
	input.data += count;
	input.bytes -= count;
	FUZZ_CHECK(count > 0 || decoding == GUEST_CUT);
	if (decoding != GUEST_CUT) {
		FUZZ_CHECK(got.length >= 1 && got.length <= GUEST_INSTRUCTION_BYTES_MAX &&
			   got.length <= count);
		/* That long, and no shorter. */
		FUZZ_CHECK(guest_decode(code, got.length - 1u, bits, &part) == GUEST_CUT);
		FUZZ_CHECK(guest_decode(code, got.length, bits, &part) == decoding);
	}
	if (decoding == GUEST_DECODED) {
		check_instruction(&got, bits);
		check_execution(&got, &input);
	}
	free(code);
	return 0;
}
