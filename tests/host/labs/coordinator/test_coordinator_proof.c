/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proof that the grader of docs/labs/coordinator is right: each planted wrong policy loses the
 * checks that are written beside it and no others, each right one loses none. With the argument
 * `table` it prints what is in docs/labs/teaching.md, with `trace TRIAL WHAT` the trial of the
 * wrong policy that does WHAT (of a right one without it): tests/lab/trial_trace.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/bits.h"
#include "kernel/overcommit/policies/policies.h"
#include "labs/coordinator/wrong.h"
#include "tests/lab/trial_checks.h"
#include "tests/lab/trial_trace.h"

extern const struct policy policy_parts;
extern const struct policy policy_slack;
extern const struct policy policy_turns;

#define WRONG_LEAST 20
#define NAMES 2000

static void (*decides)(const struct policy_host *host, struct policy_vm *vms, unsigned count);

void policy_decide(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	decides(host, vms, count);
}

/* Names of checks that are lost; those of variations only where nothing else is. */
static void losses(char names[NAMES], char reason[TRIAL_TEXT])
{
	static struct trial_result result;
	const struct trial_check *check;
	size_t used = 0;
	unsigned variations = 0;
	names[0] = reason[0] = '\0';
	for (unsigned i = 0; (check = trial_check_at(i)) != NULL; i++) {
		trial_check_run(check, NULL, &result);
		if (result.passed) {
			continue;
		}
		if (strstr(check->name, "_variation") != NULL) {
			variations++;
			continue;
		}
		const char *name = result.broken == TRIAL_GIVES ? "gives" : check->name;
		if (strstr(names, name) != NULL) {
			continue;
		}
		used += (size_t)snprintf(names + used, NAMES - used, "%s%s", used > 0 ? " " : "",
					 name);
		if (strncmp(name, "trap", 4) == 0) {
			used += (size_t)snprintf(names + used, NAMES - used, ":%s",
						 trial_rule_name(result.broken));
		}
		if (reason[0] == '\0') {
			snprintf(reason, TRIAL_TEXT, "%s", result.text);
		}
	}
	if (used == 0 && variations > 0) {
		snprintf(names, NAMES, "%u variations", variations);
	}
}

static void test_right_ones(void **state)
{
	(void)state;
	static const struct policy *const right[] = {&policy_parts, &policy_slack, &policy_turns};
	char names[NAMES];
	char reason[TRIAL_TEXT];
	for (unsigned i = 0; i < ARRAY_COUNT(right); i++) {
		decides = right[i]->decide;
		losses(names, reason);
		if (names[0] != '\0') {
			fail_msg("%s loses %s: %s", right[i]->rule, names, reason);
		}
	}
}

static void test_wrong_ones(void **state)
{
	(void)state;
	char names[NAMES];
	char reason[TRIAL_TEXT];
	const struct wrong_policy *wrong;
	unsigned count = 0;
	for (; (wrong = wrong_policy_at(count)) != NULL; count++) {
		decides = wrong->decide;
		losses(names, reason);
		if (names[0] == '\0' || strcmp(names, wrong->loses) != 0) {
			fail_msg("%s: loses %s, and should lose %s", wrong->what, names,
				 wrong->loses);
		}
	}
	assert_true(count >= WRONG_LEAST);
}

/* A student reads which trial was lost, and how it is run alone: this one and no other. */
static void test_lost_trials_have_names(void **state)
{
	(void)state;
	static struct trial_result result;
	static struct trial_result again;
	struct trial_check check;
	for (unsigned i = 0; wrong_policy_at(i) != NULL; i++) {
		decides = wrong_policy_at(i)->decide;
		trial_check_run(trial_check_named("trap_stale_variations"), NULL, &result);
		unsigned long long seed = 0;
		char name[NAMES];
		const char *command = trial_check_command();
		assert_int_equal(sscanf(command, "make grade LAB=coordinator TRIAL=%s SEED=%llu",
					name, &seed),
				 2);
		assert_string_equal(name, "stale");
		assert_int_equal(seed, result.passed ? TRIAL_SEEDS : seed);
		assert_in_range(seed, 1, TRIAL_SEEDS);
		assert_true(trial_check_alone(name, seed, &check));
		trial_check_run(&check, NULL, &again);
		assert_string_equal(again.text, result.text);
		snprintf(name, sizeof(name), "seed %llu: ", seed);
		assert_true(result.passed || strncmp(result.text, name, strlen(name)) == 0);
	}
	decides = wrong_policy_at(0)->decide;
	trial_check_run(trial_check_named("one_grows_met"), NULL, &result);
	assert_true(!result.passed && strncmp(result.text, "seed", 4) != 0);
	assert_string_equal(trial_check_command(),
			    "make grade LAB=coordinator TRIAL=one_grows SEED=0");
	assert_false(trial_check_alone("three_stop", 0, &check));
}

/* Whole words of a list with commas in the place of blanks. */
static void print_list(const char *names)
{
	for (; *names != '\0'; names++) {
		if (*names == ' ') {
			putchar(',');
		}
		putchar(*names);
	}
}

static int table(void)
{
	char names[NAMES];
	char reason[TRIAL_TEXT];
	const struct wrong_policy *wrong;
	puts("| wrong coordinator | loses |\n|---|---|");
	for (unsigned i = 0; (wrong = wrong_policy_at(i)) != NULL; i++) {
		decides = wrong->decide;
		losses(names, reason);
		printf("| %s | ", wrong->what);
		print_list(names);
		puts(" |");
	}
	return 0;
}

static int trace(const char *trial, const char *what)
{
	static struct trial_result result;
	struct trial_check check;
	const struct wrong_policy *wrong;
	decides = what == NULL ? policy_parts.decide : NULL;
	for (unsigned i = 0; decides == NULL && (wrong = wrong_policy_at(i)) != NULL; i++) {
		decides = strcmp(wrong->what, what) == 0 ? wrong->decide : NULL;
	}
	if (decides == NULL || !trial_check_alone(trial, 0, &check)) {
		fprintf(stderr, "there is no such policy, or no such trial\n");
		return 2;
	}
	trial_trace(stdout);
	trial_check_run(&check, NULL, &result);
	fprintf(stderr, "%s\n", result.text);
	return result.passed ? 0 : 1;
}

int main(int count, char **words)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right_ones),
		cmocka_unit_test(test_wrong_ones),
		cmocka_unit_test(test_lost_trials_have_names),
	};
	if (count == 2 && strcmp(words[1], "table") == 0) {
		return table();
	}
	if ((count == 3 || count == 4) && strcmp(words[1], "trace") == 0) {
		return trace(words[2], count == 4 ? words[3] : NULL);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
