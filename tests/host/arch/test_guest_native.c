/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/x86/guest/guest_decode.c and guest_execute.c against the processor that runs this test: each
 * of many instructions is executed by both on the same registers, flags and memory, and leaves the
 * same behind. One that is decoded wrongly reads or writes elsewhere, or runs into the bytes behind
 * it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "arch/x86/guest/guest_execute.h"
#include "base/bits.h"
#include "fake/forms.h"
#include "fake/native.h"

#define ROUNDS 120000
#define REGISTERS 16
#define FLAG_ADJUST 0x10ull
#define FLAGS_BUT_CARRY_AND_ZERO 0x894ull /* PF, AF, SF, OF */
#define FLAGS_COMPARED 0x8d5ull		  /* CF, PF, AF, ZF, SF, OF */

static struct form form;
static struct native_state before;
static uint8_t memory_before[NATIVE_DATA_BYTES];
static uint64_t target; /* address of the operand */

static _Noreturn void complain(const char *what, uint64_t native, uint64_t model)
{
	char text[3 * sizeof(form.bytes) + 1] = "";

	for (unsigned i = 0; i < form.length; i++) {
		snprintf(text + 3 * i, sizeof(text) - 3 * i, " %02x", form.bytes[i]);
	}
	fail_msg("%s: processor 0x%llx, decoder 0x%llx; flags 0x%llx; bytes%s", what,
		 (unsigned long long)native, (unsigned long long)model,
		 (unsigned long long)before.flags, text);
	abort();
}

/* Often one where carries and signs change. */
static uint64_t random_value(void)
{
	static const uint64_t edges[] = {
		0,	    1,		0x7f,	    0x80,	0xff,	    0x7fff,
		0x8000,	    0xffff,	0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX,
		1ull << 63, UINT64_MAX, 0x0f,	    0x10,
	};

	return forms_below(3) == 0 ? edges[forms_below(ARRAY_COUNT(edges))] : forms_random();
}

static uint64_t inverse_of_odd(uint64_t odd)
{
	uint64_t inverse = odd;

	for (unsigned i = 0; i < 5; i++) {
		inverse *= 2 - odd * inverse;
	}
	return inverse;
}

/* Registers and displacement such that the operand is at `target`. */
static void aim(void)
{
	uint64_t upper = form.address_bits == 32 ? forms_random() << 32 : 0;
	uint64_t *regs = before.regs;
	uint64_t rest;

	if (form.base == FORM_NONE) {
		rest = target;
		if (form.index != FORM_NONE) {
			regs[form.index] = forms_below(0x10000);
			rest -= regs[form.index] * form.scale;
			regs[form.index] |= upper;
		}
		if (form.next_rip) {
			rest -= native_rip() + form.length;
		}
		form_set_displacement(&form, (int64_t)rest);
		return;
	}
	rest = target - (uint64_t)(form.place_bytes == 0 ? 0 : form_displacement(&form));
	if (form.base != form.index) {
		if (form.index != FORM_NONE) {
			rest -= regs[form.index] * form.scale;
		}
	} else if (form.scale == 1) {
		target += rest & 1;
		rest = (rest + (rest & 1)) / 2;
	} else {
		rest *= inverse_of_odd(form.scale + 1);
	}
	regs[form.base] = form.address_bits == 32 ? upper | (uint32_t)rest : rest;
}

static void prepare(void)
{
	for (unsigned i = 0; i < REGISTERS; i++) {
		before.regs[i] = random_value();
	}
	before.flags = 0x202 | (forms_random() & FLAGS_COMPARED);
	/* Room for the operand, and for the one byte that aim() may add. */
	target = (uintptr_t)native_data + forms_below(NATIVE_DATA_BYTES - 9);
	aim();
	for (unsigned i = 0; i < 8; i++) {
		uint64_t value = random_value();

		memcpy(native_data + forms_below(NATIVE_DATA_BYTES - 8), &value, sizeof(value));
	}
	uint64_t value = random_value();
	memcpy(native_data + (target - (uintptr_t)native_data), &value, sizeof(value));
	memcpy(memory_before, native_data, sizeof(memory_before));
}

static uint64_t gpr_or_none(const struct native_state *state, uint8_t number)
{
	return number == GUEST_NO_REGISTER ? 0 : state->regs[number];
}

/* The same on the model, with its memory in memory_before. */
static void run_model(const struct guest_instruction *instruction, struct native_state *state)
{
	const struct guest_place *place = &instruction->place;
	uint64_t offset = guest_place_offset(place, gpr_or_none(state, place->base),
					     gpr_or_none(state, place->index),
					     native_rip() + instruction->length);
	struct guest_operands operands = {
		.gpr = gpr_or_none(state, instruction->gpr),
		.flags = state->flags,
	};

	if (offset != target) {
		complain("the operand's address", target, offset);
	}
	offset -= (uintptr_t)native_data;
	if (instruction->reads) {
		memcpy(&operands.memory, memory_before + offset, instruction->bytes);
	}
	guest_execute(instruction, &operands);
	if (instruction->writes) {
		memcpy(memory_before + offset, &operands.memory, instruction->bytes);
	}
	if (instruction->gpr_written) {
		state->regs[instruction->gpr] = operands.gpr;
	}
	state->flags = operands.flags;
}

static void compare(const struct native_state *native, const struct native_state *model)
{
	uint64_t flags = FLAGS_COMPARED;

	for (unsigned i = 0; i < REGISTERS; i++) {
		if (native->regs[i] != model->regs[i]) {
			complain("a register", native->regs[i], model->regs[i]);
		}
	}
	if (form.undefined_adjust) {
		flags &= ~FLAG_ADJUST;
	}
	if (form.only_carry) {
		flags &= ~FLAGS_BUT_CARRY_AND_ZERO;
	}
	if ((native->flags & flags) != (model->flags & flags)) {
		complain("the flags", native->flags, model->flags);
	}
	for (unsigned i = 0; i < NATIVE_DATA_BYTES; i++) {
		if (native_data[i] != memory_before[i]) {
			complain("a byte of memory", native_data[i], memory_before[i]);
		}
	}
}

static void run_one(void)
{
	struct guest_instruction instruction;
	struct native_state native, model;

	do {
		form_make(&form, 64, true);
	} while (form.length > GUEST_INSTRUCTION_BYTES_MAX);
	prepare();
	if (guest_decode(form.bytes, sizeof(form.bytes), 64, &instruction) != GUEST_DECODED) {
		complain("it is refused", 0, 0);
	}
	if (instruction.length != form.length) {
		complain("its length", form.length, instruction.length);
	}
	native = model = before;
	run_model(&instruction, &model);
	if (!native_run(form.bytes, form.length, &native)) {
		complain("it faulted", target, 0);
	}
	compare(&native, &model);
}

static void test_same_as_the_processor(void **state)
{
	unsigned seen[128] = {0};

	(void)state;
	forms_start(0x9e3779b97f4a7c15);
	native_start();
	for (unsigned i = 0; i < ROUNDS; i++) {
		run_one();
		assert_true(forms_kind() < ARRAY_COUNT(seen));
		seen[forms_kind()]++;
	}
	native_stop();
	/* Each kind that exists in 64-bit code, often. */
	unsigned often = 0;
	for (unsigned i = 0; i < forms_kinds(); i++) {
		often += seen[i] > ROUNDS / 200;
	}
	assert_int_equal(often, forms_kinds() - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_as_the_processor),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
