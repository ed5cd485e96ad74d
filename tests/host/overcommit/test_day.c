/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests/lab/day.c: what is counted, by hand; and more VMs than a static allotment has, on a day of
 * recorded demand, with the same policies that run in the hypervisor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/lab/day.h"

static struct lab_world world;
static struct demand demand;
static struct day_result result;

/* Two VMs: one needs 4000 pages and 1000 in turn, the other one the opposite. */
static void make_demand(void)
{
	demand = (struct demand){.vms = 2, .samples = 2, .step_periods = 100};
	demand.mem_pages[0] = demand.mem_pages[1] = 4000;
	demand.max_pages[0] = demand.max_pages[1] = 4000;
	demand.pages[0][0] = demand.pages[1][1] = 4000;
	demand.pages[0][1] = demand.pages[1][0] = 1000;
}

static void use(const char *name)
{
	struct error error;
	assert_int_equal(policy_select(name, strlen(name), &error), STATUS_OK);
}

static void test_static_allotment_loses_little(void **state)
{
	(void)state;
	make_demand();
	use("spare");
	assert_true(day_run(&world, &demand, 10, 10, 10, &result));
	assert_int_equal(result.host_pages, 10 * 4000);
	assert_int_equal(result.periods, 2 * 100 * 10);
	assert_int_equal(result.vms, 10);
	assert_in_range(result.used_permille, 620, 625); /* (4000 + 1000) / 2 of 4000 */
	assert_in_range(day_lost_ppm(&result, 1000), 0, 30000);
}

/* The guaranteed part is a quarter: four times as many fit at most, and no more are admitted. */
static void test_admission(void **state)
{
	(void)state;
	make_demand();
	use("spare");
	assert_true(day_run(&world, &demand, 4, 20, 1, &result));
	assert_int_equal(result.vms, 16);
	assert_int_equal(result.refused, 4);
	for (unsigned i = 0; i < world.count; i++) {
		assert_int_equal(world.vms[i].view.max_pages, 4000);
		assert_true(world.vms[i].view.mem_pages >= 1000);
		assert_true(world.vms[i].ended || world.vms[i].view.min_pages == 1000);
	}
}

/* Far too many: they lose nearly all; least first, and the percentile is a VM's. */
static void test_losses(void **state)
{
	(void)state;
	make_demand();
	use("spare");
	assert_true(day_run(&world, &demand, 4, 16, 10, &result));
	for (unsigned i = 1; i < result.vms; i++) {
		assert_true(result.lost_ppm[i - 1] <= result.lost_ppm[i]);
	}
	assert_true(day_lost_ppm(&result, 500) > 100000);
	assert_int_equal(day_lost_ppm(&result, 1000), result.lost_ppm[15]);
	assert_int_equal(day_lost_ppm(&result, 500), result.lost_ppm[7]);
	assert_int_equal(day_lost_ppm(&result, 501), result.lost_ppm[8]);
	/* By hand: 50 of 2000 periods and 100 refaults, that is 510 ms of 20 s. */
	result = (struct day_result){.vms = 1, .lost_ppm = {25500}};
	assert_int_equal(day_lost_ppm(&result, 990), 25500);
}

/* Behind one that was refused each VM still needs what its own one of the recording needed. */
static void test_unlike_vms_keep_their_demand(void **state)
{
	(void)state;
	demand = (struct demand){.vms = 2, .samples = 1, .step_periods = 100};
	demand.mem_pages[0] = demand.max_pages[0] = demand.pages[0][0] = 4000;
	demand.mem_pages[1] = demand.max_pages[1] = demand.pages[0][1] = 40;
	use("spare");
	/* Guaranteed are 1000 and 10 pages, so a fourth large one is refused on a host of 4000. */
	assert_true(day_run(&world, &demand, 1, 12, 1, &result));
	assert_int_equal(result.refused, 3);
	assert_int_equal(result.vms, 9);
	unsigned small = 0;
	for (unsigned i = 0; i < world.count; i++) {
		uint64_t most = world.vms[i].view.max_pages;
		assert_true(world.vms[i].hot_wanted <= most);
		small += most == 40 ? 1 : 0;
	}
	assert_int_equal(small, 6);
}

/* Nothing is shared out among VMs that never need a page, nor on a host without any. */
static void test_demand_of_nothing_is_refused(void **state)
{
	(void)state;
	make_demand();
	use("spare");
	memset(demand.pages, 0, sizeof(demand.pages));
	assert_false(day_run(&world, &demand, 4, 4, 1, &result));
	demand.pages[0][1] = 1000;
	assert_false(day_run(&world, &demand, 1, 4, 1, &result)); /* no RAM */
	assert_false(day_run(&world, &demand, 4, 1, 1, &result)); /* no demand */
	assert_true(day_run(&world, &demand, 4, 4, 1, &result));
}

static void read_recorded(void)
{
	char error[DEMAND_ERROR_SIZE];
	FILE *file = fopen("tests/lab/tug-of-war.demand", "r");
	assert_non_null(file);
	assert_true(demand_read(&demand, file, error));
	fclose(file);
}

/*
 * 45 VMs have RAM for their peaks. 57 of them, 26.7 % more, lose less than a hundredth of a day
 * whose demand changes a hundred times faster than in one of 24 hours.
 */
static void test_more_vms(void **state)
{
	(void)state;
	read_recorded();
	use("spare");
	assert_true(day_run(&world, &demand, 45, 57, 14, &result));
	assert_int_equal(result.vms, 57);
	assert_int_equal(result.refused + result.ended, 0);
	assert_true(day_lost_ppm(&result, 990) <= 10000);
	assert_true(day_lost_ppm(&result, 990) > 0); /* it does cost something */
	assert_in_range(result.used_permille, 800, 950);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_static_allotment_loses_little),
		cmocka_unit_test(test_admission),
		cmocka_unit_test(test_losses),
		cmocka_unit_test(test_unlike_vms_keep_their_demand),
		cmocka_unit_test(test_demand_of_nothing_is_refused),
		cmocka_unit_test(test_more_vms),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
