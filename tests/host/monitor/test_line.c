/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel/monitor/line.c: every key at both ends of the line, the history, and bytes of all kinds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/monitor/line.h"

static struct line line;

static enum line_event type(const char *keys)
{
	enum line_event event = LINE_NOTHING;
	for (; *keys != '\0'; keys++) {
		event = line_key(&line, (uint8_t)*keys);
		assert_true(line.length < LINE_BYTES && line.cursor <= line.length);
		assert_int_equal(strlen(line.text), line.length);
	}
	return event;
}

static void check(const char *text, size_t cursor)
{
	assert_string_equal(line.text, text);
	assert_int_equal(line.cursor, cursor);
}

static int setup(void **state)
{
	(void)state;
	line_init(&line);
	return 0;
}

static void test_typing_and_moving(void **state)
{
	(void)state;
	assert_int_equal(type("help"), LINE_CHANGED);
	check("help", 4);
	type("\x1b[D\x1b[D-");
	check("he-lp", 3);
	type("\x01>");
	check(">he-lp", 1);
}

static void test_keys_that_move(void **state)
{
	static const struct {
		const char *keys;
		size_t cursor;
	} cases[] = {
		{"\x1b[D", 5},	    {"\x1bOD", 5},    {"\x02", 5},	 {"\x01", 0},
		{"\x1b[H", 0},	    {"\x1bOH", 0},    {"\x1b[1~", 0},	 {"\x1b[7~", 0},
		{"\x01\x1b[C", 1},  {"\x01\x06", 1},  {"\x01\x1b[F", 6}, {"\x01\x1b[4~", 6},
		{"\x01\x1b[8~", 6}, {"\x01\x05", 6},  {"\x1b[C", 6},	 {"\x01\x1b[D", 0},
		{"\x1b[5~", 6},	    {"\x1b[1;5D", 5}, {"\x1bx", 6},	 {"\x1b[Z", 6},
		{"\x0c", 6},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		line_init(&line);
		type("abcdef");
		type(cases[i].keys);
		check("abcdef", cases[i].cursor);
	}
}

static void test_keys_that_delete(void **state)
{
	static const struct {
		const char *keys;
		const char *text;
		size_t cursor;
	} cases[] = {
		{"\x7f", "set one mi", 10},
		{"\x08", "set one mi", 10},
		{"\x01\x7f", "set one min", 0},
		{"\x01\x04", "et one min", 0},
		{"\x01\x1b[3~", "et one min", 0},
		{"\x04", "set one min", 11},
		{"\x1b[3~", "set one min", 11},
		{"\x17", "set one ", 8},
		{"\x17\x17", "set ", 4},
		{"\x17\x17\x17\x17", "", 0},
		{"\x15", "", 0},
		{"\x02\x02\x02\x15", "min", 0},
		{"\x02\x02\x02\x0b", "set one ", 8},
		{"\x01\x0b", "", 0},
		{"\x01\x06\x06\x17", "t one min", 0},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		line_init(&line);
		type("set one min");
		type(cases[i].keys);
		check(cases[i].text, cases[i].cursor);
	}
}

static void test_events(void **state)
{
	(void)state;
	assert_int_equal(type("\r"), LINE_ENTERED);
	assert_int_equal(type("\n"), LINE_ENTERED);
	assert_int_equal(type("\t"), LINE_COMPLETION);
	assert_int_equal(type("\x04"), LINE_LEFT);
	assert_int_equal(type("x\x03"), LINE_DROPPED);
	check("", 0);
	assert_int_equal(type("\x13"), LINE_NOTHING);
	assert_int_equal(type("ab\xc3"), LINE_NOISE);
	check("ab", 2);
	/* A sequence that breaks off is over with the next control character. */
	assert_int_equal(type("\x1b[\r"), LINE_ENTERED);
	assert_int_equal(type("c"), LINE_CHANGED);
}

static void enter(const char *text)
{
	type(text);
	assert_int_equal(type("\r"), LINE_ENTERED);
	line_clear(&line, true);
	check("", 0);
}

static void test_history(void **state)
{
	(void)state;
	assert_int_equal(type("\x1b[A"), LINE_NOTHING);
	enter("one");
	enter("two");
	enter("two"); /* kept once */
	enter("");
	type("new\x1b[A");
	check("two", 3);
	type("\x10");
	check("one", 3);
	assert_int_equal(type("\x1b[A"), LINE_NOTHING);
	type("\x1b[B");
	check("two", 3);
	type("\x0e");
	check("new", 3);
	assert_int_equal(type("\x1b[B"), LINE_NOTHING);
	/* An old line that is changed becomes a new one; the old one stays. */
	type("\x1b[A+");
	type("\r");
	line_clear(&line, true);
	type("\x1b[A");
	check("two+", 4);
	type("\x1b[A");
	check("two", 3);
}

static void test_history_is_bounded(void **state)
{
	char text[8];
	(void)state;
	for (unsigned i = 0; i < 3 * LINE_HISTORY; i++) {
		snprintf(text, sizeof(text), "l%u", i);
		enter(text);
	}
	for (unsigned i = 0; i < LINE_HISTORY; i++) {
		assert_int_equal(type("\x1b[A"), LINE_CHANGED);
	}
	snprintf(text, sizeof(text), "l%u", 2 * LINE_HISTORY);
	check(text, strlen(text));
	assert_int_equal(type("\x1b[A"), LINE_NOTHING);
}

static void test_full_line(void **state)
{
	(void)state;
	for (unsigned i = 0; i < LINE_BYTES - 1; i++) {
		assert_int_equal(type("x"), LINE_CHANGED);
	}
	assert_int_equal(type("y"), LINE_NOTHING);
	assert_int_equal(line.length, LINE_BYTES - 1);
	line_insert(&line, "abc", 3);
	assert_int_equal(line.length, LINE_BYTES - 1);
	type("\x7f");
	line_insert(&line, "abc", 3);
	assert_int_equal(line.text[LINE_BYTES - 2], 'a');
}

static void test_window(void **state)
{
	char shown[21];
	size_t behind;
	(void)state;
	type("0123456789abcdef");
	assert_int_equal(line_show(&line, "> ", 20, shown, &behind), 18);
	assert_string_equal(shown, "> 0123456789abcdef");
	assert_int_equal(behind, 0);
	type("ghijkl");
	(void)line_show(&line, "> ", 20, shown, &behind);
	assert_string_equal(shown, "> 56789abcdefghijkl"); /* one column is the cursor's */
	assert_int_equal(behind, 0);
	type("\x01");
	(void)line_show(&line, "> ", 20, shown, &behind);
	assert_string_equal(shown, "> 0123456789abcdefgh");
	assert_int_equal(behind, 18);
	type("\x06\x06");
	(void)line_show(&line, "> ", 20, shown, &behind);
	assert_int_equal(behind, 16);
}

/* Bytes of all kinds: the text stays printable and terminated. */
static void test_any_bytes(void **state)
{
	char shown[80];
	size_t behind;
	(void)state;
	srandom(1);
	for (unsigned i = 0; i < 200000; i++) {
		enum line_event event = line_key(&line, (uint8_t)random());
		if (event == LINE_ENTERED) {
			line_clear(&line, true);
		}
		assert_true(line.length < LINE_BYTES && line.cursor <= line.length);
		for (size_t at = 0; at < line.length; at++) {
			assert_in_range(line.text[at], ' ', '~');
		}
		assert_int_equal(line.text[line.length], '\0');
		assert_true(line_show(&line, "aerostat> ", 79, shown, &behind) <= 79);
		assert_true(behind <= 69);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_typing_and_moving, setup),
		cmocka_unit_test_setup(test_keys_that_move, setup),
		cmocka_unit_test_setup(test_keys_that_delete, setup),
		cmocka_unit_test_setup(test_events, setup),
		cmocka_unit_test_setup(test_history, setup),
		cmocka_unit_test_setup(test_history_is_bounded, setup),
		cmocka_unit_test_setup(test_full_line, setup),
		cmocka_unit_test_setup(test_window, setup),
		cmocka_unit_test_setup(test_any_bytes, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
