/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/overcommit/governor.c over a real world of VMs: who is asked when, who counts as
 * unresponsive, and whom it does not wait for. Named after the failures of balloons that they stand
 * for (P1 to P5, H7).
 */
#include "fake/kernel.h"

#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "kernel/balloon/balloon.h"
#include "kernel/lib/tunables.h"
#include "kernel/overcommit/governor.h"
#include "kernel/sched/boost.h"
#include "kernel/sched/run_queue.h"
#include "kernel/balloon/admission.h"
#include "mm/alloc.h"
#include "mm/frame.h"
#include "mm/promise.h"

#define FRAMES 6000
#define LOW (FRAMES / 32)
#define HIGH (2 * LOW)

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

/* P5: nobody is short, so nobody is asked, whatever he has lying idle. */
static void test_no_pressure_no_targets(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm("a", 4000, 3000, 100);
	struct aerostat_balloon_page *page = kernel_attach(vm);
	kernel_touch_pages(vm, 100, 2000);
	page->free_pages = 2000;
	page->idle_pages = 2000;
	kernel_periods(100);
	assert_int_equal(vm->balloon.target_pages, 0);
	assert_int_equal(page->pressure, AEROSTAT_PRESSURE_NONE);
	assert_int_equal(page->doorbells, 0);
	assert_true(governor_next_tsc() > fake_tsc);
	assert_true(governor_is_plentiful());
	kernel_exhaust(kernel_vm("taker", 6000, 6000, 100));
	assert_false(governor_is_plentiful());
}

/* The donor is asked in the period in which memory becomes short, and asked no more after it. */
static void test_asks_within_one_period(void **state)
{
	struct aerostat_balloon_page *page;
	(void)state;
	struct vm *donor = idle_vm(&page);
	struct vm *taker = kernel_vm("taker", 5000, 3000, 100);
	while (promise_spare() >= LOW) {
		assert_int_equal(kernel_touch_pages(taker, taker->s2.mapped_pages, 1), 1);
	}
	kernel_periods(1);
	assert_true(donor->balloon.target_pages > 0);
	assert_true(boost_is_wanted(donor)); /* its driver runs out of turn until it has given */
	assert_false(boost_is_wanted(taker));
	assert_int_equal(page->pressure, AEROSTAT_PRESSURE_LOW);
	assert_int_equal(page->doorbells, 1);
	kernel_give(donor, 200, (uint32_t)donor->balloon.target_pages);
	page->free_pages -= donor->s2.ballooned_pages;
	page->idle_pages -= donor->s2.ballooned_pages;
	uint64_t target = donor->balloon.target_pages;
	kernel_periods(100);
	assert_false(boost_is_wanted(donor));
	assert_int_equal(donor->balloon.target_pages, target);
	assert_int_equal(page->doorbells, 1);
}

/* Both have as much to give; the one that does not use what it holds is asked for more of it. */
static void test_idle_memory_is_asked_for_first(void **state)
{
	(void)state;
	kernel_start(FRAMES, 0);
	struct vm *pair[2] = {kernel_vm("busy", 5000, 3000, 100),
			      kernel_vm("idle", 5000, 3000, 100)};
	for (unsigned i = 0; i < 2; i++) {
		struct aerostat_balloon_page *page = kernel_attach(pair[i]);
		kernel_touch_pages(pair[i], 100, 2000);
		page->free_pages = 1000;
		page->idle_pages = 1000;
		pair[i]->working_set.known = true;
		pair[i]->working_set.active_pages = i == 0 ? 2000 : 0;
	}
	struct vm *taker = kernel_vm("taker", 5000, 3000, 100);
	while (promise_spare() >= LOW) {
		assert_int_equal(kernel_touch_pages(taker, taker->s2.mapped_pages, 1), 1);
	}
	kernel_periods(1);
	assert_true(pair[1]->balloon.target_pages > 0);
	assert_int_equal(pair[0]->balloon.target_pages, 0);
}

/* P1: a guest that misses pages has its target lowered in the next period. */
static void test_gives_back_within_one_period(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm("a", 5000, 3000, 100);
	struct aerostat_balloon_page *page = kernel_attach(vm);
	kernel_touch_pages(vm, 100, 2000);
	balloon_set_target(vm, 500, AEROSTAT_PRESSURE_LOW);
	kernel_give(vm, 100, 500);
	struct vm *other = kernel_vm("other", 5000, 5000, 100);
	while (promise_spare() > (LOW + HIGH) / 2) {
		kernel_touch_pages(other, other->s2.mapped_pages, 1);
	}
	kernel_periods(1);
	assert_int_equal(vm->balloon.target_pages, 500);
	page->wanted_pages = 200;
	kernel_periods(1);
	assert_int_equal(vm->balloon.target_pages, 300);
	assert_int_equal(page->target_pages, 300);
}

/* P3: a driver that has idle pages and does not move is left alone, noted, and forgiven. */
static void test_unresponsive_driver_is_noticed(void **state)
{
	struct aerostat_balloon_page *page;
	(void)state;
	struct vm *unresponsive = idle_vm(&page);
	struct vm *taker = kernel_vm("taker", 5000, 4000, 100);
	kernel_exhaust(taker);
	kernel_periods(1);
	assert_true(unresponsive->balloon.target_pages > 0);
	assert_int_equal(page->pressure, AEROSTAT_PRESSURE_HIGH);
	kernel_periods(105);
	assert_true(unresponsive->balloon.unresponsive);
	assert_non_null(strstr(fake_log_text, "driver does not answer"));
	kernel_periods(1);
	assert_int_equal(unresponsive->balloon.target_pages, 0);
	assert_int_equal(unresponsive->state, VM_RUNNING);
}

/* A policy may say that sizes stay as they are: no balloon is asked, and none is deflated. */
static void test_policy_of_fixed_sizes(void **state)
{
	struct aerostat_balloon_page *page;
	struct error error;
	(void)state;
	assert_int_equal(tunable_set("low_parts", "off", &error), STATUS_OK);
	struct vm *donor = idle_vm(&page);
	struct vm *taker = kernel_vm("taker", 5000, 4000, 100);
	kernel_exhaust(taker);
	kernel_periods(300);
	assert_int_equal(donor->balloon.target_pages, 0);
	assert_false(donor->balloon.unresponsive);
	assert_true(kernel_waits(taker));
}

/* Nor must a driver be judged by its deadline. */
static void test_policy_without_deadlines_for_drivers(void **state)
{
	struct aerostat_balloon_page *page;
	struct error error;
	(void)state;
	assert_int_equal(tunable_set("driver_answer_ms", "off", &error), STATUS_OK);
	struct vm *silent = idle_vm(&page);
	struct vm *taker = kernel_vm("taker", 5000, 4000, 100);
	kernel_exhaust(taker);
	kernel_periods(350);
	assert_true(silent->balloon.target_pages > 0);
	assert_false(silent->balloon.unresponsive);
}

/* It is left out for two seconds, not for ever: then it is asked again. */
static void test_unresponsive_driver_is_forgiven(void **state)
{
	struct aerostat_balloon_page *page;
	(void)state;
	struct vm *unresponsive = idle_vm(&page);
	struct vm *taker = kernel_vm("taker", 5000, 4000, 100);
	kernel_exhaust(taker);
	kernel_periods(106);
	assert_true(unresponsive->balloon.unresponsive);
	kernel_periods(190);
	assert_true(unresponsive->balloon.unresponsive);
	assert_int_equal(unresponsive->balloon.target_pages, 0);
	kernel_periods(12);
	assert_false(unresponsive->balloon.unresponsive);
	assert_true(unresponsive->balloon.target_pages > 0);
	kernel_give(unresponsive, 200, (uint32_t)unresponsive->balloon.target_pages);
	kernel_periods(1);
	assert_int_equal(taker->vcpus[0].state, VCPU_QUEUED);
}

/*
 * H11, regression: guests that gave and touched one page again and again on another CPU got the
 * boot CPU's guest out of it each time, which could not get on.
 */
static void test_boot_cpu_is_not_called_without_end(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	fake_cpu_count = 2;
	governor_poll(fake_tsc);
	fake_cpu = 1;
	for (unsigned i = 0; i < 249; i++) {
		admission_note_waiter();
		fake_tsc++;
	}
	assert_int_equal(fake_kicks[0], 0);
	fake_tsc++;
	admission_note_waiter();
	assert_int_equal(fake_kicks[0], 1);
	assert_true(run_queues[0].wanted);
	/* By one on the boot CPU itself nobody else is disturbed. */
	fake_cpu = 0;
	run_queues[0].wanted = false;
	governor_poll(fake_tsc);
	admission_note_waiter();
	assert_true(run_queues[0].wanted);
}

/*
 * H11, regression: the boot CPU queued up for the lock of a VM whose vCPUs were always calling, in
 * each period.
 */
static void test_busy_vm_is_not_waited_for(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm("busy", 6000, 3000, 100);
	struct aerostat_balloon_page *page = kernel_attach(vm);
	for (uint64_t gfn = 0; promise_spare() >= LOW; gfn++) {
		assert_int_equal(kernel_touch_pages(vm, gfn, 1), 1);
	}
	kernel_periods(1);
	page->total_pages = 6000;
	page->free_pages = 2000;
	page->idle_pages = 2000;
	struct s2_locked locked = s2_lock(&vm->s2);
	for (unsigned i = 0; i < 8; i++) {
		fake_tsc += 10 * 1000;
		governor_poll(fake_tsc); /* would wait for ever */
		assert_int_equal(vm->balloon.target_pages, 0);
	}
	s2_unlock(locked);
	kernel_periods(1);
	assert_true(vm->balloon.target_pages > 0);
}

/*
 * Regression: the thresholds were set while the modules still had their frames: on a machine most
 * of which is modules at boot, they were far too low for the memory that it has afterwards.
 */
static void test_released_frames_raise_the_thresholds(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	const unsigned modules = 4000;
	const struct frame_tag tag = {FRAME_HYPERVISOR, ORDER_4K, VM_ID_HOST};
	static pfn_t frames[4000];
	for (unsigned i = 0; i < modules; i++) {
		assert_int_equal(frame_alloc(ORDER_4K, tag, &frames[i]), STATUS_OK);
	}
	governor_init();
	for (unsigned i = 0; i < modules; i++) {
		frame_free_range(frames[i], 1);
	}
	governor_note_released(modules);
	assert_in_range(governor_free_low(), FRAMES - 600, FRAMES);
	struct vm *vm = kernel_vm("vm", 6000, 6000, 100);
	while (promise_spare() >= LOW) {
		assert_int_equal(kernel_touch_pages(vm, vm->s2.mapped_pages, 1), 1);
	}
	fake_log_clear();
	kernel_periods(60);
	char low[32];
	snprintf(low, sizeof(low), "low=%u high=%u", LOW, HIGH);
	assert_non_null(strstr(fake_log_text, "memory short"));
	assert_non_null(strstr(fake_log_text, low));
}

/*
 * Regression: fills went on with 2 MiB until the boot CPU looked the next time, and left nothing
 * when those who could give were asked at last.
 */
static void test_large_fills_stop_in_time(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm("large", 30000, 30000, 100);
	kernel_periods(1);
	for (uint64_t i = 0; i < 30; i++) {
		assert_int_equal(kernel_touch_pages(vm, i * 512, 1), 1);
	}
	assert_true(vm->s2.large_pages >= 5 * 512);
	assert_in_range(promise_spare(), HIGH - 30, HIGH + 512);
	kernel_periods(1);
}

/* H7: whatever a guest writes into its page, targets stay within its RAM. */
static void test_lies_stay_within_bounds(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *liar = kernel_vm("liar", 3000, 2000, 100);
	struct aerostat_balloon_page *page = kernel_attach(liar);
	struct vm *taker = kernel_vm("taker", 6000, 5000, 100);
	kernel_exhaust(taker);
	uint64_t word = 1;
	for (unsigned i = 0; i < 300; i++) {
		word = word * 6364136223846793005 + 1442695040888963407;
		page->total_pages = word;
		page->free_pages = word >> (i & 63);
		page->idle_pages = ~word >> (i & 31);
		page->wanted_pages = word << (i & 63);
		page->size_pages = word;
		page->target_pages = ~word;
		kernel_periods(1);
		assert_true(liar->balloon.target_pages <= liar->s2.limit_pages);
	}
	assert_int_equal(liar->state, VM_RUNNING);
}

#define TEST(name) cmocka_unit_test_teardown(name, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_pressure_no_targets),
		TEST(test_asks_within_one_period),
		TEST(test_idle_memory_is_asked_for_first),
		TEST(test_gives_back_within_one_period),
		TEST(test_unresponsive_driver_is_noticed),
		TEST(test_policy_of_fixed_sizes),
		TEST(test_policy_without_deadlines_for_drivers),
		TEST(test_unresponsive_driver_is_forgiven),
		TEST(test_boot_cpu_is_not_called_without_end),
		TEST(test_busy_vm_is_not_waited_for),
		TEST(test_large_fills_stop_in_time),
		TEST(test_released_frames_raise_the_thresholds),
		TEST(test_lies_stay_within_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
