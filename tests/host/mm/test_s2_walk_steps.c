/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/stage2/steps.c: what a walk reads on every level, wherever it ends. */
#include "fake/world.h"

#include "mm/stage2/steps.h"

static unsigned steps_of(struct s2 *s2, uint64_t gfn, struct s2_step steps[S2_LEVELS])
{
	struct s2_locked locked = s2_lock(s2);
	unsigned count = s2_steps(locked, (gfn_t){gfn}, steps);
	s2_unlock(locked);
	assert_in_range(count, 1, S2_LEVELS);
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(steps[i].level, S2_LEVELS - 1 - i);
		if (i > 0) {
			assert_int_equal(steps[i - 1].kind, S2_STEP_TABLE);
			assert_int_equal(steps[i].table.n, steps[i - 1].pfn.n);
		}
	}
	assert_int_equal(steps[0].table.n, s2->root.n);
	return count;
}

static void test_every_end(void **state)
{
	struct s2_step steps[S2_LEVELS];
	struct s2 *s2;
	enum s2_kind was;
	uint64_t pages;
	(void)state;
	world_start(512, 4000, 1);
	world_scrub_all();
	s2 = world_create(1, 4096, 0);
	assert_int_equal(steps_of(s2, 5, steps), 1);
	assert_int_equal(steps[0].kind, S2_STEP_EMPTY);
	assert_int_equal(steps[0].entry, 0);

	struct s2_locked locked = s2_lock(s2);
	assert_int_equal(s2_fault(locked, (gfn_t){5}, ORDER_4K, true, &was, &pages), STATUS_OK);
	assert_int_equal(s2_fault(locked, (gfn_t){1024}, ORDER_2M, true, &was, &pages), STATUS_OK);
	struct s2_slot small = s2_lookup(locked, (gfn_t){5});
	s2_unlock(locked);

	assert_int_equal(steps_of(s2, 5, steps), 4);
	assert_int_equal(steps[3].kind, S2_STEP_LEAF);
	assert_int_equal(steps[3].pfn.n, small.pfn.n);
	assert_int_equal(steps[3].index, 5);
	assert_false(steps[3].pinned);
	assert_int_equal(steps_of(s2, 6, steps), 4);
	assert_int_equal(steps[3].kind, S2_STEP_EMPTY);
	assert_int_equal(steps_of(s2, 1024 + 77, steps), 3);
	assert_int_equal(steps[2].kind, S2_STEP_LEAF);
	assert_int_equal(steps[2].index, 2);

	locked = s2_lock(s2);
	pfn_t pfn;
	assert_int_equal(s2_pin(locked, (gfn_t){5}, &pfn), STATUS_OK);
	s2_unlock(locked);
	assert_int_equal(steps_of(s2, 5, steps), 4);
	assert_true(steps[3].pinned);
	locked = s2_lock(s2);
	s2_unpin(locked, (gfn_t){5});
	s2_unlock(locked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_every_end, world_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
