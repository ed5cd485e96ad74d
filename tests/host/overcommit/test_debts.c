/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a VM owes, when it is forgiven, and how often it may do something: the price of frames from
 * the reserve, a driver that does not answer, the budget of boosts, lines of the log. And sums that
 * do not fit in 32 bits.
 */
#include "fake/kernel.h"

#include <string.h>

#include "base/bits.h"
#include "kernel/balloon/balloon.h"
#include "kernel/overcommit/driver_health.h"
#include "kernel/sched/boost.h"
#include "kernel/sched/clock.h"
#include "kernel/overcommit/governor.h"
#include "kernel/overcommit/oom.h"
#include "kernel/overcommit/wait_queue.h"
#include "kernel/sched/wake.h"
#include "mm/promise.h"

#define FRAMES 6000
#define MS 1000ull /* arch_tsc_khz() */
#define TURN (1ull << 32)

/* ---- Frames from the reserve ---- */

static void test_reserve_has_a_price(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm("vm", 3000, 2000, 100);
	(void)kernel_attach(vm);
	vm->balloon.driver_debt_pages = 31 * 4;
	assert_true(balloon_may_use_reserve(vm));
	vm->balloon.driver_debt_pages++;
	assert_false(balloon_may_use_reserve(vm));
	vm->balloon.driver_debt_pages = 0;
}

/* It is open for the one touch that may use it. */
static void test_reserve_is_shut_behind_the_touch(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *driver = kernel_vm("driver", 3000, 2000, 100);
	(void)kernel_attach(driver);
	kernel_touch_pages(driver, 200, 200);
	kernel_exhaust(kernel_vm("taker", 6000, 6000, 100));
	assert_int_equal(kernel_touch_pages(driver, 1500, 1), 1);
	assert_int_equal(driver->balloon.driver_debt_pages, 4);
	assert_false(driver->s2.promise.emergency);
	driver->balloon.driver_debt_pages = 32 * 4;
	assert_int_equal(kernel_touch_pages(driver, 1501, 1), 0);
	assert_true(kernel_waits(driver));
}

/* Nothing is owed for a frame that was not there. */
static void test_no_debt_without_a_frame(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *driver = kernel_vm("driver", 3000, 2000, 100);
	(void)kernel_attach(driver);
	kernel_touch_pages(driver, 200, 200);
	struct vm *taker = kernel_vm("taker", 6000, 6000, 100);
	promise_reserve_set(0);
	kernel_exhaust(taker);
	assert_int_equal(kernel_touch_pages(driver, 1500, 1), 0);
	assert_true(kernel_waits(driver));
	assert_int_equal(driver->balloon.driver_debt_pages, 0);
}

/* ---- A driver that does not answer ---- */

static struct vm *unresponsive_vm(void)
{
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm("idle", 5000, 3000, 100);
	struct aerostat_balloon_page *page = kernel_attach(vm);
	kernel_touch_pages(vm, 200, 2500);
	page->total_pages = 5000;
	page->free_pages = 2500;
	page->idle_pages = 2500;
	kernel_exhaust(kernel_vm("taker", 5000, 4000, 100));
	kernel_periods(106);
	assert_true(vm->balloon.unresponsive);
	return vm;
}

/* It need not wait for the end of its two seconds. */
static void test_answer_forgives_at_once(void **state)
{
	(void)state;
	struct vm *vm = unresponsive_vm();
	kernel_periods(10);
	assert_true(vm->balloon.unresponsive);
	kernel_give(vm, 200, 1000);
	kernel_periods(1);
	assert_false(vm->balloon.unresponsive);
}

/* What it was asked for stands, or one page would be an answer when it has attached again. */
static void test_detaching_does_not_forgive(void **state)
{
	(void)state;
	struct vm *vm = unresponsive_vm();
	uint64_t asked = vm->balloon.asked_pages;
	assert_true(asked >= 32);
	assert_int_equal(balloon_detach(&vm->vcpus[0]), STATUS_OK);
	kernel_periods(30);
	assert_true(vm->balloon.unresponsive);
	assert_int_equal(vm->balloon.asked_pages, asked);
}

/* Each question comes with time of its own to answer it. */
static void test_chance_begins_with_the_question(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm("vm", 3000, 2000, 100);
	(void)kernel_attach(vm);
	vm->vcpus[0].chance_ticks = 500 * MS;
	driver_health_note_target(vm, 100, 50, 7 * MS);
	assert_int_equal(vm->balloon.asked_pages, 50);
	assert_int_equal(vm->vcpus[0].chance_ticks, 0);
	driver_health_note_target(vm, 0, 0, 7 * MS);
}

static void test_deadlines_beyond_32_bits(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm("vm", 3000, 2000, 100);
	(void)kernel_attach(vm);
	vm->balloon.asked_pages = 10;
	vm->balloon.asked_tsc = 5 * MS;
	assert_false(driver_health_is_slow(vm, 105 * MS));
	assert_true(driver_health_is_slow(vm, 105 * MS + 1));
	assert_true(driver_health_is_slow(vm, 5 * MS + TURN + 1));
	/* 20 microseconds for each of so many pages are more than 2^32. */
	vm->vcpus[0].chance_ticks = 500 * MS;
	vm->balloon.asked_pages = TURN / 20 + 1;
	assert_true(driver_health_lacks_cpu(vm, 2000 * MS));
	vm->vcpus[0].chance_ticks = 1000 * MS;
	assert_false(driver_health_lacks_cpu(vm, 2000 * MS));
	vm->balloon.asked_pages = 0;
}

/* A VM that holds a TiB more than it is due is the one to go, not one that holds a little more. */
static void test_excess_beyond_32_bits(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *modest = kernel_vm("modest", 5000, 1000, 100);
	kernel_touch_pages(modest, 200, 1100);
	struct vm *giant = kernel_vm("giant", 5000, 1000, 100);
	kernel_touch_pages(giant, 200, 100);
	kernel_exhaust(kernel_vm("waiter", 5000, 4000, 100));
	kernel_periods(390);
	giant->s2.mapped_pages += TURN / 16; /* 10000 times as much is a multiple of 2^32 */
	oom_check(clock_now() + 200 * MS);
	giant->s2.mapped_pages -= TURN / 16;
	assert_int_equal(giant->state, VM_KILLED);
	assert_int_equal(modest->state, VM_RUNNING);
}

/* One that does not answer goes last: not before there is enough for all. */
static void test_unresponsive_is_served_last(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm("vm", 6000, 2000, 100);
	(void)kernel_attach(vm);
	kernel_exhaust(vm);
	vm->balloon.unresponsive = true;
	assert_true(wait_queue_wake(99, 100));
	assert_true(kernel_waits(vm));
	assert_false(wait_queue_wake(100, 100));
	assert_int_equal(vm->vcpus[0].state, VCPU_QUEUED);
}

/* What it ran before it was told of a frame does not make it late: it waits still, not anew. */
static void test_it_waits_still(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm("vm", 6000, 2000, 100);
	struct vcpu *vcpu = &vm->vcpus[0];
	kernel_exhaust(vm);
	vcpu->ran_ticks += 5000 * MS;
	uint64_t since = vcpu->blocked_since_tsc;
	fake_tsc += 5 * MS;
	vcpu_wake_for_memory(vcpu);
	assert_int_equal(vcpu->state, VCPU_QUEUED);
	kernel_pick(vcpu);
	assert_int_equal(kernel_touch_pages(vm, 5999, 1), 0);
	assert_int_equal(vcpu->blocked_since_tsc, since);
}

/* ---- Time ---- */

static void test_budget_of_boosts(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm("vm", 3000, 2000, 100);
	boost_init(vm);
	assert_int_equal(vm->boost.left_ticks, 40 * MS);
	/* A machine that stood still has not run for it. */
	boost_charge(vm, 5000 * MS);
	assert_int_equal(vm->boost.left_ticks, 32 * MS);
	boost_charge(vm, 3 * MS);
	assert_int_equal(vm->boost.left_ticks, 29 * MS);
	/* One part in twenty of the time that passes, and never more than it began with. */
	boost_fill(vm, 100 * MS);
	assert_int_equal(vm->boost.left_ticks, 34 * MS);
	boost_fill(vm, 60000 * MS);
	assert_int_equal(vm->boost.left_ticks, 40 * MS);
	boost_fill(vm, 100 * MS);
	assert_int_equal(vm->boost.left_ticks, 40 * MS);
}

/* The TSC of the boot CPU may step back by a little: that is no standstill afterwards. */
static void test_clock_steps_back(void **state)
{
	(void)state;
	clock_init(100 * MS);
	assert_int_equal(clock_look(125 * MS), 125 * MS);
	assert_int_equal(clock_look(90 * MS), 90 * MS);
	assert_int_equal(clock_look(130 * MS), 130 * MS);
	/* 30 of these 100 ms count. */
	assert_int_equal(clock_look(230 * MS), 160 * MS);
}

static void test_lines_of_a_second(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm("vm", 3000, 2000, 100);
	fake_tsc += 5000 * MS;
	for (unsigned i = 0; i < VM_LOG_LINES_PER_SECOND + 1; i++) {
		vm_log(vm, "line");
	}
	assert_int_equal(vm->log.suppressed, 1);
	fake_tsc += 999 * MS;
	vm_log(vm, "in the same second");
	assert_int_equal(vm->log.suppressed, 2);
	assert_null(strstr(fake_log_text, "in the same second"));
	/* After 2^32 ticks the second is over, too. */
	fake_tsc += TURN - 998 * MS;
	vm_log(vm, "long after");
	assert_int_equal(vm->log.suppressed, 0);
	assert_non_null(strstr(fake_log_text, "long after"));
}

/* Frames that came back are a reason to decide before the time is up, and only once. */
static void test_frames_that_came_back_count_once(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *donor = kernel_vm("donor", 5000, 1000, 100);
	(void)kernel_attach(donor);
	kernel_touch_pages(donor, 200, 1000);
	kernel_exhaust(kernel_vm("taker", 5000, 5000, 100));
	kernel_periods(1);
	promise_reserve_set(FRAMES); /* so that the taker still waits */
	kernel_give(donor, 200, 10);
	fake_tsc += MS;
	governor_poll(fake_tsc);
	uint64_t next = governor_next_tsc();
	assert_int_equal(next, fake_tsc + 10 * MS);
	fake_tsc += MS;
	governor_poll(fake_tsc);
	assert_int_equal(governor_next_tsc(), next);
}

static unsigned count_of(const char *text)
{
	unsigned count = 0;
	for (const char *at = fake_log_text; (at = strstr(at, text)) != NULL; at++) {
		count++;
	}
	return count;
}

/* Guests decide how often the host becomes short: it says so twice a second at most. */
static void test_pressure_is_told_now_and_then(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	(void)kernel_vm("vm", 3000, 2000, 100);
	kernel_periods(100);
	fake_log_clear();
	for (unsigned i = 0; i < 40; i++) {
		promise_reserve_set(i % 2 == 0 ? FRAMES : 0);
		kernel_periods(10);
	}
	assert_int_equal(count_of("memory short"), 4);
	assert_in_range(count_of("memory plentiful"), 3, 4);
}

#define TEST(name) cmocka_unit_test_teardown(name, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reserve_has_a_price),
		TEST(test_reserve_is_shut_behind_the_touch),
		TEST(test_no_debt_without_a_frame),
		TEST(test_answer_forgives_at_once),
		TEST(test_detaching_does_not_forgive),
		TEST(test_chance_begins_with_the_question),
		TEST(test_deadlines_beyond_32_bits),
		TEST(test_excess_beyond_32_bits),
		TEST(test_unresponsive_is_served_last),
		TEST(test_it_waits_still),
		TEST(test_budget_of_boosts),
		TEST(test_clock_steps_back),
		TEST(test_lines_of_a_second),
		TEST(test_frames_that_came_back_count_once),
		TEST(test_pressure_is_told_now_and_then),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
