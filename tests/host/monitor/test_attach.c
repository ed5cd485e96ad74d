/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel/monitor/attach.c: the way to a VM's console and back, keys and output of both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "arch/arch.h"
#include "base/lock.h"
#include "kernel/monitor/attach.h"
#include "kernel/sched/scheduler.h"
#include "kernel/vm/guest_console.h"
#include "kernel/vm/platform.h"
#include "kernel/vm/vm.h"

#define KHZ 1000ull

struct vm vms[VMS_MAX];
unsigned vm_count;

static struct guest_console consoles[3];
static uint8_t memory[3][GUEST_CONSOLE_BYTES];
static uint64_t now;
static const char *keys; /* what the operator types */
static size_t key_count;
static char terminal[8192];
static size_t shown;
static unsigned locks_held;
static char heard[8192]; /* by the UART of the first VM */
static size_t heard_count;
static bool deaf;   /* the UART takes nothing */
static bool typing; /* what the scheduler was told */

void lock_order_check(const struct lock *lock, bool taken)
{
	assert_int_equal(lock->rank, LOCK_LOG);
	locks_held += taken ? 1 : -1u;
}

void arch_console_write(const char *text, size_t bytes)
{
	assert_int_equal(locks_held, 1);
	assert_true(shown + bytes < sizeof(terminal));
	memcpy(terminal + shown, text, bytes);
	shown += bytes;
	terminal[shown] = '\0';
}

int arch_console_read(void)
{
	if (key_count == 0) {
		return -1;
	}
	key_count--;
	return (uint8_t)*keys++;
}

uint64_t arch_tsc(void)
{
	return now;
}

uint64_t arch_tsc_khz(void)
{
	return KHZ;
}

unsigned arch_cpu_index(void)
{
	return 0;
}

void platform_console_input(struct vm *vm)
{
	int byte;
	assert_int_equal(locks_held, 0);
	while (!deaf && (byte = guest_console_input(vm->console)) >= 0) {
		guest_console_input_done(vm->console);
		heard[heard_count++] = (char)byte;
	}
}

void scheduler_set_typing(bool on)
{
	typing = on;
}

static void clear(void)
{
	shown = 0;
	terminal[0] = '\0';
}

static void type(const char *text)
{
	keys = text;
	key_count = strlen(text);
}

static void say(unsigned vm, const char *text)
{
	while (*text != '\0') {
		guest_console_put(&consoles[vm], (uint8_t)*text++);
	}
}

static void poll(void)
{
	now += KHZ;
	attach_poll(now);
}

static int setup(void **state)
{
	static const char *const names[] = {"one", "two", "native"};
	(void)state;
	now = 1000000;
	vm_count = 3;
	memset(vms, 0, 3 * sizeof(vms[0]));
	for (unsigned i = 0; i < 3; i++) {
		strcpy(vms[i].config.name, names[i]);
		guest_console_init(&consoles[i], memory[i], now);
		vms[i].console = i < 2 ? &consoles[i] : NULL;
	}
	type("");
	clear();
	heard_count = 0;
	deaf = false;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (attach_is_on()) {
		type("\x1d");
		poll();
	}
	assert_false(attach_is_on());
	assert_false(typing);
	return 0;
}

static void choose(const char *number)
{
	attach_ask();
	for (; *number != '\0'; number++) {
		assert_true(attach_choose(*number, now));
	}
}

static void test_choosing(void **state)
{
	(void)state;
	assert_false(attach_choose('1', now));
	attach_ask();
	assert_non_null(strstr(terminal, "console: 1 is one\n"));
	assert_non_null(strstr(terminal, "console: 2 is two\n"));
	assert_null(strstr(terminal, "native"));
	assert_false(attach_is_on());
	assert_true(attach_choose('2', now));
	assert_true(attach_choose('\r', now));
	assert_true(attach_is_on());
	assert_true(typing);
	assert_non_null(strstr(terminal, "console of two: Ctrl-] leaves\n"));
}

static void test_bad_choices(void **state)
{
	static const char *const bad[] = {"3\r", "0\r", "\r", "4\n", "x", "99999999999\r", "1x"};
	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		attach_ask();
		clear();
		for (const char *at = bad[i]; *at != '\0'; at++) {
			(void)attach_choose(*at, now);
		}
		assert_false(attach_is_on());
		assert_non_null(strstr(terminal, "console: "));
		assert_false(attach_choose('1', now));
	}
	vms[0].console = NULL;
	vms[1].console = NULL;
	clear();
	attach_ask();
	assert_non_null(strstr(terminal, "console: no VM has one\n"));
	assert_false(attach_choose('1', now));
}

static void test_the_only_one_needs_no_number(void **state)
{
	(void)state;
	vms[0].console = NULL;
	attach_ask();
	assert_true(attach_is_on());
	assert_non_null(strstr(terminal, "console of two"));
}

static void test_last_page_then_live(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		say(0, "old\n");
	}
	say(0, "\x1b[1m# ");
	choose("1\r");
	const char *page = strstr(terminal, "leaves\n") + 7;
	assert_int_equal(strlen(page), 23 * 4 + 6);
	assert_non_null(strstr(page, "old\n\x1b[1m# "));
	clear();
	poll();
	assert_int_equal(shown, 0);
	say(0, "live\x07");
	poll();
	assert_string_equal(terminal, "live\x07");
	/* Others' lines appear in the log, its own do not. */
	clear();
	say(0, "own\n");
	say(1, "other\n");
	poll();
	assert_non_null(strstr(terminal, "own\n"));
	assert_null(strstr(terminal, "console: own"));
	assert_non_null(strstr(terminal, "two console: other\n"));
}

static void test_keys_and_the_way_back(void **state)
{
	(void)state;
	choose("1\r");
	type("ls -l\r\x03q");
	poll();
	assert_int_equal(heard_count, 8);
	assert_memory_equal(heard, "ls -l\r\x03q", 8);
	type("ab\x1d"
	     "c");
	poll();
	assert_false(attach_is_on());
	assert_int_equal(heard_count, 10);
	assert_int_equal(key_count, 1); /* the monitor's */
	assert_non_null(strstr(terminal, "\n["));
	assert_non_null(strstr(terminal, "console of one: left\n"));
	clear();
	say(0, "later\n");
	poll();
	assert_non_null(strstr(terminal, "one console: later\n"));
}

static void test_pasted_kilobytes_lose_nothing(void **state)
{
	static char text[5001];
	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		text[i] = (char)('a' + i % 23);
	}
	choose("1\r");
	deaf = true;
	type(text);
	for (unsigned i = 0; i < 50; i++) {
		poll();
	}
	assert_int_equal(heard_count, 0);
	deaf = false;
	platform_console_input(&vms[0]);
	for (unsigned i = 0; i < 50; i++) {
		poll();
	}
	assert_int_equal(heard_count, 5000);
	assert_memory_equal(heard, text, 5000);
}

/* A VM that takes no key at all cannot hold the operator. */
static void test_deaf_vm_can_be_left(void **state)
{
	static char text[3002];
	(void)state;
	memset(text, 'x', 3000);
	text[3000] = '\x1d';
	choose("1\r");
	deaf = true;
	type(text);
	for (unsigned i = 0; i < 900; i++) {
		poll();
	}
	assert_true(attach_is_on());
	for (unsigned i = 0; i < 200; i++) {
		poll();
	}
	assert_false(attach_is_on());
	assert_int_equal(key_count, 0);
}

static void test_ended_vm_is_left(void **state)
{
	(void)state;
	choose("1\r");
	vms[0].console = NULL;
	type("q");
	poll();
	assert_false(attach_is_on());
	assert_int_equal(key_count, 1);
	assert_non_null(strstr(terminal, "console of one: the VM has ended\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_choosing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_choices, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_only_one_needs_no_number, setup, teardown),
		cmocka_unit_test_setup_teardown(test_last_page_then_live, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keys_and_the_way_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pasted_kilobytes_lose_nothing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_deaf_vm_can_be_left, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ended_vm_is_left, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
