/* SPDX-License-Identifier: BSD-2-Clause */
/* See trial_checks.h. */
#include "tests/lab/trial_checks.h"

#include <stdio.h>
#include <string.h>

#include "base/bits.h"

#define RULE(rule) (1u << TRIAL_##rule)
#define ALL ((1u << TRIAL_RULES) - 1)
#define NONSENSE (-1)
#define GIVEN_LEAST (64 * TRIAL_MIB)

static const struct trial_check checks[] = {
	{"bounds", 2, NONSENSE, RULE(BOUNDS) | RULE(PLENTY), 0, 0},
#define CLASSIC(trial, number)                                                                     \
	{trial "_vm_floor", 2, number, RULE(FLOOR) | RULE(BOUNDS), 0, 0},                          \
		{trial "_gradual", 2, number, RULE(GRADUAL), 0, 0},                                \
		{trial "_plenty", 1, number, RULE(PLENTY), 0, 0},                                  \
		{trial "_host_floor", 2, number, RULE(HOST_FLOOR), 0, 0},                          \
		{trial "_met", 3, number, RULE(MET), 0, 0},                                        \
		{trial "_calm", 1, number, RULE(CALM), 0, 0},                                      \
		{trial "_variation_1", 1, number, ALL, 1, 1},                                      \
		{trial "_variation_2", 1, number, ALL, 2, 2},                                      \
		{trial "_variation_3", 1, number, ALL, 3, 3},                                      \
		{trial "_variation_4", 1, number, ALL, 4, 4},                                      \
	{                                                                                          \
		trial "_variation_5", 1, number, ALL, 5, 5                                         \
	}
	CLASSIC("one_grows", 0),
	{"one_grows_returned", 2, 0, RULE(RETURNED), 0, 0},
	CLASSIC("all_grow", 1),
	CLASSIC("two_stop", 2),
	{"trap_pinned", 4, 3, ALL, 0, 0},
	{"trap_pinned_variations", 2, 3, ALL, 1, TRIAL_SEEDS},
	{"trap_stale", 4, 4, ALL, 0, 0},
	{"trap_stale_variations", 2, 4, ALL, 1, TRIAL_SEEDS},
	{"trap_never_left", 4, 5, ALL, 0, 0},
	{"trap_never_left_variations", 2, 5, ALL, 1, TRIAL_SEEDS},
};

const struct trial_check *trial_check_at(unsigned index)
{
	return index < ARRAY_COUNT(checks) ? &checks[index] : NULL;
}

const struct trial_check *trial_check_named(const char *name)
{
	for (unsigned i = 0; i < ARRAY_COUNT(checks); i++) {
		if (strcmp(checks[i].name, name) == 0) {
			return &checks[i];
		}
	}
	return NULL;
}

static void run_seed(const struct trial_check *check, uint64_t seed, struct trial_result *result)
{
	const struct trial *trial = trial_at((unsigned)check->trial);
	trial_run(trial, seed, check->rules, result);
	if (result->passed && result->given_pages < GIVEN_LEAST) {
		result->passed = false;
		result->broken = TRIAL_GIVES;
		snprintf(result->text, sizeof(result->text),
			 "gives: no VM gives anything. All balloons together never have more than "
			 "%llu MiB, so this rule "
			 "has nothing to hold for. Some VMs have hundreds of MiB idle in this "
			 "trial, and others "
			 "need them",
			 (unsigned long long)(result->given_pages / TRIAL_MIB));
	}
}

void trial_check_run(const struct trial_check *check, void (*begin)(void),
		     struct trial_result *result)
{
	/* What gives nothing has no bounds to keep, either. */
	uint64_t last = check->trial == NONSENSE ? 0 : check->last_seed;
	for (uint64_t seed = check->first_seed; seed <= last; seed++) {
		const struct trial_check first = {.rules = 0, .trial = 0};
		if (begin != NULL) {
			begin();
		}
		run_seed(check->trial == NONSENSE ? &first : check, seed, result);
		if (!result->passed) {
			return;
		}
	}
	if (check->trial == NONSENSE) {
		if (begin != NULL) {
			begin();
		}
		trial_nonsense(result);
	}
}
