/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel/monitor/output.c: whole lines, few at once, in order, and none lost without a word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "kernel/log/log.h"
#include "kernel/monitor/output.h"

static char terminal[100000];
static size_t used;
static size_t most; /* bytes at once */

void log_text(const char *text, size_t bytes)
{
	assert_true(used + bytes < sizeof(terminal));
	assert_int_equal(text[bytes - 1], '\n');
	memcpy(terminal + used, text, bytes);
	used += bytes;
	terminal[used] = '\0';
	most = bytes > most ? bytes : most;
}

static int setup(void **state)
{
	(void)state;
	output_flush();
	used = 0;
	most = 0;
	terminal[0] = '\0';
	return 0;
}

static void test_a_few_lines_at_once(void **state)
{
	char line[32];
	unsigned polls = 0;
	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		output_print("line %u of many", i);
	}
	while (!output_is_empty()) {
		output_poll();
		polls++;
	}
	assert_true(most <= 256);
	assert_true(polls >= used / 256);
	const char *at = terminal;
	for (unsigned i = 0; i < 100; i++) {
		snprintf(line, sizeof(line), "line %u of many\n", i);
		assert_memory_equal(at, line, strlen(line));
		at += strlen(line);
	}
}

static void test_long_lines_are_cut(void **state)
{
	static char text[1000];
	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	output_print("%s", text);
	output_flush();
	assert_int_equal(used, OUTPUT_LINE_BYTES);
}

static void test_what_does_not_fit_is_told(void **state)
{
	unsigned fit = 0;
	(void)state;
	while (output_has_room(2)) {
		output_print("%0190u", fit++);
	}
	assert_true(fit > 60);
	output_print("%0190u", 1);
	output_print("%0190u", 2);
	output_flush();
	assert_non_null(strstr(terminal, "(2 lines are left out)\n"));
	assert_true(output_is_empty());
	used = 0;
	output_print("again");
	output_flush();
	assert_string_equal(terminal, "again\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_few_lines_at_once, setup),
		cmocka_unit_test_setup(test_long_lines_are_cut, setup),
		cmocka_unit_test_setup(test_what_does_not_fit_is_told, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
