/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/overcommit/driver_health.c and oom.c: what a guest can do to put off the verdict on its
 * driver, or the end of the wait, and what an honest one must not be blamed for.
 */
#include "fake/kernel.h"

#include <string.h>

#include "base/bits.h"
#include "kernel/overcommit/driver_health.h"
#include "kernel/overcommit/governor.h"
#include "kernel/sched/clock.h"
#include "kernel/sched/scheduler.h"
#include "mm/promise.h"

#define FRAMES 6000
#define MS 1000ull /* arch_tsc_khz() */
#define SECOND 100 /* periods of the governor */

static struct vm *vm;
static struct aerostat_balloon_page *page;

static void say_idle(uint64_t pages)
{
	page->total_pages = FRAMES;
	page->free_pages = pages;
	page->idle_pages = pages;
}

/* It holds no more than its allotment, and says that nearly all of it is idle; another VM waits. */
static void start(unsigned vcpus)
{
	kernel_start(FRAMES, 1);
	vm = kernel_vm_with(vcpus, "miser", 20000, 4000, 100);
	page = kernel_attach(vm);
	kernel_touch_pages(vm, 200, 3900);
	say_idle(3800);
	kernel_exhaust(kernel_vm("waiter", 5000, 4000, 100));
}

static bool is_said(const char *text)
{
	return strstr(fake_log_text, text) != NULL;
}

/* ---- Putting off the verdict ---- */

/* Of each 0.9 s the guest does something else for the last 40 ms: `on` and off again. */
static void now_and_then(void (*pretend)(bool on), bool expected)
{
	start(1);
	fake_log_clear();
	for (unsigned i = 0; i < 3 * SECOND; i++) {
		kernel_periods(1);
		if (i % 90 == 85 || i % 90 == 89) {
			pretend(i % 90 == 85);
		}
	}
	assert_int_equal(is_said("miser driver does not answer"), expected);
}

static void detach(bool on)
{
	if (on) {
		assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_DETACH, 0, 0), 0);
	} else {
		page = kernel_attach(vm);
		say_idle(3800);
	}
}

/* Regression: what it had been asked for was forgotten when it detached. */
static void test_detached_for_a_moment(void **state)
{
	(void)state;
	now_and_then(detach, true);
}

static void have_nothing(bool on)
{
	say_idle(on ? 0 : 3800);
}

/* Siblings: it says for a moment that nothing is idle, or that it wants pages, or waits itself. */
static void test_nothing_idle_for_a_moment(void **state)
{
	(void)state;
	now_and_then(have_nothing, true);
}

static void have_free_only(bool on)
{
	page->idle_pages = on ? 0 : 3800;
}

static void test_nothing_idle_but_free(void **state)
{
	(void)state;
	now_and_then(have_free_only, true);
}

static void want(bool on)
{
	page->wanted_pages = on ? 4000 : 0;
}

static void test_pages_wanted_for_a_moment(void **state)
{
	(void)state;
	now_and_then(want, true);
}

static void wait(bool on)
{
	static uint64_t gfn = 10000; /* one that it has not got yet */
	if (on) {
		vm->balloon.driver_debt_pages = 4 * 32; /* it has nothing from the reserve */
		assert_int_equal(kernel_touch(vm, gfn), EXIT_BLOCK);
	} else {
		vm->balloon.driver_debt_pages = 0;
		kernel_periods(1);
		(void)kernel_touch(vm, gfn++);
	}
}

static void test_waiting_for_a_moment(void **state)
{
	(void)state;
	now_and_then(wait, true);
}

/*
 * Regression: it said that it had little when it was asked, so one page was an answer. What it said
 * that it had from then on was relied on, and nobody else was asked for it.
 */
static void test_little_idle_when_it_is_asked(void **state)
{
	(void)state;
	start(1);
	for (unsigned i = 0; i < 3 * SECOND; i++) {
		say_idle(i % 100 < 4 ? 40 : 3800);
		kernel_periods(1);
		if (i % 100 == 20) {
			kernel_give(vm, 200 + i, 4);
		}
		if (i % 100 > 20) {
			assert_false(vm->balloon.unresponsive);
			assert_true(driver_health_is_slow(vm, clock_now()));
		}
	}
}

/* ---- Not to be blamed ---- */

/* It is asked for a third of the time: no more than one that is left out for two of three seconds.
 */
static void test_asked_now_and_then(void **state)
{
	(void)state;
	start(1);
	fake_log_clear();
	for (unsigned i = 0; i < 12 * SECOND / 10 && vm->state == VM_RUNNING; i++) {
		say_idle(i % 10 < 3 ? 3800 : 0);
		kernel_periods(1);
	}
	assert_false(is_said("miser driver does not answer"));
	assert_in_range(clock_now() - vm->balloon.asked_tsc, 0, 60 * MS);
}

/* Two seconds without a driver, as while it is replaced: the new one has a second of its own. */
static void test_replaced_driver_has_its_second(void **state)
{
	(void)state;
	start(1);
	kernel_periods(90);
	assert_true(vm->balloon.asked_pages > 0);
	detach(true);
	kernel_periods(150);
	assert_true(vm->balloon.asked_pages > 0);
	kernel_periods(40);
	assert_int_equal(vm->balloon.asked_pages, 0);
	assert_true(driver_health_cannot_give(vm)); /* it could have attached meanwhile */
	fake_log_clear();
	detach(false);
	kernel_periods(SECOND - 1);
	assert_false(is_said("driver does not answer"));
	kernel_periods(5);
	assert_true(is_said("driver does not answer"));
}

/* The time in which it could have run while it was excused is not held against it later. */
static void test_excused_time_is_no_chance(void **state)
{
	(void)state;
	start(1);
	kernel_periods(60);
	vm->balloon.asked_pages = 10000; /* 220 ms of a CPU for these */
	have_nothing(true);
	kernel_periods(90);
	have_nothing(false);
	kernel_settle(&vm->vcpus[0]); /* and from now on it has no CPU */
	fake_log_clear();
	assert_in_range(vm->vcpus[0].chance_ticks, 100 * MS, 180 * MS);
	kernel_periods(3 * SECOND / 2);
	assert_false(vm->balloon.unresponsive);
	assert_true(driver_health_lacks_cpu(vm, clock_now()));
}

/* ---- The end of the wait ---- */

/* All vCPUs of the one that is asked could run, but have no CPU. */
static void start_without_a_cpu(unsigned vcpus)
{
	start(vcpus);
	vm->balloon.asked_pages = 100000;
	vm->balloon.asked_tsc = clock_now();
	for (unsigned i = 1; i < vcpus; i++) {
		assert_int_equal(scheduler_start(&vm->vcpus[i], 0x5000, 0), STATUS_OK);
	}
	kernel_settle(&vm->vcpus[0]);
}

/* Lets periods pass until a VM is killed; answers how many, at most `most`. */
static unsigned until_one_is_killed(unsigned most, void (*each)(unsigned period))
{
	for (unsigned i = 0; i < most; i++) {
		each(i);
		kernel_periods(1);
		for (unsigned j = 0; j < vm_count; j++) {
			if (vms[j].state == VM_KILLED) {
				return i;
			}
		}
	}
	return most;
}

static void nothing(unsigned period)
{
	(void)period;
}

/* One vCPU after the other has a CPU for 40 ms of each second. */
static void run_a_little(unsigned period)
{
	if (period % SECOND == 0) {
		vm->vcpus[period / SECOND % vm->config.vcpus].ran_ticks += 40 * MS;
	}
}

/*
 * Regression: eight vCPUs that shared the little that they got, each of which was to have a second
 * of it for what they were asked for, held off the end for 160 s.
 */
static void test_lack_of_a_cpu_is_waited_for_so_long(void **state)
{
	(void)state;
	static const unsigned vcpus[] = {1, 2, 8};
	for (unsigned i = 0; i < ARRAY_COUNT(vcpus); i++) {
		start_without_a_cpu(vcpus[i]);
		assert_in_range(
			until_one_is_killed(200 * SECOND, vcpus[i] > 2 ? run_a_little : nothing),
			16 * SECOND - 5, 16 * SECOND + 5);
		(void)kernel_teardown(state);
	}
	start(1);
}

static void give_a_page(unsigned period)
{
	if (period % (3 * SECOND) == 0) {
		kernel_give(vm, 200 + period, 1);
	}
}

/* Frames that come, but not to the one that comes first, do not stretch it beyond that. */
static void test_frames_for_others_stretch_nothing(void **state)
{
	(void)state;
	start_without_a_cpu(8);
	promise_reserve_set(FRAMES); /* so that the waiter is not told of them */
	assert_in_range(until_one_is_killed(200 * SECOND, give_a_page), 28 * SECOND - 5,
			28 * SECOND + 5);
}

static void give_once(unsigned period)
{
	if (period == 10 * SECOND) {
		kernel_give(vm, 200 + period, 1);
	}
}

/* It begins anew when frames have come, and nobody has waited for too long. */
static void test_patience_begins_anew(void **state)
{
	(void)state;
	start_without_a_cpu(8);
	vms[1].config.mem_pages = 100; /* the waiter does not come first */
	promise_reserve_set(FRAMES);
	assert_in_range(until_one_is_killed(200 * SECOND, give_once), 26 * SECOND - 5,
			26 * SECOND + 5);
}

/* Nobody holds more than it is due: the one that waits is ended, and told so. */
static void test_nobody_holds_too_much(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	vm = kernel_vm("waiter", 8000, 7000, 100);
	page = kernel_attach(vm);
	kernel_exhaust(vm);
	fake_log_clear();
	assert_in_range(until_one_is_killed(10 * SECOND, nothing), 4 * SECOND - 5, 4 * SECOND + 5);
	assert_true(is_said("no VM gives any back, and it waits for more"));
}

#define TEST(name) cmocka_unit_test_teardown(name, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_detached_for_a_moment),
		TEST(test_nothing_idle_for_a_moment),
		TEST(test_nothing_idle_but_free),
		TEST(test_pages_wanted_for_a_moment),
		TEST(test_waiting_for_a_moment),
		TEST(test_little_idle_when_it_is_asked),
		TEST(test_asked_now_and_then),
		TEST(test_replaced_driver_has_its_second),
		TEST(test_excused_time_is_no_chance),
		TEST(test_lack_of_a_cpu_is_waited_for_so_long),
		TEST(test_frames_for_others_stretch_nothing),
		TEST(test_patience_begins_anew),
		TEST(test_nobody_holds_too_much),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
