/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/overcommit/policies/spare.c against the failures that balloons are known for: it asks for
 * too much, oscillates, waits for unresponsive drivers, asks without need. The function is pure, so
 * a handful of VMs in an array is the whole world; a long random run checks what must always hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/bits.h"
#include "kernel/overcommit/policy.h"

#define LOW 1000
#define HIGH 2000

static struct policy_vm vms[8];

/* Attached, holds its allotment of 4096 and has 2048 idle pages that it may give. */
static struct policy_vm donor(void)
{
	return (struct policy_vm){
		.min_pages = 1024,
		.mem_pages = 4096,
		.max_pages = 8192,
		.held_pages = 4096,
		.free_pages = 2048,
		.idle_pages = 2048,
		.shares = 100,
		.attached = true,
	};
}

static void decide(uint64_t spare, unsigned count)
{
	const struct policy_host host = {spare, LOW, HIGH, 75, 0, 0, false};
	policy_decide(&host, vms, count);
}

static void test_plenty_changes_nothing(void **state)
{
	(void)state;
	vms[0] = donor();
	vms[1] = donor();
	const uint64_t spares[] = {LOW, LOW + 1, HIGH, HIGH + 1, 1000000};
	for (unsigned i = 0; i < ARRAY_COUNT(spares); i++) {
		decide(spares[i], 2);
		assert_int_equal(vms[0].new_target_pages, 0);
		assert_int_equal(vms[1].new_target_pages, 0);
	}
}

static void test_asks_for_what_is_missing(void **state)
{
	(void)state;
	vms[0] = donor();
	vms[1] = donor();
	decide(LOW - 1, 2);
	uint64_t asked = vms[0].new_target_pages + vms[1].new_target_pages;
	assert_int_equal(asked, HIGH - (LOW - 1));
	assert_true(vms[0].new_target_pages > 0 && vms[1].new_target_pages > 0);
}

/* What was asked for and is on its way is not asked for again. */
static void test_does_not_ask_twice(void **state)
{
	(void)state;
	vms[0] = donor();
	decide(LOW - 1, 1);
	uint64_t first = vms[0].new_target_pages;
	vms[0].target_pages = first;
	decide(LOW - 1, 1);
	assert_int_equal(vms[0].new_target_pages, first);
}

static void test_never_below_the_minimum(void **state)
{
	(void)state;
	vms[0] = donor();
	vms[0].held_pages = vms[0].min_pages + 100;
	decide(0, 1);
	assert_int_equal(vms[0].new_target_pages, 100);
}

/* A guest that is asked keeps room for its own allocator, unless somebody entitled waits. */
static void test_margin_stays(void **state)
{
	(void)state;
	vms[0] = donor();
	vms[0].free_pages = 320;
	vms[0].idle_pages = 320;
	decide(0, 1);
	assert_int_equal(vms[0].new_target_pages, 320 - 32);
	vms[0].free_pages = 1600;
	vms[0].idle_pages = 1600;
	decide(0, 1);
	assert_int_equal(vms[0].new_target_pages, 1600 - 100);
	/* Pages that were never touched serve as well. */
	vms[0].free_pages = 1600;
	vms[0].idle_pages = 400;
	decide(0, 1);
	assert_int_equal(vms[0].new_target_pages, 400);
}

static void test_entitled_waiter_takes_the_margin(void **state)
{
	(void)state;
	vms[0] = donor();
	vms[0].free_pages = 320;
	vms[0].idle_pages = 320;
	vms[0].max_pages = vms[0].mem_pages;
	vms[1] = donor();
	vms[1].idle_pages = 0;
	vms[1].free_pages = 0;
	vms[1].held_pages = 2000;
	vms[1].waiting = true;
	decide(0, 2);
	assert_int_equal(vms[0].new_target_pages, 320);
	vms[1].held_pages = vms[1].mem_pages; /* has what it is due: no more than spare parts */
	decide(0, 2);
	assert_int_equal(vms[0].new_target_pages, 320 - 32);
}

static void test_unresponsive_and_detached_are_not_asked(void **state)
{
	(void)state;
	vms[0] = donor();
	vms[0].unresponsive = true;
	vms[1] = donor();
	vms[1].attached = false;
	vms[2] = donor();
	vms[2].free_pages = 1000;
	vms[2].idle_pages = 1000;
	decide(0, 3);
	assert_int_equal(vms[0].new_target_pages, 0);
	assert_int_equal(vms[1].new_target_pages, 0);
	assert_true(vms[2].new_target_pages > 0);
}

/* A unresponsive driver's target falls back to what it holds, and others are asked for the rest. */
static void test_unresponsive_driver_is_replaced(void **state)
{
	(void)state;
	vms[0] = donor();
	vms[0].target_pages = 1500;
	vms[0].ballooned_pages = 10;
	vms[0].unresponsive = true;
	vms[1] = donor();
	decide(LOW - 1, 2);
	assert_int_equal(vms[0].new_target_pages, 10);
	assert_int_equal(vms[1].new_target_pages, HIGH - (LOW - 1));
}

static void test_shares_decide(void **state)
{
	(void)state;
	vms[0] = donor();
	vms[1] = donor();
	vms[1].shares = 1000;
	decide(LOW - 1, 2);
	assert_true(vms[0].new_target_pages > vms[1].new_target_pages);
}

static void test_surplus_deflates(void **state)
{
	(void)state;
	vms[0] = donor();
	vms[0].target_pages = 900;
	vms[0].ballooned_pages = 900;
	decide(HIGH + 300, 1);
	assert_int_equal(vms[0].new_target_pages, 600);
	decide(HIGH + 5000, 1);
	assert_int_equal(vms[0].new_target_pages, 0);
}

/* A guest that misses pages gets them from its own balloon, and others make up for it. */
static void test_wanted_pages_come_back(void **state)
{
	(void)state;
	vms[0] = donor();
	vms[0].target_pages = 500;
	vms[0].ballooned_pages = 500;
	vms[0].wanted_pages = 200;
	vms[0].idle_pages = 0;
	vms[0].free_pages = 0;
	vms[1] = donor();
	decide((LOW + HIGH) / 2, 2);
	assert_int_equal(vms[0].new_target_pages, 300);
	decide(LOW - 1, 2);
	assert_int_equal(vms[0].new_target_pages, 300);
	assert_int_equal(vms[1].new_target_pages, HIGH - (LOW - 1) + 200);
}

/* Guests that follow their targets at once: the targets must come to rest. */
static void test_targets_come_to_rest(void **state)
{
	(void)state;
	uint64_t free_pages = 200;
	unsigned changes = 0;
	for (unsigned i = 0; i < 4; i++) {
		vms[i] = donor();
		vms[i].shares = 100 + i * 50;
	}
	for (unsigned round = 0; round < 200; round++) {
		decide(free_pages, 4);
		for (unsigned i = 0; i < 4; i++) {
			struct policy_vm *vm = &vms[i];
			if (vm->new_target_pages == vm->target_pages) {
				continue;
			}
			changes++;
			vm->target_pages = vm->new_target_pages;
			int64_t moved = (int64_t)(vm->target_pages - vm->ballooned_pages);
			vm->ballooned_pages += (uint64_t)moved;
			vm->held_pages -= (uint64_t)moved;
			vm->idle_pages -= (uint64_t)moved;
			vm->free_pages -= (uint64_t)moved;
			free_pages += (uint64_t)moved;
		}
	}
	assert_true(free_pages >= LOW && free_pages <= HIGH);
	assert_true(changes > 0 && changes <= 8);
}

static uint64_t random_below(uint64_t limit)
{
	static uint64_t random_state = 88172645463325252;
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % limit;
}

static struct policy_vm random_vm(void)
{
	struct policy_vm vm = {.max_pages = random_below(100000) + 1};
	vm.mem_pages = random_below(vm.max_pages) + 1;
	vm.min_pages = random_below(vm.mem_pages + 1);
	vm.ballooned_pages = random_below(vm.max_pages + 1);
	vm.held_pages = random_below(vm.max_pages - vm.ballooned_pages + 1);
	vm.target_pages = random_below(3) ? random_below(vm.max_pages) : 0;
	vm.free_pages = random_below(vm.max_pages + 1);
	vm.idle_pages = random_below(vm.free_pages + 1);
	vm.wanted_pages = random_below(4) ? 0 : random_below(vm.max_pages);
	vm.shares = random_below(10000) + 1;
	vm.attached = random_below(8) != 0;
	vm.unresponsive = random_below(8) == 0;
	vm.waiting = random_below(16) == 0;
	return vm;
}

/* What holds whatever guests say: targets stay within RAM, and growth stays within what is idle. */
static void test_random_worlds(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		unsigned count = (unsigned)random_below(ARRAY_COUNT(vms)) + 1;
		for (unsigned i = 0; i < count; i++) {
			vms[i] = random_vm();
		}
		decide(random_below(3 * HIGH), count);
		for (unsigned i = 0; i < count; i++) {
			const struct policy_vm *vm = &vms[i];
			if (!vm->attached) {
				assert_int_equal(vm->new_target_pages, 0);
			} else if (vm->new_target_pages > vm->target_pages) {
				assert_true(vm->new_target_pages <=
					    vm->ballooned_pages + vm->free_pages);
				assert_true(vm->new_target_pages <= vm->max_pages);
				assert_false(vm->unresponsive);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plenty_changes_nothing),
		cmocka_unit_test(test_asks_for_what_is_missing),
		cmocka_unit_test(test_does_not_ask_twice),
		cmocka_unit_test(test_never_below_the_minimum),
		cmocka_unit_test(test_margin_stays),
		cmocka_unit_test(test_entitled_waiter_takes_the_margin),
		cmocka_unit_test(test_unresponsive_and_detached_are_not_asked),
		cmocka_unit_test(test_unresponsive_driver_is_replaced),
		cmocka_unit_test(test_shares_decide),
		cmocka_unit_test(test_surplus_deflates),
		cmocka_unit_test(test_wanted_pages_come_back),
		cmocka_unit_test(test_targets_come_to_rest),
		cmocka_unit_test(test_random_worlds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
