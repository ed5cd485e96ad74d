/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/alloc.c: cutting and merging, scrubbing, injected failures, respect for promises, races. */
#include "fake/world.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "mm/alloc.h"
#include "mm/pool.h"

static const struct frame_tag host_page = {FRAME_HYPERVISOR, 0, VM_ID_HOST};

static struct frame_tag host_tag(unsigned order)
{
	return (struct frame_tag){FRAME_HYPERVISOR, (uint8_t)order, VM_ID_HOST};
}

static pfn_t alloc(unsigned order)
{
	pfn_t pfn;
	assert_int_equal(frame_alloc(order, host_tag(order), &pfn), STATUS_OK);
	assert_true(is_aligned_u64(pfn.n, order_pages(order)));
	for (uint64_t i = 0; i < order_pages(order); i++) {
		assert_true(fake_frame_is((pfn_t){pfn.n + i}, 0));
		fake_frame_fill((pfn_t){pfn.n + i}, WORLD_FORMER_OWNER);
	}
	world_check();
	return pfn;
}

static void release(pfn_t pfn, unsigned order)
{
	frame_free(pfn, host_tag(order));
	world_check();
}

static bool can_alloc(unsigned order)
{
	pfn_t pfn;
	if (frame_alloc(order, host_tag(order), &pfn) != STATUS_OK) {
		return false;
	}
	release(pfn, order);
	return true;
}

static void test_fresh_memory_is_scrubbed(void **state)
{
	(void)state;
	world_start(1, 7, 2);
	for (unsigned i = 0; i < 7; i++) {
		(void)alloc(0);
	}
	assert_int_equal(frame_count_free(), 0);
	assert_false(can_alloc(0));
}

static void test_scrub_step_bounds(void **state)
{
	(void)state;
	world_start(16, 16, 2);
	assert_int_equal(scrub_step(2), 4); /* cut to what was allowed */
	world_check();
	world_check_zeroed();
	assert_int_equal(frame_count(FRAME_ZEROED), 4);
	assert_int_equal(scrub_step(18), 4); /* the smallest extent first */
	assert_int_equal(scrub_step(18), 8);
	assert_int_equal(scrub_step(18), 0);
	world_check();
	world_check_zeroed();
	/* All of it is one extent again. */
	assert_int_equal(frame_table[16].tag.order, 4);
	pfn_t pfn = alloc(4);
	assert_int_equal(pfn.n, 16);
}

static void test_scrubbed_frames_merge_in_any_order(void **state)
{
	(void)state;
	srand(7);
	for (unsigned round = 0; round < 20; round++) {
		pfn_t pages[64];
		world_start(64, 64, 2);
		for (unsigned i = 0; i < 64; i++) {
			pages[i] = alloc(0);
		}
		for (unsigned i = 64; i > 0; i--) {
			unsigned pick = (unsigned)rand() % i;
			release(pages[pick], 0);
			pages[pick] = pages[i - 1];
			if (rand() % 3 == 0) {
				(void)scrub_step(0);
				world_check();
			}
		}
		world_scrub_all();
		world_check_zeroed();
		assert_int_equal(frame_table[64].tag.order, 6);
		assert_int_equal(frame_table[64].tag.state, FRAME_ZEROED);
		world_stop();
	}
}

/* Merging stops at the end of memory and at frames that are not free. */
static void test_merging_knows_its_limits(void **state)
{
	(void)state;
	world_start(0, 13, 2); /* 8 + 4 + 1: the buddy of the last would be frame 13 */
	world_scrub_all();
	assert_int_equal(frame_table[0].tag.order, 3);
	assert_int_equal(frame_table[8].tag.order, 2);
	assert_int_equal(frame_table[12].tag.order, 0);
	pfn_t one = alloc(0);
	assert_int_equal(one.n, 12); /* the smallest that fits is used first */
	pfn_t four = alloc(2);
	assert_int_equal(four.n, 8);
	pfn_t two = alloc(1);
	assert_int_equal(two.n, 0);
	release(four, 2);
	release(one, 0);
	world_scrub_all();
	assert_int_equal(frame_table[2].tag.order, 1);
	assert_int_equal(frame_table[4].tag.order, 2);
	release(two, 1);
	world_scrub_all();
	assert_int_equal(frame_table[0].tag.order, 3);
}

/*
 * Regression: single pages are cut from an extent sixteen at a time, and when they were free again,
 * those that nobody had taken stayed single for ever: no large extent was left in the end.
 */
static void test_single_pages_become_whole_again(void **state)
{
	(void)state;
	world_start(512, 512, 2);
	world_scrub_all();
	for (unsigned count = 1; count < 40; count++) {
		pfn_t pages[40];
		for (unsigned i = 0; i < count; i++) {
			pages[i] = alloc(0);
		}
		for (unsigned i = 0; i < count; i++) {
			release(pages[count % 2 == 0 ? i : count - 1 - i], 0);
		}
		world_scrub_all();
		assert_int_equal(frame_table[512].tag.order, ORDER_2M);
	}
}

static void test_fragmentation(void **state)
{
	(void)state;
	world_start(16, 16, 2);
	pfn_t pages[16];
	for (unsigned i = 0; i < 16; i++) {
		pages[i] = alloc(0);
	}
	for (unsigned i = 0; i < 16; i += 2) {
		release(pages[i], 0);
	}
	world_scrub_all();
	assert_int_equal(frame_count_free(), 8);
	assert_false(can_alloc(1)); /* eight frames, no two together */
	assert_true(can_alloc(0));
	for (unsigned i = 1; i < 16; i += 2) {
		release(pages[i], 0);
	}
	assert_false(can_alloc(1)); /* dirty single frames have not merged yet */
	world_scrub_all();
	assert_true(can_alloc(4));
}

static void test_large_dirty_extent_is_used_and_scrubbed(void **state)
{
	(void)state;
	world_start(512, 1024, 2);
	pfn_t first = alloc(ORDER_2M);
	pfn_t second = alloc(ORDER_2M);
	assert_false(can_alloc(0));
	release(first, ORDER_2M);
	pfn_t again = alloc(ORDER_2M);
	assert_int_equal(again.n, first.n);
	release(again, ORDER_2M);
	release(second, ORDER_2M);
	pfn_t page = alloc(0);
	assert_int_equal(frame_count_free(), 1023);
	release(page, 0);
}

static void test_1g_extents(void **state)
{
	static struct memmap available = {1, {{GIB(1) - MIB(2), GIB(2)}}};
	static struct memmap nothing;
	pfn_t pfn;
	(void)state;
	world_start_map(&available, &nothing, GIB(2) >> PAGE_SHIFT, 2);
	assert_int_equal(frame_alloc(ORDER_2M, host_tag(ORDER_2M), &pfn), STATUS_OK);
	assert_int_equal(pfn.n, (GIB(1) - MIB(2)) >> PAGE_SHIFT);
	/* Nobody waits for a gigabyte to be zeroed. */
	assert_int_equal(frame_alloc(ORDER_1G, host_tag(ORDER_1G), &pfn), STATUS_NO_MEMORY);
	assert_int_equal(scrub_step(ORDER_1G), 262144);
	assert_int_equal(frame_alloc(ORDER_1G, host_tag(ORDER_1G), &pfn), STATUS_OK);
	assert_int_equal(pfn.n, GIB(1) >> PAGE_SHIFT);
	assert_true(fake_frame_is((pfn_t){pfn.n + 262143}, 0));
	world_check();
	release(pfn, ORDER_1G);
	assert_int_equal(frame_alloc(0, host_page, &pfn), STATUS_OK);
	world_check();
	assert_int_equal(frame_count_free(), 262143);
}

static void test_bad_use_panics(void **state)
{
	(void)state;
	world_start(1, 4, 2);
	pfn_t pfn;
	enum status status;
	expect_panic("tag.state",
		     status = frame_alloc(0, (struct frame_tag){FRAME_GUEST, 0, 1}, &pfn));
	expect_panic("tag.order", status = frame_alloc(1, host_page, &pfn));
	(void)status;
	pfn = alloc(0);
	release(pfn, 0);
	expect_panic("expected", frame_free(pfn, host_page)); /* twice */
	expect_panic("expected", frame_free((pfn_t){0}, host_page));
	expect_panic("FRAME_DIRTY", pool_put_dirty((pfn_t){0}));
	world_check();
}

static void test_fail_at(void **state)
{
	(void)state;
	world_start(1, 8, 2);
	frame_alloc_fail_at = 3;
	pfn_t first = alloc(0);
	pfn_t second = alloc(0);
	assert_false(can_alloc(0));
	assert_true(can_alloc(0));
	assert_int_equal(frame_alloc_fail_at, 0);
	release(first, 0);
	release(second, 0);
}

static void test_host_cannot_take_what_is_promised(void **state)
{
	(void)state;
	world_start(16, 16, 2);
	struct promise promise;
	assert_int_equal(promise_make(&promise, 10, 2), STATUS_OK);
	pfn_t pages[4];
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(frame_alloc(0, host_page, &pages[i]), STATUS_OK);
	}
	pfn_t more;
	assert_int_equal(frame_alloc(0, host_page, &more), STATUS_NO_MEMORY);
	assert_int_equal(frame_alloc(3, host_tag(3), &more), STATUS_NO_MEMORY);
	frame_free(pages[0], host_page);
	assert_int_equal(frame_alloc(1, host_tag(1), &more), STATUS_NO_MEMORY);
	assert_int_equal(frame_alloc(0, host_page, &more), STATUS_OK);
	promise_withdraw(&promise);
	assert_int_equal(frame_alloc(0, host_page, &more), STATUS_OK);
}

static void test_guest_takes_what_it_was_promised(void **state)
{
	(void)state;
	world_start(16, 16, 2);
	struct promise one;
	struct promise two;
	assert_int_equal(promise_make(&one, 6, 1), STATUS_OK);
	assert_int_equal(promise_make(&two, 5, 1), STATUS_OK);
	pfn_t pfn;
	unsigned taken = 0;
	while (frame_alloc_guest(&one, 0, 1, (gfn_t){taken}, &pfn) == STATUS_OK) {
		assert_int_equal(frame_of(pfn)->gfn, taken);
		taken++;
	}
	assert_int_equal(taken, 9); /* its six, and the three that nobody was promised */
	assert_int_equal(one.held_pages, 9);
	assert_int_equal(promise_spare(), 0);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(frame_alloc_guest(&two, 0, 2, (gfn_t){i}, &pfn), STATUS_OK);
	}
	assert_int_equal(frame_alloc_guest(&two, 0, 2, (gfn_t){5}, &pfn), STATUS_NO_MEMORY);
	assert_int_equal(frame_alloc_table(&one, 1, &pfn), STATUS_OK);
	assert_int_equal(frame_alloc_table(&two, 2, &pfn), STATUS_OK);
	assert_int_equal(frame_count_free(), 0);
	expect_panic("table_pages_worst", (void)(frame_alloc_table(&one, 1, &pfn) == STATUS_OK));
}

static void test_failed_guest_allocation_charges_nothing(void **state)
{
	(void)state;
	world_start(16, 16, 2);
	struct promise promise;
	assert_int_equal(promise_make(&promise, 4, 2), STATUS_OK);
	const struct promise before = promise;
	pfn_t pfn;
	frame_alloc_fail_at = 1;
	assert_int_equal(frame_alloc_guest(&promise, 0, 1, (gfn_t){0}, &pfn), STATUS_NO_MEMORY);
	frame_alloc_fail_at = 1;
	assert_int_equal(frame_alloc_table(&promise, 1, &pfn), STATUS_NO_MEMORY);
	/* Sixteen frames, but none of that order. */
	assert_int_equal(frame_alloc_guest(&promise, 5, 1, (gfn_t){0}, &pfn), STATUS_NO_MEMORY);
	assert_memory_equal(&promise, &before, sizeof(promise));
	assert_int_equal(promise_owed(), 6);
	assert_int_equal(frame_count_free(), 16);
	promise_withdraw(&promise);
}

static void test_table_given_back(void **state)
{
	(void)state;
	world_start(16, 16, 2);
	struct promise promise;
	assert_int_equal(promise_make(&promise, 0, 3), STATUS_OK);
	pfn_t pfn;
	assert_int_equal(frame_alloc_table(&promise, 4, &pfn), STATUS_OK);
	assert_int_equal(promise_owed(), 2);
	assert_int_equal(frame_of(pfn)->tag.owner, 4);
	frame_free_table(&promise, 4, pfn);
	assert_int_equal(promise_owed(), 3);
	assert_int_equal(promise.table_pages, 0);
	promise_withdraw(&promise);
	world_check();
}

/* ---- Another CPU, whenever frame_lock is let go ------------------------------------------------
 */

static struct promise other;
static unsigned other_tries;
static bool other_is_guest;

static void other_cpu(void)
{
	fake_on_unlock = NULL; /* it does not interrupt itself */
	pfn_t pfn;
	other_tries++;
	if (other_is_guest) {
		(void)(frame_alloc_guest(&other, 0, 2, (gfn_t){other_tries}, &pfn) == STATUS_OK);
	} else {
		(void)(frame_alloc(0, host_page, &pfn) == STATUS_OK);
	}
	assert_true(promise_owed() <= frame_count_free() + frame_count(FRAME_REVOKING));
	fake_on_unlock = other_cpu;
}

/*
 * Regression: scrubbing lets the lock go. The extent that is being scrubbed still counted as free
 * then, so that another CPU could be given what a third VM was promised.
 */
static void run_race(enum status (*first)(struct promise *promise))
{
	for (unsigned guest = 0; guest < 2; guest++) {
		for (uint64_t spare = 1; spare < 4; spare++) {
			world_start(16, 16, 2);
			struct promise third;
			struct promise mine;
			memset(&other, 0, sizeof(other));
			assert_int_equal(promise_make(&mine, 0, 1), STATUS_OK);
			assert_int_equal(promise_make(&third, 15 - spare, 0), STATUS_OK);
			other_is_guest = guest == 1;
			fake_on_unlock = other_cpu;
			(void)first(&mine);
			fake_on_unlock = NULL;
			assert_true(other_tries > 0);
			for (unsigned i = 0; i < 15 - spare; i++) {
				pfn_t pfn;
				assert_int_equal(frame_alloc_guest(&third, 0, 3, (gfn_t){i}, &pfn),
						 STATUS_OK);
			}
			world_stop();
		}
	}
}

static enum status first_takes_host_page(struct promise *promise)
{
	pfn_t pfn;
	(void)promise;
	return frame_alloc(0, host_page, &pfn);
}

static enum status first_takes_guest_page(struct promise *promise)
{
	pfn_t pfn;
	return frame_alloc_guest(promise, 0, 1, (gfn_t){0}, &pfn);
}

static enum status first_takes_and_gives_back_table(struct promise *promise)
{
	pfn_t pfn;
	enum status status = frame_alloc_table(promise, 1, &pfn);
	if (status == STATUS_OK) {
		frame_free_table(promise, 1, pfn);
	}
	return status;
}

static void test_race_host_page(void **state)
{
	(void)state;
	run_race(first_takes_host_page);
}

static void test_race_guest_page(void **state)
{
	(void)state;
	run_race(first_takes_guest_page);
}

/* Regression: the page was free before it was owed again; in between it could be taken. */
static void test_race_table_given_back(void **state)
{
	(void)state;
	run_race(first_takes_and_gives_back_table);
}

/* A random mix against the sums, with contents checked at every hand-over. */
static void test_random(void **state)
{
	enum { HELD = 64 };
	static struct {
		pfn_t pfn;
		unsigned order;
	} held[HELD];
	unsigned count = 0;
	(void)state;
	srand(11);
	world_start(3, 400, 2);
	for (unsigned step = 0; step < 6000; step++) {
		unsigned what = (unsigned)rand() % 8;
		if (what < 4 && count < HELD) {
			unsigned order = (unsigned)rand() % 6;
			pfn_t pfn;
			if (frame_alloc(order, host_tag(order), &pfn) == STATUS_OK) {
				for (uint64_t i = 0; i < order_pages(order); i++) {
					assert_true(fake_frame_is((pfn_t){pfn.n + i}, 0));
					fake_frame_fill((pfn_t){pfn.n + i}, pfn.n + i + 1);
				}
				held[count].pfn = pfn;
				held[count++].order = order;
			}
		} else if (what < 7 && count > 0) {
			unsigned pick = (unsigned)rand() % count;
			for (uint64_t i = 0; i < order_pages(held[pick].order); i++) {
				pfn_t pfn = {held[pick].pfn.n + i};
				assert_true(fake_frame_is(pfn, pfn.n + 1));
			}
			frame_free(held[pick].pfn, host_tag(held[pick].order));
			held[pick] = held[--count];
		} else {
			(void)scrub_step((unsigned)rand() % 7);
		}
		world_check();
	}
	world_check_zeroed();
	while (count > 0) {
		count--;
		release(held[count].pfn, held[count].order);
	}
	world_scrub_all();
	assert_int_equal(frame_count_free(), 400);
	assert_int_equal(frame_table[256].tag.order, 7);
}

#define TEST(name) cmocka_unit_test_teardown(name, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fresh_memory_is_scrubbed),
		TEST(test_scrub_step_bounds),
		TEST(test_scrubbed_frames_merge_in_any_order),
		TEST(test_merging_knows_its_limits),
		TEST(test_single_pages_become_whole_again),
		TEST(test_fragmentation),
		TEST(test_large_dirty_extent_is_used_and_scrubbed),
		TEST(test_1g_extents),
		TEST(test_bad_use_panics),
		TEST(test_fail_at),
		TEST(test_host_cannot_take_what_is_promised),
		TEST(test_guest_takes_what_it_was_promised),
		TEST(test_failed_guest_allocation_charges_nothing),
		TEST(test_table_given_back),
		TEST(test_race_host_page),
		TEST(test_race_guest_page),
		TEST(test_race_table_given_back),
		TEST(test_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
