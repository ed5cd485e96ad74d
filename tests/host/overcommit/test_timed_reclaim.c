/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/overcommit/timed_reclaim.c: its ladder by hand and for random views, and requests over a
 * real world of VMs: met in time, late, harder and without feeding others, and over when their time
 * is.
 */
#include "fake/kernel.h"

#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "fake/policy.h"
#include "kernel/balloon/admission.h"
#include "kernel/lib/tunables.h"
#include "kernel/overcommit/decisions.h"
#include "kernel/overcommit/governor.h"
#include "kernel/overcommit/timed_reclaim.h"
#include "kernel/sched/run_queue.h"
#include "mm/promise.h"

#define FRAMES 6000
#define MS 1000ull

static struct error error;

/* Not in one leap: beyond 30 ms without a look the clock stands still. */
static void pass(uint64_t us)
{
	for (; us > 20 * MS; us -= 20 * MS) {
		fake_tsc += 20 * MS;
		governor_poll(fake_tsc);
	}
	fake_tsc += us;
	governor_poll(fake_tsc);
	world_check();
}

/* A VM that holds 3000 pages and calls so many of them idle; the host has plenty. */
static struct vm *donor(uint64_t idle_pages)
{
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm("donor", 4000, 3000, 100);
	struct aerostat_balloon_page *page = kernel_attach(vm);
	kernel_touch_pages(vm, 200, 3000);
	page->free_pages = page->idle_pages = (uint32_t)idle_pages;
	kernel_periods(2);
	assert_int_equal(vm->balloon.target_pages, 0);
	fake_log_clear();
	return vm;
}

static void begin(uint64_t more_pages, uint64_t ms)
{
	assert_int_equal(timed_reclaim_begin(promise_spare() + more_pages, ms, &error), STATUS_OK);
	governor_poll(fake_tsc); /* as behind each look for commands */
}

static void test_ladder_by_hand(void **state)
{
	static const struct {
		enum reclaim_step old;
		struct reclaim_view view;
		enum reclaim_step now;
		enum reclaim_reason reason;
	} cases[] = {
		{RECLAIM_REPORTS, {0, 0, false, 9, 10, HOST_LOW}, RECLAIM_REPORTS, 0},
		{RECLAIM_REPORTS,
		 {5, 0, false, 0, 10, HOST_HIGH},
		 RECLAIM_BALLOON,
		 RECLAIM_MISSING},
		{RECLAIM_REPORTS, {5, 0, true, 0, 10, HOST_SOFT}, RECLAIM_BALLOON, RECLAIM_MISSING},
		{RECLAIM_REPORTS, {5, 0, false, 0, 10, HOST_HARD}, RECLAIM_HARDER, RECLAIM_STATE},
		{RECLAIM_REPORTS,
		 {5, 0, false, 0, 10, HOST_LOW},
		 RECLAIM_NO_FEEDING,
		 RECLAIM_STATE},
		{RECLAIM_BALLOON, {5, 5, true, 4, 10, HOST_SOFT}, RECLAIM_BALLOON, 0},
		{RECLAIM_BALLOON, {5, 4, false, 4, 10, HOST_SOFT}, RECLAIM_BALLOON, 0},
		{RECLAIM_BALLOON,
		 {5, 4, true, 4, 10, HOST_SOFT},
		 RECLAIM_HARDER,
		 RECLAIM_TOO_LITTLE},
		{RECLAIM_BALLOON, {5, 5, true, 5, 10, HOST_SOFT}, RECLAIM_HARDER, RECLAIM_TIME},
		{RECLAIM_HARDER, {5, 5, true, 7, 12, HOST_SOFT}, RECLAIM_HARDER, 0},
		{RECLAIM_HARDER, {5, 5, true, 9, 12, HOST_SOFT}, RECLAIM_NO_FEEDING, RECLAIM_TIME},
		{RECLAIM_HARDER,
		 {5, 4, true, 0, 12, HOST_HIGH},
		 RECLAIM_NO_FEEDING,
		 RECLAIM_TOO_LITTLE},
		{RECLAIM_NO_FEEDING, {5, 0, true, 9, 10, HOST_LOW}, RECLAIM_NO_FEEDING, 0},
		{RECLAIM_NO_FEEDING, {0, 0, true, 0, 10, HOST_HIGH}, RECLAIM_NO_FEEDING, 0},
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		enum reclaim_reason reason = RECLAIM_STATE;
		assert_int_equal(reclaim_next_step(cases[i].old, &cases[i].view, &reason),
				 cases[i].now);
		if (cases[i].now != cases[i].old) {
			assert_int_equal(reason, cases[i].reason);
		}
	}
}

/* No step back, and never a step for what is there. */
static void test_ladder_only_goes_up(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		policy_random = 0x9e3779b97f4a7c15ull * (round + 1);
		struct reclaim_view view = {
			.missing_pages = policy_draw(4),
			.coming_pages = policy_draw(4),
			.decided = policy_draw(2) == 0,
			.passed_us = policy_draw(1000),
			.allowed_us = 1 + policy_draw(1000),
			.state = (enum host_state)policy_draw(HOST_STATES),
		};
		enum reclaim_step old = (enum reclaim_step)policy_draw(RECLAIM_STEPS);
		enum reclaim_reason reason;
		enum reclaim_step now = reclaim_next_step(old, &view, &reason);
		assert_true(now >= old && now < RECLAIM_STEPS);
		assert_true(view.missing_pages > 0 || now == old);
		assert_true(view.missing_pages == 0 || now >= RECLAIM_BALLOON);
	}
}

/* It is asked at once, not in the next period, and each page is counted by when it came. */
static void test_met_in_time(void **state)
{
	(void)state;
	struct vm *vm = donor(2000);
	begin(1000, 10);
	pass(100);
	assert_in_range(vm->balloon.target_pages, 1000, 1050);
	kernel_give(vm, 200, 600);
	pass(100);
	assert_int_equal(timed_reclaim_report().missing_pages, 400);
	assert_true(timed_reclaim_report().is_open);
	kernel_give(vm, 800, 400);
	pass(4000);
	/* It stays spare until the time is over: the balloon is not given back. */
	assert_true(vm->balloon.target_pages >= 1000);
	assert_true(timed_reclaim_report().is_open);
	assert_int_equal(timed_reclaim_report().missing_pages, 0);
	pass(6000);
	struct reclaim_report report = timed_reclaim_report();
	assert_false(report.is_open);
	assert_int_equal(report.requests, 1);
	assert_int_equal(report.late, 0);
	assert_int_equal(report.pages, 1000);
	assert_int_equal(report.step, RECLAIM_BALLOON);
	assert_int_equal(report.buckets[1], 600); /* up to 312 us */
	assert_int_equal(report.buckets[5], 400); /* up to 5 ms */
	assert_int_equal(timed_reclaim_within_us(&report, 600), 312);
	assert_int_equal(timed_reclaim_within_us(&report, 601), 5000);
	assert_int_equal(timed_reclaim_within_us(&report, 999), 5000);
	assert_non_null(strstr(fake_log_text, "reclaim begun pages="));
	assert_non_null(strstr(fake_log_text,
			       "reclaim step=balloon missing=1000 coming=0 after_us=0: "
			       "what is there is not enough"));
	assert_non_null(strstr(fake_log_text, "reclaim met pages="));
	kernel_periods(2);
	assert_int_equal(vm->balloon.target_pages, 0);
	assert_null(strstr(fake_log_text, "target pages=")); /* before and after it there is none */
}

/* A target that outlasts the request is told after it, and its end with it. */
static void test_what_is_left_is_told(void **state)
{
	(void)state;
	struct vm *vm = donor(2000);
	begin(1000, 10);
	pass(1 * MS);
	vm->balloon.fixed = true; /* the operator's: it stays */
	vm->balloon.fixed_pages = 300;
	pass(5 * MS);
	assert_null(strstr(fake_log_text, "target pages="));
	pass(5 * MS);
	assert_non_null(strstr(fake_log_text, "target pages=300 "));
	vm->balloon.fixed = false;
	kernel_periods(2);
	assert_non_null(strstr(fake_log_text, "target pages=0 "));
}

static void test_what_is_there_is_not_asked_for(void **state)
{
	(void)state;
	struct vm *vm = donor(2000);
	assert_int_equal(timed_reclaim_begin(promise_spare(), 10, &error), STATUS_OK);
	for (unsigned i = 0; i < 12; i++) {
		pass(1 * MS);
		assert_int_equal(vm->balloon.target_pages, 0);
	}
	struct reclaim_report report = timed_reclaim_report();
	assert_int_equal(report.requests, 1);
	assert_int_equal(report.late, 0);
	assert_int_equal(report.step, RECLAIM_REPORTS);
	assert_int_equal(timed_reclaim_within_us(&report, 999), 0); /* nothing was missing */
	assert_null(strstr(fake_log_text, "step=balloon"));
}

/* A driver that gives nothing: late, told, nothing hangs, and nothing more is asked for then. */
static void test_late(void **state)
{
	(void)state;
	struct vm *vm = donor(2000);
	begin(1000, 10);
	for (unsigned i = 0; i < 9; i++) {
		pass(1 * MS);
	}
	assert_true(vm->balloon.target_pages >= 1000);
	kernel_give(vm, 200, 100);
	pass(900);
	kernel_give(vm, 300, 100);
	pass(101); /* a look behind its end: these may have come too late */
	struct reclaim_report report = timed_reclaim_report();
	assert_false(report.is_open);
	assert_int_equal(report.late, 1);
	assert_int_equal(report.buckets[6], 100);
	assert_int_equal(report.buckets[RECLAIM_BUCKETS - 1], 900);
	assert_int_equal(timed_reclaim_within_us(&report, 100), 10000);
	assert_int_equal(timed_reclaim_within_us(&report, 101), UINT64_MAX);
	assert_non_null(strstr(fake_log_text, "reclaim late pages="));
	assert_non_null(strstr(fake_log_text, " late=900 missing=800 step=no-feeding"));
	assert_non_null(strstr(fake_log_text, "what VMs were asked for is not enough"));
	kernel_periods(2);
	assert_int_equal(vm->balloon.target_pages, 0);
	assert_int_equal(vm->state, VM_RUNNING);
}

/* The margin of the guest's allocator is asked for when idle pages beyond it are too few. */
static void test_harder_when_it_is_too_little(void **state)
{
	(void)state;
	struct vm *vm = donor(512);
	begin(500, 100);
	assert_int_equal(vm->balloon.target_pages, 480);
	assert_int_equal(timed_reclaim_report().step, RECLAIM_BALLOON);
	pass(300);
	assert_int_equal(timed_reclaim_report().step, RECLAIM_HARDER);
	pass(300); /* nothing was decided since: what is coming is of the step before */
	assert_int_equal(timed_reclaim_report().step, RECLAIM_HARDER);
	pass(1 * MS);
	assert_int_equal(vm->balloon.target_pages, 500);
	kernel_give(vm, 200, 500);
	pass(1 * MS);
	assert_int_equal(timed_reclaim_report().step, RECLAIM_HARDER);
	assert_int_equal(timed_reclaim_report().missing_pages, 0);
	pass(100 * MS);
	assert_int_equal(timed_reclaim_report().late, 0);
	assert_non_null(
		strstr(fake_log_text, "reclaim step=harder missing=500 coming=480 after_us="));
	assert_non_null(strstr(fake_log_text, "what VMs were asked for is not enough"));
}

/* In the end those that have their allotment wait, and go on when it is over. */
static void test_others_are_not_fed(void **state)
{
	(void)state;
	struct vm *vm = donor(2000);
	struct vm *grower = kernel_vm("grower", 2000, 500, 100);
	struct vm *small = kernel_vm("small", 500, 500, 100);
	kernel_touch_pages(grower, 0, 600);
	begin(1000, 100);
	pass(100);
	assert_true(admission_allows_fill(grower));
	pass(60 * MS);
	assert_int_equal(timed_reclaim_report().step, RECLAIM_HARDER);
	assert_true(admission_allows_fill(grower));
	pass(16 * MS);
	assert_int_equal(timed_reclaim_report().step, RECLAIM_NO_FEEDING);
	assert_false(admission_allows_fill(grower));
	assert_true(admission_allows_fill(small));
	(void)kernel_touch_pages(grower, 1500, 1);
	assert_true(kernel_waits(grower));
	assert_int_equal(kernel_touch_pages(small, 0, 10), 10);
	pass(10 * MS);
	assert_true(kernel_waits(grower));
	pass(20 * MS);
	assert_false(timed_reclaim_report().is_open);
	assert_true(admission_allows_fill(grower));
	assert_int_equal(grower->vcpus[0].state, VCPU_QUEUED);
	assert_int_equal(vm->state, VM_RUNNING);
}

/* What another VM takes meanwhile is asked for again. */
static void test_what_others_take_is_missing_again(void **state)
{
	(void)state;
	struct vm *vm = donor(2000);
	struct vm *small = kernel_vm("small", 1000, 1000, 4);
	kernel_touch_pages(small, 0, 4);
	begin(500, 100);
	pass(100);
	kernel_give(vm, 200, 500);
	pass(1 * MS);
	assert_int_equal(timed_reclaim_report().missing_pages, 0);
	uint64_t spare = promise_spare();
	kernel_touch_pages(small, 4, 1000 - 4); /* more than the large page that it has */
	uint64_t taken = spare - promise_spare();
	assert_true(taken > 0);
	pass(1 * MS);
	assert_int_equal(timed_reclaim_report().missing_pages, taken);
	assert_true(vm->balloon.target_pages >= 500 + taken);
	/* They were there once, so nothing is late; that they are gone is told. */
	pass(100 * MS);
	assert_int_equal(timed_reclaim_report().late, 0);
	assert_non_null(strstr(fake_log_text, "reclaim met pages="));
	char text[32];
	(void)snprintf(text, sizeof(text), " late=0 missing=%u ", (unsigned)taken);
	assert_non_null(strstr(fake_log_text, text));
}

static void test_nothing_else_is_accepted(void **state)
{
	(void)state;
	(void)donor(2000);
	assert_int_equal(timed_reclaim_begin(0, 10, &error), STATUS_INVALID);
	assert_int_equal(timed_reclaim_begin(FRAMES + 1, 10, &error), STATUS_INVALID);
	assert_non_null(strstr(error.text, "24004K is nothing, or more than the "));
	assert_int_equal(timed_reclaim_begin(10, 0, &error), STATUS_INVALID);
	assert_int_equal(timed_reclaim_begin(10, RECLAIM_MS_MOST + 1, &error), STATUS_INVALID);
	assert_non_null(strstr(error.text, "a time to reclaim is 1 to 1000 ms"));
	assert_string_equal(fake_log_text, "");
	assert_int_equal(timed_reclaim_begin(10, RECLAIM_MS_MOST, &error), STATUS_OK);
	governor_poll(fake_tsc);
	assert_int_equal(timed_reclaim_begin(20, 10, &error), STATUS_EXISTS);
	assert_non_null(strstr(error.text, "a reclaim of 40K is under way"));
	pass(RECLAIM_MS_MOST * MS);
	assert_int_equal(timed_reclaim_report().requests, 1);
	assert_int_equal(timed_reclaim_begin(20, 10, &error), STATUS_OK);
}

/* A VM that only says that it has much idle does not keep those that have from being asked. */
static void test_a_liar_beside_an_honest_vm(void **state)
{
	(void)state;
	struct vm *liar = donor(2000);
	struct vm *honest = kernel_vm("honest", 1500, 1000, 100);
	struct aerostat_balloon_page *page = kernel_attach(honest);
	kernel_touch_pages(honest, 100, 900);
	page->free_pages = page->idle_pages = 700;
	begin(600, 50);
	pass(1 * MS);
	assert_true(liar->balloon.target_pages >= 600);
	assert_int_equal(honest->balloon.target_pages, 0);
	for (unsigned i = 0; i < 13; i++) {
		pass(1 * MS);
	}
	assert_true(honest->balloon.target_pages >= 600);
	assert_int_equal(timed_reclaim_report().step, RECLAIM_BALLOON);
	/* It is trusted for as long, from when it was asked; and then, for a fair part. */
	pass(5 * MS);
	assert_int_equal(timed_reclaim_report().step, RECLAIM_BALLOON);
	kernel_give(honest, 200, 600);
	pass(1 * MS);
	assert_int_equal(timed_reclaim_report().missing_pages, 0);
	pass(50 * MS);
	assert_int_equal(timed_reclaim_report().late, 0);
	assert_int_equal(timed_reclaim_report().step, RECLAIM_BALLOON);
}

/* A page now and then is no fair part. Nothing comes: the next step, before its time. */
static void test_next_to_nothing_is_not_relied_on(void **state)
{
	(void)state;
	struct vm *vm = donor(2000);
	begin(1000, 100);
	pass(1 * MS);
	kernel_give(vm, 200, 30);
	pass(20 * MS);
	assert_int_equal(timed_reclaim_report().step, RECLAIM_BALLOON);
	pass(6 * MS);
	pass(1 * MS);
	assert_int_not_equal(timed_reclaim_report().step, RECLAIM_BALLOON);
	pass(80 * MS);
	assert_non_null(strstr(fake_log_text, "coming=0 after_us="));
}

/* One that gives is relied on: what it was asked for is enough, and time alone takes steps. */
static void test_one_that_gives_is_relied_on(void **state)
{
	(void)state;
	struct vm *vm = donor(2000);
	begin(1000, 80);
	pass(1 * MS);
	kernel_give(vm, 300, 300);
	pass(20 * MS);
	pass(18 * MS);
	assert_int_equal(timed_reclaim_report().step, RECLAIM_BALLOON);
	pass(60 * MS);
	assert_non_null(strstr(fake_log_text, "its time goes by"));
}

/* The clock stands still beyond 30 ms without a look, and notices at the look: so does the time. */
static void test_time_begins_with_the_first_look(void **state)
{
	(void)state;
	struct vm *vm = donor(2000);
	fake_tsc += 500 * MS;
	begin(1000, 10); /* the command comes before the governor's look */
	pass(2 * MS);
	kernel_give(vm, 200, 400);
	pass(7 * MS);
	assert_true(timed_reclaim_report().is_open);
	pass(1 * MS);
	struct reclaim_report report = timed_reclaim_report();
	assert_false(report.is_open);
	assert_int_equal(report.late, 1);
	assert_int_equal(report.buckets[6], 400); /* seen at 9 ms */
	assert_non_null(strstr(fake_log_text, "missing=600 coming=1000 after_us=9000"));
}

/* The look that goes on when the command is over began before it: what that took is not counted. */
static void test_time_does_not_begin_before_the_command(void **state)
{
	(void)state;
	struct vm *vm = donor(2000);
	uint64_t look_tsc = fake_tsc;
	fake_tsc += 400 * MS; /* lines of the log */
	assert_int_equal(timed_reclaim_begin(promise_spare() + 1000, 10, &error), STATUS_OK);
	governor_poll(look_tsc);
	assert_true(vm->balloon.target_pages >= 1000); /* it is asked meanwhile */
	pass(1 * MS);
	assert_int_equal(timed_reclaim_report().step, RECLAIM_BALLOON);
	pass(9 * MS);
	kernel_give(vm, 200, 1000);
	assert_true(timed_reclaim_report().is_open);
	pass(1 * MS);
	assert_false(timed_reclaim_report().is_open);
	assert_int_equal(timed_reclaim_report().buckets[6], 1000);
	assert_int_equal(timed_reclaim_report().late, 0);
}

/* While all is there, nothing is kept from others; what they take is missing, and they wait. */
static void test_others_are_fed_when_it_is_met(void **state)
{
	(void)state;
	struct vm *vm = donor(2000);
	struct vm *grower = kernel_vm("grower", 2000, 500, 100);
	kernel_touch_pages(grower, 0, 600);
	begin(1000, 1000);
	for (unsigned i = 0; i < 40; i++) {
		pass(20 * MS);
	}
	assert_int_equal(timed_reclaim_report().step, RECLAIM_NO_FEEDING);
	assert_false(admission_allows_fill(grower));
	(void)kernel_touch_pages(grower, 1500, 1); /* a page that has no frame yet */
	assert_true(kernel_waits(grower));
	kernel_give(vm, 200, 1600);
	pass(1 * MS);
	assert_int_equal(timed_reclaim_report().missing_pages, 0);
	assert_true(timed_reclaim_report().is_open);
	assert_true(admission_allows_fill(grower));
	assert_false(kernel_waits(grower));
	pass(200 * MS);
	assert_false(timed_reclaim_report().is_open);
}

/* Frames that come back call the governor, as if a vCPU waited for them. */
static void test_frames_that_come_back_are_seen_at_once(void **state)
{
	(void)state;
	struct vm *vm = donor(2000);
	run_queues[0].wanted = false;
	kernel_give(vm, 200, 100);
	assert_false(run_queues[0].wanted); /* of no use to anybody */
	begin(1000, 10);
	pass(1 * MS);
	run_queues[0].wanted = false;
	kernel_give(vm, 400, 100);
	assert_true(run_queues[0].wanted);
	pass(10 * MS);
	assert_false(timed_reclaim_report().is_open);
	pass(1 * MS);
	run_queues[0].wanted = false;
	kernel_give(vm, 600, 100);
	assert_false(run_queues[0].wanted);
}

static unsigned lines_before_the_wake;
static unsigned lines_behind_it;

static void look_at_the_waiter(const char *line)
{
	bool woken = vms[1].vcpus[0].state == VCPU_QUEUED;
	if (strstr(line, "reclaim ") == line && strstr(line, "begun") == NULL) {
		lines_before_the_wake += woken ? 0 : 1;
		lines_behind_it += woken ? 1 : 0;
	}
}

/* A line takes longer than many a request: who waited for its end does not wait for its lines. */
static void test_the_log_comes_behind_the_wake(void **state)
{
	(void)state;
	(void)donor(2000);
	struct vm *grower = kernel_vm("grower", 2000, 500, 100);
	kernel_touch_pages(grower, 0, 600);
	begin(1000, 10);
	for (unsigned i = 0; i < 9; i++) {
		pass(1 * MS);
	}
	(void)kernel_touch_pages(grower, 1500, 1);
	assert_true(kernel_waits(grower));
	lines_before_the_wake = lines_behind_it = 0;
	fake_on_log = look_at_the_waiter;
	pass(1 * MS);
	fake_on_log = NULL;
	assert_false(timed_reclaim_report().is_open);
	assert_int_equal(lines_before_the_wake, 0);
	assert_true(lines_behind_it >= 2);
}

/* What was decided for it says so, beside the host's own thresholds. */
static void test_decisions_are_of_a_reclaim(void **state)
{
	(void)state;
	struct decision decision;
	struct vm *vm = donor(2000);
	struct policy_host before = *decisions_last_host();
	begin(1000, 10);
	assert_true(decisions_read(vm, 0, &decision));
	assert_int_equal(decision.reclaim_pages, before.spare_pages + 1000);
	assert_int_equal(decision.low_pages, before.low_pages);
	assert_int_equal(decision.high_pages, before.high_pages);
	assert_int_equal(decisions_last_host()->high_pages, before.high_pages);
	assert_int_equal(timed_reclaim_pages(), before.spare_pages + 1000);
	pass(10 * MS);
	kernel_periods(2);
	assert_int_equal(timed_reclaim_pages(), 0);
	assert_true(decisions_read(vm, 0, &decision));
	assert_int_equal(decision.new_target_pages, 0);
	assert_int_equal(decision.reclaim_pages, 0);
}

/* Each request has its own steps. */
static void test_late_three_times(void **state)
{
	(void)state;
	(void)donor(2000);
	for (unsigned round = 1; round <= 3; round++) {
		fake_log_clear();
		begin(1000, 10);
		for (unsigned i = 0; i < 10; i++) {
			pass(1 * MS);
		}
		assert_int_equal(timed_reclaim_report().requests, round);
		assert_int_equal(timed_reclaim_report().late, round);
		assert_int_equal(timed_reclaim_report().step, RECLAIM_NO_FEEDING);
		const char *first = strstr(fake_log_text, "step=balloon");
		assert_non_null(first);
		assert_null(strstr(first + 1, "step=balloon"));
		assert_int_equal(timed_reclaim_report().pages, 1000 * round);
		assert_int_equal(timed_reclaim_report().buckets[RECLAIM_BUCKETS - 1], 1000 * round);
		kernel_periods(2);
	}
}

/* The governor comes at the end, not up to a millisecond later. */
static void test_looks_at_its_end(void **state)
{
	(void)state;
	(void)donor(2000);
	begin(1000, 10);
	pass(9 * MS + 300);
	assert_int_equal(governor_next_tsc() - fake_tsc, 700);
	pass(700);
	assert_false(timed_reclaim_report().is_open);
	assert_true(governor_next_tsc() - fake_tsc > 1 * MS);
}

/* A VM is given up on after oom_after_ms without a frame: no request is longer than a part of it.
 */
static void test_no_longer_than_a_vm_may_wait(void **state)
{
	(void)state;
	(void)donor(2000);
	tunables.oom_after_ms = 400;
	assert_int_equal(timed_reclaim_begin(10, 101, &error), STATUS_INVALID);
	assert_non_null(strstr(error.text, "a time to reclaim is 1 to 100 ms"));
	assert_int_equal(timed_reclaim_begin(10, 100, &error), STATUS_OK);
	tunables_reset();
}

/* Each bucket holds twice as long as the one before; one of them ends at 10 ms. */
static void test_buckets(void **state)
{
	(void)state;
	assert_int_equal(timed_reclaim_bucket_us(0), 156);
	assert_int_equal(timed_reclaim_bucket_us(6), 10000);
	assert_true(timed_reclaim_bucket_us(RECLAIM_BUCKETS - 2) >= RECLAIM_MS_MOST * 1000);
}

#define TEST(name) cmocka_unit_test_teardown(name, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ladder_by_hand),
		cmocka_unit_test(test_ladder_only_goes_up),
		cmocka_unit_test(test_buckets),
		TEST(test_met_in_time),
		TEST(test_what_is_there_is_not_asked_for),
		TEST(test_what_is_left_is_told),
		TEST(test_late),
		TEST(test_harder_when_it_is_too_little),
		TEST(test_others_are_not_fed),
		TEST(test_what_others_take_is_missing_again),
		TEST(test_nothing_else_is_accepted),
		TEST(test_a_liar_beside_an_honest_vm),
		TEST(test_next_to_nothing_is_not_relied_on),
		TEST(test_one_that_gives_is_relied_on),
		TEST(test_time_begins_with_the_first_look),
		TEST(test_time_does_not_begin_before_the_command),
		TEST(test_others_are_fed_when_it_is_met),
		TEST(test_frames_that_come_back_are_seen_at_once),
		TEST(test_the_log_comes_behind_the_wake),
		TEST(test_decisions_are_of_a_reclaim),
		TEST(test_late_three_times),
		TEST(test_looks_at_its_end),
		TEST(test_no_longer_than_a_vm_may_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
