/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel/log/log.c: lines above what is being typed, and nothing of it left behind a panic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "arch/arch.h"
#include "base/lock.h"
#include "base/log.h"
#include "kernel/log/log.h"

static char terminal[4096];
static size_t used;
static unsigned locks_held;

void lock_order_check(const struct lock *lock, bool taken)
{
	assert_int_equal(lock->rank, LOCK_LOG);
	locks_held += taken ? 1 : -1u;
}

void arch_console_write(const char *text, size_t bytes)
{
	memcpy(terminal + used, text, bytes);
	used += bytes;
	terminal[used] = '\0';
}

uint64_t arch_tsc(void)
{
	return 5000000;
}

uint64_t arch_tsc_khz(void)
{
	return 1000;
}

unsigned arch_cpu_index(void)
{
	return 1;
}

static void check(const char *text)
{
	assert_string_equal(terminal, text);
	assert_int_equal(locks_held, 0);
	used = 0;
	terminal[0] = '\0';
}

static void test_the_prompt(void **state)
{
	(void)state;
	log_text("a\n", 2);
	check("a\n");
	log_prompt("> x", 3, 0);
	check("> x");
	log_prompt("> x", 3, 0);
	check("");
	log_text("b\n", 2);
	check("\r\x1b[Kb\n> x");
	log_prompt("> xyz", 5, 0);
	check("yz");
	log_prompt("> xyz", 5, 2);
	check("\r\x1b[K> xyz\x1b[2D");
	log_event("vm", "c");
	check("\r\x1b[K[5.000000] 1 vm c\n> xyz\x1b[2D");
	log_prompt("> xyzw", 6, 0); /* the cursor was not at the end */
	check("\r\x1b[K> xyzw");
	log_prompt("", 0, 0);
	check("\r\x1b[K");
	log_prompt("", 0, 0);
	check("");
	log_text("d\n", 2);
	check("d\n");
}

static void test_a_prompt_is_cut(void **state)
{
	static char text[200];
	(void)state;
	memset(text, 'x', sizeof(text));
	log_prompt(text, sizeof(text), 0);
	assert_int_equal(used, LOG_PROMPT_BYTES);
	used = 0;
	log_prompt("", 0, 0);
	used = 0;
}

static void test_levels(void **state)
{
	(void)state;
	assert_int_equal(log_level_now(), LOG_NORMAL);
	log_level_set(LOG_QUIET);
	assert_int_equal(log_level_now(), LOG_QUIET);
	log_level_set(LOG_NORMAL);
}

/* Last: the lock stays broken. */
static void test_a_report_has_lines_of_its_own(void **state)
{
	(void)state;
	log_prompt("> why", 5, 0);
	check("> why");
	log_break_lock();
	check("\n");
	log_event(NULL, "panic: x");
	check("[5.000000] 1 - panic: x\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_prompt),
		cmocka_unit_test(test_a_prompt_is_cut),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_a_report_has_lines_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
