/* SPDX-License-Identifier: BSD-2-Clause */
/* What docs/labs/coordinator checks: which trials, which rules, how many points. */
#ifndef LAB_TRIAL_CHECKS_H
#define LAB_TRIAL_CHECKS_H

#include "tests/lab/trial.h"

struct trial_check {
	const char *name;
	unsigned points;
	int trial;	     /* -1: nonsense */
	unsigned rules;	     /* bits */
	uint64_t first_seed; /* 0: the trial as it is */
	uint64_t last_seed;
};

/* By number; NULL behind the last. */
const struct trial_check *trial_check_at(unsigned index);
const struct trial_check *trial_check_named(const char *name);

/*
 * Runs it with policy_decide(); `begin`, if there is one, is called before each trial. A trial in
 * which nothing was ever given passes no check: there is nothing that could be wrong.
 */
void trial_check_run(const struct trial_check *check, void (*begin)(void),
		     struct trial_result *result);

/* All rules in the trial of this name and its variation `seed`: false: there is no such trial. */
bool trial_check_alone(const char *trial, uint64_t seed, struct trial_check *check);

/* The command that runs the last trial of a check again, and nothing else. */
const char *trial_check_command(void);

/* For a process that is not to know which trial it is for: this command names none there. */
void trial_check_forget(void);

#endif
