/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/overcommit/silent_driver.c: a VM whose driver says nothing, and comes for its target once
 * a second, is asked for what it does not use, is left alone when it uses its memory, gets back
 * what it cannot do without, and is not blamed for what it cannot give, nor for coming late.
 */
#include "fake/kernel.h"

#include <string.h>

#include "base/bits.h"
#include "kernel/lib/tunables.h"
#include "kernel/overcommit/silent_driver.h"
#include "kernel/overcommit/working_set.h"
#include "kernel/sched/clock.h"
#include "kernel/sched/wake.h"

#define FRAMES 6000
#define SECOND 100 /* periods of the governor */
#define FIRST 200  /* page from which on it has touched everything */
#define HELD 4000
#define RAM 4200
#define SOME 100 /* pages: less than a host asks for that is short of them */

static struct vm *vm;
static struct vm *waiter;
static struct aerostat_balloon_page page; /* its device's */

/* The driver comes in this period of each second; SECOND: never. */
static unsigned comes;
static uint64_t least_size; /* its guest gives no page below this size */
static uint64_t allotment = HELD;
static uint64_t given; /* pages that its guest has given are those from FIRST on */

static bool is_said(const char *text)
{
	return strstr(fake_log_text, text) != NULL;
}

static void say_active(uint64_t pages)
{
	vm->working_set.known = true;
	vm->working_set.active_pages = pages;
}

static bool short_of_memory;
static uint64_t wanted; /* pages that the waiter has touched, or waits for */

/* The other VM takes all that there is, up to its RAM. */
static void want_more(void)
{
	if (waiter->vcpus[0].state == VCPU_QUEUED) {
		kernel_pick(&waiter->vcpus[0]);
	}
	while (!kernel_waits(waiter) && wanted < 5000) {
		(void)kernel_touch(waiter, wanted);
		wanted += kernel_waits(waiter) ? 0 : 1;
	}
}

/* A VM of 4200 pages that has touched 4000; another one waits, if there is to be one. */
static void start(bool want)
{
	short_of_memory = want;
	kernel_start(FRAMES, 1);
	memset(&page, 0, sizeof(page));
	comes = 40;
	least_size = 0;
	given = 0;
	vm = kernel_vm("silent", RAM, allotment, 100);
	kernel_touch_pages(vm, FIRST, HELD);
	assert_int_equal(balloon_attach_device(vm, &page), STATUS_OK);
	silent_driver_begin(vm);
	waiter = kernel_vm("waiter", 5000, 5000, 100);
	wanted = 0;
	if (short_of_memory) {
		want_more();
	}
	tunables.silent_keep_parts = 2;
	tunables.silent_want_parts = 4;
	tunables.silent_short_wait_ms = TUNABLE_NEVER;
	/* What becomes of those for whom there is nothing is tested elsewhere. */
	tunables.oom_after_ms = TUNABLE_NEVER;
	tunables.oom_overdue_ms = TUNABLE_NEVER;
	fake_log_clear();
}

static void set_balloon(uint64_t target)
{
	struct aerostat_range range = {.gfn = FIRST + given, .count = 1};
	uint64_t most = RAM - least_size;

	while (given < min_u64(target, most)) {
		range = (struct aerostat_range){.gfn = FIRST + given, .count = 1};
		assert_int_equal(kernel_ranges(vm, BALLOON_SURRENDER, &range, 1, UINT64_MAX), 1);
		given++;
	}
	while (given > target) {
		given--;
		range = (struct aerostat_range){.gfn = FIRST + given, .count = 1};
		assert_int_equal(kernel_ranges(vm, BALLOON_RETURN, &range, 1, UINT64_MAX), 1);
	}
}

/* As Linux does: it asks for the target and does what it can, in this order. */
static void come(void)
{
	silent_driver_came(vm);
	set_balloon(page.target_pages);
}

static void pass(unsigned periods)
{
	static unsigned period;

	for (unsigned i = 0; i < periods; i++, period++) {
		if (period % SECOND == comes) {
			come();
		}
		kernel_periods(1);
		if (short_of_memory) {
			want_more();
		}
	}
}

static struct balloon_statistics measured(void)
{
	return silent_driver_statistics(vm, balloon_read_statistics(vm), clock_now());
}

/* ---- What is measured ---- */

static void test_measured(void **state)
{
	(void)state;
	start(false);
	page.total_pages = 4100;
	page.idle_pages = page.free_pages = page.wanted_pages = 77; /* it says nothing */
	struct balloon_statistics found = measured();
	assert_int_equal(found.total_pages, 4100);
	assert_int_equal(found.idle_pages, 0); /* nothing is known yet */
	assert_int_equal(found.free_pages, 0);
	assert_int_equal(found.wanted_pages, 0);
	say_active(1000);
	found = measured();
	assert_int_equal(found.free_pages, RAM - 1500);
	assert_int_equal(found.idle_pages, RAM - 1500);
	assert_int_equal(found.wanted_pages, 0);
	say_active(100);
	found = measured();
	assert_int_equal(found.free_pages, RAM - 150);
	assert_int_equal(found.idle_pages, HELD - 100); /* the others have no frames */
	say_active(2600);
	found = measured();
	assert_int_equal(found.free_pages, RAM - 3900);
	assert_int_equal(found.idle_pages, RAM - 3900); /* of 1400 it keeps most */
	say_active(9000);				/* an estimate may be above */
	found = measured();
	assert_int_equal(found.free_pages, 0);
	assert_int_equal(found.idle_pages, 0);
	assert_int_equal(found.wanted_pages, 0); /* its balloon is empty */
	set_balloon(2000);
	say_active(1760);
	assert_int_equal(measured().wanted_pages, 0); /* 2200 serve that */
	assert_int_equal(measured().idle_pages, 0);
	say_active(1800);
	assert_int_equal(measured().wanted_pages, 2250 - 2200);
	set_balloon(30);
	say_active(1800);
	vm->balloon.least_size_pages = RAM - 5;
	vm->balloon.least_size_tsc = clock_now();
	assert_int_equal(measured().wanted_pages, 25);
	assert_int_equal(measured().idle_pages, 0);
	/* One that speaks for itself is believed. */
	vm->balloon.silent = false;
	assert_int_equal(measured().idle_pages, 77);
	vm->balloon.silent = true;
	balloon_detach_device(vm);
	assert_int_equal(measured().wanted_pages, 0);
	assert_int_equal(measured().idle_pages, 0);
}

/* ---- What comes of it ---- */

static void test_gives_what_it_does_not_use(void **state)
{
	(void)state;
	start(true);
	say_active(400);
	pass(3 * SECOND);
	assert_true(vm->s2.ballooned_pages > SOME);
	assert_false(kernel_waits(waiter));
	assert_false(is_said("does not answer"));
	/* However much is wanted, it keeps half as much again as it uses. */
	pass(10 * SECOND);
	assert_in_range(vm->s2.ballooned_pages, SOME, RAM - 600);
	assert_false(is_said("silent driver does not answer"));
	assert_int_equal(vm->state, VM_RUNNING);
}

/* Regression: it was asked for nothing, because it says that it has nothing. */
static void test_measured_by_samples(void **state)
{
	(void)state;
	start(true);
	for (unsigned i = 0; i < 8 * SECOND && vm->s2.ballooned_pages == 0; i++) {
		pass(1);
		working_set_poll(fake_tsc);
	}
	assert_true(vm->working_set.known);
	assert_true(vm->s2.ballooned_pages > 0);
}

static void test_left_alone(void **state)
{
	(void)state;
	start(true);
	say_active(HELD);
	pass(3 * SECOND);
	assert_int_equal(vm->balloon.target_peak_pages, 0);
	assert_false(vm->balloon.unresponsive);
	assert_false(is_said("does not answer"));
}

/* It uses more than it did: the balloon shrinks in the next period. */
static void test_gets_back_what_it_uses(void **state)
{
	(void)state;
	start(true);
	comes = SECOND;
	say_active(1200);
	set_balloon(2400);
	pass(20); /* the other one takes them */
	balloon_set_target(vm, 2400, AEROSTAT_PRESSURE_HIGH);
	pass(20);
	assert_int_equal(vm->balloon.target_pages, 2400);
	say_active(1600); /* all that it holds; its size is 1800 */
	pass(1);
	assert_int_equal(vm->balloon.target_pages, 2200);
	come();
	pass(20);
	assert_int_equal(vm->balloon.target_pages, 2200);
}

/* ---- What it cannot give ---- */

/* Of what it does not use it can do without little: nothing is held against it, and it is not
 * pushed there again. */
static void test_short(void **state)
{
	(void)state;
	start(true);
	least_size = RAM - SOME;
	say_active(400);
	pass(SECOND);
	assert_int_equal(vm->s2.ballooned_pages, SOME);
	assert_true(vm->balloon.target_pages > 2 * SOME);
	pass(2 * SECOND);
	/* It has been twice, and has some of it back. */
	assert_int_equal(vm->balloon.least_size_pages, least_size + least_size / 8);
	assert_int_equal(vm->s2.ballooned_pages, 0);
	assert_int_equal(vm->balloon.target_pages, 0);
	assert_false(vm->balloon.unresponsive);
	fake_log_clear();
	for (unsigned i = 0; i < 55; i++) {
		pass(SECOND);
		assert_int_equal(vm->balloon.target_pages, 0);
	}
	assert_false(is_said("silent driver does not answer"));
	/* Perhaps it has ended what it needed that for. */
	unsigned periods = 0;
	while (vm->balloon.target_pages == 0) {
		assert_true(periods++ < 10 * SECOND);
		pass(1);
	}
}

/* Siblings: it comes again at once, before it has done anything; or it lacks only a few pages. */
static void test_not_short(void **state)
{
	(void)state;
	start(true);
	comes = SECOND;
	say_active(400);
	pass(10);
	assert_true(page.target_pages > 2 * SOME);
	silent_driver_came(vm);
	pass(49);
	silent_driver_came(vm);
	silent_driver_came(vm);
	assert_int_equal(vm->balloon.least_size_pages, 0);
	least_size = RAM - page.target_pages + 64;
	set_balloon(page.target_pages);
	pass(10);
	silent_driver_came(vm);
	assert_int_equal(vm->balloon.least_size_pages, 0);
	/* The target was lower meanwhile, so it has stopped. */
	least_size = RAM;
	set_balloon(0);
	vm->balloon.told_pages = 3000;
	balloon_set_target(vm, 0, AEROSTAT_PRESSURE_NONE);
	(void)measured();
	balloon_set_target(vm, 3000, AEROSTAT_PRESSURE_LOW);
	(void)measured();
	vm->balloon.told_tsc = 0;
	silent_driver_came(vm);
	assert_int_equal(vm->balloon.least_size_pages, 0);
	assert_int_equal(vm->balloon.told_pages, 512); /* the next step */
	vm->balloon.told_tsc = 0;
	silent_driver_came(vm);
	assert_true(vm->balloon.least_size_pages > 0);
	/* A new driver knows nothing of it. */
	vm->balloon.least_size_pages = 4000;
	silent_driver_begin(vm);
	assert_int_equal(vm->balloon.least_size_pages, 0);
	assert_int_equal(vm->balloon.told_pages, 0);
}

/* It could not do without what it has, and has more than its allotment. */
static void start_short(void)
{
	allotment = 2000;
	start(true);
	allotment = HELD;
	tunables.silent_short_wait_ms = 500;
	say_active(400);
	vm->balloon.least_size_pages = RAM + RAM / 8;
	vm->balloon.least_size_tsc = clock_now();
}

/*
 * Regression: it was asked for nothing for a minute, while another VM waited for what it had above
 * its allotment; so after four seconds it was ended.
 */
static void test_short_while_another_waits(void **state)
{
	(void)state;
	start_short();
	pass(49);
	assert_int_equal(vm->balloon.target_pages, 0);
	pass(3);
	assert_true(vm->balloon.target_pages > SOME);
	assert_true(silent_driver_target(vm) > SOME);
	pass(3 * SECOND);
	assert_true(vm->s2.ballooned_pages > SOME);
	pass(20 * SECOND);
	assert_in_range(vm->s2.ballooned_pages, RAM - 2000 - SOME, RAM - 2000);
	/* No VM waits any more: it may have back what it could not do without. */
	waiter->state = VM_FINISHED;
	short_of_memory = false;
	silent_driver_note_waits(clock_now());
	assert_true(measured().wanted_pages > SOME);
	waiter->state = VM_RUNNING;
}

/* That it waits itself is no reason to ask it; that two wait is. */
static void test_short_and_waits_itself(void **state)
{
	(void)state;
	start_short();
	waiter->state = VM_FINISHED;
	vm->vcpus[0].wait = WAIT_MEMORY;
	vm->vcpus[0].blocked_since_tsc = 0;
	silent_driver_note_waits(clock_now() + ticks_from_ms(10000));
	assert_false(vm->balloon.needed);
	assert_true(waiter->balloon.needed);
	waiter->state = VM_RUNNING;
	silent_driver_note_waits(clock_now() + ticks_from_ms(10000));
	assert_true(vm->balloon.needed);
	silent_driver_begin(vm);
	assert_false(vm->balloon.needed);
	vm->vcpus[0].wait = WAIT_NOTHING;
}

/* ---- Pages without a frame ---- */

/* It has given 1000 pages and has them back; the other VM has their frames. */
static void start_without_frames(void)
{
	start(true);
	comes = SECOND;
	set_balloon(1000);
	pass(20);
	set_balloon(0);
	assert_true(kernel_waits(waiter));
	assert_int_equal(vm->s2.mapped_pages, HELD - 1000);
}

/*
 * Regression: its kernel clears each page that the driver takes. It took all that it was told, of
 * which no page had a frame, and it and the host waited for each other.
 */
static void test_told_in_steps(void **state)
{
	(void)state;
	start(true);
	balloon_set_target(vm, 2000, AEROSTAT_PRESSURE_HIGH);
	assert_int_equal(silent_driver_target(vm), 2000); /* it lacks 200 frames at most */
	(void)kernel_teardown(state);
	start_without_frames();
	balloon_set_target(vm, 2000, AEROSTAT_PRESSURE_HIGH);
	assert_int_equal(silent_driver_target(vm), 512);
	balloon_set_target(vm, 400, AEROSTAT_PRESSURE_HIGH);
	assert_int_equal(silent_driver_target(vm), 400);
	balloon_set_target(vm, 2000, AEROSTAT_PRESSURE_HIGH);
	set_balloon(512);
	assert_int_equal(silent_driver_target(vm), 1024);
	set_balloon(1000); /* what is left has its frames */
	assert_int_equal(silent_driver_target(vm), 2000);
	(void)kernel_teardown(state);
	start(false);
	comes = SECOND;
	set_balloon(3900);
	set_balloon(0);
	balloon_set_target(vm, 4000, AEROSTAT_PRESSURE_HIGH);
	assert_in_range(silent_driver_target(vm), 1024, 3999); /* as far as the host can lend */
}

/* And what one step needs there is. */
static void test_clears_before_it_gives(void **state)
{
	(void)state;
	start_without_frames();
	assert_int_equal(kernel_touch_pages(vm, FIRST, 1000), 32); /* it is not asked */
	(void)kernel_teardown(state);
	start_without_frames();
	balloon_set_target(vm, 2000, AEROSTAT_PRESSURE_HIGH);
	assert_int_equal(kernel_touch_pages(vm, FIRST, 1000), 512);
	set_balloon(512);
	assert_int_equal(vm->balloon.driver_debt_pages, 0); /* and may have it once more */
}

/*
 * Regression: of three such VMs one had used up the reserve of all, and the next one, which was
 * asked, waited for the frames that it needed to be able to give.
 */
static void test_clears_beside_another(void **state)
{
	static struct aerostat_balloon_page other_page;
	(void)state;
	start_without_frames();
	waiter->config.mem_pages = 1000;
	memset(&other_page, 0, sizeof(other_page));
	assert_int_equal(balloon_attach_device(waiter, &other_page), STATUS_OK);
	silent_driver_keep_reserve();
	set_balloon(2500); /* the reserve fills up */
	set_balloon(0);
	uint64_t reserve = frame_count_free() - promise_owed();
	assert_in_range(reserve, 512 + 2 * 640, 2600);
	want_more();
	balloon_set_target(vm, 2000, AEROSTAT_PRESSURE_HIGH);
	balloon_set_target(waiter, 2000, AEROSTAT_PRESSURE_HIGH);
	vcpu_wake_for_memory(&waiter->vcpus[0]);
	assert_int_equal(kernel_touch_pages(waiter, wanted, 2000), 640);
	assert_int_equal(kernel_touch_pages(vm, FIRST, 1000), 640);
	/* Where one is unresponsive, the other one has the reserve of all. */
	assert_int_equal(promise_spare(), 0);
	vm->balloon.unresponsive = true;
	silent_driver_keep_reserve();
	assert_int_equal(promise_spare(), reserve - 2 * 640 - 512);
	vm->balloon.unresponsive = false;
}

/*
 * Regression: the target fell while its kernel cleared what it had taken. It was not asked any
 * more, had no frame therefore, and gave nothing to anybody.
 */
static void test_clears_though_the_target_is_lower(void **state)
{
	(void)state;
	start_without_frames();
	balloon_set_target(vm, 2000, AEROSTAT_PRESSURE_HIGH);
	silent_driver_came(vm);
	balloon_set_target(vm, 0, AEROSTAT_PRESSURE_HIGH);
	(void)measured();
	assert_int_equal(kernel_touch_pages(vm, FIRST, 1000), 512);
	/* It has heard of it now, or is another one. */
	vm->config.mem_pages = 0;
	set_balloon(300);
	vm->balloon.told_tsc = 0;
	silent_driver_came(vm);
	assert_false(balloon_may_use_reserve(vm));
	vm->balloon.under_way_pages = 4000;
	silent_driver_begin(vm);
	assert_false(balloon_may_use_reserve(vm));
}

/* ---- Is it there? ---- */

/* It may take two seconds until it comes, and a second from then on. */
/*
 * It has more than its allotment, its target is 0, and its one vCPU waits behind a VM below its
 * allotment: neither would ever go on.
 */
static void test_goes_on_while_another_waits(void **state)
{
	(void)state;
	start_without_frames();
	vm->config.mem_pages = 1000;
	assert_true(vm->s2.mapped_pages > 1000);
	assert_true(kernel_waits(waiter));
	assert_false(balloon_may_use_reserve(vm));
	tunables.silent_short_wait_ms = 500;
	pass(60);
	assert_int_equal(vm->balloon.target_pages, 0);
	vm->balloon.unresponsive = true;
	assert_false(balloon_may_use_reserve(vm));
	vm->balloon.unresponsive = false;
	assert_int_equal(kernel_touch_pages(vm, FIRST, 1000), 512);
	vm->config.mem_pages = RAM;
	vm->balloon.driver_debt_pages = 100;
	assert_false(balloon_may_use_reserve(vm));
}

static void test_never_comes(void **state)
{
	(void)state;
	start(true);
	comes = SECOND;
	say_active(400);
	pass(3 * SECOND - 2);
	assert_false(vm->balloon.unresponsive);
	pass(5);
	assert_true(vm->balloon.unresponsive);
	assert_true(is_said("silent driver does not answer"));
	/* One that never waits is never late. */
	(void)kernel_teardown(state);
	start(true);
	tunables.driver_answer_ms = TUNABLE_NEVER;
	comes = SECOND;
	say_active(400);
	pass(10 * SECOND);
	assert_false(vm->balloon.unresponsive);
}

/* Regression: one that comes once a second was late before it had come. */
static void test_comes_in_time(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SECOND; i += 33) {
		start(true);
		comes = i;
		say_active(400);
		pass(4 * SECOND);
		assert_false(is_said("silent driver does not answer"));
		assert_true(vm->s2.ballooned_pages > 0);
		(void)kernel_teardown(state);
	}
	start(false);
}

#define TEST(name) cmocka_unit_test_teardown(name, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_measured),
		TEST(test_gives_what_it_does_not_use),
		TEST(test_measured_by_samples),
		TEST(test_left_alone),
		TEST(test_gets_back_what_it_uses),
		TEST(test_short),
		TEST(test_not_short),
		TEST(test_short_while_another_waits),
		TEST(test_short_and_waits_itself),
		TEST(test_told_in_steps),
		TEST(test_clears_before_it_gives),
		TEST(test_clears_beside_another),
		TEST(test_clears_though_the_target_is_lower),
		TEST(test_goes_on_while_another_waits),
		TEST(test_never_comes),
		TEST(test_comes_in_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
