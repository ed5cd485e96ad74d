/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/log/panic.c: what a report does in which order, one that fails itself, and what fails
 * then. A panic is for ever: a process for each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/check.h"
#include "base/log.h"
#include "base/trace.h"
#include "kernel/log/panic.h"

static char order[64]; /* of what is called, a letter each */
static jmp_buf stopped;
static bool again; /* what the console is asked for fails, too */

static void note(char letter)
{
	size_t used = strlen(order);
	assert_true(used + 1 < sizeof(order));
	order[used] = letter;
	order[used + 1] = '\0';
}

unsigned arch_cpu_index(void)
{
	return 3;
}

void arch_cpus_halt_others(void)
{
	note('o');
}

void log_break_lock(void)
{
	note('l');
}

void arch_console_urgent(void)
{
	note('u');
	if (again) {
		panic("drawing faults");
	}
}

void arch_console_last_resort(void)
{
	note('r');
}

void arch_console_write(const char *text, size_t bytes)
{
	static const char words[] = "panic: the report of a failure failed itself\n";
	assert_int_equal(bytes, sizeof(words) - 1);
	assert_memory_equal(text, words, bytes);
	note('w');
}

void arch_power_off(bool pass)
{
	assert_false(pass);
	note('p');
	longjmp(stopped, 1);
}

void arch_halt(void)
{
	note('h');
	longjmp(stopped, 1);
}

void arch_print_backtrace(void)
{
	note('b');
}

void log_event(const char *vm, const char *format, ...)
{
	assert_null(vm);
	assert_non_null(strstr(format, "panic: "));
	note('e');
}

void trace_report(void)
{
	note('t');
}

static void test_the_order_of_a_report(void **state)
{
	int status;
	(void)state;
	pid_t child = fork(); /* or there would be no first panic for the other test */
	if (child == 0) {
		if (setjmp(stopped) == 0) {
			panic("once");
		}
		/* What can fail comes last. */
		_exit(strcmp(order, "oluebtp") == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_a_report_that_fails(void **state)
{
	(void)state;
	again = true;
	if (setjmp(stopped) == 0) {
		panic("first");
	}
	/* The simplest way before the words, so that these come through whatever the screen does.
	 */
	assert_string_equal(order, "olurwp");
	order[0] = '\0';
	if (setjmp(stopped) == 0) {
		panic("third");
	}
	assert_string_equal(order, "h");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_order_of_a_report),
					   cmocka_unit_test(test_a_report_that_fails)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
