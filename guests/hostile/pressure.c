/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * H6 to H10: pages that go round, drivers that lie, touches of what was given away, and ends at the
 * worst moment. The host is short of memory while most of these run.
 */
#include "guests/hostile/attack.h"

#include "guests/hostile/trap.h"
#include "guests/lib/console.h"
#include "guests/lib/cpu.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/layout.h"
#include "guests/lib/pattern.h"
#include "guests/lib/runtime.h"
#include "guests/lib/wait.h"

#define SURRENDER AEROSTAT_CALL_BALLOON_SURRENDER
#define RETURN AEROSTAT_CALL_BALLOON_RETURN
#define ATTACHMENTS 1000
#define LIES 60

static uint64_t whole_extents(void)
{
	return pool_pages / EXTENT_PAGES;
}

/* Every page of the pool must be zero; gets a pattern then. */
static bool hunt_and_mark(uint64_t mark)
{
	for (uint64_t i = 0; i < whole_extents() * EXTENT_PAGES; i++) {
		if (!page_is_zero(pool_first + i)) {
			return false;
		}
		pattern_fill(page_address(pool_first + i), mark + i);
	}
	return true;
}

/* ---- H6, H8: what was given away is touched again, or handed to others meanwhile ---- */

static int give_and_touch(uint64_t rounds, uint64_t pause_ms)
{
	if (!attack_attach()) {
		return GUEST_EXIT_INTERFACE;
	}
	for (uint64_t round = 0; round < rounds; round++) {
		if (!hunt_and_mark(runtime_mix(round))) {
			return GUEST_EXIT_LEAK;
		}
		if (!move(SURRENDER, pool_first, round % 2 == 0 ? ORDER_2M : 0,
			  round % 2 == 0 ? whole_extents() : whole_extents() * EXTENT_PAGES)) {
			return GUEST_EXIT_INTERFACE;
		}
		wait_ms_quietly(pause_ms);
	}
	return hunt_and_mark(0) ? GUEST_EXIT_SUCCESS : GUEST_EXIT_LEAK;
}

int play_h6(const struct attack_arguments *arguments)
{
	return give_and_touch(arguments->rounds, 5);
}

int play_h8(const struct attack_arguments *arguments)
{
	return give_and_touch(arguments->rounds, 0);
}

/* ---- H7 ---- */

static int64_t attach(uint64_t gfn, uint64_t vector)
{
	return hypercall(AEROSTAT_CALL_BALLOON_ATTACH, gfn, vector, 0, 0);
}

static bool attach_often(void)
{
	uint64_t count = pool_pages < EXTENT_PAGES ? pool_pages : EXTENT_PAGES;

	for (uint64_t i = 0; i < ATTACHMENTS; i++) {
		uint64_t gfn = pool_first + i % count;

		if (!expect("attach", (uint64_t)attach(gfn, i % 2 == 0 ? 0 : DOORBELL_VECTOR), 0) ||
		    !expect("attach twice", (uint64_t)attach(gfn + 1, 0),
			    (uint64_t)AEROSTAT_ERROR_STATE) ||
		    !expect("detach", (uint64_t)hypercall(AEROSTAT_CALL_BALLOON_DETACH, 0, 0, 0, 0),
			    0) ||
		    !expect("detach twice",
			    (uint64_t)hypercall(AEROSTAT_CALL_BALLOON_DETACH, 0, 0, 0, 0),
			    (uint64_t)AEROSTAT_ERROR_STATE)) {
			return false;
		}
	}
	return expect("vector 31", (uint64_t)attach(pool_first, 31),
		      (uint64_t)AEROSTAT_ERROR_VECTOR) &&
	       expect("vector 256", (uint64_t)attach(pool_first, 256),
		      (uint64_t)AEROSTAT_ERROR_VECTOR) &&
	       expect("page behind RAM", (uint64_t)attach(pool_first + pool_pages, 0),
		      (uint64_t)AEROSTAT_ERROR_ADDRESS) &&
	       expect("page 2^52", (uint64_t)attach(1ull << 52, 0),
		      (uint64_t)AEROSTAT_ERROR_ADDRESS);
}

static void lie(uint64_t round)
{
	volatile struct aerostat_balloon_page *page = attack_balloon_page();

	page->magic = 0;
	page->target_pages = runtime_mix(round);
	page->size_pages = UINT64_MAX;
	page->doorbells = UINT32_MAX;
	page->total_pages = round % 3 == 0 ? 0 : UINT64_MAX;
	page->free_pages = round % 2 == 0 ? UINT64_MAX : 1ull << 63;
	page->idle_pages = round % 4 == 0 ? 0 : UINT64_MAX;
	page->wanted_pages = round % 5 == 0 ? UINT64_MAX : 0;
	page->refault_count = runtime_mix(round);
}

static bool oscillate(void)
{
	return move(SURRENDER, pool_first, ORDER_2M, whole_extents()) &&
	       move(RETURN, pool_first, 0, whole_extents() * EXTENT_PAGES);
}

int play_h7(const struct attack_arguments *arguments)
{
	uint64_t full = whole_extents() * EXTENT_PAGES;

	if (!hunt_and_mark(1) || !attach_often() || !attack_attach()) {
		return GUEST_EXIT_INTERFACE;
	}
	for (uint64_t round = 0; round < arguments->rounds; round++) {
		lie(round);
		if (!oscillate()) {
			return GUEST_EXIT_INTERFACE;
		}
		wait_ms_quietly(round % 3 * 10);
	}
	/* It starts again with a full balloon, and finds it as it was. */
	if (!move(SURRENDER, pool_first, 0, full) ||
	    hypercall(AEROSTAT_CALL_BALLOON_DETACH, 0, 0, 0, 0) != 0 || !attack_attach() ||
	    !expect("size after a restart", attack_balloon_page()->size_pages, full) ||
	    !move(RETURN, pool_first, 0, full) ||
	    !expect("size at the end", attack_balloon_page()->size_pages, 0)) {
		return GUEST_EXIT_INTERFACE;
	}
	return GUEST_EXIT_SUCCESS;
}

static bool take_all_and_attach(void)
{
	for (uint64_t i = 0; i < pool_pages; i++) {
		*(volatile uint64_t *)page_address(pool_first + i) = i;
	}
	return attack_attach();
}

static void boast(void)
{
	attack_balloon_page()->free_pages = pool_pages;
	attack_balloon_page()->idle_pages = pool_pages;
}

/* Keeps what it has, and looks busy with giving: what it surrenders is gone already. */
int play_h7_busy(const struct attack_arguments *arguments)
{
	uint64_t end = cpu_read_tsc() + arguments->ms * runtime_tsc_khz;

	if (!take_all_and_attach() || !move(SURRENDER, pool_first, 0, 1)) {
		return GUEST_EXIT_INTERFACE;
	}
	while (cpu_read_tsc() < end) {
		range_set(0, pool_first, 0, 1);
		if (!issue(SURRENDER, 1) ||
		    !expect_range("again", 0, AEROSTAT_RANGE_SURRENDERED, 0)) {
			return GUEST_EXIT_INTERFACE;
		}
		boast();
	}
	return GUEST_EXIT_SUCCESS;
}

/* Keeps what it has, and takes back at once, by a touch, each page that it gives. */
int play_h7_churn(const struct attack_arguments *arguments)
{
	uint64_t end = cpu_read_tsc() + arguments->ms * runtime_tsc_khz;

	if (!take_all_and_attach()) {
		return GUEST_EXIT_INTERFACE;
	}
	for (uint64_t round = 0; cpu_read_tsc() < end; round++) {
		uint64_t page = pool_first + round % pool_pages;

		if (!move(SURRENDER, page, 0, 1) || !page_is_zero(page)) {
			return GUEST_EXIT_INTERFACE;
		}
		boast();
	}
	return GUEST_EXIT_SUCCESS;
}

/* ---- H9: everything goes, the handlers of exceptions included ---- */

int play_h9(const struct attack_arguments *arguments)
{
	(void)arguments;
	if (!hunt_and_mark(9) || !attack_attach()) {
		return GUEST_EXIT_INTERFACE;
	}
	/* From the top down, so that what runs this goes last. */
	(void)move(SURRENDER, pool_first, 0, pool_pages);
	range_set(0, 0, 0, attack_balloon_gfn());
	range_set(1, attack_balloon_gfn() + 1, 0, pool_first - attack_balloon_gfn() - 1);
	(void)hypercall(SURRENDER, (uintptr_t)ranges, 2, 0, 0);
	return GUEST_EXIT_INTERFACE;
}

/* ---- H10: the end comes around a call, with the balloon half full ---- */

static _Noreturn void triple_fault(void)
{
	trap_forget();
	__asm__ volatile("ud2");
	__builtin_unreachable();
}

/* The first part of a call that needs several; answers whether it stopped in the middle. */
static bool begin_and_stop(void)
{
	if (!hunt_and_mark(10) || !attack_attach() ||
	    !move(SURRENDER, pool_first, 0, pool_pages / 4)) {
		return false;
	}
	range_set(0, pool_first + pool_pages / 4, 0, pool_pages - pool_pages / 4);
	return expect("finished ranges", (uint64_t)hypercall(SURRENDER, (uintptr_t)ranges, 1, 0, 0),
		      0) &&
	       ranges[0].status == AEROSTAT_RANGE_PENDING && ranges[0].done > 0;
}

int play_h10_before(const struct attack_arguments *arguments)
{
	(void)arguments;
	if (hunt_and_mark(10) && attack_attach() &&
	    move(SURRENDER, pool_first, 0, pool_pages / 2)) {
		range_set(0, pool_first, ORDER_2M, 1);
		triple_fault();
	}
	return GUEST_EXIT_INTERFACE;
}

int play_h10_after(const struct attack_arguments *arguments)
{
	(void)arguments;
	if (begin_and_stop()) {
		triple_fault();
	}
	return GUEST_EXIT_INTERFACE;
}

int play_h10_exit(const struct attack_arguments *arguments)
{
	(void)arguments;
	return begin_and_stop() ? GUEST_EXIT_SUCCESS : GUEST_EXIT_INTERFACE;
}
