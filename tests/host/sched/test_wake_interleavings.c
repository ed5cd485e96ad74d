/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleeping and being woken, in every order (tests/interleave/interleave.h): kernel/sched's own loop
 * on two CPUs, two vCPUs that sleep until they are rung, and a third CPU that rings them, pauses
 * their VM, stops one or ends them. No clock wakes a CPU. What must hold when nothing moves any
 * more: no wake-up is lost, no vCPU was on two CPUs, nor anywhere while another CPU had its state
 * in registers. And a vCPU that arms its timer while another one programs the board's timers, which
 * the first one runs. LONG=1: with more preemptions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fake/environment.h"
#include "interleave/interleave.h"
#include "interleave/sleepers.h"
#include "interleave/timers.h"
#include "mm/frame.h"
#include "mm/phys.h"

/* For names.c; there are no frames here. */
struct frame *frame_table;
uint64_t frame_table_count;
uintptr_t direct_map_base;
uint32_t trace_mask;

void trace_record(uint32_t what, uint64_t first, uint64_t second)
{
	(void)what;
	(void)first;
	(void)second;
}

static struct interleave_total total;
static unsigned preemptions;
static unsigned delays;
static bool is_long;

static void explore(const char *name, enum sleep_kind kind, void (*third)(void))
{
	const struct scenario scenario = {
		.name = name,
		.cpus = third != NULL ? 3 : 2,
		.run = {sleepers_cpu, sleepers_cpu, third},
		.check = sleepers_check,
		.preemptions = preemptions,
		.delays = delays,
	};
	uint64_t before = total.schedules;
	if (!interleave_is_mine()) {
		return;
	}
	sleepers_begin(kind);
	if (!interleave_explore(&scenario, &total)) {
		fail_msg("%s", name);
	}
	if (getenv("INTERLEAVE_SHOW") != NULL) {
		printf("# %s: %llu schedules\n", name,
		       (unsigned long long)(total.schedules - before));
	}
}

static void explore_all(void)
{
	explore("doorbell/ring", SLEEPS_IN_HALT, sleepers_ring_first);
	explore("doorbell/ring-both", SLEEPS_IN_HALT, sleepers_ring_both);
	explore("doorbell/ring-twice", SLEEPS_IN_HALT, sleepers_ring_twice);
	explore("doorbell/pass-on", PASSES_ON, sleepers_ring_first);
	explore("event/ring", SLEEPS_IN_WAIT, sleepers_ring_first);
	explore("event/ring-twice", SLEEPS_IN_WAIT, sleepers_ring_twice);
	explore("event/signal", SLEEPS_IN_WAIT, sleepers_signal);
	explore("held-off/ring", HOLDS_OFF, sleepers_ring_first);
	explore("held-off/ring-twice", HOLDS_OFF, sleepers_ring_twice);
	explore("memory/grant", WAITS_FOR_MEMORY, sleepers_grant);
	explore("doorbell/pause", SLEEPS_IN_HALT, sleepers_pause_and_ring);
	explore("doorbell/init", SLEEPS_IN_HALT, sleepers_stop_and_start);
}

static void test_no_wake_up_is_lost(void **state)
{
	(void)state;
	preemptions = is_long ? 3 : 2;
	delays = 0;
	explore_all();
}

static void test_no_wake_up_is_lost_in_a_store_buffer(void **state)
{
	(void)state;
	preemptions = is_long ? 2 : 1;
	delays = 2;
	explore_all();
}

/* One is rung again while it runs, and an idle CPU looks for work before its own CPU goes on. */
static void test_no_state_is_left_in_registers(void **state)
{
	(void)state;
	preemptions = 3;
	delays = 0;
	explore("theft/ring-twice", SLEEPS_IN_HALT, sleepers_ring_twice);
}

static void test_all_stop_and_go_on(void **state)
{
	(void)state;
	preemptions = is_long ? 3 : 2;
	delays = 0;
	explore("stop-machine", STOPS_THE_MACHINE, NULL);
	delays = 2;
	explore("buffered-stop-machine", STOPS_THE_MACHINE, NULL);
}

static void explore_timer(const char *name, uint64_t armed_tsc, void (*first)(void))
{
	const struct scenario scenario = {
		.name = name,
		.cpus = 2,
		.run = {first, timers_program_board},
		.check = timers_check,
		.preemptions = 4,
		.delays = delays,
	};
	if (!interleave_is_mine()) {
		return;
	}
	timers_begin(armed_tsc);
	if (!interleave_explore(&scenario, &total)) {
		fail_msg("%s", name);
	}
}

/*
 * Regression: vCPU 0 made its deadline of what the board had had, and stored it behind what the
 * other one had stored, or seen, there: the board's tick came only then.
 */
static void test_board_timer_is_not_lost(void **state)
{
	(void)state;
	for (delays = 0; delays <= 2; delays += 2) {
		explore_timer("timer/arm", 100000, timers_arm);
		explore_timer("timer/arm-old-one-earlier", 2000, timers_arm);
		explore_timer("timer/deadline", 100000, timers_write_deadline);
		explore_timer("timer/deadline-old-one-earlier", 2000, timers_write_deadline);
		explore_timer("timer/tick", 900, timers_tick);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_wake_up_is_lost),
		cmocka_unit_test(test_no_wake_up_is_lost_in_a_store_buffer),
		cmocka_unit_test(test_no_state_is_left_in_registers),
		cmocka_unit_test(test_all_stop_and_go_on),
		cmocka_unit_test(test_board_timer_is_not_lost),
	};
	is_long = environment_number("LONG", 0) != 0;
	setvbuf(stdout, NULL, _IONBF, 0);
	(void)interleave_memory(4096);
	int status = cmocka_run_group_tests(tests, NULL, NULL);
	printf("interleavings: %llu schedules of %llu scenarios, %llu points, %llu stopped\n",
	       (unsigned long long)total.schedules, (unsigned long long)total.scenarios,
	       (unsigned long long)total.points, (unsigned long long)total.stopped);
	return status;
}
