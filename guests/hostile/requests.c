/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * H1 and H2: requests that ask for the impossible, for what belongs to others, or for what the
 * guest itself lives on. The first two must be refused with the right answer; the last is granted,
 * and the guest bears the consequence.
 */
#include "guests/hostile/attack.h"

#include "guests/hostile/trap.h"
#include "guests/lib/console.h"
#include "guests/lib/cpu.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/pattern.h"
#include "guests/lib/wait.h"

#define SURRENDER AEROSTAT_CALL_BALLOON_SURRENDER
#define RETURN AEROSTAT_CALL_BALLOON_RETURN
#define REPORT AEROSTAT_CALL_BALLOON_REPORT
#define EMERGENCY AEROSTAT_CALL_BALLOON_EMERGENCY

#define APIC_GFN 0xfee00
#define GFN_MAX ((1ull << 52) - 1)
#define MARK 0x4831

static bool is_size(uint64_t pages)
{
	return expect("size of the balloon", attack_balloon_page()->size_pages, pages);
}

/* ---- H1 ---- */

/* The same page twice in one call, in one size and in two. */
static bool surrender_twice(void)
{
	uint64_t extent = pool_first + EXTENT_PAGES;

	range_set(0, pool_first, 0, 1);
	range_set(1, pool_first, 0, 1);
	range_set(2, pool_first + 1, 0, 2);
	range_set(3, pool_first + 2, 0, 1);
	range_set(4, extent, ORDER_2M, 1);
	range_set(5, extent + 5, 0, 1);
	range_set(6, extent, ORDER_2M, 1);
	range_set(7, pool_first, ORDER_2M, 1);
	return issue(SURRENDER, 8) && expect_range("first", 0, AEROSTAT_RANGE_OK, 1) &&
	       expect_range("twice", 1, AEROSTAT_RANGE_SURRENDERED, 0) &&
	       expect_range("two", 2, AEROSTAT_RANGE_OK, 2) &&
	       expect_range("again", 3, AEROSTAT_RANGE_SURRENDERED, 0) &&
	       expect_range("extent", 4, AEROSTAT_RANGE_OK, 1) &&
	       expect_range("its page", 5, AEROSTAT_RANGE_SURRENDERED, 0) &&
	       expect_range("extent again", 6, AEROSTAT_RANGE_SURRENDERED, 0) &&
	       expect_range("partly gone", 7, AEROSTAT_RANGE_MIXED, 0) && is_size(3 + EXTENT_PAGES);
}

static bool return_too_much(uint64_t call)
{
	uint64_t extent = pool_first + EXTENT_PAGES;

	range_set(0, pool_first + 3, 0, 1);
	range_set(1, pool_first, ORDER_2M, 1);
	range_set(2, pool_first, 0, 4);
	range_set(3, pool_first, 0, 1);
	range_set(4, extent, ORDER_2M, 1);
	range_set(5, extent, ORDER_2M, 1);
	range_set(6, extent + 7, 0, 1);
	return issue(call, 7) && expect_range("never gone", 0, AEROSTAT_RANGE_NOT_SURRENDERED, 0) &&
	       expect_range("partly gone", 1, AEROSTAT_RANGE_MIXED, 0) &&
	       expect_range("one too many", 2, AEROSTAT_RANGE_NOT_SURRENDERED, 3) &&
	       expect_range("twice", 3, AEROSTAT_RANGE_NOT_SURRENDERED, 0) &&
	       expect_range("extent", 4, AEROSTAT_RANGE_OK, 1) &&
	       expect_range("extent twice", 5, AEROSTAT_RANGE_NOT_SURRENDERED, 0) &&
	       expect_range("its page", 6, AEROSTAT_RANGE_NOT_SURRENDERED, 0) && is_size(0);
}

/* Numbers of frames that others have are beyond our RAM, whatever the call. */
static bool ask_for_others(uint64_t call)
{
	uint64_t gfn = pool_first + pool_pages;

	while (gfn < 1ull << 18) {
		for (unsigned i = 0; i < AEROSTAT_RANGES_MAX; i++, gfn += 61) {
			range_set(i, gfn, 0, 1);
		}
		if (!issue(call, AEROSTAT_RANGES_MAX)) {
			return false;
		}
		for (unsigned i = 0; i < AEROSTAT_RANGES_MAX; i++) {
			if (!expect_range("another's page", i, AEROSTAT_RANGE_OUTSIDE, 0)) {
				return false;
			}
		}
	}
	return is_size(0);
}

int play_h1(const struct attack_arguments *arguments)
{
	uint64_t sum = 0;

	if (!attack_attach()) {
		return GUEST_EXIT_INTERFACE;
	}
	for (uint64_t round = 0; round < arguments->rounds; round++) {
		for (unsigned i = 0; i < 8; i++) {
			pattern_fill(page_address(pool_first + i), MARK + i);
		}
		if (!surrender_twice() || !return_too_much(round % 2 == 0 ? RETURN : EMERGENCY)) {
			return GUEST_EXIT_INTERFACE;
		}
		for (unsigned i = 0; i < 8; i++) {
			uint64_t gfn = pool_first + i;
			bool right = i < 3 ? page_is_zero(gfn)
					   : pattern_matches(page_address(gfn), MARK + i, &sum);

			if (!expect("a page has what it should", right, true)) {
				return GUEST_EXIT_MEMORY;
			}
		}
		if (!ask_for_others(SURRENDER) || !ask_for_others(RETURN) ||
		    !ask_for_others(REPORT) || !ask_for_others(EMERGENCY)) {
			return GUEST_EXIT_INTERFACE;
		}
		wait_ms_quietly(5);
	}
	return GUEST_EXIT_SUCCESS;
}

/* ---- H2: refused ---- */

static bool ask_for_absurdities(uint64_t call)
{
	static const struct {
		uint64_t gfn;
		uint32_t count;
		uint8_t order;
		uint8_t status;
	} absurdities[] = {
		{GFN_MAX, 1, 0, AEROSTAT_RANGE_OUTSIDE},
		{GFN_MAX, UINT32_MAX, 0, AEROSTAT_RANGE_OUTSIDE},
		{UINT64_MAX, 1, 0, AEROSTAT_RANGE_OUTSIDE},
		{UINT64_MAX - 1, UINT32_MAX, 0, AEROSTAT_RANGE_OUTSIDE},
		{1ull << 63, 1, ORDER_1G, AEROSTAT_RANGE_OUTSIDE},
		{0ull - EXTENT_PAGES, 1, ORDER_2M, AEROSTAT_RANGE_OUTSIDE},
		{0ull - EXTENT_PAGES, 2, ORDER_2M, AEROSTAT_RANGE_OUTSIDE},
		{0ull - (1ull << ORDER_1G), UINT32_MAX, ORDER_1G, AEROSTAT_RANGE_OUTSIDE},
		{APIC_GFN, 1, 0, AEROSTAT_RANGE_OUTSIDE},
		{0, UINT32_MAX, 0, AEROSTAT_RANGE_OUTSIDE},
		{0, 1u << 31, ORDER_2M, AEROSTAT_RANGE_OUTSIDE},
		{0, UINT32_MAX, ORDER_1G, AEROSTAT_RANGE_OUTSIDE},
		{1, 1, ORDER_2M, AEROSTAT_RANGE_MISALIGNED},
		{EXTENT_PAGES, 1, ORDER_1G, AEROSTAT_RANGE_MISALIGNED},
		{0, 0, 0, AEROSTAT_RANGE_BAD_COUNT},
		{0, 1, 1, AEROSTAT_RANGE_BAD_ORDER},
		{0, 1, 8, AEROSTAT_RANGE_BAD_ORDER},
		{0, 1, 27, AEROSTAT_RANGE_BAD_ORDER},
		{0, 1, 64, AEROSTAT_RANGE_BAD_ORDER},
		{0, 1, 255, AEROSTAT_RANGE_BAD_ORDER},
	};
	unsigned count = sizeof(absurdities) / sizeof(absurdities[0]);

	for (unsigned i = 0; i < count; i++) {
		range_set(i, absurdities[i].gfn, absurdities[i].order, absurdities[i].count);
	}
	if (!issue(call, count)) {
		return false;
	}
	for (unsigned i = 0; i < count; i++) {
		if (!expect_range("an absurd range", i, absurdities[i].status, 0)) {
			return false;
		}
	}
	range_set(0, pool_first + pool_pages, 0, 1);
	range_set(1, pool_first + pool_pages - 1, 0, 2);
	return issue(call, 2) && expect_range("behind RAM", 0, AEROSTAT_RANGE_OUTSIDE, 0) &&
	       expect_range("across its end", 1, AEROSTAT_RANGE_OUTSIDE, 0);
}

/* The balloon page and the page of the ranges, alone and inside an extent of 2 MiB. */
static bool ask_for_pages_in_use(uint64_t call)
{
	uint64_t array = (uintptr_t)ranges / 4096;
	uint64_t balloon = attack_balloon_gfn();

	range_set(0, balloon, 0, 1);
	range_set(1, array, 0, 1);
	range_set(2, array / EXTENT_PAGES * EXTENT_PAGES, ORDER_2M, 1);
	return issue(call, 3) && expect_range("balloon page", 0, AEROSTAT_RANGE_IN_USE, 0) &&
	       expect_range("array page", 1, AEROSTAT_RANGE_IN_USE, 0) &&
	       expect_range("extent of both", 2, AEROSTAT_RANGE_IN_USE, 0);
}

/* Arrays that are nowhere, in the balloon, misaligned, across two pages, or too long. */
static bool hand_over_bad_arrays(uint64_t call)
{
	static const struct {
		uint64_t address;
		uint64_t count;
		int64_t answer;
	} arrays[] = {
		{1ull << 60, 1, AEROSTAT_ERROR_ADDRESS},
		{UINT64_MAX - 7, 1, AEROSTAT_ERROR_ADDRESS},
		{UINT64_MAX - 23, 1, AEROSTAT_ERROR_ADDRESS},
		{0x5004, 1, AEROSTAT_ERROR_ADDRESS},
		{0x5ff0, 1, AEROSTAT_ERROR_ADDRESS},
		{0x5018, 170, AEROSTAT_ERROR_ADDRESS},
		{0x5000, 171, AEROSTAT_ERROR_COUNT},
		{0x5000, 0, AEROSTAT_ERROR_COUNT},
		{0x5000, UINT64_MAX, AEROSTAT_ERROR_COUNT},
		{0x5000, 1ull << 32 | 1, AEROSTAT_ERROR_COUNT},
	};

	for (unsigned i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
		int64_t answer = hypercall(call, arrays[i].address, arrays[i].count, 0, 0);

		if (!expect("a bad array", (uint64_t)answer, (uint64_t)arrays[i].answer)) {
			return false;
		}
	}
	if (!move(SURRENDER, 5, 0, 1) ||
	    !expect("an array in the balloon", (uint64_t)hypercall(call, 0x5000, 1, 0, 0),
		    (uint64_t)AEROSTAT_ERROR_ADDRESS)) {
		return false;
	}
	return move(RETURN, 5, 0, 1) &&
	       expect("an array behind RAM",
		      (uint64_t)hypercall(call, (pool_first + pool_pages) * 4096, 1, 0, 0),
		      (uint64_t)AEROSTAT_ERROR_ADDRESS);
}

int play_h2(const struct attack_arguments *arguments)
{
	static const uint64_t calls[] = {SURRENDER, RETURN, REPORT, EMERGENCY};

	if (!attack_attach()) {
		return GUEST_EXIT_INTERFACE;
	}
	for (uint64_t round = 0; round < arguments->rounds; round++) {
		for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
			if (!ask_for_absurdities(calls[i]) || !hand_over_bad_arrays(calls[i])) {
				return GUEST_EXIT_INTERFACE;
			}
		}
		if (!ask_for_pages_in_use(SURRENDER) || !ask_for_pages_in_use(REPORT) ||
		    !is_size(0)) {
			return GUEST_EXIT_INTERFACE;
		}
		wait_ms_quietly(5);
	}
	return GUEST_EXIT_SUCCESS;
}

/* ---- H2: granted, and the guest's own loss ---- */

extern uint64_t boot_pml4[512];

static void touch_all(uint64_t pages)
{
	for (uint64_t i = 0; i < pages; i++) {
		*(volatile uint64_t *)page_address(pool_first + i) = i;
	}
}

/* Half of what it has is in the balloon or in use when it dies. */
static bool prepare_death(void)
{
	touch_all(2 * EXTENT_PAGES);
	return attack_attach() && move(SURRENDER, pool_first, 0, 300);
}

int play_h2_tables(const struct attack_arguments *arguments)
{
	(void)arguments;
	if (prepare_death()) {
		(void)move(SURRENDER, (uintptr_t)boot_pml4 / 4096, 0, 1);
	}
	return GUEST_EXIT_INTERFACE;
}

int play_h2_idt(const struct attack_arguments *arguments)
{
	(void)arguments;
	if (prepare_death() && move(SURRENDER, trap_table_page(), 0, 1)) {
		__asm__ volatile("ud2");
	}
	return GUEST_EXIT_INTERFACE;
}

int play_h2_stack(const struct attack_arguments *arguments)
{
	(void)arguments;
	if (prepare_death()) {
		uint64_t page = (uintptr_t)__builtin_frame_address(0) / 4096;

		/* Returning from this call takes the stack. */
		(void)move(SURRENDER, page - 1, 0, 2);
	}
	return GUEST_EXIT_INTERFACE;
}

/* requests_code.S: a page of code that gives itself away, and one of UD2 behind it. */
void surrender_own_code(void *range);
extern const char surrender_own_code_page[];

int play_h2_code(const struct attack_arguments *arguments)
{
	int vector;

	(void)arguments;
	if (!prepare_death()) {
		return GUEST_EXIT_INTERFACE;
	}
	range_set(0, (uintptr_t)surrender_own_code_page / 4096, 0, 1);
	vector = trap_run(surrender_own_code, ranges);
	console_print("its code is gone: vector %d\n", vector);
	/* #GP where a touch is a fault; else zeros run up to the UD2 behind them. */
	return vector == 13 || vector == 6 ? GUEST_EXIT_SUCCESS : GUEST_EXIT_INTERFACE;
}

int play_h2_beyond(const struct attack_arguments *arguments)
{
	(void)arguments;
	if (prepare_death()) {
		uint64_t behind = (pool_first + pool_pages) * 4096;

		/* Mapped by its own tables where RAM does not end at 2 MiB, and nothing is there.
		 */
		__asm__ volatile("movq %0, %%cr3" : : "r"(behind) : "memory");
	}
	return GUEST_EXIT_INTERFACE;
}
