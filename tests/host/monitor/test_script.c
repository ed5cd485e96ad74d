/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel/monitor/script.c: lines in their order, waiting, and what stops a script. */
#include "fake/commands.h"

#include <stdio.h>
#include <string.h>

#include "kernel/monitor/command.h"
#include "kernel/monitor/output.h"
#include "kernel/monitor/script.h"
#include "mm/promise.h"

#define SECOND 1000000ull /* ticks of the fake clock */

static bool over;

static void poll(void)
{
	command_step(fake_tsc, -1);
	script_poll(fake_tsc, over);
	output_poll();
}

static void polls(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		poll();
	}
}

static void take(const char *text)
{
	struct error error;
	fake_log_clear();
	assert_int_equal(script_take(text, strlen(text), &error), STATUS_OK);
	assert_true(script_is_busy());
	assert_false(script_has_failed());
}

/* It has stopped at this line, and the log says why. */
static void expect_failure(const char *why)
{
	polls(100);
	assert_false(script_is_busy());
	assert_true(script_has_failed());
	if (strstr(fake_log_text, why) == NULL) {
		fail_msg("\"%s\" is not in:\n%s", why, fake_log_text);
	}
}

static void test_lines_in_order(void **state)
{
	(void)state;
	take("# a comment\n\n  vms  \r\nset one shares 7\n\tframes\nhost");
	polls(200);
	assert_false(script_is_busy());
	assert_false(script_has_failed());
	assert_int_equal(vms[0].config.shares, 7);
	const char *first = strstr(terminal, "NAME");
	const char *second = strstr(terminal, "frames: free");
	const char *third = strstr(terminal, "memory: total");
	assert_non_null(first);
	assert_true(first < second && second < third);
	assert_non_null(strstr(fake_log_text, "- script: line 3: vms\n"));
	assert_non_null(strstr(fake_log_text, "- script: line 6: host\n"));
}

static void test_option(void **state)
{
	struct error error;
	(void)state;
	assert_int_equal(script_take_option("set,one,shares,9;set,two,shares,8", &error),
			 STATUS_OK);
	polls(10);
	assert_int_equal(vms[0].config.shares, 9);
	assert_int_equal(vms[1].config.shares, 8);
	assert_false(script_is_busy());
}

static void test_one_script_and_not_too_long(void **state)
{
	static char text[SCRIPT_BYTES];
	struct error error;
	(void)state;
	memset(text, '#', sizeof(text));
	assert_int_equal(script_take(text, sizeof(text), &error), STATUS_INVALID);
	assert_string_equal(error.text, "a script is shorter than 8192 bytes");
	take("vms");
	assert_int_equal(script_take("host", 4, &error), STATUS_EXISTS);
	polls(50);
	assert_int_equal(script_take_option("host", &error), STATUS_EXISTS);
}

static void test_wait_for_a_time(void **state)
{
	(void)state;
	take("wait 3\nset one shares 5");
	polls(3);
	fake_tsc += 3 * SECOND - 1;
	polls(3);
	assert_int_equal(vms[0].config.shares, 100);
	assert_true(script_is_busy());
	fake_tsc++;
	polls(3);
	assert_int_equal(vms[0].config.shares, 5);
}

static void test_wait_until(void **state)
{
	(void)state;
	take("wait until one ballooned_pages >= 1M within 5\nset one shares 5\n"
	     "wait until one state = killed\nset two shares 6\n"
	     "wait until host spare > 1\nwait until host free != 0\n"
	     "wait until host state < low\nwait until host state = high\n"
	     "wait until two held_pages < 0x7fffffff\nset two weight 3");
	polls(10);
	assert_int_equal(vms[0].config.shares, 100);
	kernel_give(&vms[0], 200, 255);
	polls(10);
	assert_int_equal(vms[0].config.shares, 100);
	kernel_give(&vms[0], 500, 1);
	polls(10);
	assert_int_equal(vms[0].config.shares, 5);
	assert_int_equal(vms[1].config.shares, 100);
	assert_int_equal(command_type("kill one"), STATUS_OK);
	polls(20);
	assert_int_equal(vms[1].config.shares, 6);
	assert_int_equal(vms[1].config.weight, 3);
	assert_false(script_is_busy());
	assert_false(script_has_failed());
}

static void test_every_comparison(void **state)
{
	static const struct {
		const char *op;
		bool below, same, above;
	} cases[] = {
		{"=", false, true, false}, {"!=", true, false, true}, {"<", true, false, false},
		{"<=", true, true, false}, {">", false, false, true}, {">=", false, true, true},
	};
	char text[80];
	struct error error;
	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		for (unsigned k = 0; k < 3; k++) {
			bool wanted = k == 0   ? cases[i].below
				      : k == 1 ? cases[i].same
					       : cases[i].above;
			vms[0].config.shares = 99 + k;
			vms[0].exit_code = 99 + k;
			script_forget();
			snprintf(text, sizeof(text), "wait until one code %s 100 within 1",
				 cases[i].op);
			assert_int_equal(script_take(text, strlen(text), &error), STATUS_OK);
			polls(4);
			assert_int_equal(script_is_busy(), !wanted);
		}
	}
	vms[0].exit_code = 0;
}

static void test_late(void **state)
{
	(void)state;
	take("wait until one ballooned_pages >= 1M within 5\nvms");
	polls(10);
	fake_tsc += 5 * SECOND;
	expect_failure("- script: line 1: it has not come true in that time; the rest is left out");
	assert_null(strstr(terminal, "NAME"));
}

static void test_never(void **state)
{
	(void)state;
	take("wait until one restarts > 5");
	polls(10);
	assert_true(script_is_busy());
	over = true;
	expect_failure("it can never come true: all VMs have ended");
	over = false;
}

static void test_what_stops_it(void **state)
{
	static const struct {
		const char *text;
		const char *why;
	} cases[] = {
		{"vms\nvm three\nhost", "script: line 2: there is no VM three: vms lists them all"},
		{"\n\nhelpp", "script: line 3: there is no command helpp: the nearest is help"},
		{"wait", "line 1: wait is used as: wait SECONDS"},
		{"wait x", "line 1: x is not a number of seconds to 1000000"},
		{"wait 1000001", "1000001 is not a number of seconds"},
		{"wait until", "until is not a number of seconds"},
		{"wait until one", "wait is used as"},
		{"wait until one state killed", "wait is used as"},
		{"wait until one state = killed for 3", "wait is used as"},
		{"wait until one state = killed within", "wait is used as"},
		{"wait until one state = killed within x", "x is not a number of seconds"},
		{"wait until one state = gone", "gone is not a state"},
		{"wait until one state ~ killed", "~ is not one of = != < <= > >="},
		{"wait until one size = 4", "there is no statistic size"},
		{"wait until one held_pages = 4Q", "4Q is not a number of pages or a size"},
		{"wait until one held_pages = 5000000000000000000G", "is not a number"},
		{"wait until one faults = 4M", "4M is not a number"},
		{"wait until three state = killed", "there is no VM three"},
		{"wait until host size = 4", "of the host, free, spare and state are known"},
		{"wait until host state = short", "short is not high, soft, hard or low"},
		{"wait until one state = killed within 3 4 5", "wait is used as"},
		{"vms\x01", "line 1: it has bytes that are not text"},
		{"\xff\xfe", "line 1: it has bytes that are not text"},
		{"attach one", "attach needs an operator"},
	};
	static char text[600];
	struct error error;
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		script_forget();
		take(cases[i].text);
		expect_failure(cases[i].why);
	}
	script_forget();
	memset(text, 'x', 300);
	text[300] = '\0';
	assert_int_equal(script_take(text, strlen(text), &error), STATUS_OK);
	expect_failure("line 1: it is longer than 255 bytes");
}

static void test_top_is_one_screen(void **state)
{
	(void)state;
	take("top\nset one shares 5");
	polls(50);
	assert_int_equal(vms[0].config.shares, 5);
	assert_null(strchr(terminal, '\x1b'));
}

static void test_the_operator_stops_it(void **state)
{
	(void)state;
	take("wait 100\nvms");
	polls(2);
	script_stop();
	expect_failure("script: line 1: the operator stopped it");
	script_stop();
}

/* A command of the operator that goes on comes first. */
static void test_a_busy_monitor_is_waited_for(void **state)
{
	struct error error;
	(void)state;
	assert_int_equal(command_run("top", false, &error), STATUS_OK);
	take("set one shares 5");
	polls(20);
	assert_int_equal(vms[0].config.shares, 100);
	command_stop();
	polls(20);
	assert_int_equal(vms[0].config.shares, 5);
}

static int setup(void **state)
{
	(void)state;
	commands_start();
	script_forget();
	command_stop();
	over = false;
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_lines_in_order),
		TEST(test_option),
		TEST(test_one_script_and_not_too_long),
		TEST(test_wait_for_a_time),
		TEST(test_wait_until),
		TEST(test_every_comparison),
		TEST(test_late),
		TEST(test_never),
		TEST(test_what_stops_it),
		TEST(test_top_is_one_screen),
		TEST(test_the_operator_stops_it),
		TEST(test_a_busy_monitor_is_waited_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
