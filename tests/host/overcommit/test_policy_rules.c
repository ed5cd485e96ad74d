/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel/overcommit/policies/: what each policy is known for, in examples computed by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/bits.h"
#include "fake/policy.h"

#define PORTION 64 /* targets are right up to one */

static struct policy_vm vms[2];

static void use(const char *name)
{
	struct error error;
	assert_int_equal(policy_select(name, strlen(name), &error), STATUS_OK);
	vms[0] = vms[1] = policy_typical();
	vms[0].buffer_percent = vms[1].buffer_percent = 20;
}

static int back_to_default(void **state)
{
	(void)state;
	use("spare");
	return 0;
}

/* A host that lacks so many pages. */
static void decide_lacking(uint64_t need, unsigned tax)
{
	const struct policy_host host = {
		.low_pages = 1, .high_pages = need, .idle_tax_percent = tax, .passed_us = 10000};
	policy_decide(&host, vms, 2);
}

static void decide_between(uint64_t total)
{
	const struct policy_host host = {.spare_pages = 1500,
					 .low_pages = 1000,
					 .high_pages = 2000,
					 .total_pages = total,
					 .passed_us = 10000};
	policy_decide(&host, vms, 2);
}

static void expect(uint64_t first, uint64_t second)
{
	assert_in_range(vms[0].new_target_pages, sub_floor_u64(first, PORTION), first + PORTION);
	assert_in_range(vms[1].new_target_pages, sub_floor_u64(second, PORTION), second + PORTION);
}

static void decide_and_expect(uint64_t need, unsigned tax, uint64_t first, uint64_t second)
{
	decide_lacking(need, tax);
	assert_int_equal(vms[0].new_target_pages + vms[1].new_target_pages, need);
	expect(first, second);
}

/* Holds `held`, of which it says that `idle` are idle. */
static void holds(struct policy_vm *vm, uint64_t held, uint64_t idle)
{
	vm->held_pages = held;
	vm->idle_pages = vm->free_pages = idle;
}

/* ---- shares ---- */

/*
 * An idle VM of 300 shares holds 8000 pages, a busy one of 100 as many. With a tax of 75 % (k = 4)
 * the first pays 300 / 32000, the second 100 / 8000: the idle one gives 2000 until both pay the
 * same, then 3 pages for each 4/3 ... of the other: of 3000 it gives 2429. Without a tax it pays
 * three times as much, and the busy one gives.
 */
static void test_shares_idle_tax(void **state)
{
	(void)state;
	use("shares");
	vms[0].shares = 300;
	vms[0].active_known = vms[1].active_known = true;
	vms[0].active_pages = 0;
	vms[1].active_pages = 8000;
	decide_and_expect(2000, 75, 2000, 0);
	decide_and_expect(3000, 75, 2429, 571);
	decide_and_expect(2000, 0, 0, 2000);
	/* A tax of 50 % (k = 2) does not outweigh three times the shares: 300/16000 > 100/8000. */
	decide_and_expect(2000, 50, 0, 2000);
}

/* Idle pages are taxed, others not: 5000 in use and 3000 idle count for 17000. */
static void test_shares_only_idle_pages_are_taxed(void **state)
{
	(void)state;
	use("shares");
	vms[0].active_known = vms[1].active_known = true;
	vms[0].active_pages = 5000;
	vms[1].active_pages = UINT64_MAX; /* an estimate may be too high */
	decide_and_expect(2000, 75, 2000, 0);
	/* At 2250 both count for 8000; then it gives one page for four of the other, up to 5000. */
	decide_and_expect(2750, 75, 2250 + 100, 400);
	/* Without an estimate all is in use. */
	vms[0].active_known = vms[1].active_known = false;
	decide_and_expect(2000, 75, 1000, 1000);
	/* Behind its idle pages its price no longer falls by four. */
	vms[0].active_known = true;
	vms[0].active_pages = 7900; /* counts for 8300: 100 idle pages, then 7900 at one each */
	decide_and_expect(2000, 75, 1000, 1000);
}

/* Two alike with weights 1:3 end with what they hold at 1:3, as far as they can give. */
static void test_shares_proportion(void **state)
{
	(void)state;
	use("shares");
	vms[0].shares = 100;
	vms[1].shares = 300;
	holds(&vms[0], 6000, 6000);
	holds(&vms[1], 6000, 6000);
	decide_lacking(4000, 75); /* 2000 and 6000 are left */
	expect(4000, 0);
	decide_lacking(5600, 75); /* 1600 and 4800 */
	expect(4400, 1200);
	assert_int_equal(vms[0].reason, POLICY_SPARE);
}

/* What is on its way counts as given: of the next 1000 pages, the other VM gives all. */
static void test_what_was_asked_for_counts(void **state)
{
	(void)state;
	use("shares");
	vms[0].target_pages = 1000;
	decide_and_expect(2000, 75, 1000, 1000);
	/* Along the knee: 500 idle pages at four each count for the first, and 500 in use. */
	vms[0].active_known = vms[1].active_known = true;
	vms[0].active_pages = 7500; /* counts for 9500, and for 7000 when it has given 1000 */
	vms[1].active_pages = 8000; /* counts for 8000 */
	decide_and_expect(2000, 75, 1000, 1000);
	decide_and_expect(3000, 75, 1000 + 500, 1500);
	/* That of a slow driver is not likely to come: both count for the same. */
	vms[0].active_known = vms[1].active_known = false;
	vms[0].slow = true;
	decide_lacking(2000, 75);
	expect(2000, 1000);
}

/* ---- demand ---- */

static void test_demand_buffer(void **state)
{
	(void)state;
	use("demand");
	vms[1].attached = false;
	holds(&vms[0], 8000, 3000);
	decide_lacking(5000, 75);
	assert_int_equal(vms[0].new_target_pages, 2000); /* keeps 5000 and 20 % */
	vms[0].buffer_percent = 50;
	decide_lacking(5000, 75);
	assert_int_equal(vms[0].new_target_pages, 500);
	vms[0].buffer_percent = 60;
	decide_lacking(5000, 75);
	assert_int_equal(vms[0].new_target_pages, 0);
	/* Only a vCPU that waits gets at buffers: at what the guest does not need as a margin ...
	 */
	vms[1].waiting = true;
	vms[1].held_pages = 8000;
	decide_lacking(5000, 75);
	assert_int_equal(vms[0].new_target_pages, 3000 - 187); /* a 16th of 3000 free */
	assert_int_equal(vms[0].reason, POLICY_SPARE);
	/* ... and at that, if its VM has less than its allotment. */
	vms[1].held_pages = 7999;
	decide_lacking(5000, 75);
	assert_int_equal(vms[0].new_target_pages, 3000);
	assert_int_equal(vms[0].reason, POLICY_IDLE);
}

/* 4000 of 8000 is a pressure of 50 %, 6400 of 8000 of 80 %: 3000 pages make them the same. */
static void test_demand_lowest_pressure_first(void **state)
{
	(void)state;
	use("demand");
	vms[0].buffer_percent = vms[1].buffer_percent = 5;
	holds(&vms[0], 8000, 4000);
	holds(&vms[1], 8000, 1600);
	decide_and_expect(3000, 75, 3000, 0);
	/* Of twice the weight, the first counts as under a pressure of 100 %. */
	vms[0].shares = 200;
	decide_and_expect(1000, 75, 0, 1000);
}

static void test_demand_claims_its_buffer(void **state)
{
	(void)state;
	use("demand");
	vms[0].target_pages = vms[0].ballooned_pages = 4000;
	holds(&vms[0], 6000, 0); /* 6000 and 20 % are 7200: it lacks 1200 */
	holds(&vms[1], 8000, 4000);
	decide_between(20000);
	assert_int_equal(vms[0].new_target_pages, 2800);
	assert_int_equal(vms[0].reason, POLICY_CLAIMED);
	assert_int_equal(vms[1].new_target_pages, 1200);
	/* The other one has no more than its own buffer: nothing changes. */
	holds(&vms[1], 8000, 1333);
	decide_between(20000);
	assert_int_equal(vms[0].new_target_pages, 4000);
	assert_int_equal(vms[1].new_target_pages, 0);
	/* With 100 pages beyond it, it is 100. */
	holds(&vms[1], 8000, 1417);
	decide_between(20000);
	assert_int_equal(vms[0].new_target_pages, 4000 - vms[1].new_target_pages);
	assert_in_range(vms[1].new_target_pages, 90, 110);
}

/*
 * Two lack of their buffers, and a third one has 700 pages beyond its own. The first holds 6000 for
 * a demand of 5500, the second 6000 for one of 6000: that of the higher pressure gets pages first,
 * until it holds 6545 (6000 / 5500 of its demand), then both in turn.
 */
static void test_claims_of_the_lowest_level_first(void **state)
{
	const struct policy_host between = {
		.spare_pages = 1500, .low_pages = 1000, .high_pages = 2000, .passed_us = 10000};
	struct policy_vm three[3];
	(void)state;
	use("demand");
	for (unsigned i = 0; i < ARRAY_COUNT(three); i++) {
		three[i] = vms[0];
		three[i].target_pages = three[i].ballooned_pages = i < 2 ? 4000 : 0;
	}
	holds(&three[0], 6000, 500);
	holds(&three[1], 6000, 0);
	holds(&three[2], 8000, 1917);
	policy_decide(&between, three, ARRAY_COUNT(three));
	assert_in_range(three[2].new_target_pages, 699, 702);
	uint64_t first = 4000 - three[0].new_target_pages;
	uint64_t second = 4000 - three[1].new_target_pages;
	assert_int_equal(first + second, three[2].new_target_pages);
	assert_in_range(first, 74 - PORTION, 74 + PORTION);
	assert_int_equal(three[1].reason, POLICY_CLAIMED);
}

/* ---- static ---- */

static void test_static_equal_parts(void **state)
{
	(void)state;
	use("static");
	holds(&vms[1], 3000, 0);
	const struct policy_host lacking = {
		.low_pages = 1, .high_pages = 5000, .total_pages = 12000, .passed_us = 10000};
	policy_decide(&lacking, vms, 2);
	expect(2000, 0); /* 6000 for each */
	vms[1].target_pages = vms[1].ballooned_pages = 5000;
	decide_between(12000);
	assert_int_equal(vms[0].new_target_pages, 1000);
	assert_int_equal(vms[1].new_target_pages, 4000);
	/* An ended VM has no part. */
	vms[0].held_pages = 0;
	vms[0].attached = false;
	vms[1] = policy_typical();
	policy_decide(&lacking, vms, 2);
	assert_int_equal(vms[1].new_target_pages, 0);
}

/* ---- threshold ---- */

static void test_threshold(void **state)
{
	struct policy_host host = {.low_pages = 100,
				   .high_pages = 200,
				   .spare_pages = 1500, /* 85 % in use */
				   .total_pages = 10000};
	(void)state;
	use("threshold");
	vms[1].shares = 300;
	policy_decide(&host, vms, 2);
	expect(1000, 0); /* to 75 % in use; 7000 / 100 stands against 7000 / 300 */
	host.spare_pages = 2000;
	policy_decide(&host, vms, 2);
	expect(0, 0);
	/* Below 75 %, they grow again. */
	host.spare_pages = 2600;
	vms[0].target_pages = vms[0].ballooned_pages = 2000;
	policy_decide(&host, vms, 2);
	assert_int_equal(vms[0].new_target_pages, 1900);
	/* The thresholds of the host hold, if they are higher. */
	host.low_pages = 3000;
	host.high_pages = 6000;
	policy_decide(&host, vms, 2);
	assert_true(vms[0].new_target_pages + vms[1].new_target_pages > 4000);
}

/* ---- controller ---- */

static void test_controller_loop(void **state)
{
	(void)state;
	use("controller");
	vms[0].acts = true; /* demand 4000 */
	decide_lacking(1000, 75);
	assert_int_equal(vms[0].rank.keep_pages, 4000);
	vms[0].waiting = true;
	/* Of 200 ms, 10 have been a stall: 1000 * 10 / 210 is below the set point of 50. */
	decide_lacking(1000, 75);
	assert_int_equal(vms[0].rank.keep_pages, 4000);
	/* 92 permille: 42 too many, of 4000 pages. The integral is 0.21 permille. */
	decide_lacking(1000, 75);
	assert_int_equal(vms[0].rank.keep_pages, 4000 + 4000 * 42 / 1000);
	for (unsigned period = 0; period < 200; period++) {
		decide_lacking(1000, 75);
	}
	assert_int_equal(vms[0].rank.keep_pages, 8000);
	assert_true(vms[0].new_target_pages < vms[1].new_target_pages);
	/* The stall is over: the proportional part goes in a second, the other one slowly. */
	vms[0].waiting = false;
	for (unsigned period = 0; period < 100; period++) {
		decide_lacking(1000, 75);
	}
	assert_in_range(vms[0].rank.keep_pages, 7600, 7850);
	for (unsigned period = 0; period < 4000; period++) {
		decide_lacking(1000, 75);
	}
	assert_int_equal(vms[0].rank.keep_pages, 4000);
	assert_int_equal(vms[1].rank.keep_pages, 4000);
	/* Pages that it wants or takes back count in proportion. */
	vms[0].wanted_pages = 1600;
	for (unsigned period = 0; period < 100; period++) {
		decide_lacking(1000, 75);
	}
	assert_true(vms[0].rank.keep_pages > 5600 + 5600 * 150 / 1000);
}

/* ---- refault ---- */

static unsigned periods_until_asked(void)
{
	unsigned periods = 0;
	vms[0].refault_pages = 0;
	do {
		vms[0].target_pages = vms[0].ballooned_pages;
		decide_lacking(6000, 75);
		periods++;
	} while (vms[0].new_target_pages <= vms[0].ballooned_pages && periods < 100000);
	return periods;
}

static void test_refault_backs_off(void **state)
{
	(void)state;
	use("refault");
	vms[1].attached = false;
	decide_lacking(6000, 75);
	assert_int_equal(vms[0].new_target_pages, 3500); /* 4000 and an eighth of it stay */
	vms[0].target_pages = vms[0].ballooned_pages = 1000;
	static const unsigned lengths[] = {10, 20, 40, 80, 160, 320, 640, 1000, 1000};
	for (unsigned i = 0; i < ARRAY_COUNT(lengths); i++) {
		vms[0].refault_pages = 100;
		decide_lacking(6000, 75);
		assert_int_equal(vms[0].new_target_pages, 900);
		assert_int_equal(vms[0].reason, POLICY_WANTED);
		assert_int_equal(periods_until_asked(), lengths[i]); /* of 10 ms */
	}
	/* More of them during a back-off: it begins again, and is not longer. */
	vms[0].refault_pages = 1;
	decide_lacking(6000, 75);
	decide_lacking(6000, 75);
	assert_int_equal(periods_until_asked(), 1000);
	for (unsigned period = 0; period < 8000; period++) {
		decide_lacking(6000, 75);
	}
	vms[0].refault_pages = 1;
	decide_lacking(6000, 75);
	assert_int_equal(periods_until_asked(), 10);
}

#define TEST(function) cmocka_unit_test_teardown(function, back_to_default)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_shares_idle_tax),
		TEST(test_shares_only_idle_pages_are_taxed),
		TEST(test_shares_proportion),
		TEST(test_what_was_asked_for_counts),
		TEST(test_demand_buffer),
		TEST(test_demand_lowest_pressure_first),
		TEST(test_demand_claims_its_buffer),
		TEST(test_claims_of_the_lowest_level_first),
		TEST(test_static_equal_parts),
		TEST(test_threshold),
		TEST(test_controller_loop),
		TEST(test_refault_backs_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
