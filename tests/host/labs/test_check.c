/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests/host/labs/check.h: checks that do not end are counted, and what all of them take is added
 * up, so that a grade of anything ends. What is not run says so, and costs its points.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "labs/check.h"

#define SAID 4000
#define LIMITS 8

static void pass(void)
{
}

static void lose(void)
{
	lost("wrong");
}

static void reach_a_limit(void)
{
	lost_at_limit("it did not end within the time of a check");
}

static void loop(void)
{
	for (volatile unsigned i = 0; i < 1; i *= 1) {
	}
}

static void sleep_on(void)
{
	sleep(1000);
}

static void write_on(void)
{
	static const char text[4096] = "more";
	while (write(STDOUT_FILENO, text, sizeof(text)) > 0) {
	}
}

/* What the program of these checks prints. */
static const char *report_of(const struct check *checks, unsigned count)
{
	static char said[SAID];
	int ends[2];
	size_t used = 0;
	ssize_t size;
	assert_int_equal(pipe(ends), 0);
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		_exit(labs_run(checks, count, NULL, 0) + (fflush(NULL) == 0 ? 0 : 2));
	}
	close(ends[1]);
	while ((size = read(ends[0], said + used, SAID - 1 - used)) > 0) {
		used += (size_t)size;
	}
	said[used] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	return said;
}

static unsigned count_of(const char *text, const char *word)
{
	unsigned count = 0;
	for (; (text = strstr(text, word)) != NULL; text++) {
		count++;
	}
	return count;
}

static void test_a_report(void **state)
{
	(void)state;
	const struct check checks[] = {{"right", 1, pass}, {"wrong", 2, lose}};
	assert_string_equal(
		report_of(checks, LABS_COUNT(checks)),
		"ok 1 - right\n# points 1\nnot ok 2 - wrong\n# points 2\n# wrong\n1..2\n");
}

/* Only those at a limit are counted, and the first eight of them are run. */
static void test_limits_are_counted(void **state)
{
	(void)state;
	struct check checks[2 * LIMITS + 3] = {{"wrong", 1, lose}, {"writes", 1, write_on}};
	unsigned count = 2;
	for (unsigned i = 1; i < LIMITS; i++) {
		checks[count++] = (struct check){"wrong", 1, lose};
		checks[count++] = (struct check){"limit", 1, reach_a_limit};
	}
	checks[count++] = (struct check){"right", 3, pass};
	const char *said = report_of(checks, count);
	assert_int_equal(count_of(said, "# it did not end within "), LIMITS);
	assert_int_equal(count_of(said, "# wrong\n"), LIMITS);
	assert_non_null(strstr(said,
			       "not ok 17 - right\n# points 3\n# not run: time used up: 8 checks "
			       "before this one did not end\n1..17\n"));
	checks[1].run = pass;
	said = report_of(checks, count);
	assert_non_null(strstr(said, "ok 17 - right\n# points 3\n1..17\n"));
	assert_int_equal(count_of(said, "not run"), 0);
}

/* Of all that have ended, also of one that was killed, for which a kernel may count a tenth less.
 */
static void test_processor_time_is_added_up(void **state)
{
	(void)state;
	const struct check checks[] = {{"loops", 1, loop}, {"loops", 1, loop}, {"right", 1, pass}};
	setenv("LAB_SECONDS", "1", 1);
	assert_string_equal(report_of(&checks[1], 2),
			    "not ok 1 - loops\n# points 1\n# it did not end within 1 seconds of "
			    "processor time\nok 2 - right\n# points 1\n1..2\n");
	setenv("LAB_SECONDS_OF_ALL", "1", 1);
	assert_non_null(strstr(report_of(checks, 3),
			       "not ok 3 - right\n# points 1\n# not run: time used up: the checks "
			       "before this one took 1 seconds of CPU time\n"));
	unsetenv("LAB_SECONDS");
	unsetenv("LAB_SECONDS_OF_ALL");
}

/* What sleeps takes none. */
static void test_sleep_is_ended_by_the_clock(void **state)
{
	(void)state;
	const struct check checks[] = {{"sleeps", 1, sleep_on}, {"right", 1, pass}};
	setenv("LAB_SLEEP", "1", 1);
	setenv("LAB_SLEEP_OF_ALL", "1", 1);
	assert_string_equal(
		report_of(checks, LABS_COUNT(checks)),
		"not ok 1 - sleeps\n# points 1\n# it did not end within 1 seconds\n"
		"not ok 2 - right\n# points 1\n# not run: time used up: the checks before "
		"this one took 1 seconds\n1..2\n");
	unsetenv("LAB_SLEEP");
	unsetenv("LAB_SLEEP_OF_ALL");
}

static void run_again(void)
{
	const struct check more[] = {{"more", 1, pass}};
	labs_run(more, LABS_COUNT(more), NULL, 0);
}

/* Else a check could make processes without end. */
static void test_no_checks_inside_a_check(void **state)
{
	(void)state;
	const struct check checks[] = {{"again", 1, run_again}, {"right", 2, pass}};
	assert_string_equal(report_of(checks, LABS_COUNT(checks)),
			    "not ok 1 - again\n# points 1\n# the checks are run from inside a "
			    "check\nok 2 - right\n# points 2\n1..2\n");
}

static void forget(void)
{
	want(labs_check() != NULL, "there is no check");
	labs_forget();
	want(labs_check() == NULL, "it is still there");
}

static void test_a_check_can_be_forgotten(void **state)
{
	(void)state;
	const struct check checks[] = {{"one", 1, forget}, {"other", 2, forget}};
	assert_string_equal(report_of(checks, LABS_COUNT(checks)),
			    "ok 1 - one\n# points 1\nok 2 - other\n# points 2\n1..2\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_report),
		cmocka_unit_test(test_limits_are_counted),
		cmocka_unit_test(test_processor_time_is_added_up),
		cmocka_unit_test(test_sleep_is_ended_by_the_clock),
		cmocka_unit_test(test_no_checks_inside_a_check),
		cmocka_unit_test(test_a_check_can_be_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
