/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/promise.c: admission and its arithmetic, at the borders and at random. */
#include "fake/world.h"

#include <stdlib.h>

#include "base/bits.h"
#include "mm/alloc.h"

static void test_exact_fit(void **state)
{
	(void)state;
	world_start(16, 16, 2);
	struct promise promise;
	struct promise none;
	assert_int_equal(promise_make(&promise, 12, 4), STATUS_OK);
	assert_int_equal(promise_owed(), 16);
	assert_int_equal(promise_spare(), 0);
	assert_int_equal(promise_make(&none, 1, 0), STATUS_NO_MEMORY);
	assert_int_equal(promise_make(&none, 0, 1), STATUS_NO_MEMORY);
	assert_int_equal(promise_make(&none, 0, 0), STATUS_OK);
	promise_withdraw(&none);
	promise_withdraw(&promise);
	assert_int_equal(promise_spare(), 16);
}

static void test_one_too_many(void **state)
{
	(void)state;
	world_start(16, 16, 2);
	struct promise promise = {.min_pages = 1, .held_pages = 2, .table_pages = 4};
	assert_int_equal(promise_make(&promise, 13, 4), STATUS_NO_MEMORY);
	assert_int_equal(promise_make(&promise, 17, 0), STATUS_NO_MEMORY);
	assert_int_equal(promise_make(&promise, 0, 17), STATUS_NO_MEMORY);
	assert_int_equal(promise.held_pages, 2); /* refused: untouched */
	assert_int_equal(promise_owed(), 0);
}

/* F6: sums that would wrap around 2^64. */
static void test_overflow(void **state)
{
	(void)state;
	world_start(16, 16, 2);
	struct promise promise;
	assert_int_equal(promise_make(&promise, UINT64_MAX, 1), STATUS_NO_MEMORY);
	assert_int_equal(promise_make(&promise, 1, UINT64_MAX), STATUS_NO_MEMORY);
	assert_int_equal(promise_make(&promise, UINT64_MAX, UINT64_MAX), STATUS_NO_MEMORY);
	assert_int_equal(promise_make(&promise, BIT(63), BIT(63)), STATUS_NO_MEMORY);
	assert_int_equal(promise_make(&promise, BIT(32), 0), STATUS_NO_MEMORY);
	assert_int_equal(promise_make(&promise, 0, BIT(32)), STATUS_NO_MEMORY);
	assert_int_equal(promise_make(&promise, 4, 0), STATUS_OK);
	assert_false(promise_take(&promise, UINT64_MAX));
	assert_false(promise_take(&promise, BIT(63)));
	assert_false(promise_take(&promise, 17));
	assert_true(promise_take(&promise, 16));
	promise_held_remove(&promise, 16);
	promise_withdraw(&promise);
}

static void test_held_beyond_the_minimum_is_not_owed(void **state)
{
	(void)state;
	world_start(16, 16, 2);
	struct promise promise;
	assert_int_equal(promise_make(&promise, 4, 2), STATUS_OK);
	promise_held_add(&promise, 3);
	assert_int_equal(promise_owed(), 3);
	promise_held_add(&promise, 5);
	assert_int_equal(promise_owed(), 2);
	promise_held_remove(&promise, 4);
	assert_int_equal(promise_owed(), 2); /* still holds its minimum */
	promise_held_remove(&promise, 2);
	assert_int_equal(promise_owed(), 4);
	promise_table_add(&promise);
	assert_int_equal(promise_owed(), 3);
	promise_table_remove(&promise);
	promise_held_remove(&promise, 2);
	assert_int_equal(promise_owed(), 6);
	promise_withdraw(&promise);
	assert_int_equal(promise_owed(), 0);
}

static void test_misuse_panics(void **state)
{
	(void)state;
	world_start(16, 16, 2);
	struct promise promise;
	assert_int_equal(promise_make(&promise, 4, 1), STATUS_OK);
	expect_panic("held_pages >= pages", promise_held_remove(&promise, 1));
	expect_panic("table_pages > 0", promise_table_remove(&promise));
	promise_table_add(&promise);
	expect_panic("table_pages_worst", promise_table_add(&promise));
	expect_panic("table_pages == 0", promise_withdraw(&promise));
	promise_table_remove(&promise);
	promise_held_add(&promise, 1);
	expect_panic("held_pages == 0", promise_withdraw(&promise));
	promise_held_remove(&promise, 1);
	promise_withdraw(&promise);
}

/* P4: the sum of minima with their tables can never exceed memory, and is refused exactly there. */
static void test_admission_of_several_vms(void **state)
{
	(void)state;
	world_start(1, 100, 2);
	struct s2 *first = world_create(1, 40, 30);
	assert_non_null(first); /* 30 + 4 tables */
	struct s2 *second = world_create(2, 40, 30);
	assert_non_null(second);
	assert_null(world_create(3, 40, 29));
	struct s2 *third = world_create(3, 40, 28);
	assert_non_null(third);
	assert_int_equal(promise_spare(), 0);
	/* Whoever touches first: everybody gets what was promised, and not a page more. */
	struct s2 *spaces[] = {third, first, second};
	const uint64_t minima[] = {28, 30, 30};
	for (unsigned i = 0; i < 3; i++) {
		for (uint64_t gfn = 0; gfn < minima[i]; gfn++) {
			assert_int_equal(world_populate(spaces[i], gfn, 0), STATUS_OK);
		}
		assert_int_equal(world_populate(spaces[i], minima[i], 0), STATUS_NO_MEMORY);
	}
	assert_int_equal(frame_count_free(), 0);
	world_destroy_all();
}

/* What a VM gives away below its minimum stays owed to it: nobody else may have it for good. */
static void test_surrender_below_the_minimum(void **state)
{
	(void)state;
	world_start(1, 40, 2);
	struct s2 *giver = world_create(1, 20, 16);
	struct s2 *taker = world_create(2, 32, 0);
	assert_non_null(taker);
	for (uint64_t gfn = 0; gfn < 16; gfn++) {
		assert_int_equal(world_populate(giver, gfn, 0), STATUS_OK);
	}
	uint64_t taken = 0;
	while (world_populate(taker, taken, 0) == STATUS_OK) {
		taken++;
	}
	for (uint64_t gfn = 0; gfn < 16; gfn++) {
		assert_int_equal(world_surrender(giver, gfn, 0), STATUS_OK);
		assert_int_equal(world_populate(taker, taken, 0), STATUS_NO_MEMORY);
	}
	world_flush(giver);
	assert_int_equal(world_populate(taker, taken, 0), STATUS_NO_MEMORY);
	for (uint64_t gfn = 0; gfn < 16; gfn++) {
		assert_int_equal(world_populate(giver, gfn, 0), STATUS_OK);
	}
	world_destroy_all();
}

static void test_random(void **state)
{
	enum { COUNT = 5, FRAMES = 200 };
	struct promise promises[COUNT];
	bool made[COUNT] = {false};
	(void)state;
	srand(3);
	world_start(1, FRAMES, 2);
	for (unsigned step = 0; step < 20000; step++) {
		unsigned pick = (unsigned)rand() % COUNT;
		struct promise *promise = &promises[pick];
		uint64_t owed = 0;
		if (!made[pick]) {
			made[pick] = promise_make(promise, (uint64_t)rand() % FRAMES,
						  (uint64_t)rand() % 20) == STATUS_OK;
		} else if (rand() % 16 == 0) {
			promise_held_remove(promise, promise->held_pages);
			while (promise->table_pages > 0) {
				promise_table_remove(promise);
			}
			promise_withdraw(promise);
			made[pick] = false;
		} else if (rand() % 2 == 0) {
			promise_held_add(promise, (uint64_t)rand() % 30);
		} else {
			promise_held_remove(promise, (uint64_t)rand() % (promise->held_pages + 1));
		}
		if (made[pick] && rand() % 4 == 0 &&
		    promise->table_pages < promise->table_pages_worst) {
			promise_table_add(promise);
		}
		for (unsigned i = 0; i < COUNT; i++) {
			if (made[i]) {
				owed += sub_floor_u64(promises[i].min_pages,
						      promises[i].held_pages);
				owed += promises[i].table_pages_worst - promises[i].table_pages;
			}
		}
		assert_int_equal(promise_owed(), owed);
		assert_int_equal(promise_spare(), sub_floor_u64(FRAMES, owed));
	}
}

/* Another minimum: only what is owed more has to be spare, and all is given back in the end. */
static void test_another_minimum(void **state)
{
	struct promise promise;
	struct promise other;
	(void)state;
	world_start(16, 16, 2);
	assert_int_equal(promise_make(&promise, 8, 0), STATUS_OK);
	assert_int_equal(promise_make(&other, 4, 0), STATUS_OK);
	assert_int_equal(promise_spare(), 4);
	assert_int_equal(promise_change(&promise, 13), STATUS_NO_MEMORY);
	assert_int_equal(promise_change(&promise, UINT64_MAX), STATUS_NO_MEMORY);
	assert_int_equal(promise.min_pages, 8);
	assert_int_equal(promise_owed(), 12);
	assert_int_equal(promise_change(&promise, 12), STATUS_OK);
	assert_int_equal(promise_owed(), 16);
	assert_int_equal(promise_change(&promise, 12), STATUS_OK);
	assert_true(promise_take(&promise, 10));
	assert_int_equal(promise_owed(), 6);
	/* What it holds already is not owed. */
	assert_int_equal(promise_change(&promise, 3), STATUS_OK);
	assert_int_equal(promise_owed(), 4);
	assert_int_equal(promise_change(&promise, 10), STATUS_OK);
	assert_int_equal(promise_owed(), 4);
	promise_held_remove(&promise, 10);
	assert_int_equal(promise_owed(), 14);
	promise_withdraw(&promise);
	promise_withdraw(&other);
	assert_int_equal(promise_owed(), 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_exact_fit),
		TEST(test_one_too_many),
		TEST(test_overflow),
		TEST(test_held_beyond_the_minimum_is_not_owed),
		TEST(test_misuse_panics),
		TEST(test_admission_of_several_vms),
		TEST(test_surrender_below_the_minimum),
		TEST(test_another_minimum),
		TEST(test_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
