/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * H5, reports and emergency returns: extents of both sizes, interleaved, with a model of every page
 * of the pool that says what each range must be answered and what each page must hold.
 */
#include "guests/hostile/attack.h"

#include "guests/lib/console.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/pattern.h"
#include "guests/lib/wait.h"

#define SURRENDER AEROSTAT_CALL_BALLOON_SURRENDER
#define RETURN AEROSTAT_CALL_BALLOON_RETURN
#define REPORT AEROSTAT_CALL_BALLOON_REPORT
#define EMERGENCY AEROSTAT_CALL_BALLOON_EMERGENCY

#define MODEL_EXTENTS 4
#define MODEL_PAGES (MODEL_EXTENTS * EXTENT_PAGES)
#define RANGES_AT_ONCE 12
#define TOUCHES_AT_ONCE 40

/* What a page holds: nothing (it is zero), or the pattern of its number. */
enum model_page { MODEL_ZERO, MODEL_WRITTEN, MODEL_SURRENDERED };

static uint8_t model[MODEL_PAGES];

static uint64_t model_pages(void)
{
	return pool_pages < MODEL_PAGES ? pool_pages / EXTENT_PAGES * EXTENT_PAGES : MODEL_PAGES;
}

static uint64_t base_of(uint64_t page)
{
	return (page + 1) * 0x10001;
}

static uint64_t model_size(void)
{
	uint64_t size = 0;

	for (uint64_t page = 0; page < model_pages(); page++) {
		size += model[page] == MODEL_SURRENDERED ? 1 : 0;
	}
	return size;
}

/* What one extent must be answered; carries it out on the model if that is OK. */
static uint8_t model_extent(uint64_t call, uint64_t page, uint64_t pages)
{
	bool gives = call == SURRENDER || call == REPORT;
	uint64_t gone = 0;

	for (uint64_t i = 0; i < pages; i++) {
		gone += model[page + i] == MODEL_SURRENDERED ? 1 : 0;
	}
	if (gone != 0 && gone != pages) {
		return AEROSTAT_RANGE_MIXED;
	}
	if (gives && gone == pages) {
		return AEROSTAT_RANGE_SURRENDERED;
	}
	if (!gives && gone == 0) {
		return AEROSTAT_RANGE_NOT_SURRENDERED;
	}
	for (uint64_t i = 0; i < pages; i++) {
		model[page + i] = call == SURRENDER ? MODEL_SURRENDERED : MODEL_ZERO;
	}
	return AEROSTAT_RANGE_OK;
}

/* The same for a whole range, and whether the hypervisor's answer agrees. */
static bool model_agrees(uint64_t call, unsigned index)
{
	const struct aerostat_range *range = &ranges[index];
	uint64_t pages = 1ull << range->order;
	uint8_t status = AEROSTAT_RANGE_OK;
	uint32_t done = 0;
	bool zero = (range->flags & AEROSTAT_RANGE_FLAG_ZERO) != 0;

	while (done < range->count && status == AEROSTAT_RANGE_OK) {
		status = model_extent(call, range->gfn - pool_first + done * pages, pages);
		done += status == AEROSTAT_RANGE_OK ? 1 : 0;
	}
	return expect_range("the model", index, status, done) &&
	       expect("flag of zeros", zero, call != SURRENDER && status == AEROSTAT_RANGE_OK);
}

static void choose_range(unsigned index, uint64_t *state)
{
	uint64_t order = random_next(state) % 3 == 0 ? ORDER_2M : 0;
	uint64_t extents = model_pages() >> order;
	uint64_t first = random_next(state) % extents;
	uint64_t most = extents - first;
	uint64_t count = 1 + random_next(state) % (random_next(state) % 8 == 0 ? most : 3);

	range_set(index, pool_first + (first << order), (unsigned)order,
		  count < most ? count : most);
}

static bool page_is_right(uint64_t page)
{
	uint64_t sum = 0;

	if (model[page] != MODEL_WRITTEN) {
		return page_is_zero(pool_first + page);
	}
	if (!pattern_matches(page_address(pool_first + page), base_of(page), &sum)) {
		console_print("wrong bytes in page 0x%lx\n", pool_first + page);
		return false;
	}
	return true;
}

/* Looks at some pages and writes them; a touch takes a page out of the balloon. */
static bool touch_some(uint64_t *state)
{
	for (unsigned i = 0; i < TOUCHES_AT_ONCE; i++) {
		uint64_t page = random_next(state) % model_pages();

		if (!page_is_right(page)) {
			return false;
		}
		pattern_fill(page_address(pool_first + page), base_of(page));
		model[page] = MODEL_WRITTEN;
	}
	return true;
}

static bool one_round(uint64_t *state)
{
	static const uint64_t calls[] = {SURRENDER, SURRENDER, RETURN, REPORT, EMERGENCY};
	uint64_t call = calls[random_next(state) % (sizeof(calls) / sizeof(calls[0]))];
	unsigned count = 1 + (unsigned)(random_next(state) % RANGES_AT_ONCE);

	for (unsigned i = 0; i < count; i++) {
		choose_range(i, state);
	}
	if (!issue(call, count)) {
		return false;
	}
	for (unsigned i = 0; i < count; i++) {
		if (!model_agrees(call, i)) {
			return false;
		}
	}
	return expect("size of the balloon", attack_balloon_page()->size_pages, model_size()) &&
	       touch_some(state) &&
	       expect("size after touches", attack_balloon_page()->size_pages, model_size());
}

int play_h5(const struct attack_arguments *arguments)
{
	uint64_t state = arguments->seed * 2 + 1;

	if (!attack_attach()) {
		return GUEST_EXIT_INTERFACE;
	}
	for (uint64_t round = 0; round < arguments->rounds; round++) {
		if (!one_round(&state)) {
			console_print("seed %lu round %lu\n", arguments->seed, round);
			return GUEST_EXIT_INTERFACE;
		}
	}
	for (uint64_t page = 0; page < model_pages(); page++) {
		if (!page_is_right(page)) {
			return GUEST_EXIT_MEMORY;
		}
	}
	return GUEST_EXIT_SUCCESS;
}

/* ---- Reports ---- */

static void write_pages(uint64_t pages)
{
	for (uint64_t i = 0; i < pages; i++) {
		pattern_fill(page_address(pool_first + i), base_of(i));
	}
}

static bool pages_are_zero(uint64_t pages)
{
	for (uint64_t i = 0; i < pages; i++) {
		if (!page_is_zero(pool_first + i)) {
			return false;
		}
	}
	return true;
}

/* Contents are gone, the pages are not: no call is needed to use them again. */
int play_report(const struct attack_arguments *arguments)
{
	if (!attack_attach()) {
		return GUEST_EXIT_INTERFACE;
	}
	for (uint64_t round = 0; round < arguments->rounds; round++) {
		write_pages(2 * EXTENT_PAGES);
		if (!move(REPORT, pool_first, round % 2 == 0 ? ORDER_2M : 0,
			  round % 2 == 0 ? 2 : 2 * EXTENT_PAGES) ||
		    !expect("size of the balloon", attack_balloon_page()->size_pages, 0)) {
			return GUEST_EXIT_INTERFACE;
		}
		wait_ms_quietly(2);
		if (!pages_are_zero(2 * EXTENT_PAGES)) {
			return GUEST_EXIT_LEAK;
		}
	}
	return GUEST_EXIT_SUCCESS;
}

/* ---- Emergency returns ---- */

/* Gives what it has, waits until others have taken it, and needs 2 MiB of it at once. */
int play_emergency(const struct attack_arguments *arguments)
{
	uint64_t backed = 0;

	if (!attack_attach()) {
		return GUEST_EXIT_INTERFACE;
	}
	for (uint64_t round = 0; round < arguments->rounds; round++) {
		write_pages(2 * EXTENT_PAGES);
		if (!move(SURRENDER, pool_first, ORDER_2M, 2)) {
			return GUEST_EXIT_INTERFACE;
		}
		wait_ms_quietly(arguments->ms);
		range_set(0, pool_first, 0, EXTENT_PAGES);
		if (!issue(EMERGENCY, 1) ||
		    !expect_range("emergency", 0, AEROSTAT_RANGE_OK, EXTENT_PAGES) ||
		    !expect("flag of zeros", ranges[0].flags & AEROSTAT_RANGE_FLAG_ZERO,
			    AEROSTAT_RANGE_FLAG_ZERO)) {
			return GUEST_EXIT_INTERFACE;
		}
		backed += (ranges[0].flags & AEROSTAT_RANGE_FLAG_BACKED) != 0 ? 1 : 0;
		if (!pages_are_zero(EXTENT_PAGES)) {
			return GUEST_EXIT_LEAK;
		}
		if (!move(RETURN, pool_first + EXTENT_PAGES, ORDER_2M, 1)) {
			return GUEST_EXIT_INTERFACE;
		}
	}
	console_print("%lu of %lu emergency returns came with frames\n", backed, arguments->rounds);
	return backed == arguments->rounds ? GUEST_EXIT_SUCCESS : GUEST_EXIT_LIMIT;
}
