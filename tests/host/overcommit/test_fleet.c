/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests/lab/fleet.c and asks.c: where VMs are placed, that the sums over a fleet are those of its
 * hosts, that pages are conserved at full size, and how long pages took to come, by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/bits.h"
#include "tests/lab/cells.h"
#include "tests/lab/fleet.h"

static struct lab_world world;
static struct fleet_plan plan;
static struct fleet_plan other_plan;
static struct fleet_result result;
static struct fleet_result again;
static uint64_t pages_after[LAB_LATENCIES];

#define DIURNAL 5
#define BURSTY 2

static void use(const char *name)
{
	struct error error;
	assert_int_equal(policy_select(name, strlen(name), &error), STATUS_OK);
}

static int back_to_default(void **state)
{
	(void)state;
	use("spare");
	return 0;
}

static void test_sizes(void **state)
{
	(void)state;
	assert_true(fleet_fits(2, 1));
	assert_true(fleet_fits(57, 1));
	assert_true(fleet_fits(10000, 1000));
	assert_true(fleet_fits(10000, 174));
	assert_false(fleet_fits(10000, 173));
	assert_false(fleet_fits(10001, 1000));
	assert_false(fleet_fits(10000, 1001));
	assert_false(fleet_fits(58, 1));
	assert_false(fleet_fits(1, 1));
	assert_false(fleet_fits(3, 2));
	assert_false(fleet_fits(2, 0));
}

/* Each VM is on one host, which can promise all its minimums; no host has much more than another.
 */
static void check_placed(unsigned vms, unsigned hosts, uint64_t seed)
{
	uint64_t least = UINT64_MAX, most = 0;
	unsigned sizes[4] = {0}, on_hosts = 0;
	fleet_place(&plan, vms, hosts, seed);
	assert_int_equal(plan.refused, 0);
	for (unsigned host = 0; host < hosts; host++) {
		uint64_t allotted = 0;
		unsigned count = 0;
		for (unsigned i = 0; i < vms; i++) {
			allotted += plan.host[i] == host ? plan.mem_pages[i] : 0;
			count += plan.host[i] == host ? 1 : 0;
		}
		assert_int_equal(allotted, plan.allotted[host]);
		assert_int_equal(allotted / PATTERN_MIN_PARTS, plan.promised[host]);
		assert_true(plan.promised[host] <= plan.host_pages);
		assert_int_equal(count, plan.vms_of_host[host]);
		assert_in_range(count, 1, LAB_VMS_MAX);
		least = min_u64(least, allotted);
		most = max_u64(most, allotted);
		on_hosts += count;
	}
	assert_int_equal(on_hosts, vms);
	/* By the largest VM, but where hosts are full of small ones. */
	assert_true(most - least <= 32768 || vms > hosts * 50);
	for (unsigned i = 0; i < vms; i++) {
		unsigned size = 0;
		while (size < 3 && plan.mem_pages[i] != 4096ull << size) {
			size++;
		}
		sizes[size]++;
		assert_int_equal(plan.mem_pages[i], 4096ull << size);
	}
	for (unsigned size = 0; vms >= 1000 && size < 4; size++) {
		assert_in_range(sizes[size], vms * (4 - size) / 10 - vms / 20,
				vms * (4 - size) / 10 + vms / 20);
	}
}

static void test_placement(void **state)
{
	(void)state;
	check_placed(10000, 1000, 1);
	check_placed(10000, 174, 3);
	check_placed(40, 20, 2);
	fleet_place(&other_plan, 40, 20, 2);
	assert_memory_equal(&plan, &other_plan, sizeof(plan));
	fleet_place(&other_plan, 40, 20, 3);
	assert_memory_not_equal(&plan, &other_plan, sizeof(plan));
}

/* Many small VMs, so hosts are small, and a VM whose minimum none of them can promise. */
static void test_no_host_has_room(void **state)
{
	unsigned refused = 0;
	(void)state;
	fleet_place(&plan, 36, 18, 17);
	for (unsigned i = 0; i < 36; i++) {
		if (plan.host[i] == FLEET_HOSTS_MAX) {
			refused++;
			for (unsigned host = 0; host < 18; host++) {
				assert_true(plan.promised[host] +
						    plan.mem_pages[i] / PATTERN_MIN_PARTS >
					    plan.host_pages);
			}
		}
	}
	assert_int_equal(refused, 1);
	assert_int_equal(plan.refused, 1);
	fleet_run(&world, &plan, DIURNAL, 1, 100, &result);
	assert_int_equal(result.vms, 35);
}

/* What was counted for a fleet is what its hosts count, one after the other. */
static void test_sums_are_those_of_the_hosts(void **state)
{
	uint64_t unmet = 0, used = 0, refaults = 0, reclaimed = 0, shortages = 0, demanded = 0;
	(void)state;
	use("demand");
	fleet_place(&plan, 60, 6, 4);
	fleet_run(&world, &plan, DIURNAL, 4, 600, &result);
	for (unsigned host = 0; host < 6; host++) {
		other_plan = plan;
		for (unsigned i = 0; i < 60; i++) {
			other_plan.host[i] = plan.host[i] == host ? host : FLEET_HOSTS_MAX;
		}
		fleet_run(&world, &other_plan, DIURNAL, 4, 600, &again);
		assert_int_equal(again.vms, plan.vms_of_host[host]);
		assert_int_equal(again.host_periods_pages, plan.host_pages * 600);
		unmet += again.unmet;
		used += again.used;
		refaults += again.refaults;
		shortages += again.shortages;
		demanded += again.demanded;
		reclaimed += again.reclaimed[3];
	}
	assert_int_equal(result.vms, 60);
	assert_int_equal(result.unmet, unmet);
	assert_int_equal(result.used, used);
	assert_int_equal(result.refaults, refaults);
	assert_int_equal(result.shortages, shortages);
	assert_int_equal(result.demanded, demanded);
	assert_int_equal(result.reclaimed[3], reclaimed);
	assert_true(unmet > 0 && refaults > 0 && reclaimed > 0 && shortages > 0);
	/* And what was counted over time is all that was counted. */
	uint64_t over_time = 0, short_for = 0;
	for (unsigned i = 0; i < FLEET_SAMPLES; i++) {
		const struct fleet_sample *sample = &result.samples[i];
		over_time += sample->unmet;
		demanded -= sample->demanded;
		assert_true(sample->held_pages + sample->spare_pages <= 6 * plan.host_pages);
		assert_true(sample->hosts_short <= 6);
	}
	for (unsigned i = 0; i < LAB_LATENCIES; i++) {
		short_for += result.short_for[i];
	}
	assert_int_equal(over_time, unmet);
	assert_int_equal(demanded, 0);
	assert_int_equal(short_for, shortages);
}

static void test_deterministic(void **state)
{
	(void)state;
	fleet_place(&plan, 30, 3, 1);
	for (unsigned policy = 0; policy_at(policy) != NULL; policy++) {
		use(policy_at(policy)->name);
		fleet_run(&world, &plan, BURSTY, 1, 300, &result);
		fleet_run(&world, &plan, BURSTY, 1, 300, &again);
		assert_memory_equal(&result, &again, sizeof(result));
		fleet_run(&world, &plan, BURSTY, 2, 300, &again);
		assert_memory_not_equal(&result, &again, sizeof(result));
	}
}

/* lab_step() itself stops where a promise is broken or a page is lost. */
static void test_full_size(void **state)
{
	(void)state;
	fleet_place(&plan, 10000, 1000, 1);
	fleet_run(&world, &plan, DIURNAL, 1, 100, &result);
	assert_int_equal(result.vms, 10000);
	assert_int_equal(result.host_periods_pages, plan.host_pages * 1000 * 100);
	assert_true(result.used <= result.host_periods_pages);
	assert_in_range(fleet_fairness(&result), 500, 1000);
}

static unsigned decided;

static void count_decision(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	policy_decide(host, vms, count);
	decided++;
}

/* Who measures decisions sees each of them, and changes nothing. */
static void test_decisions_can_be_watched(void **state)
{
	(void)state;
	fleet_place(&plan, 20, 2, 1);
	fleet_run(&world, &plan, DIURNAL, 1, 200, &result);
	decided = 0;
	lab_decide = count_decision;
	fleet_run(&world, &plan, DIURNAL, 1, 200, &again);
	lab_decide = policy_decide;
	assert_int_equal(decided, 2 * 200);
	assert_memory_equal(&result, &again, sizeof(result));
}

static void test_quantiles(void **state)
{
	uint64_t counts[LAB_LATENCIES] = {0};
	(void)state;
	assert_int_equal(fleet_quantile(counts, 500), 0);
	counts[3] = 499;
	counts[7] = 491;
	counts[90] = 10;
	assert_int_equal(fleet_quantile(counts, 499), 3);
	assert_int_equal(fleet_quantile(counts, 500), 7);
	assert_int_equal(fleet_quantile(counts, 990), 7);
	assert_int_equal(fleet_quantile(counts, 991), 90);
	assert_int_equal(fleet_quantile(counts, 1000), 90);
	counts[0] = 1;
	assert_int_equal(fleet_quantile(counts, 1), 3);
	assert_int_equal(fleet_quantile(counts, 0), 0);
}

static void test_fairness(void **state)
{
	(void)state;
	/* Four VMs, one of which got nothing: (3 * 1000)^2 / (4 * 3 * 1000^2) = 0.75 */
	result = (struct fleet_result){.vms = 4, .parts = 3000, .parts_squared = 3000000};
	assert_int_equal(fleet_fairness(&result), 750);
	result = (struct fleet_result){.vms = 4, .parts = 2000, .parts_squared = 1000000};
	assert_int_equal(fleet_fairness(&result), 1000);
	result = (struct fleet_result){0};
	assert_int_equal(fleet_fairness(&result), 1000);
}

/* ---- How long a page takes to come --------------------------------------------------------- */

static uint64_t pages_counted(void)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < LAB_LATENCIES; i++) {
		sum += pages_after[i];
	}
	return sum;
}

static struct lab_asks asks;

static void asks_begin(void)
{
	memset(&asks, 0, sizeof(asks));
	memset(pages_after, 0, sizeof(pages_after));
}

static void test_each_page_from_its_own_request(void **state)
{
	(void)state;
	asks_begin();
	lab_asks_target(&asks, 100, 300, 10);
	lab_asks_target(&asks, 100, 300, 11); /* the same: nothing new */
	lab_asks_target(&asks, 100, 500, 14);
	lab_asks_given(&asks, 100, 400, 20, pages_after);
	assert_int_equal(pages_after[10], 200);
	assert_int_equal(pages_after[6], 100);
	lab_asks_given(&asks, 400, 500, 25, pages_after);
	assert_int_equal(pages_after[11], 100);
	assert_int_equal(pages_counted(), 400);
	assert_int_equal(asks.count, 0);
	/* Given by itself: no request, no wait. */
	lab_asks_given(&asks, 500, 700, 26, pages_after);
	assert_int_equal(pages_counted(), 400);
}

static void test_a_request_taken_back(void **state)
{
	(void)state;
	asks_begin();
	lab_asks_target(&asks, 0, 100, 1);
	lab_asks_target(&asks, 0, 200, 2);
	lab_asks_target(&asks, 0, 300, 3);
	lab_asks_target(&asks, 0, 150, 4); /* the last one, and half of the second */
	lab_asks_target(&asks, 0, 180, 9);
	lab_asks_given(&asks, 0, 180, 10, pages_after);
	assert_int_equal(pages_after[9], 100);
	assert_int_equal(pages_after[8], 50);
	assert_int_equal(pages_after[1], 30);
	assert_int_equal(pages_counted(), 180);
	lab_asks_target(&asks, 180, 250, 11);
	lab_asks_target(&asks, 180, 0, 12);
	assert_int_equal(asks.count, 0);
	/* The driver still follows the old target: those pages nobody waits for. */
	lab_asks_given(&asks, 180, 200, 13, pages_after);
	assert_int_equal(pages_counted(), 180);
}

/* Far too late, or in too many steps: counted all the same. */
static void test_many_steps_and_late_pages(void **state)
{
	(void)state;
	asks_begin();
	for (unsigned i = 1; i <= 40; i++) {
		lab_asks_target(&asks, 0, i * 10, i);
	}
	assert_int_equal(asks.count, LAB_ASKS_STEPS);
	lab_asks_given(&asks, 0, 400, 41, pages_after);
	assert_int_equal(pages_counted(), 400);
	assert_int_equal(pages_after[40], 10);
	assert_int_equal(pages_after[25], 250); /* the 16th and all behind it */
	lab_asks_target(&asks, 400, 410, 50);
	lab_asks_given(&asks, 400, 410, 50 + 10 * LAB_LATENCIES, pages_after);
	assert_int_equal(pages_after[LAB_LATENCIES - 1], 10);
}

#define TEST(function) cmocka_unit_test_teardown(function, back_to_default)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_sizes),
		TEST(test_placement),
		TEST(test_no_host_has_room),
		TEST(test_sums_are_those_of_the_hosts),
		TEST(test_deterministic),
		TEST(test_full_size),
		TEST(test_decisions_can_be_watched),
		TEST(test_quantiles),
		TEST(test_fairness),
		TEST(test_each_page_from_its_own_request),
		TEST(test_a_request_taken_back),
		TEST(test_many_steps_and_late_pages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
