/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * H4: vCPU 0 makes calls over an array of ranges, while the others write into that very array and
 * put its page into the balloon and take it out again. Whatever the hypervisor reads there, each
 * field may come from another hand: it must decide by what it has read once, answer with what the
 * ABI knows, and touch nothing but whole pages of the pool.
 *
 * Every value that is written is safe with every other one, and with the zeros that are in the
 * array when its page comes back: what can be given away are the pool, which ends where RAM ends,
 * the pages between the first extent and the pool, and the pages below the image. Nobody uses
 * those.
 */
#include <stddef.h>

#include "guests/racer/race.h"

#include "guests/lib/attempt.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/runtime.h"
#include "guests/lib/vcpu.h"

#define ARRAY_RANGES 12
#define CALLS_PER_ROUND 8
#define WORDS_PER_PAGE 4 /* that are written and looked at */
#define PAGE_WORDS 512
#define ARRAY_GONE_INSTRUCTIONS 1000
#define LOW_PAGES 256 /* below the image */
#define VECTOR_PROTECTION 13

static struct array_page {
	struct aerostat_range ranges[AEROSTAT_RANGES_MAX];
} __attribute__((aligned(4096))) array;

static uint64_t array_gfn(void)
{
	return (uintptr_t)&array / 4096;
}

/* ---- Values ---- */

static uint64_t random_gfn(void)
{
	static const uint64_t absurd[] = {UINT64_MAX, (1ull << 52) - 1, 1ull << 63, 0xfee00};

	switch (race_random_below(8)) {
	case 0:
		return absurd[race_random_below(4)];
	case 1:
	case 2:
		return pool_first + race_random_below(2) * EXTENT_PAGES;
	case 3:
		return runtime_ram_pages - race_random_below(3);
	default:
		return pool_first + race_random_below(POOL_PAGES);
	}
}

/* Below LOW_PAGES, or beyond RAM from wherever it counts. */
static uint32_t random_count(void)
{
	static const uint32_t absurd[] = {0, UINT32_MAX, 1u << 31, 1u << 30};

	return race_random_below(6) == 0 ? absurd[race_random_below(4)]
					 : (uint32_t)(1 + race_random_below(40));
}

static uint8_t random_order(void)
{
	static const uint8_t orders[] = {0, 0, 0, 0, 0, 9, 9, 18, 1, 63, 255};

	return orders[race_random_below(sizeof(orders))];
}

/* ---- vCPU 0 ---- */

static uint64_t *word_of(uint64_t page, unsigned number)
{
	return (uint64_t *)page_address(page) + number * (PAGE_WORDS / WORDS_PER_PAGE) +
	       page % (PAGE_WORDS / WORDS_PER_PAGE);
}

static uint64_t value_of(uint64_t page, uint64_t round)
{
	return runtime_mix(page << 32 ^ round ^ race_arguments.seed) | 1;
}

static void fill(uint64_t round)
{
	for (uint64_t page = pool_first; page < pool_first + POOL_PAGES; page++) {
		for (unsigned i = 0; i < WORDS_PER_PAGE; i++) {
			*word_of(page, i) = value_of(page, round);
		}
	}
}

/* A page has what it had, or it has gone as a whole. */
static void check(uint64_t round)
{
	uint64_t gone = 0;

	for (uint64_t page = pool_first; page < pool_first + POOL_PAGES; page++) {
		uint64_t found = *word_of(page, 0);

		for (unsigned i = 0; i < WORDS_PER_PAGE; i++) {
			if (*word_of(page, i) != found ||
			    (found != 0 && found != value_of(page, round))) {
				race_fail("a page of the pool", *word_of(page, i),
					  (uintptr_t)word_of(page, i), GUEST_EXIT_LEAK);
			}
		}
		gone += found == 0;
	}
	tallies[0].zero += gone;
	tallies[0].old += POOL_PAGES - gone;
	race_note(gone);
}

static void write_array(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < ARRAY_RANGES; i++) {
		array.ranges[i] = (struct aerostat_range){
			.gfn = random_gfn(),
			.count = random_count(),
			.order = random_order(),
		};
	}
}

static void note_attempt(int vector)
{
	tallies[vcpu_index()].writes++;
	tallies[vcpu_index()].faults += vector == VECTOR_PROTECTION;
	if (vector != ATTEMPT_NONE && vector != VECTOR_PROTECTION) {
		race_fail("an exception", (uint64_t)vector, (uintptr_t)&array,
			  GUEST_EXIT_INTERFACE);
	}
}

static void call_once(void)
{
	uint64_t call = AEROSTAT_CALL_BALLOON_SURRENDER + race_random_below(4);
	uint64_t count = 1 + race_random_below(ARRAY_RANGES);
	int64_t answer;

	note_attempt(attempt_run(write_array, NULL));
	race_delay(race_arguments.offset);
	answer = hypercall(call, (uintptr_t)&array, count, 0, 0);
	tallies[0].calls++;
	race_note((uint64_t)answer);
	if (answer != AEROSTAT_ERROR_ADDRESS && (answer < 0 || answer > (int64_t)count)) {
		race_fail("an answer of the hypervisor", (uint64_t)answer, call,
			  GUEST_EXIT_INTERFACE);
	}
	if (race_balloon_size() > runtime_ram_pages - EXTENT_PAGES + LOW_PAGES + 1) {
		race_fail("size of the balloon", race_balloon_size(), call, GUEST_EXIT_INTERFACE);
	}
}

static void call_rounds(void)
{
	for (uint64_t round = 0; round < race_arguments.rounds; round++) {
		fill(round);
		race_open();
		for (unsigned i = 0; i < CALLS_PER_ROUND; i++) {
			call_once();
		}
		race_close();
		race_return_all(0, LOW_PAGES);
		race_return_all(EXTENT_PAGES, runtime_ram_pages - EXTENT_PAGES);
		race_return_all(array_gfn(), 1);
		if (race_balloon_size() != 0) {
			race_fail("pages stay in the balloon", race_balloon_size(), pool_first,
				  GUEST_EXIT_INTERFACE);
		}
		check(round);
	}
	race_end();
}

/* ---- The others ---- */

static void rewrite_field(void *unused)
{
	volatile struct aerostat_range *range = &array.ranges[race_random_below(ARRAY_RANGES)];

	(void)unused;
	switch (race_random_below(8)) {
	case 0:
	case 1:
		range->gfn = random_gfn();
		break;
	case 2:
		range->count = random_count();
		break;
	case 3:
		range->order = random_order();
		break;
	case 4:
		range->done = random_count() - 1;
		break;
	case 5:
		range->status = (uint8_t)race_random_below(14);
		break;
	case 6:
		range->reserved = (uint16_t)race_random_below(2);
		break;
	default:
		range->flags = (uint32_t)race_random_below(2);
		break;
	}
}

static void move_array(uint64_t call)
{
	uint8_t status = race_call(call, array_gfn(), ORDER_4K, 1);

	race_note(status);
	if (status != AEROSTAT_RANGE_OK && status != AEROSTAT_RANGE_SURRENDERED &&
	    status != AEROSTAT_RANGE_NOT_SURRENDERED && status != AEROSTAT_RANGE_NO_MEMORY) {
		race_fail("status of the array's page", status, (uintptr_t)&array,
			  GUEST_EXIT_INTERFACE);
	}
}

static void rewrite_rounds(void)
{
	while (race_enter()) {
		race_ready();
		while (race_is_open()) {
			if (race_random_below(64) == 0) {
				move_array(AEROSTAT_CALL_BALLOON_SURRENDER);
				race_delay(race_random_below(ARRAY_GONE_INSTRUCTIONS));
				move_array(AEROSTAT_CALL_BALLOON_RETURN);
			} else {
				note_attempt(attempt_run(rewrite_field, NULL));
			}
		}
		race_leave();
	}
}

void race_rewrite(void *unused)
{
	(void)unused;
	if (vcpu_index() == 0) {
		call_rounds();
	} else {
		rewrite_rounds();
	}
}
