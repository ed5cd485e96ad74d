/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * docs/labs/coordinator: the checks of a memory coordinator, a policy. It decides in a process of
 * its own (tests/lab/remote.h), so nothing else that it does there is a result.
 *
 * With the arguments `trial NAME SEED` it runs one trial alone, with all rules; where LAB_TRACE
 * names a file, the trial is written there (tests/lab/trial_trace.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/overcommit/policies/policies.h"
#include "labs/check.h"
#include "tests/lab/remote.h"
#include "tests/lab/trial_checks.h"
#include "tests/lab/trial_trace.h"

#define CHECKS_MOST 64
#define PURE_POINTS 2
#define GIVEN_LEAST (64 * TRIAL_MIB)

extern const struct policy policy_coordinator;

static void end_check(const char *why, bool at_limit)
{
	if (at_limit) {
		lost_at_limit("%s\nalone: %s", why, trial_check_command());
	}
	lost("%s\nalone: %s", why, trial_check_command());
}

/* The process of the policy knows neither the check nor the trial that it is for. */
static void forget(void)
{
	labs_forget();
	trial_check_forget();
}

static void start(void)
{
	remote_start(&policy_coordinator);
}

static void run_check(const struct trial_check *check)
{
	static struct trial_result result;
	remote_lost = end_check;
	remote_forget = forget;
	trial_check_run(check, start, &result);
	remote_stop();
	want(result.passed, "%s\nalone: %s", result.text, trial_check_command());
}

static void run_named(void)
{
	run_check(trial_check_named(labs_check()->name));
}

static struct trial_check alone;

static void run_alone(void)
{
	FILE *trace = getenv("LAB_TRACE") == NULL ? NULL : fopen(getenv("LAB_TRACE"), "w");
	if (trace != NULL) {
		trial_trace(trace);
	}
	run_check(&alone);
}

static int run_trial(const char *name, const char *seed)
{
	char *end;
	const struct check check = {"trial", 1, run_alone};
	uint64_t number = strtoull(seed, &end, 10);
	if (*seed < '0' || *seed > '9' || *end != '\0') {
		printf("# SEED=%s is no number\n", seed);
		return 2;
	}
	if (!trial_check_alone(name, number, &alone)) {
		printf("# TRIAL=%s is none of", name);
		for (unsigned i = 0; trial_at(i) != NULL; i++) {
			printf(" %s", trial_at(i)->name);
		}
		printf("\n");
		return 2;
	}
	return labs_run(&check, 1, NULL, 0);
}

/* The same views, the same targets, in a trial in which something has to be decided. */
static void be_pure(void)
{
	static struct trial_result result;
	remote_lost = end_check;
	remote_forget = forget;
	remote_start(&policy_coordinator);
	remote_compare(&policy_coordinator);
	trial_run(trial_at(0), 0, 0, &result);
	remote_stop();
	want(result.given_pages >= GIVEN_LEAST,
	     "no VM gives anything: there is nothing to compare");
}

/* ---- Questions --------------------------------------------------------------------------------
 */

/* 64 MiB are to spare of 2 GiB, as the host of the trials has them: low_pages. */
static const char *work_out_low(void)
{
	return text_of(2048 * TRIAL_MIB / 32);
}

/* Max 768 MiB, free 100, idle 80, held 300, min 250, in use 230: what may it be asked for? MiB. */
static const char *work_out_givable(void)
{
	uint64_t most = 100 - 768 / TRIAL_FLOOR_PARTS;
	uint64_t above_min = 300 - 250;
	uint64_t not_in_use = 300 - 230;
	uint64_t idle = 80;
	most = most < above_min ? most : above_min;
	most = most < not_in_use ? most : not_in_use;
	return text_of(most < idle ? most : idle);
}

/* A balloon of 2300 MiB, let go of gradually, from which 1276 MiB are needed: ms. */
static const char *work_out_pinned(void)
{
	return text_of(1276 * TRIAL_MIB / TRIAL_RELEASE_MOST * LAB_PERIOD_MS);
}

int main(int words_count, char **words)
{
	static const struct question questions[] = {
		{"q1", 1, work_out_low,
		 "how many pages has a MiB, and what does the page say of low_pages?"},
		{"q2", 1, work_out_givable, "it is the least of four limits"},
		{"q3", 1, work_out_pinned,
		 "how many decisions does it take, and how long is a period?"},
	};
	static struct check checks[CHECKS_MOST];
	unsigned count = 0;
	const struct trial_check *next;
	if (words_count == 4 && strcmp(words[1], "trial") == 0) {
		return run_trial(words[2], words[3]);
	}
	for (unsigned i = 0; (next = trial_check_at(i)) != NULL && count < CHECKS_MOST - 1; i++) {
		checks[count++] = (struct check){next->name, next->points, run_named};
	}
	checks[count++] = (struct check){"pure", PURE_POINTS, be_pure};
	return labs_run(checks, count, questions, LABS_COUNT(questions));
}
