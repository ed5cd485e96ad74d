/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The search over all choices. A schedule is replayed up to its last choice that has another way
 * left, takes that, and goes on with the first way everywhere (depth first).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "interleave/cpus.h"
#include "interleave/memory.h"

#define CHOICES_MOST 4096
#define OUTCOMES_MOST 64

struct choice {
	uint8_t taken;
	uint8_t count;
	uint32_t step; /* where in the schedule */
};

bool cpus_replays;
bool cpus_showing;

static const struct scenario *scenario;

static struct choice choices[CHOICES_MOST];
static unsigned choice_count; /* that are given */
static unsigned choice_next;
static const char *given; /* a schedule to be replayed: STEP.CHOICE,STEP.CHOICE,... */

/* Those of the runs without preemptions, while they are collected. */
static uint64_t outcomes[OUTCOMES_MOST];
static unsigned outcome_count;
static bool collects;

/* ---- Choices ---- */

/* Of the schedule that is replayed; where it says nothing the first way is taken. */
static unsigned given_choice(void)
{
	for (const char *at = given; at != NULL; at = strchr(at, ',')) {
		char *end;
		at += *at == ',' ? 1 : 0;
		if (strtoul(at, &end, 10) == cpus_steps && *end == '.') {
			return (unsigned)strtoul(end + 1, NULL, 10);
		}
	}
	return 0;
}

unsigned cpus_choose(unsigned count)
{
	if (cpus_replays) {
		unsigned choice = given_choice();
		return choice < count ? choice : 0;
	}
	if (choice_next == CHOICES_MOST) {
		interleave_fail("a schedule with more than %u choices", CHOICES_MOST);
	}
	struct choice *choice = &choices[choice_next++];
	if (choice_next > choice_count) {
		*choice = (struct choice){.count = (uint8_t)count};
		choice_count = choice_next;
	}
	choice->step = cpus_steps;
	if (choice->count != count) {
		interleave_fail("the same schedule has come to another choice than before");
	}
	return choice->taken;
}

/* The next schedule; false: that was the last. */
static bool next_schedule(void)
{
	choice_count = choice_next;
	while (choice_count > 0) {
		struct choice *last = &choices[choice_count - 1];
		if (last->taken + 1u < last->count) {
			last->taken++;
			return true;
		}
		choice_count--;
	}
	return false;
}

/* ---- Outcomes ---- */

static bool outcome_is_known(uint64_t outcome)
{
	for (unsigned i = 0; i < outcome_count; i++) {
		if (outcomes[i] == outcome) {
			return true;
		}
	}
	return false;
}

static void judge(void)
{
	if (scenario->check != NULL) {
		scenario->check();
	}
	if (scenario->outcome == NULL) {
		return;
	}
	uint64_t outcome = scenario->outcome();
	if (collects && !outcome_is_known(outcome) && outcome_count < OUTCOMES_MOST) {
		outcomes[outcome_count++] = outcome;
	}
	if (!outcome_is_known(outcome)) {
		interleave_fail("a result that no order without preemptions has");
	}
}

static const char *run_once(unsigned preemptions, unsigned delays)
{
	choice_next = 0;
	return cpus_run(scenario, preemptions, delays, judge);
}

/* ---- The search ---- */

static void print_choices(void)
{
	printf("# SCHEDULE=%s:", scenario->name);
	for (unsigned i = 0, printed = 0; i < choice_next; i++) {
		if (choices[i].taken != 0) {
			printf("%s%u.%u", printed++ == 0 ? "" : ",", choices[i].step,
			       choices[i].taken);
		}
	}
	printf("\n");
}

/* A schedule once more, this time step by step. */
static bool show(unsigned preemptions, unsigned delays)
{
	cpus_showing = true;
	const char *failure = run_once(preemptions, delays);
	cpus_showing = false;
	printf("# %s: %s\n", scenario->name, failure != NULL ? failure : "no failure");
	fflush(stdout);
	return failure == NULL;
}

/*
 * SCHEDULE=NAME:CHOICES. It names its choices by the number of the step, counted over all accesses,
 * shared or not; so it is the same one whatever has been learned.
 */
static bool replay(const char *schedule)
{
	size_t length = strlen(scenario->name);
	if (strncmp(schedule, scenario->name, length) != 0 || schedule[length] != ':') {
		return true;
	}
	given = schedule + length + 1;
	cpus_replays = true;
	collects = false;
	bool passed = show(scenario->preemptions, scenario->delays);
	cpus_replays = false;
	return passed;
}

static bool search(unsigned preemptions, unsigned delays, uint64_t most,
		   struct interleave_total *total)
{
	uint64_t schedules;
	do {
		choice_count = 0;
		schedules = 0;
		outcome_count = collects ? 0 : outcome_count;
		memory_learned = false;
		do {
			bool passed = run_once(preemptions, delays) == NULL;
			schedules++;
			total->points += cpus_points;
			if (!passed) {
				print_choices();
				(void)show(preemptions, delays);
				return false;
			}
		} while (!memory_learned && schedules < most && next_schedule());
	} while (memory_learned);
	total->schedules += schedules;
	total->stopped += schedules == most ? 1 : 0;
	return true;
}

bool interleave_explore(const struct scenario *what, struct interleave_total *total)
{
	const char *schedule = getenv("SCHEDULE");
	const char *most = getenv("INTERLEAVE_MOST");
	struct interleave_total ignored = {0};
	scenario = what;
	memory_scenario_begin();
	outcome_count = 0;
	/* What no other CPU interrupts, and what is shared then; after that, everything. */
	collects = true;
	if (!search(0, 0, UINT64_MAX, &ignored)) {
		return false;
	}
	if (schedule != NULL) {
		return replay(schedule);
	}
	total->scenarios++;
	collects = false;
	return search(what->preemptions, what->delays,
		      most != NULL ? strtoull(most, NULL, 10) : UINT64_MAX, total);
}

bool interleave_is_mine(void)
{
	static unsigned number;
	unsigned share = 0;
	unsigned shares = 1;
	const char *text = getenv("INTERLEAVE_SHARE");
	if (text != NULL && (sscanf(text, "%u/%u", &share, &shares) != 2 || share >= shares)) {
		panic("INTERLEAVE_SHARE=%s is no share", text);
	}
	return number++ % shares == share;
}
