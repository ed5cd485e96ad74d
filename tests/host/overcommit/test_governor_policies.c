/* SPDX-License-Identifier: BSD-2-Clause */
/* What kernel/overcommit/governor.c does for policies: what they see, what they remember, and how
 * one follows another while VMs run.
 */
#include "fake/kernel.h"

#include <string.h>

#include "base/bits.h"
#include "kernel/overcommit/decisions.h"
#include "kernel/overcommit/governor.h"
#include "kernel/overcommit/policy.h"
#include "mm/promise.h"

#define FRAMES 6000

/* A VM that holds its allotment, and says that two thirds of it are idle. */
static struct vm *idle_vm(struct aerostat_balloon_page **page)
{
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm("idle", 5000, 3000, 100);
	*page = kernel_attach(vm);
	kernel_touch_pages(vm, 200, 3000);
	(*page)->free_pages = 2000;
	(*page)->idle_pages = 2000;
	return vm;
}

static void choose(const char *name)
{
	struct error error;
	assert_int_equal(policy_select(name, strlen(name), &error), STATUS_OK);
}

/* Policies see what a driver counted since the last decision, and nothing that is not a count. */
static void test_refaults_are_differences(void **state)
{
	static const struct {
		uint64_t count;
		uint64_t pages;
	} steps[] = {{0, 0},
		     {100, 100},
		     {100, 0},
		     {130, 30},
		     {20, 0},
		     {25, 5},
		     {UINT64_MAX, UINT64_MAX - 25},
		     {UINT64_MAX, 0},
		     {7, 0}};
	struct aerostat_balloon_page *page;
	(void)state;
	struct vm *vm = idle_vm(&page);
	kernel_periods(1);
	for (unsigned i = 0; i < ARRAY_COUNT(steps); i++) {
		page->refault_count = steps[i].count;
		kernel_periods(1);
		assert_int_equal(decisions_last_view(vm)->refault_pages, steps[i].pages);
	}
	assert_int_equal(decisions_last_host()->passed_us, 10000);
	assert_in_range(decisions_last_host()->total_pages, FRAMES * 9 / 10, FRAMES);
	/* A driver that attaches begins anew, with any count. */
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_DETACH, 0, 0), 0);
	kernel_periods(1);
	page = kernel_attach(vm);
	page->refault_count = 12345;
	kernel_periods(1);
	assert_int_equal(decisions_last_view(vm)->refault_pages, 0);
}

/* What a policy remembers of a VM lasts as long as the policy and the driver. */
static void test_policies_have_a_memory(void **state)
{
	struct aerostat_balloon_page *page;
	(void)state;
	choose("refault");
	struct vm *vm = idle_vm(&page);
	const uint64_t *memory = decisions_last_view(vm)->memory;
	kernel_periods(2);
	assert_int_equal(memory[1], 0);
	page->refault_count = 10;
	kernel_periods(2);
	assert_int_equal(memory[0], 90000); /* of 100 ms */
	assert_int_equal(memory[1], 100000);
	choose("spare");
	choose("refault");
	kernel_periods(1);
	assert_int_equal(memory[1], 0);
	page->refault_count = 20;
	kernel_periods(1);
	assert_int_equal(memory[1], 100000);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_DETACH, 0, 0), 0);
	kernel_periods(1);
	assert_int_equal(memory[1], 0);
}

/* Another policy finds the targets as they are, and acts on them at once. */
static void test_policy_changes_at_run_time(void **state)
{
	struct aerostat_balloon_page *page;
	(void)state;
	struct vm *vm = idle_vm(&page);
	struct vm *taker = kernel_vm("taker", 5000, 4000, 100);
	kernel_exhaust(taker);
	kernel_periods(3);
	uint64_t target = vm->balloon.target_pages;
	assert_true(target > 0);
	for (unsigned i = 0; policy_at(i) != NULL; i++) {
		choose(policy_at(i)->name);
		kernel_periods(3);
		assert_true(vm->balloon.target_pages >= target);
	}
	world_check();
}

static int finish(void **state)
{
	choose("spare");
	return kernel_teardown(state);
}

/*
 * Two VMs of 3,000 pages have been asked for some, and then the host has 100 pages more than
 * plenty. Answers the target that the second one ends with, for which it was 300 before.
 */
static uint64_t surplus_beside(const char *policy, uint64_t floor_pages)
{
	struct vm *pair[2];
	kernel_start(FRAMES, 1);
	choose(policy);
	for (unsigned i = 0; i < 2; i++) {
		pair[i] = kernel_vm(i == 0 ? "first" : "second", 3000, 1000, 100);
		struct aerostat_balloon_page *page = kernel_attach(pair[i]);
		kernel_touch_pages(pair[i], 100, 1300);
		page->free_pages = 800;
		page->idle_pages = 800;
		pair[i]->balloon.fixed = true;
	}
	pair[0]->balloon.floor_pages = floor_pages; /* what `set first max` does */
	pair[0]->balloon.fixed_pages = floor_pages;
	pair[1]->balloon.fixed_pages = 300;
	kernel_periods(1);
	if (floor_pages != 0) {
		kernel_give(pair[0], 100, (uint32_t)floor_pages);
	}
	kernel_give(pair[1], 100, 300);
	kernel_periods(1);
	assert_int_equal(decisions_last_view(pair[0])->target_pages, 0);
	assert_int_equal(decisions_last_view(pair[0])->ballooned_pages, 0);
	assert_int_equal(decisions_last_view(pair[1])->target_pages, 300);
	/* A target that stays is no decision, lowered max or not. */
	struct decision decision;
	assert_true(decisions_read(pair[1], 0, &decision));
	assert_false(decisions_read(pair[1], 1, &decision));
	assert_false(decisions_read(pair[0], 1, &decision));
	struct vm *taker = kernel_vm("taker", 5900, 5900, 1);
	uint64_t high = decisions_last_host()->high_pages;
	for (uint64_t gfn = 0; promise_spare() > high + 100; gfn++) {
		assert_int_equal(kernel_touch_pages(taker, gfn, 1), 1);
	}
	pair[0]->balloon.fixed = pair[1]->balloon.fixed = false;
	kernel_periods(300);
	assert_true(pair[0]->balloon.target_pages >= floor_pages);
	assert_true(decisions_last_view(pair[0])->max_pages == 3000 - floor_pages);
	uint64_t target = pair[1]->balloon.target_pages;
	kernel_vm_end(taker);
	kernel_vm_end(pair[0]);
	kernel_vm_end(pair[1]);
	kernel_teardown(NULL);
	return target;
}

/*
 * Regression: a policy gave all that the host had to spare to a VM whose max was lowered, period by
 * period, and nothing to others, because that VM's target stayed where its max had it.
 */
static void test_a_lowered_max_keeps_nothing_from_others(void **state)
{
	static const char *const names[] = {"spare",	  "shares",  "static",
					    "controller", "refault", "demand"};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(names); i++) {
		assert_true(surplus_beside(names[i], 0) < 300);
		assert_true(surplus_beside(names[i], 1000) < 300);
	}
}

#define TEST(name) cmocka_unit_test_teardown(name, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_lowered_max_keeps_nothing_from_others),
		TEST(test_refaults_are_differences),
		TEST(test_policies_have_a_memory),
		TEST(test_policy_changes_at_run_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
