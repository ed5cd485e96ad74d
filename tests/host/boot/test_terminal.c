/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/phys/terminal.c: lines, scrolling, control sequences, and bytes without a meaning. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "drivers/phys/terminal.h"

#define COLUMNS 20
#define ROWS 6

static struct terminal terminal;

static int start(void **state)
{
	(void)state;
	terminal_init(&terminal, COLUMNS, ROWS, 0);
	terminal.changed = 0;
	return 0;
}

static void type(const char *text)
{
	terminal_write(&terminal, text, strlen(text));
}

/* Exactly one letter is inverse, where the cursor is. */
static void check(void)
{
	unsigned inverse = 0;
	for (unsigned row = 0; row < ROWS; row++) {
		for (unsigned column = 0; column < COLUMNS; column++) {
			inverse += terminal.cells[row][column] >> 8 & TERMINAL_INVERSE ? 1 : 0;
		}
	}
	assert_int_equal(inverse, 1);
	unsigned column = terminal.column < COLUMNS ? terminal.column : COLUMNS - 1;
	assert_true(terminal.row >= terminal.top && terminal.row < ROWS);
	assert_true(terminal.cells[terminal.row][column] >> 8 & TERMINAL_INVERSE);
}

/* The row without the blanks at its end. */
static void expect(unsigned row, const char *text)
{
	char found[COLUMNS + 1];
	size_t length = 0;
	for (unsigned column = 0; column < COLUMNS; column++) {
		found[column] = (char)terminal.cells[row][column];
		length = found[column] != ' ' ? column + 1 : length;
	}
	found[length] = '\0';
	assert_string_equal(found, text);
	check();
}

static void test_lines(void **state)
{
	(void)state;
	type("one\r\ntwo\nthree\rT");
	expect(0, "one");
	expect(1, "two");
	expect(2, "T  three");
	assert_int_equal(terminal.changed, 7);
	type("\r\tx\b\by\x07\x01");
	expect(2, "T  threyx");
}

static void test_a_long_line_wraps_when_it_goes_on(void **state)
{
	(void)state;
	type("abcdefghijklmnopqrst");
	expect(0, "abcdefghijklmnopqrst");
	assert_int_equal(terminal.row, 0);
	type("\r\nx\r");
	expect(1, "x");
	type("ABCDEFGHIJKLMNOPQRSTU");
	expect(1, "ABCDEFGHIJKLMNOPQRST");
	expect(2, "U");
	type("\r12345678901234567890\b#");
	expect(2, "123456789012345678#0");
}

/* Held, it takes nothing more when its last row has ended: neither by a line nor by a long one. */
static void test_held_it_stops_when_it_is_full(void **state)
{
	(void)state;
	terminal.hold = true;
	type("1\r\n2\r\n3\r\n4\r\n5\r\n6");
	expect(0, "1");
	expect(5, "6");
	type("!\r\n");
	type("7\r\n8\x1b[Hx\x1b[2J");
	expect(0, "1");
	expect(5, "6!");
	terminal_init(&terminal, COLUMNS, ROWS, 0);
	terminal.hold = true;
	type("first\x1b[6;1H");
	for (unsigned i = 0; i < COLUMNS; i++) {
		type("y");
	}
	uint16_t before = terminal.cells[5][0];
	type("zzz");
	assert_int_equal(terminal.cells[5][0] & 0xff, before & 0xff);
	expect(0, "first");
}

static void test_scrolling_keeps_what_is_above_the_top(void **state)
{
	(void)state;
	type("a\r\nb\r\nc\r\nd\r\ne\r\nf");
	expect(0, "a");
	type("\r\ng");
	expect(0, "b");
	expect(5, "g");
	terminal_set_top(&terminal, 2);
	expect(0, "");
	expect(5, "g");
	terminal_put_row(&terminal, 0, "a title that is longer than a row", TERMINAL_BRIGHT);
	terminal_put_row(&terminal, 1, "second", TERMINAL_DIM);
	terminal_put_letter(&terminal, 1, 8, 'x', TERMINAL_BRIGHT);
	terminal.changed = 0;
	type("\r\nh\r\ni");
	expect(0, "a title that is long");
	expect(1, "second  x");
	expect(2, "f");
	expect(5, "i");
	assert_int_equal(terminal.changed, 0x3c);
	terminal_set_top(&terminal, 0);
	expect(0, "");
	expect(1, "");
	expect(2, "f");
	expect(5, "i");
}

static void test_what_stood_above_a_new_top_moves_down(void **state)
{
	(void)state;
	type("a\r\nb\r\nc");
	terminal_set_top(&terminal, 4);
	expect(4, "b");
	expect(5, "c");
	expect(0, "");
	assert_int_equal(terminal.row, 5);
	assert_int_equal(terminal.column, 1);
}

static void test_erasing(void **state)
{
	(void)state;
	type("abcdef\r\x1b[3C\x1b[K");
	expect(0, "abc");
	type("\rabcdef\x1b[2D\x1b[1K");
	expect(0, "     f");
	type("\x1b[2K\rone\r\ntwo\r\nthree\x1b[A\x1b[J");
	expect(0, "one");
	expect(1, "two");
	expect(2, "");
	type("\x1b[3J\x1b[7K");
	expect(1, "two");
	type("\x1b[1J");
	expect(0, "");
	expect(1, "");
	type("\x1b[2J\x1b[Hx");
	expect(0, "x");
}

static void test_moving_stays_inside(void **state)
{
	(void)state;
	terminal_set_top(&terminal, 2);
	type("\x1b[99;99Hz\x1b[Ha\x1b[9999999999999999999Ab\x1b[2;3Hc\x1b[5GD\x1b[0;0fe");
	expect(5, "                   z");
	expect(2, "eb");
	expect(3, "  c D");
	type("\x1b[3B\x1b[999D\x1b[999C\x1b[999B!");
	expect(5, "                   !");
	assert_int_equal(terminal.column, COLUMNS);
}

static void test_colours(void **state)
{
	(void)state;
	type("a\x1b[1mb\x1b[2;1;2mc\x1b[22md\x1b[31;1me\x1b[mf");
	const unsigned colours[] = {TERMINAL_PLAIN, TERMINAL_BRIGHT, TERMINAL_DIM,
				    TERMINAL_PLAIN, TERMINAL_BRIGHT, TERMINAL_PLAIN};
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(terminal.cells[0][i], TERMINAL_CELL("abcdef"[i], colours[i]));
	}
}

static void test_unknown_sequences_show_nothing(void **state)
{
	(void)state;
	type("a\x1b[?25l\x1b[?2Jb\x1b[12;3;4;5;6;7;8;9qc\x1b"
	     "cd\x1b[>0cd\x1b[1\ne");
	expect(0, "abcdd");
	expect(1, "     e");
	type("\x1b[1;2;3;4;567;89q");
	assert_true(terminal.parameter_count <= TERMINAL_PARAMETERS);
	type("\r\x1b[\x1b[2Kf");
	expect(1, "f");
	type("\xff\x80");
	assert_int_equal(terminal.cells[1][1] & 0xff, 0xff);
}

static void test_random_bytes(void **state)
{
	(void)state;
	srand(1);
	for (unsigned i = 0; i < 20000; i++) {
		static const char likely[] = "\x1b[;0123456789ABCDHJKm\r\n\b\tx";
		char bytes[8];
		for (unsigned k = 0; k < sizeof(bytes); k++) {
			bytes[k] = rand() % 4 ? likely[(size_t)rand() % (sizeof(likely) - 1)]
					      : (char)rand();
		}
		terminal_write(&terminal, bytes, sizeof(bytes));
		if (i % 1000 == 0) {
			terminal_set_top(&terminal, (unsigned)rand() % (ROWS - 1));
		}
		check();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_lines, start),
		cmocka_unit_test_setup(test_a_long_line_wraps_when_it_goes_on, start),
		cmocka_unit_test_setup(test_held_it_stops_when_it_is_full, start),
		cmocka_unit_test_setup(test_scrolling_keeps_what_is_above_the_top, start),
		cmocka_unit_test_setup(test_what_stood_above_a_new_top_moves_down, start),
		cmocka_unit_test_setup(test_erasing, start),
		cmocka_unit_test_setup(test_moving_stays_inside, start),
		cmocka_unit_test_setup(test_colours, start),
		cmocka_unit_test_setup(test_unknown_sequences_show_nothing, start),
		cmocka_unit_test_setup(test_random_bytes, start),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
