/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel/balloon/find.c: runs of pages in the balloon, in order, cut at a limit, in bounded steps.
 */
#include "fake/driver.h"

#include "kernel/balloon/find.h"

static uint64_t next;
static uint64_t work;

static struct balloon_run find(uint64_t most)
{
	struct s2_locked locked = s2_lock(&driver_vm->s2);
	struct balloon_run run = balloon_find_run(locked, driver_vm, most, &next, &work);
	s2_unlock(locked);
	return run;
}

static void assert_run(uint64_t most, uint64_t gfn, uint64_t pages)
{
	struct balloon_run run = find(most);
	assert_int_equal(run.pages, pages);
	if (pages > 0) {
		assert_int_equal(run.gfn, gfn);
	}
}

static void start(void)
{
	driver_start();
	next = 0;
	work = 100000;
}

static void give(uint64_t gfn, unsigned order, uint32_t count)
{
	assert_int_equal(driver_surrender(driver_range(gfn, order, count)).status,
			 AEROSTAT_RANGE_OK);
}

static void test_empty(void **state)
{
	(void)state;
	start();
	assert_run(10, 0, 0);
	assert_int_equal(next, 0); /* the end of RAM */
	driver_write(100, 1);
	assert_run(10, 0, 0);
	assert_int_equal(next, 0);
	kernel_vm_end(driver_vm);
}

static void test_runs_in_order(void **state)
{
	(void)state;
	start();
	give(5, 0, 3);
	give(100, 0, 1);
	give(1024, 9, 2);
	give(2048, 0, 4); /* a neighbour of a large one */
	give(DRIVER_PAGES - 2, 0, 1);
	assert_run(5000, 5, 3);
	assert_run(5000, 100, 1);
	assert_run(5000, 1024, 1028);
	assert_run(5000, DRIVER_PAGES - 2, 1);
	assert_run(5000, 0, 0);
	assert_int_equal(next, 0);
	/* From the middle of a run, and of a large page. */
	next = 6;
	assert_run(1, 6, 1);
	assert_int_equal(next, 7);
	assert_run(1, 7, 1);
	next = 1100;
	assert_run(100, 1100, 100);
	assert_int_equal(next, 1200);
	assert_run(5000, 1200, 852);
	kernel_vm_end(driver_vm);
}

/* Never more than `most`, and never more work than there is. */
static void test_bounds(void **state)
{
	(void)state;
	start();
	give(0, 9, 5);
	assert_run(513, 0, 513);
	assert_int_equal(next, 513);
	work = 1;
	assert_run(5000, 513, 511);
	assert_int_equal(work, 0);
	assert_run(5000, 0, 0);
	assert_int_equal(next, 1024); /* it is not lost */
	work = 2;
	assert_run(5000, 1024, 1024);
	kernel_vm_end(driver_vm);
}

/* Many pages without a run: the search comes to its end in steps. */
static void test_sparse(void **state)
{
	unsigned steps = 0;
	(void)state;
	start();
	for (uint64_t gfn = 0; gfn < DRIVER_PAGES; gfn += 2) {
		driver_write(gfn, gfn);
	}
	give(2901, 0, 1);
	do {
		struct balloon_run run;
		uint64_t before = next;
		work = 64;
		run = find(5000);
		assert_true(next == 0 || next > before);
		if (run.pages > 0) {
			assert_int_equal(run.gfn, 2901);
			assert_int_equal(run.pages, 1);
			break;
		}
		steps++;
	} while (next != 0);
	assert_true(steps >= 40 && steps < 50);
	kernel_vm_end(driver_vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_empty, kernel_teardown),
		cmocka_unit_test_teardown(test_runs_in_order, kernel_teardown),
		cmocka_unit_test_teardown(test_bounds, kernel_teardown),
		cmocka_unit_test_teardown(test_sparse, kernel_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
