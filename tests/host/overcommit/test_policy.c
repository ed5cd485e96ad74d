/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/overcommit/policies/spare.c as what it is, a pure function: P1 to P5 and H7 by name, and
 * properties that must hold for whatever guests say of themselves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/bits.h"
#include "fake/policy.h"

#define LOW 1000ull
#define HIGH 2000ull

static struct policy_host short_host = {.spare_pages = 500, .low_pages = LOW, .high_pages = HIGH};
static struct policy_host calm_host = {.spare_pages = 1500, .low_pages = LOW, .high_pages = HIGH};
static struct policy_host rich_host = {.spare_pages = 9000, .low_pages = LOW, .high_pages = HIGH};
static struct policy_host *const hosts[] = {&short_host, &calm_host, &rich_host};

/* ---- By name ---- */

static void test_p5_no_pressure_no_targets(void **state)
{
	(void)state;
	for (uint64_t spare = LOW; spare < 3 * HIGH; spare += 7) {
		struct policy_host host = {spare, LOW, HIGH, 0, 0, 0, false};
		struct policy_vm vms[3] = {policy_typical(), policy_typical(), policy_typical()};
		vms[1].idle_pages = 0;
		vms[2].held_pages = 10000;
		policy_decide(&host, vms, 3);
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(vms[i].new_target_pages, 0);
		}
	}
	policy_decide(&short_host, NULL, 0); /* nobody there */
}

static void test_never_below_min(void **state)
{
	(void)state;
	for (uint64_t held = 0; held <= 3000; held += 50) {
		for (unsigned waiting = 0; waiting < 2; waiting++) {
			struct policy_vm vms[2] = {policy_typical(), policy_typical()};
			vms[0].held_pages = held;
			vms[0].max_pages = vms[0].mem_pages; /* no room to grow */
			vms[1].idle_pages = 0;
			vms[1].free_pages = 0;
			vms[1].held_pages = 7000;
			vms[1].waiting = waiting != 0;
			policy_decide(&short_host, vms, 2);
			assert_true(vms[0].new_target_pages <= sub_floor_u64(held, 1000));
			assert_int_equal(vms[1].new_target_pages, 0);
		}
	}
}

static void test_p1_need_and_margin_stay(void **state)
{
	struct policy_host broke = {0, 100000, 200000, 0, 0, 0, false};
	(void)state;
	for (uint64_t idle = 0; idle <= 4000; idle += 13) {
		for (unsigned untouched = 0; untouched < 2; untouched++) {
			struct policy_vm vm = policy_typical();
			vm.idle_pages = idle;
			vm.free_pages = idle + untouched * 400;
			policy_decide(&broke, &vm, 1);
			/* What is left to its allocator: free pages of either sort. */
			uint64_t margin = min_u64(max_u64(32, vm.free_pages / 16), vm.free_pages);
			assert_int_equal(vm.new_target_pages,
					 min_u64(idle, vm.free_pages - margin));
		}
	}
}

/* Asked when it had plenty; now it uses its pages itself: the rest of the request is void. */
static void test_p1_request_follows_use(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(hosts); i++) {
		struct policy_vm vm = policy_typical();
		vm.target_pages = 3000;
		vm.ballooned_pages = 500;
		vm.held_pages = 7500;
		vm.free_pages = 100;
		vm.idle_pages = 100;
		policy_decide(hosts[i], &vm, 1);
		assert_true(vm.new_target_pages <= 600);
		assert_true(vm.new_target_pages >= 500 || hosts[i] == &rich_host);
	}
}

/* All that is idle, margin included, only for a VM that waits below its own allotment. */
static void test_idle_and_growth_only_for_the_entitled(void **state)
{
	struct policy_host broke = {0, 100000, 200000, 0, 0, 0, false};
	(void)state;
	for (unsigned entitled = 0; entitled < 2; entitled++) {
		struct policy_vm vms[2] = {policy_typical(), policy_typical()};
		vms[1].waiting = true;
		vms[1].held_pages = entitled ? 7999 : 8000;
		vms[0].mem_pages = 9500;
		policy_decide(&broke, vms, 2);
		assert_int_equal(vms[0].new_target_pages, entitled ? 4000 : 4000 - 4000 / 16);
		/* One that may grow beyond its allotment gives room never touched, too. */
		vms[0].idle_pages = 0;
		vms[0].mem_pages = 8500;
		policy_decide(&broke, vms, 2);
		assert_int_equal(vms[0].new_target_pages, entitled ? 1500 : 0);
	}
}

static void test_shares_decide(void **state)
{
	struct policy_host host = {0, 1000, 4000, 0, 0, 0, false};
	struct policy_vm vms[2] = {policy_typical(), policy_typical()};
	(void)state;
	vms[0].shares = 300;
	policy_decide(&host, vms, 2);
	assert_int_equal(vms[0].new_target_pages + vms[1].new_target_pages, 4000);
	/* Until what each has left to give stands to the other's as the shares do. */
	uint64_t left[2] = {3750 - vms[0].new_target_pages, 3750 - vms[1].new_target_pages};
	assert_in_range(left[0], sub_floor_u64(3 * left[1], 250), 3 * left[1] + 250);
	/* And who counts for more gets more back. */
	vms[0].target_pages = vms[0].ballooned_pages = 2000;
	vms[1].target_pages = vms[1].ballooned_pages = 2000;
	struct policy_host better = {3000, 1000, 2000, 0, 0, 0, false};
	policy_decide(&better, vms, 2);
	assert_int_equal(vms[0].new_target_pages + vms[1].new_target_pages, 3000);
	assert_true(vms[0].new_target_pages < vms[1].new_target_pages);
}

/* P3: nothing is expected of it, so others are asked for all that is missing. */
static void test_p3_who_cannot_give_is_not_counted(void **state)
{
	(void)state;
	for (unsigned why = 0; why < 3; why++) {
		struct policy_vm vms[2] = {policy_typical(), policy_typical()};
		vms[0].target_pages = 1500;
		vms[0].attached = why != 0;
		vms[0].unresponsive = why == 1;
		vms[0].waiting = why == 2;
		policy_decide(&short_host, vms, 2);
		assert_int_equal(vms[1].new_target_pages, HIGH - 500);
		assert_int_equal(vms[0].new_target_pages, why == 2 ? 1500 : 0);
		/* Nor is it asked for more when nobody else is there. */
		vms[0].target_pages = 0;
		policy_decide(&short_host, vms, 1);
		assert_int_equal(vms[0].new_target_pages, 0);
	}
}

/* One vCPU waits, another can answer: it is asked like others. */
static void test_p3_who_acts_while_waiting_is_asked(void **state)
{
	struct policy_vm vm = policy_typical();
	(void)state;
	vm.waiting = true;
	vm.acts = true;
	policy_decide(&short_host, &vm, 1);
	assert_true(vm.new_target_pages > 0);
	vm.target_pages = 0;
	vm.unresponsive = true;
	policy_decide(&short_host, &vm, 1);
	assert_int_equal(vm.new_target_pages, 0);
}

static void test_p3_unresponsive_vm_keeps_its_balloon(void **state)
{
	struct policy_vm vm = policy_typical();
	(void)state;
	vm.unresponsive = true;
	vm.ballooned_pages = 700;
	vm.target_pages = 1500;
	vm.wanted_pages = 700;
	policy_decide(&short_host, &vm, 1);
	assert_int_equal(vm.new_target_pages, 700);
}

static void test_p2_gap_changes_nothing(void **state)
{
	(void)state;
	for (uint64_t spare = LOW; spare <= HIGH; spare += 10) {
		struct policy_host host = {spare, LOW, HIGH, 0, 0, 0, false};
		struct policy_vm vms[2] = {policy_typical(), policy_typical()};
		vms[0].target_pages = 1234;
		vms[0].ballooned_pages = 1000;
		vms[1].target_pages = 77;
		vms[1].ballooned_pages = 300; /* deflating */
		policy_decide(&host, vms, 2);
		assert_int_equal(vms[0].new_target_pages, 1234);
		assert_int_equal(vms[1].new_target_pages, 77);
	}
}

static void test_p5_above_high_balloons_deflate(void **state)
{
	struct policy_vm vms[2] = {policy_typical(), policy_typical()};
	struct policy_host host = {HIGH + 1000, LOW, HIGH, 0, 0, 0, false};
	(void)state;
	vms[0].target_pages = 3000;
	vms[0].ballooned_pages = 2500;
	vms[1].target_pages = 100;
	vms[1].ballooned_pages = 100;
	policy_decide(&host, vms, 2);
	/* What was not given is not asked for any more; the surplus goes back, and no more. */
	assert_int_equal(vms[0].new_target_pages + vms[1].new_target_pages, 2600 - 1000);
	policy_decide(&rich_host, vms, 2);
	assert_int_equal(vms[0].new_target_pages + vms[1].new_target_pages, 0);
	/* What is on its way back already counts. */
	vms[0].target_pages = 1500;
	policy_decide(&host, vms, 2);
	assert_int_equal(vms[0].new_target_pages + vms[1].new_target_pages, 1600);
}

static void test_wanted_pages_come_from_the_own_balloon(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(hosts); i++) {
		struct policy_vm vm = policy_typical();
		vm.target_pages = vm.ballooned_pages = 1000;
		vm.free_pages = vm.idle_pages = 0;
		vm.wanted_pages = 400;
		policy_decide(hosts[i], &vm, 1);
		assert_true(vm.new_target_pages <= 600);
		vm.wanted_pages = UINT64_MAX;
		policy_decide(hosts[i], &vm, 1);
		assert_int_equal(vm.new_target_pages, 0);
	}
}

/* One that wants the whole world gets its own balloon, and the host asks for no more than that. */
static void test_h7_liar_does_not_starve_others(void **state)
{
	struct policy_vm vms[2] = {policy_typical(), policy_typical()};
	(void)state;
	vms[0].wanted_pages = UINT64_MAX;
	vms[0].free_pages = vms[0].idle_pages = 0;
	vms[0].target_pages = vms[0].ballooned_pages = 200;
	policy_decide(&calm_host, vms, 2);
	assert_int_equal(vms[1].new_target_pages, 0);
	policy_decide(&short_host, vms, 2);
	assert_int_equal(vms[1].new_target_pages, HIGH - 500 + 200);
}

/* ---- Whatever guests say ---- */

struct situation {
	bool asking;	 /* the host is short, or somebody waits */
	bool entitled;	 /* ... below its own allotment */
	bool in_between; /* between low and high */
};

static struct situation judge(const struct policy_host *host, const struct policy_vm *vms,
			      unsigned count)
{
	struct situation now = {.asking = host->spare_pages < host->low_pages};
	for (unsigned i = 0; i < count; i++) {
		now.asking = now.asking || vms[i].waiting;
		now.entitled =
			now.entitled || (vms[i].waiting && vms[i].held_pages < vms[i].mem_pages);
	}
	now.in_between = !now.asking && host->spare_pages <= host->high_pages;
	return now;
}

static void check_vm(const struct policy_vm *vm, struct situation now)
{
	uint64_t target = vm->new_target_pages;
	assert_true(target <= vm->max_pages);
	if (!vm->attached) {
		assert_int_equal(target, 0);
		return;
	}
	if (target > vm->target_pages) { /* it is asked for more */
		uint64_t asked = target - vm->ballooned_pages;
		uint64_t above_min = sub_floor_u64(vm->held_pages, vm->min_pages);
		uint64_t growth = now.entitled ? vm->max_pages - vm->mem_pages : 0;
		assert_true(now.asking && !vm->unresponsive && !vm->waiting);
		assert_true(target > vm->ballooned_pages);
		assert_true(asked <= max_u64(vm->free_pages, vm->idle_pages));
		assert_true(asked <= above_min || target <= growth);
	}
	if (vm->unresponsive) {
		assert_true(target <= vm->ballooned_pages);
	}
	if (now.in_between && vm->wanted_pages == 0) {
		assert_true(target <= vm->target_pages);
		assert_true(target >= min_u64(vm->target_pages, vm->ballooned_pages));
	}
}

static void test_h7_random_statistics(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 60000; round++) {
		struct policy_vm vms[6];
		struct policy_vm again[6];
		policy_random = 0x9e3779b97f4a7c15ull * (round + 1);
		struct policy_host host = policy_random_host();
		unsigned count = (unsigned)policy_draw(6) + 1;
		for (unsigned i = 0; i < count; i++) {
			again[i] = vms[i] = policy_random_vm();
		}
		policy_decide(&host, vms, count);
		policy_decide(&host, again, count); /* no memory of its own */
		struct situation now = judge(&host, vms, count);
		for (unsigned i = 0; i < count; i++) {
			check_vm(&vms[i], now);
			assert_int_equal(again[i].new_target_pages, vms[i].new_target_pages);
		}
	}
}

static void test_h7_absurd_statistics(void **state)
{
	struct policy_host all[] = {short_host,
				    calm_host,
				    rich_host,
				    {0, UINT64_MAX / 2, UINT64_MAX - 1, 75, 0, 0, false},
				    {UINT64_MAX, 1, 2, 99, 0, 0, false},
				    {0, 0, 0, 75, 0, 0, false}};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(all) * 64 * 3; i++) {
		struct policy_vm vms[3] = {policy_typical(), policy_typical(), policy_typical()};
		unsigned bits = i / 3 % 64;
		unsigned count = i % 3 + 1;
		vms[0].free_pages = bits & 1 ? UINT64_MAX : 0;
		vms[0].idle_pages = bits & 2 ? UINT64_MAX : 5000;
		vms[0].wanted_pages = bits & 4 ? UINT64_MAX : 0;
		vms[0].target_pages = bits & 8 ? UINT64_MAX : 0;
		vms[0].shares = bits & 16 ? UINT64_MAX : 1;
		vms[0].ballooned_pages = bits & 32 ? 9000 : 0;
		vms[0].held_pages = bits & 32 ? 1000 : 8000;
		vms[2].waiting = true;
		vms[2].held_pages = 10;
		policy_decide(&all[i / 192], vms, count);
		for (unsigned j = 0; j < count; j++) {
			assert_true(vms[j].new_target_pages <= 9000); /* max less min */
		}
	}
}

static void test_thousands_of_vms(void **state)
{
	enum { COUNT = 5000 };
	struct policy_vm *vms = calloc(COUNT, sizeof(*vms));
	struct policy_host host = {0, 1ull << 24, 1ull << 25, 0, 0, 0, false};
	uint64_t sum = 0;
	(void)state;
	policy_random = 77;
	for (unsigned i = 0; i < COUNT; i++) {
		vms[i] = policy_typical();
		vms[i].idle_pages = policy_draw(4000);
		vms[i].shares = policy_draw(1000) + 1;
	}
	policy_decide(&host, vms, COUNT); /* all that they have is asked for */
	for (unsigned i = 0; i < COUNT; i++) {
		sum += vms[i].new_target_pages;
		vms[i].target_pages = vms[i].ballooned_pages = vms[i].new_target_pages;
	}
	assert_in_range(sum, COUNT * 1600ull, COUNT * 2000ull);
	host.spare_pages = host.high_pages + sum;
	policy_decide(&host, vms, COUNT);
	for (unsigned i = 0; i < COUNT; i++) {
		assert_int_equal(vms[i].new_target_pages, 0);
	}
	free(vms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_p5_no_pressure_no_targets),
		cmocka_unit_test(test_never_below_min),
		cmocka_unit_test(test_p1_need_and_margin_stay),
		cmocka_unit_test(test_p1_request_follows_use),
		cmocka_unit_test(test_idle_and_growth_only_for_the_entitled),
		cmocka_unit_test(test_shares_decide),
		cmocka_unit_test(test_p3_who_cannot_give_is_not_counted),
		cmocka_unit_test(test_p3_who_acts_while_waiting_is_asked),
		cmocka_unit_test(test_p3_unresponsive_vm_keeps_its_balloon),
		cmocka_unit_test(test_p2_gap_changes_nothing),
		cmocka_unit_test(test_p5_above_high_balloons_deflate),
		cmocka_unit_test(test_wanted_pages_come_from_the_own_balloon),
		cmocka_unit_test(test_h7_liar_does_not_starve_others),
		cmocka_unit_test(test_h7_random_statistics),
		cmocka_unit_test(test_h7_absurd_statistics),
		cmocka_unit_test(test_thousands_of_vms),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
