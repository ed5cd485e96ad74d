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

static const struct trial *last_trial;
static uint64_t last_seed;

void trial_check_forget(void)
{
	last_trial = NULL;
	last_seed = 0;
}

bool trial_check_alone(const char *trial, uint64_t seed, struct trial_check *check)
{
	for (int i = 0; trial_at((unsigned)i) != NULL; i++) {
		if (strcmp(trial_at((unsigned)i)->name, trial) == 0) {
			*check = (struct trial_check){trial, 1, i, ALL, seed, seed};
			return true;
		}
	}
	return false;
}

const char *trial_check_command(void)
{
	static char text[TRIAL_TEXT];
	snprintf(text, sizeof(text), "make grade LAB=coordinator TRIAL=%s SEED=%llu",
		 last_trial == NULL ? "" : last_trial->name, (unsigned long long)last_seed);
	return text;
}

/* A variation is named where its reason is read. */
static void name_the_seed(struct trial_result *result)
{
	char text[TRIAL_TEXT];
	memcpy(text, result->text, sizeof(text));
	snprintf(result->text, sizeof(result->text), "seed %llu: %.*s",
		 (unsigned long long)last_seed, TRIAL_TEXT - 40, text);
}

static void run_seed(const struct trial_check *check, uint64_t seed, struct trial_result *result)
{
	const struct trial *trial = trial_at((unsigned)check->trial);
	last_trial = trial;
	last_seed = seed;
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
	if (!result->passed && seed > 0) {
		name_the_seed(result);
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
