/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hungry: needs a lot of memory for a computation whose result can be checked. All lines of 64
 * bytes form one cycle: each holds the number of its successor and values of its own. The digest of
 * a walk around the cycle depends on the order and on every byte; a second computation that does
 * not look at the memory has to come to the same result.
 *
 *	need=SIZE rounds=N [phase=even|odd slot=MS]
 *
 * With a phase, it computes in every second slot of time only, and owns nothing in the others: two
 * such VMs with opposite phases pull the host's memory to and fro.
 */
#include <stddef.h>

#include "guests/lib/arguments.h"
#include "guests/lib/balloon.h"
#include "guests/lib/console.h"
#include "guests/lib/cpu.h"
#include "guests/lib/page_set.h"
#include "guests/lib/runtime.h"
#include "guests/lib/wait.h"

#define LINE_WORDS 8
#define LINES_PER_PAGE 64
#define BALLOON_INTERVAL_LINES 4096

enum phase { PHASE_EVEN, PHASE_ODD, PHASE_NONE };

static struct page_set pages;

static uint64_t *line_address(uint64_t line)
{
	uint64_t *page = page_set_address(&pages, line / LINES_PER_PAGE);

	return page + line % LINES_PER_PAGE * LINE_WORDS;
}

static uint64_t greatest_common_divisor(uint64_t a, uint64_t b)
{
	while (b > 0) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* A stride without a common divisor with the count visits every line once; prefer long jumps. */
static uint64_t choose_stride(uint64_t line_count)
{
	uint64_t stride = line_count / 8 * 5 + 1;

	while (greatest_common_divisor(stride, line_count) != 1) {
		stride++;
	}
	return stride;
}

static uint64_t successor(uint64_t line, uint64_t stride, uint64_t line_count)
{
	line += stride;
	return line >= line_count ? line - line_count : line;
}

static uint64_t fold(uint64_t digest, uint64_t next, uint64_t value)
{
	/* The sum of words 1..7, which are value + 1 .. value + 7, and the link. */
	return (digest << 7 | digest >> 57) * 3 + next + (LINE_WORDS - 1) * value + 28;
}

static void write_cycle(uint64_t seed, uint64_t stride, uint64_t line_count)
{
	for (uint64_t i = 0; i < line_count; i++) {
		uint64_t *line = line_address(i);
		uint64_t value = runtime_mix(seed + i);

		line[0] = successor(i, stride, line_count);
		for (unsigned word = 1; word < LINE_WORDS; word++) {
			line[word] = value + word;
		}
		if (i % BALLOON_INTERVAL_LINES == 0) {
			balloon_work();
		}
	}
}

/* Follows the links in memory. */
static uint64_t walk_cycle(uint64_t line_count)
{
	uint64_t digest = 0;
	uint64_t at = 0;

	for (uint64_t i = 0; i < line_count; i++) {
		const uint64_t *line = line_address(at < line_count ? at : 0);
		uint64_t sum = 0;

		for (unsigned word = 1; word < LINE_WORDS; word++) {
			sum += line[word];
		}
		digest = (digest << 7 | digest >> 57) * 3 + line[0] + sum;
		at = line[0];
		if (i % BALLOON_INTERVAL_LINES == 0) {
			balloon_work();
		}
	}
	return digest;
}

/* What the walk must find, from arithmetic alone. */
static uint64_t expected_digest(uint64_t seed, uint64_t stride, uint64_t line_count)
{
	uint64_t digest = 0;
	uint64_t at = 0;

	for (uint64_t i = 0; i < line_count; i++) {
		uint64_t next = successor(at, stride, line_count);

		digest = fold(digest, next, runtime_mix(seed + at));
		at = next;
	}
	return digest;
}

/* One computation over `need` pages, from nothing to nothing. */
static int compute(uint64_t seed, uint64_t need, uint64_t *digest)
{
	uint64_t line_count = need * LINES_PER_PAGE;
	uint64_t stride = choose_stride(line_count);
	uint64_t found;

	if (!page_set_grow(&pages, need)) {
		console_print("no memory: %lu pages wanted, %lu had\n", need, pages.count);
		return GUEST_EXIT_NO_MEMORY;
	}
	write_cycle(seed, stride, line_count);
	found = walk_cycle(line_count);
	page_set_shrink(&pages, 0);
	*digest += found;
	if (found != expected_digest(seed, stride, line_count)) {
		console_print("the digest is 0x%lx, which is wrong\n", found);
		return GUEST_EXIT_DIGEST;
	}
	return GUEST_EXIT_SUCCESS;
}

/* Sleeps to the next start of a slot of this phase. Slots count from TSC 0, for all VMs alike. */
static void wait_for_slot(enum phase phase, uint64_t slot_ms)
{
	uint64_t slot_ticks = slot_ms * runtime_tsc_khz;
	uint64_t slot = cpu_read_tsc() / slot_ticks + 1;

	if (slot % 2 != phase) {
		slot++;
	}
	wait_until(slot * slot_ticks);
}

int guest_main(const struct guest_arguments *arguments)
{
	static const char *const phase_words[] = {"even", "odd", NULL};
	uint64_t need = 0;
	uint64_t rounds = 1;
	uint64_t phase = PHASE_NONE;
	uint64_t slot_ms = 500;
	uint64_t digest = 0;
	const struct argument known[] = {
		{"need", ARGUMENT_SIZE, true, &need, NULL},
		{"rounds", ARGUMENT_COUNT, false, &rounds, NULL},
		{"phase", ARGUMENT_WORD, false, &phase, phase_words},
		{"slot", ARGUMENT_COUNT, false, &slot_ms, NULL},
	};

	if (!arguments_parse(arguments->text, known, sizeof(known) / sizeof(known[0]))) {
		return GUEST_EXIT_ARGUMENTS;
	}
	if (slot_ms == 0) {
		console_print("slot= is zero\n");
		return GUEST_EXIT_ARGUMENTS;
	}
	if (!balloon_attach()) {
		return GUEST_EXIT_INTERFACE;
	}
	console_print("needs %lu pages\n", need);
	for (uint64_t round = 0; round < rounds; round++) {
		int code;

		if (phase != PHASE_NONE) {
			wait_for_slot((enum phase)phase, slot_ms);
		}
		code = compute(runtime_mix(arguments->seed + round), need, &digest);
		if (code != GUEST_EXIT_SUCCESS) {
			return code;
		}
	}
	runtime_set_digest(digest);
	console_print("computed %lu times, digest 0x%lx\n", rounds, digest);
	return GUEST_EXIT_SUCCESS;
}
