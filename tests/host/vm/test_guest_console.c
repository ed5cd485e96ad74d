/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel/vm/guest_console.c: the two rings, and which lines of a VM reach the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "arch/arch.h"
#include "base/log.h"
#include "kernel/vm/guest_console.h"

#define KHZ 1000ull
#define LOGGED_MAX 20000

static struct guest_console console;
static uint8_t memory[GUEST_CONSOLE_BYTES];
static uint64_t now;
static char logged[LOGGED_MAX][80];
static unsigned count;

uint64_t arch_tsc_khz(void)
{
	return KHZ;
}

void log_event(const char *vm, const char *format, ...)
{
	char text[512];
	va_list arguments;
	assert_string_equal(vm, "web");
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	assert_int_equal(strncmp(text, "console: ", 9), 0);
	assert_true(count < LOGGED_MAX);
	strncpy(logged[count], text + 9, sizeof(logged[0]) - 1);
	count++;
}

static int setup(void **state)
{
	(void)state;
	now = 1000000;
	count = 0;
	memset(logged, 0, sizeof(logged));
	memset(memory, 0xee, sizeof(memory));
	guest_console_init(&console, memory, now);
	return 0;
}

static void say(const char *text)
{
	while (*text != '\0') {
		guest_console_put(&console, (uint8_t)*text++);
	}
}

static void poll(void)
{
	guest_console_poll(&console, "web", now, false);
}

static void pass_ms(uint64_t ms)
{
	for (uint64_t i = 0; i < ms; i++) {
		now += KHZ;
		poll();
	}
}

static void test_lines_reach_the_log(void **state)
{
	(void)state;
	say("one\r\ntw");
	poll();
	assert_int_equal(count, 1);
	assert_string_equal(logged[0], "one");
	say("o\n\n\r\n  \nthree\n");
	poll();
	poll();
	assert_int_equal(count, 3);
	assert_string_equal(logged[1], "two");
	assert_string_equal(logged[2], "three");
	pass_ms(2000);
	assert_int_equal(count, 3);
}

static void test_what_terminals_understand_is_taken_out(void **state)
{
	(void)state;
	say("\x1b[0;32mgreen\x1b[0m a\tb\bc\x1b"
	    "end \x1b[12\n");
	poll();
	assert_string_equal(logged[0], "green a b.c.end .[12");
}

static void test_partial_line_after_a_time(void **state)
{
	(void)state;
	say("login: ");
	pass_ms(GUEST_CONSOLE_PARTIAL_MS);
	assert_int_equal(count, 0);
	say("x");
	pass_ms(GUEST_CONSOLE_PARTIAL_MS);
	assert_int_equal(count, 0);
	pass_ms(2);
	assert_int_equal(count, 1);
	assert_string_equal(logged[0], "login: x");
	say("yz\n");
	poll();
	assert_string_equal(logged[1], "yz");
}

static void test_long_line_is_cut(void **state)
{
	(void)state;
	for (unsigned i = 0; i < GUEST_CONSOLE_LINE_BYTES; i++) {
		say(i == 0 ? "A" : "a");
	}
	say("B\n");
	poll();
	assert_int_equal(count, 2);
	assert_int_equal(logged[0][0], 'A');
	assert_string_equal(logged[1], "B");
}

/* Many more lines than the limit: their number in the log, and the last are among them. */
static void test_rate_is_limited_and_the_end_is_kept(void **state)
{
	char line[32];
	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(line, sizeof(line), "line %u\n", i);
		say(line);
		if (i % 5 == 4) {
			pass_ms(1);
		}
	}
	assert_in_range(count, GUEST_CONSOLE_LINES_AT_ONCE,
			GUEST_CONSOLE_LINES_AT_ONCE + 2 * GUEST_CONSOLE_LINES_PER_SECOND + 20);
	for (unsigned i = 0; i < GUEST_CONSOLE_LINES_AT_ONCE; i++) {
		snprintf(line, sizeof(line), "line %u", i);
		assert_string_equal(logged[i], line);
	}
	guest_console_close(&console, "web");
	assert_string_equal(logged[count - 1], "line 4999");
	/* What was left out is told, and nothing twice: the numbers sum up. */
	unsigned told = 0, out = 0, number, last = 0;
	for (unsigned i = 0; i < count; i++) {
		if (sscanf(logged[i], "lines left out=%u", &number) == 1) {
			out += number;
		} else {
			assert_int_equal(sscanf(logged[i], "line %u", &number), 1);
			assert_true(i == 0 || number > last);
			last = number;
			told++;
		}
	}
	assert_int_equal(told + out, 5000);
	/* Quiet time gives the lines back, not more than at once. */
	pass_ms(60000);
	count = 0;
	for (unsigned i = 0; i < 200; i++) {
		say("again\n");
	}
	pass_ms(40);
	assert_int_equal(count, GUEST_CONSOLE_LINES_AT_ONCE);
}

static void test_overrun_of_the_ring(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3 * GUEST_CONSOLE_BYTES / 8; i++) {
		say("1234567\n");
	}
	say("last\n");
	guest_console_close(&console, "web");
	assert_string_equal(logged[count - 1], "last");
	assert_true(count <= GUEST_CONSOLE_LAG_BYTES / 8 + 2);
	for (unsigned i = 1; i < count - 1; i++) {
		assert_string_equal(logged[i], "1234567");
	}
}

static void test_nothing_is_logged_while_it_is_seen(void **state)
{
	(void)state;
	say("secret\nhalf");
	guest_console_poll(&console, "web", now, true);
	assert_int_equal(count, 0);
	say(" line\n");
	poll();
	assert_int_equal(count, 1);
	assert_string_equal(logged[0], " line");
}

static void test_reading_from_a_position(void **state)
{
	uint8_t bytes[100];
	uint64_t position = 0;
	(void)state;
	say("abcdef");
	assert_int_equal(guest_console_read(&console, &position, bytes, 4), 4);
	assert_memory_equal(bytes, "abcd", 4);
	assert_int_equal(guest_console_read(&console, &position, bytes, 100), 2);
	assert_int_equal(position, 6);
	assert_int_equal(guest_console_read(&console, &position, bytes, 100), 0);
	/* Round the ring: what was overwritten is skipped, what is read is right. */
	for (unsigned i = 6; i < 5 * GUEST_CONSOLE_BYTES + 17; i++) {
		guest_console_put(&console, (uint8_t)(i * 7));
	}
	uint64_t total = 0;
	for (size_t got; (got = guest_console_read(&console, &position, bytes, 100)) > 0;) {
		for (size_t i = 0; i < got; i++) {
			assert_int_equal(bytes[i], (uint8_t)((position - got + i) * 7));
		}
		total += got;
	}
	assert_int_equal(position, 5 * GUEST_CONSOLE_BYTES + 17);
	assert_int_equal(total, GUEST_CONSOLE_BYTES - 1);
}

static void test_tail(void **state)
{
	(void)state;
	assert_int_equal(guest_console_tail(&console, 3, 100), 0);
	say("a\nb\nc\n$ ");
	assert_int_equal(guest_console_tail(&console, 1, 100), 6);
	assert_int_equal(guest_console_tail(&console, 2, 100), 4);
	assert_int_equal(guest_console_tail(&console, 9, 100), 0);
	assert_int_equal(guest_console_tail(&console, 9, 3), 5);
	say("d\n");
	assert_int_equal(guest_console_tail(&console, 1, 100), 6);
	for (unsigned i = 0; i < 2 * GUEST_CONSOLE_BYTES; i++) {
		guest_console_put(&console, 'x');
	}
	uint64_t end = console.written;
	assert_int_equal(guest_console_tail(&console, 1, 1000000), end - GUEST_CONSOLE_BYTES + 1);
}

static void test_input_loses_nothing(void **state)
{
	unsigned typed = 0, heard = 0;
	(void)state;
	assert_int_equal(guest_console_input(&console), -1);
	while (heard < 10000) {
		while (guest_console_type(&console, (uint8_t)(typed * 3))) {
			typed++;
		}
		assert_int_equal(typed - heard, GUEST_CONSOLE_INPUT_BYTES);
		for (unsigned i = 0; i < 1 + heard % 700; i++) {
			assert_int_equal(guest_console_input(&console), (uint8_t)(heard * 3));
			assert_int_equal(guest_console_input(&console), (uint8_t)(heard * 3));
			guest_console_input_done(&console);
			heard++;
			if (guest_console_input(&console) < 0) {
				break;
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_lines_reach_the_log, setup),
		cmocka_unit_test_setup(test_what_terminals_understand_is_taken_out, setup),
		cmocka_unit_test_setup(test_partial_line_after_a_time, setup),
		cmocka_unit_test_setup(test_long_line_is_cut, setup),
		cmocka_unit_test_setup(test_rate_is_limited_and_the_end_is_kept, setup),
		cmocka_unit_test_setup(test_overrun_of_the_ring, setup),
		cmocka_unit_test_setup(test_nothing_is_logged_while_it_is_seen, setup),
		cmocka_unit_test_setup(test_reading_from_a_position, setup),
		cmocka_unit_test_setup(test_tail, setup),
		cmocka_unit_test_setup(test_input_loses_nothing, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
