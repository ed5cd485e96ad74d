/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel/balloon/page_list.c: lists of single pages become ranges, each page keeps its status. */
#include <string.h>

#include "fake/driver.h"

#include "base/bits.h"
#include "kernel/balloon/page_list.h"

#define NO_ARRAY ((gfn_t){UINT64_MAX})

static uint64_t gfns[PAGE_LIST_MAX];
static uint8_t statuses[PAGE_LIST_MAX];

/* Calls until nothing is pending; answers how many calls. */
static unsigned run(enum balloon_operation operation, unsigned count, unsigned order, gfn_t array)
{
	unsigned calls = 0;
	bool done = false;

	memset(statuses, AEROSTAT_RANGE_PENDING, sizeof(statuses));
	while (!done) {
		struct s2_locked locked = s2_lock(&driver_vm->s2);
		done = balloon_run_pages(locked, driver_vm, operation, gfns, count, order, array,
					 statuses);
		s2_unlock(locked);
		world_check();
		calls++;
		assert_in_range(calls, 1, PAGE_LIST_MAX * PAGE_LIST_MAX);
	}
	return calls;
}

static void all_are(unsigned count, uint8_t status)
{
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(statuses[i], status);
	}
}

static void test_runs_up_and_down(void **state)
{
	(void)state;
	driver_start();
	for (unsigned i = 0; i < 256; i++) {
		gfns[i] = 1255 - i;
		gfns[256 + i] = 300 + i;
		driver_write(gfns[i], i);
	}
	/* The first touches were given extents of 2 MiB, which have to be split. */
	assert_in_range(run(BALLOON_SURRENDER, 512, ORDER_4K, NO_ARRAY), 1, 4);
	all_are(512, AEROSTAT_RANGE_OK);
	assert_int_equal(driver_vm->s2.ballooned_pages, 512);
	assert_int_equal(run(BALLOON_RETURN, 512, ORDER_4K, NO_ARRAY), 1);
	assert_int_equal(driver_vm->s2.ballooned_pages, 0);
}

/* Each has the status of its own page, whatever stands around it in the list. */
static void test_each_page_its_status(void **state)
{
	(void)state;
	driver_start();
	gfns[0] = 20;
	assert_int_equal(run(BALLOON_SURRENDER, 1, ORDER_4K, NO_ARRAY), 1);
	static const uint64_t list[] = {24,	      23,	  22, 21, 20, 19,
					18,	      40,	  41, 40, 42, DRIVER_PAGES - 1,
					DRIVER_PAGES, UINT64_MAX, 60, 61};
	static const uint8_t expected[] = {1,
					   1,
					   1,
					   1,
					   AEROSTAT_RANGE_SURRENDERED,
					   1,
					   1,
					   1,
					   1,
					   AEROSTAT_RANGE_SURRENDERED,
					   1,
					   1,
					   AEROSTAT_RANGE_OUTSIDE,
					   AEROSTAT_RANGE_OUTSIDE,
					   1,
					   AEROSTAT_RANGE_IN_USE};
	memcpy(gfns, list, sizeof(list));
	run(BALLOON_SURRENDER, ARRAY_COUNT(list), ORDER_4K, (gfn_t){61});
	assert_memory_equal(statuses, expected, sizeof(expected));
	assert_int_equal(driver_vm->s2.ballooned_pages, 1 + 11);
	/* Those of the list that are in the balloon come back, the others are refused. */
	run(BALLOON_RETURN, ARRAY_COUNT(list), ORDER_4K, NO_ARRAY);
	assert_int_equal(statuses[4], AEROSTAT_RANGE_OK);
	assert_int_equal(statuses[9], AEROSTAT_RANGE_NOT_SURRENDERED);
	assert_int_equal(statuses[15], AEROSTAT_RANGE_NOT_SURRENDERED);
	assert_int_equal(driver_vm->s2.ballooned_pages, 0);
}

/* Every second page is refused: each refusal ends a run, and the calls stay short. */
static void test_many_refusals(void **state)
{
	(void)state;
	driver_start();
	for (unsigned i = 0; i < 256; i++) {
		gfns[i] = 2 * i;
	}
	run(BALLOON_SURRENDER, 256, ORDER_4K, NO_ARRAY);
	all_are(256, AEROSTAT_RANGE_OK);
	for (unsigned i = 0; i < 512; i++) {
		gfns[i] = 511 - i;
	}
	assert_in_range(run(BALLOON_SURRENDER, 512, ORDER_4K, NO_ARRAY), 256 / 32, 256);
	for (unsigned i = 0; i < 512; i++) {
		assert_int_equal(statuses[i],
				 gfns[i] % 2 == 0 ? AEROSTAT_RANGE_SURRENDERED : AEROSTAT_RANGE_OK);
	}
	assert_int_equal(driver_vm->s2.ballooned_pages, 512);
}

static void test_large_extents(void **state)
{
	(void)state;
	driver_start();
	static const uint64_t list[] = {1024, 512, 513, 2048, 2560, UINT64_MAX - 511};
	memcpy(gfns, list, sizeof(list));
	run(BALLOON_SURRENDER, 6, ORDER_2M, NO_ARRAY);
	assert_int_equal(statuses[0], AEROSTAT_RANGE_OK);
	assert_int_equal(statuses[1], AEROSTAT_RANGE_OK);
	assert_int_equal(statuses[2], AEROSTAT_RANGE_MISALIGNED);
	assert_int_equal(statuses[3], AEROSTAT_RANGE_OK);
	assert_int_equal(statuses[4], AEROSTAT_RANGE_OUTSIDE); /* it ends beyond RAM */
	assert_int_equal(statuses[5], AEROSTAT_RANGE_OUTSIDE);
	assert_int_equal(driver_vm->s2.ballooned_pages, 1536);
}

/* Extents of 2 MiB that are single pages cost 512 each: several calls, and nothing is done twice.
 */
static void test_more_than_one_call(void **state)
{
	(void)state;
	driver_start();
	for (uint64_t gfn = 0; gfn < 2048; gfn++) {
		driver_write(gfn, gfn);
	}
	for (unsigned i = 0; i < 4; i++) {
		gfns[i] = (3 - i) * 512;
	}
	assert_in_range(run(BALLOON_SURRENDER, 4, ORDER_2M, NO_ARRAY), 2, 4);
	all_are(4, AEROSTAT_RANGE_OK);
	assert_int_equal(driver_vm->s2.ballooned_pages, 2048);
	assert_int_equal(driver_vm->balloon.surrendered_pages, 2048);
}

#define TEST(name) cmocka_unit_test_teardown(name, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_runs_up_and_down),   TEST(test_each_page_its_status),
		TEST(test_many_refusals),      TEST(test_large_extents),
		TEST(test_more_than_one_call),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
