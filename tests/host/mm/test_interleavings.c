/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All pairs of what CPUs do to shared pages, frames and regions, in every order: see interleave.h.
 * LONG=1: with more preemptions. SCHEDULE=...: one schedule that has failed, step by step.
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
#include "interleave/acts.h"
#include "interleave/interleave.h"
#include "interleave/world.h"

static struct interleave_total total;
static bool is_long;

static void explore(const char *world, const struct act *const *acts, unsigned cpus,
		    unsigned preemptions, unsigned delays)
{
	char name[96];
	struct scenario scenario = {
		.name = name,
		.cpus = cpus,
		.check = world_check,
		.outcome = world_outcome,
		.preemptions = preemptions,
		.delays = delays,
	};
	int length = snprintf(name, sizeof(name), "%s", world);
	for (unsigned cpu = 0; cpu < cpus; cpu++) {
		length += snprintf(name + length, sizeof(name) - (size_t)length, "/%s",
				   acts[cpu]->name);
		scenario.run[cpu] = acts[cpu]->run;
		/* A touch between two calls is served twice: no whole call does that. */
		scenario.outcome = acts[cpu]->at_once && cpus == 2 ? scenario.outcome : NULL;
	}
	if (!interleave_is_mine()) {
		return;
	}
	uint64_t before = total.schedules;
	if (!interleave_explore(&scenario, &total)) {
		fail_msg("%s", name);
	}
	if (getenv("INTERLEAVE_SHOW") != NULL) {
		printf("# %s: %llu schedules\n", name,
		       (unsigned long long)(total.schedules - before));
	}
}

/* A VM is torn down only when its vCPUs are in no CPU any more. */
static bool are_apart(const struct act *one, const struct act *other)
{
	return (one->ends != 0 && one->ends == other->vm) ||
	       (other->ends != 0 && other->ends == one->vm);
}

static void explore_pairs(const char *world, const struct act *acts, unsigned count,
			  unsigned preemptions, unsigned delays)
{
	for (unsigned first = 0; first < count; first++) {
		for (unsigned second = first; second < count; second++) {
			const struct act *const pair[] = {&acts[first], &acts[second]};
			if (!are_apart(pair[0], pair[1])) {
				explore(world, pair, 2, preemptions, delays);
			}
		}
	}
}

static void explore_threes(const char *world, const struct act *acts, unsigned count,
			   unsigned preemptions, unsigned delays)
{
	for (unsigned first = 0; first < count; first++) {
		for (unsigned second = first; second < count; second++) {
			for (unsigned third = second; third < count; third++) {
				const struct act *const three[] = {&acts[first], &acts[second],
								   &acts[third]};
				if (!are_apart(three[0], three[1]) &&
				    !are_apart(three[0], three[2]) &&
				    !are_apart(three[1], three[2])) {
					explore(world, three, 3, preemptions, delays);
				}
			}
		}
	}
}

static void test_pages(void **state)
{
	(void)state;
	world_small(12, false);
	explore_pairs("pages", page_acts, page_act_count, is_long ? 4 : 2, 0);
	/* Without the last one here: a sample takes as long as all others together. */
	explore_threes("pages", page_acts, page_act_count - 1, is_long ? 3 : 1, 0);
}

/* The first seven: guests, and what takes pages from them. */
static void test_first_runs(void **state)
{
	(void)state;
	world_unused();
	explore_threes("unused", page_acts, 7, is_long ? 3 : 1, 0);
}

static void test_frames(void **state)
{
	(void)state;
	world_small(12, true);
	explore_pairs("frames", frame_acts, frame_act_count, is_long ? 4 : 2, 0);
	explore_threes("frames", frame_acts, frame_act_count, is_long ? 3 : 1, 0);
}

static void test_scarce_frames(void **state)
{
	(void)state;
	world_small(1, true);
	explore_pairs("scarce", frame_acts, frame_act_count, is_long ? 4 : 2, 0);
	explore_threes("scarce", frame_acts, frame_act_count, is_long ? 3 : 1, 0);
}

static const struct act *act_of(const struct act *acts, unsigned count, const char *name)
{
	for (unsigned i = 0; i < count; i++) {
		if (strcmp(acts[i].name, name) == 0) {
			return &acts[i];
		}
	}
	fail_msg("there is no act %s", name);
	return NULL;
}

/*
 * Regression: VM 2 takes a page that it was promised, and waits for the CPU that is scrubbing it.
 * It was charged for that already, so that the page counted as free and promised to none; a third
 * CPU took it for the host, and VM 2 never got what it was promised.
 */
static void test_promised_page_that_another_cpu_scrubs(void **state)
{
	(void)state;
	world_small(1, true);
	const struct act *const three[] = {
		act_of(frame_acts, frame_act_count, "host-takes"),
		act_of(frame_acts, frame_act_count, "fault-2"),
		act_of(frame_acts, frame_act_count, "scrub"),
	};
	explore("promised", three, 3, 2, 0);
}

static void test_regions(void **state)
{
	(void)state;
	world_regions();
	explore_pairs("regions", region_acts, region_act_count, is_long ? 3 : 2, 0);
}

/* Each atomic store may wait in its CPU's buffer (x86). */
static void test_store_buffers(void **state)
{
	(void)state;
	world_small(12, true);
	explore_pairs("buffered-pages", page_acts, page_act_count, is_long ? 3 : 1, 2);
	explore_pairs("buffered-frames", frame_acts, frame_act_count, is_long ? 3 : 1, 2);
	explore_threes("buffered-pages", page_acts, page_act_count - 1, is_long ? 2 : 1, 1);
}

static unsigned expected_count;

static void check_count(void)
{
	if (act_counted != expected_count) {
		interleave_fail("counted to %llu", (unsigned long long)act_counted);
	}
}

static void count(unsigned cpus, unsigned times, unsigned preemptions, unsigned delays)
{
	void (*act)(void) = times == 1 ? act_count_under_lock : act_count_twice_under_lock;
	const struct scenario scenario = {
		.name = delays == 0 ? "lock" : "buffered-lock",
		.cpus = cpus,
		.run = {act, act, act},
		.check = check_count,
		.preemptions = preemptions,
		.delays = delays,
		.locks_are_code = true,
	};
	expected_count = cpus * times;
	if (interleave_is_mine() && !interleave_explore(&scenario, &total)) {
		fail_msg("%s", scenario.name);
	}
}

/* The lock itself, word by word; elsewhere it is one step. */
static void test_lock(void **state)
{
	(void)state;
	for (unsigned delays = 0; delays < 3; delays += 2) {
		count(2, 2, is_long ? 4 : 2, delays);
		count(3, 1, is_long ? 2 : 1, delays);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_first_runs),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_scarce_frames),
		cmocka_unit_test(test_promised_page_that_another_cpu_scrubs),
		cmocka_unit_test(test_regions),
		cmocka_unit_test(test_store_buffers),
		cmocka_unit_test(test_lock),
	};
	is_long = environment_number("LONG", 0) != 0;
	setvbuf(stdout, NULL, _IONBF, 0);
	int status = cmocka_run_group_tests(tests, NULL, NULL);
	printf("interleavings: %llu schedules of %llu scenarios, %llu points, %llu stopped\n",
	       (unsigned long long)total.schedules, (unsigned long long)total.scenarios,
	       (unsigned long long)total.points, (unsigned long long)total.stopped);
	return status;
}
