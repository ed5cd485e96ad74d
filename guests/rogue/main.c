/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rogue: takes memory and never gives any back. It ignores every doorbell, lies in its statistics,
 * issues absurd requests, and does not yield while it spins. The hypervisor has to stay polite and
 * the other VMs have to be served; absurd requests have to be refused with the right answer.
 *
 *	take=SIZE rounds=N attach=yes|no
 */
#include <stddef.h>

#include "guests/lib/arguments.h"
#include "guests/lib/balloon.h"
#include "guests/lib/console.h"
#include "guests/lib/cpu.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/palloc.h"
#include "guests/lib/runtime.h"
#include "guests/lib/wait.h"

#define SPIN_MS 20
#define SLEEP_MS 5

enum attach { ATTACH_YES, ATTACH_NO };

/* A range that no hypervisor may grant, and what it has to answer; `call` surrenders or returns. */
struct absurdity {
	uint64_t call;
	struct aerostat_range range;
	uint8_t answer;
};

static const struct absurdity absurdities[] = {
	{AEROSTAT_CALL_BALLOON_SURRENDER,
	 {.gfn = (1ull << 52) - 1, .count = 1},
	 AEROSTAT_RANGE_OUTSIDE},
	{AEROSTAT_CALL_BALLOON_SURRENDER,
	 {.gfn = UINT64_MAX, .count = UINT32_MAX},
	 AEROSTAT_RANGE_OUTSIDE},
	{AEROSTAT_CALL_BALLOON_SURRENDER, {.count = 1, .order = 63}, AEROSTAT_RANGE_BAD_ORDER},
	{AEROSTAT_CALL_BALLOON_SURRENDER, {.count = 1, .order = 1}, AEROSTAT_RANGE_BAD_ORDER},
	{AEROSTAT_CALL_BALLOON_SURRENDER, {.count = 0}, AEROSTAT_RANGE_BAD_COUNT},
	{AEROSTAT_CALL_BALLOON_SURRENDER, {.count = 1, .done = 2}, AEROSTAT_RANGE_BAD_COUNT},
	{AEROSTAT_CALL_BALLOON_SURRENDER,
	 {.gfn = 1, .count = 1, .order = 9},
	 AEROSTAT_RANGE_MISALIGNED},
	{AEROSTAT_CALL_BALLOON_SURRENDER, {.count = 1, .reserved = 1}, AEROSTAT_RANGE_RESERVED},
	{AEROSTAT_CALL_BALLOON_RETURN, {.gfn = 256, .count = 1}, AEROSTAT_RANGE_NOT_SURRENDERED},
	{AEROSTAT_CALL_BALLOON_RETURN, {.gfn = 1ull << 40, .count = 1}, AEROSTAT_RANGE_OUTSIDE},
};

static bool is_refused(const struct absurdity *absurdity)
{
	static struct aerostat_range range __attribute__((aligned(32)));

	range = absurdity->range;
	hypercall(absurdity->call, (uintptr_t)&range, 1, 0, 0);
	if (range.status == absurdity->answer) {
		return true;
	}
	console_print("absurd request: status %u instead of %u\n", range.status, absurdity->answer);
	return false;
}

static bool expect(int64_t answer, int64_t expected, const char *what)
{
	if (answer != expected) {
		console_print("%s: answer %ld instead of %ld\n", what, answer, expected);
	}
	return answer == expected;
}

static bool calls_are_refused(void)
{
	return expect(hypercall(AEROSTAT_CALL_COUNT, 0, 0, 0, 0), AEROSTAT_ERROR_UNKNOWN_CALL,
		      "unknown call") &&
	       expect(hypercall(UINT64_MAX, 0, 0, 0, 0), AEROSTAT_ERROR_UNKNOWN_CALL,
		      "unknown call") &&
	       expect(hypercall(AEROSTAT_CALL_NULL, 1, 0, 0, 0), AEROSTAT_ERROR_RESERVED,
		      "argument that is not zero") &&
	       expect(hypercall(AEROSTAT_CALL_CONSOLE_WRITE, 1ull << 60, 1, 0, 0),
		      AEROSTAT_ERROR_ADDRESS, "text outside RAM") &&
	       expect(hypercall(AEROSTAT_CALL_CONSOLE_WRITE, 0x100000,
				AEROSTAT_CONSOLE_BYTES_MAX + 1, 0, 0),
		      AEROSTAT_ERROR_COUNT, "text too long");
}

/* The log of the host is not to be forged. */
static void forge_verdict(void)
{
	static const char text[] = "\n[0.000000] 0 - verdict fail vms=0 finished=0\n";

	hypercall(AEROSTAT_CALL_CONSOLE_WRITE, (uintptr_t)text, sizeof(text) - 1, 0, 0);
}

/* Everything it can get up to `take` pages, large extents first, and touches it. */
static uint64_t grab(uint64_t take)
{
	uint64_t taken = 0;

	while (taken < take) {
		uint64_t count = take - taken < PALLOC_EXTENT_PAGES ? 1 : PALLOC_EXTENT_PAGES;
		uint64_t page = count > 1 ? palloc_extent(NULL) : PALLOC_NONE;

		if (page == PALLOC_NONE) {
			count = 1;
			page = palloc_page(NULL);
		}
		if (page == PALLOC_NONE) {
			break;
		}
		for (uint64_t i = 0; i < count; i++) {
			*(volatile uint64_t *)((page + i) * 4096) = page + i;
		}
		taken += count;
	}
	return taken;
}

static void lie(uint64_t round)
{
	volatile struct aerostat_balloon_page *page = balloon_page();

	page->target_pages = 0;
	page->size_pages = UINT64_MAX;
	page->total_pages = UINT64_MAX;
	page->free_pages = round % 2 ? UINT64_MAX : 0;
	page->idle_pages = round % 2 ? UINT64_MAX - 1 : 1;
	page->wanted_pages = 1ull << 60;
	page->refault_count = runtime_mix(round);
}

static bool misbehave(uint64_t round, bool is_attached)
{
	uint64_t end = cpu_read_tsc() + SPIN_MS * runtime_tsc_khz;
	unsigned i = 0;

	if (is_attached) {
		lie(round);
		for (; i < sizeof(absurdities) / sizeof(absurdities[0]); i++) {
			if (!is_refused(&absurdities[i])) {
				return false;
			}
		}
	}
	if (round % 2 == 0) {
		while (cpu_read_tsc() < end) {
			/* Other VMs have to wait for the end of the time slice. */
		}
	} else {
		wait_ms_quietly(SLEEP_MS);
	}
	return calls_are_refused();
}

int guest_main(const struct guest_arguments *arguments)
{
	static const char *const attach_words[] = {"yes", "no", NULL};
	uint64_t take = 0;
	uint64_t rounds = 10;
	uint64_t attach = ATTACH_YES;
	const struct argument known[] = {
		{"take", ARGUMENT_SIZE, true, &take, NULL},
		{"rounds", ARGUMENT_COUNT, false, &rounds, NULL},
		{"attach", ARGUMENT_WORD, false, &attach, attach_words},
	};
	uint64_t taken;

	if (!arguments_parse(arguments->text, known, sizeof(known) / sizeof(known[0]))) {
		return GUEST_EXIT_ARGUMENTS;
	}
	forge_verdict();
	taken = grab(take);
	if (attach == ATTACH_YES && !balloon_attach()) {
		return GUEST_EXIT_INTERFACE;
	}
	for (uint64_t round = 0; round < rounds; round++) {
		if (!misbehave(round, attach == ATTACH_YES)) {
			return GUEST_EXIT_INTERFACE;
		}
	}
	console_print("took %lu pages and gave none\n", taken);
	return GUEST_EXIT_SUCCESS;
}
