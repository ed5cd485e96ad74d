/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bounds of second-stage work that only show in how much is done at once: steps of a teardown, runs
 * that must not go beyond what one extent would be allowed.
 */
#include "fake/runs.h"
#include "fake/world.h"

#include <stdlib.h>

#include "base/bits.h"

#define RAM_FIRST 16
#define RAM_FRAMES 4096

/* 16 leaf tables: far more entries than one step of 4096 may look at. */
static void test_teardown_step_is_bounded(void **state)
{
	(void)state;
	world_start(RAM_FIRST, RAM_FRAMES, 1);
	struct s2 *s2 = world_create(1, 16 * 512, 0);
	for (uint64_t gfn = 0; gfn < 16 * 512; gfn += 512) {
		assert_int_equal(world_populate(s2, gfn, ORDER_4K), STATUS_OK);
	}
	unsigned steps = 0;
	uint64_t before = s2->mapped_pages + s2->table_pages;
	bool done = false;
	while (!done) {
		done = s2_destroy_step(s2, 4096);
		uint64_t after = s2->mapped_pages + s2->table_pages;
		assert_true(before - after <= 4096 / 512 + 16);
		before = after;
		steps++;
	}
	assert_true(steps >= 16 * 512 / 4096 + 1);
	world_space_count = 0;
	free(s2);
	world_check();
}

/* A run whose first extent is misaligned or outside is refused, whatever lies there. */
static void test_run_is_judged_like_its_extents(void **state)
{
	(void)state;
	world_start(RAM_FIRST, RAM_FRAMES, 1);
	struct s2 *s2 = world_create(1, 1024 + 100, 0);
	assert_int_equal(world_populate(s2, 0, ORDER_2M), STATUS_OK);
	assert_int_equal(world_populate(s2, 512, ORDER_2M), STATUS_OK);
	assert_int_equal(world_populate(s2, 1123, ORDER_4K), STATUS_OK);
	struct s2_locked locked = s2_lock(s2);
	uint64_t done = 0;
	uint64_t work = 0;
	assert_int_equal(run_once(locked, RUN_SURRENDER, (gfn_t){1}, ORDER_2M, 2, &done, &work),
			 STATUS_MISALIGNED);
	assert_int_equal(done, 0);
	assert_int_equal(run_once(locked, RUN_REPORT, (gfn_t){511}, ORDER_2M, 1, &done, &work),
			 STATUS_MISALIGNED);
	assert_int_equal(run_once(locked, RUN_SURRENDER, (gfn_t){1024}, ORDER_2M, 1, &done, &work),
			 STATUS_OUTSIDE);
	assert_int_equal(run_once(locked, RUN_SURRENDER, (gfn_t){1124}, ORDER_4K, 1, &done, &work),
			 STATUS_OUTSIDE);
	assert_int_equal(s2->mapped_pages, 1025);
	assert_int_equal(
		run_once(locked, RUN_SURRENDER, (gfn_t){1100}, ORDER_4K, 100, &done, &work),
		STATUS_OK);
	assert_int_equal(done, 24);
	assert_int_equal(s2->ballooned_pages, 24);
	assert_int_equal(run_once(locked, RUN_RETURN, (gfn_t){1100}, ORDER_4K, 100, &done, &work),
			 STATUS_OK);
	assert_int_equal(done, 24);
	assert_int_equal(run_once(locked, RUN_SURRENDER, (gfn_t){0}, ORDER_2M, 9, &done, &work),
			 STATUS_OK);
	assert_int_equal(done, 2);
	assert_int_equal(run_once(locked, RUN_RETURN, (gfn_t){3}, ORDER_2M, 1, &done, &work),
			 STATUS_MISALIGNED);
	assert_int_equal(s2->ballooned_pages, 1024);
	s2_unlock(locked);
	world_destroy_all();
}

/*
 * Regression: RETURN of a gigabyte that is not in the balloon looked at the 512 tables below it and
 * counted as one piece of work, so that a call of 170 such ranges took as long as eighty others.
 */
static void test_refused_gigabyte_is_counted(void **state)
{
	(void)state;
	world_start(RAM_FIRST, RAM_FRAMES, 1);
	struct s2 *s2 = world_create(1, 512 * 512, 0);
	for (uint64_t gfn = 0; gfn < 512 * 512; gfn += 512) {
		assert_int_equal(world_populate(s2, gfn, ORDER_4K), STATUS_OK);
	}
	struct s2_locked locked = s2_lock(s2);
	uint64_t work = 0;
	assert_int_equal(s2_return(locked, (gfn_t){0}, ORDER_1G, &work), STATUS_NOT_SURRENDERED);
	assert_true(work >= 512);
	assert_int_equal(s2_return(locked, (gfn_t){0}, ORDER_2M, &work), STATUS_NOT_SURRENDERED);
	assert_int_equal(work, 1);
	s2_unlock(locked);
	world_destroy_all();
}

/* The last entry of a table decides like the others whether all of it are leaves. */
static void test_teardown_with_a_table_at_the_end(void **state)
{
	(void)state;
	world_start(RAM_FIRST, RAM_FRAMES, 1);
	struct s2 *s2 = world_create(1, 512 * 512, 0);
	assert_int_equal(world_populate(s2, 511 * 512, ORDER_4K), STATUS_OK);
	assert_int_equal(world_populate(s2, 0, ORDER_2M), STATUS_OK);
	world_check();
	world_destroy_all();
	world_check();
}

/*
 * Runs of one batch: in one table, in another one, of another order, and back in the first, which
 * was replaced by an entry meanwhile. Nothing of what they share outlives its table.
 */
static void test_batch_goes_from_table_to_table(void **state)
{
	(void)state;
	world_start(RAM_FIRST, RAM_FRAMES, 1);
	struct s2 *s2 = world_create(1, 4 * 512, 0);
	assert_int_equal(world_populate(s2, 512, ORDER_2M), STATUS_OK);
	for (uint64_t gfn = 0; gfn < 8; gfn++) {
		assert_int_equal(world_populate(s2, gfn, ORDER_4K), STATUS_OK);
		assert_int_equal(world_populate(s2, 1024 + gfn, ORDER_4K), STATUS_OK);
	}
	struct s2_locked locked = s2_lock(s2);
	struct s2_batch batch;
	s2_batch_begin(&batch, locked);
	assert_int_equal(run_in(&batch, RUN_SURRENDER, (gfn_t){2}, ORDER_4K, 3), 3);
	assert_int_equal(run_in(&batch, RUN_SURRENDER, (gfn_t){6}, ORDER_4K, 1), 1);
	assert_int_equal(run_in(&batch, RUN_SURRENDER, (gfn_t){6}, ORDER_4K, 1), 0);
	assert_int_equal(run_in(&batch, RUN_REPORT, (gfn_t){1024}, ORDER_4K, 8), 8); /* all of it */
	assert_int_equal(run_in(&batch, RUN_SURRENDER, (gfn_t){1026}, ORDER_4K, 1), 0);
	assert_int_equal(run_in(&batch, RUN_SURRENDER, (gfn_t){512}, ORDER_2M, 1), 1);
	assert_int_equal(run_in(&batch, RUN_SURRENDER, (gfn_t){1026}, ORDER_4K, 1), 0);
	assert_int_equal(run_in(&batch, RUN_RETURN, (gfn_t){2}, ORDER_4K, 9), 3);
	assert_int_equal(run_in(&batch, RUN_RETURN, (gfn_t){512}, ORDER_2M, 1), 1);
	assert_int_equal(run_in(&batch, RUN_RETURN, (gfn_t){513}, ORDER_2M, 1), 0);
	s2_batch_end(&batch);
	assert_int_equal(s2->mapped_pages, 4);
	assert_int_equal(s2->large_pages, 0);
	assert_int_equal(s2->ballooned_pages, 1);
	assert_int_equal(frame_count(FRAME_REVOKING), s2->revoking_pages);
	s2_unlock(locked);
	world_check();
	world_flush(s2);
	world_check();
	world_destroy_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_teardown_step_is_bounded, world_teardown),
		cmocka_unit_test_teardown(test_run_is_judged_like_its_extents, world_teardown),
		cmocka_unit_test_teardown(test_refused_gigabyte_is_counted, world_teardown),
		cmocka_unit_test_teardown(test_teardown_with_a_table_at_the_end, world_teardown),
		cmocka_unit_test_teardown(test_batch_goes_from_table_to_table, world_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
