/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/monitor/monitor.c and log.c: everything that reaches the console does so under the log's
 * lock, one whole line at a time, and the key q ends the run in the way that the command line
 * names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/lock.h"
#include "base/log.h"
#include "arch/arch.h"
#include "kernel/log/log.h"
#include "kernel/monitor/monitor.h"
#include "kernel/monitor/results.h"
#include "kernel/sched/scheduler.h"
#include "kernel/vm/guest_console.h"
#include "kernel/vm/platform.h"
#include "kernel/vm/vm.h"
#include "kernel/monitor/audit.h"
#include "mm/audit.h"
#include "mm/frame.h"

#define TABLE_LINES 4

struct vm vms[VMS_MAX];
unsigned vm_count;
uint64_t frame_table_count = 100;

static unsigned locks_held;
static unsigned lines;
static char last[600];
static char shown[TABLE_LINES][600]; /* the first lines */
static int key;
static jmp_buf ended;
static enum end end_asked;
static bool end_passed;

void lock_order_check(const struct lock *lock, bool taken)
{
	assert_int_equal(lock->rank, LOCK_LOG);
	locks_held += taken ? 1 : -1u;
}

void arch_console_write(const char *text, size_t bytes)
{
	assert_int_equal(locks_held, 1);
	assert_true(bytes > 0 && bytes < sizeof(last));
	assert_int_equal(text[bytes - 1], '\n');
	memcpy(last, text, bytes);
	last[bytes] = '\0';
	if (lines < TABLE_LINES) {
		memcpy(shown[lines], last, sizeof(last));
	}
	lines++;
}

int arch_console_read(void)
{
	int pressed = key;
	key = -1;
	return pressed;
}

void arch_end(enum end end, bool pass)
{
	end_asked = end;
	end_passed = pass;
	longjmp(ended, 1);
}

uint64_t arch_tsc(void)
{
	return 5000;
}

uint64_t arch_tsc_khz(void)
{
	return 1;
}

unsigned arch_cpu_index(void)
{
	return 3;
}

bool report_results(bool details)
{
	assert_true(details);
	return true;
}

void vms_audit(struct audit_report *report)
{
	memset(report, 0, sizeof(*report));
}

void platform_console_input(struct vm *vm)
{
	(void)vm;
}

void scheduler_set_typing(bool typing)
{
	(void)typing;
}

bool vm_waits_for_memory(const struct vm *vm)
{
	(void)vm;
	return false;
}

uint64_t vm_fault_count(const struct vm *vm)
{
	(void)vm;
	return 7;
}

uint64_t vm_hypercall_count(const struct vm *vm)
{
	(void)vm;
	return 8;
}

uint64_t vm_exit_count(const struct vm *vm)
{
	(void)vm;
	return 9;
}

uint64_t frame_count_free(void)
{
	return 90;
}

uint64_t frame_count(enum frame_state state)
{
	(void)state;
	return 10;
}

static int setup(void **state)
{
	(void)state;
	vm_count = 2;
	memset(vms, 0, sizeof(vms));
	for (unsigned i = 0; i < vm_count; i++) {
		memcpy(vms[i].config.name, i == 0 ? "one" : "two", 4);
		vms[i].config.vcpus = 1;
		vms[i].state = VM_RUNNING;
	}
	lines = 0;
	key = -1;
	locks_held = 0;
	return 0;
}

static void press(const struct options *options, int pressed)
{
	key = pressed;
	monitor_poll(options, 0);
	assert_int_equal(locks_held, 0);
}

/* The title, one line for each VM, and the host's. */
static void test_table_is_written_under_the_lock(void **state)
{
	static const struct options options;
	(void)state;
	press(&options, 't');
	assert_int_equal(lines, 4);
	assert_string_equal(last, "host: frames free 90, of them zeroed 10, total 90\n");
}

/* One column for each statistic that has one, under its title; long values only move the rest. */
static void test_columns_of_the_table(void **state)
{
	static const struct options options;
	(void)state;
	vms[0].config.max_pages = 1024;
	vms[0].s2.mapped_pages = 3;
	vms[1].state = VM_FINISHED;
	vms[1].exit_code = 7;
	press(&options, 't');
	assert_string_equal(shown[0],
			    "NAME             STATE     CPU         MAX-K   HELD-K  LARGE-K "
			    "BALLOON-K TARGET-K   FAULTS HYPERCALLS ACTIVE-K\n");
	assert_string_equal(shown[1],
			    "one              sleeping               4096       12        0 "
			    "        0        0        7          8        -\n");
	assert_memory_equal(shown[2], "two              failed    ", 27);
}

/* Values beyond all sense are cut with the line, which still ends. */
static void test_long_row_is_cut(void **state)
{
	static const struct options options;
	(void)state;
	memset(vms[0].config.name, 'n', sizeof(vms[0].config.name) - 1);
	vms[0].config.max_pages = UINT64_MAX / 8;
	vms[0].s2.mapped_pages = UINT64_MAX / 8;
	vms[0].s2.large_pages = UINT64_MAX / 8;
	vms[0].s2.ballooned_pages = UINT64_MAX / 8;
	vms[0].balloon.target_pages = UINT64_MAX / 8;
	press(&options, 't');
	assert_int_equal(strlen(shown[1]), 159);
	assert_int_equal(lines, 4);
}

static void test_every_key_writes_whole_lines(void **state)
{
	static const struct options options;
	(void)state;
	for (const char *at = "h?a!ppc"; *at != '\0'; at++) {
		lines = 0;
		press(&options, *at);
		assert_true(lines >= 1);
	}
}

/* While the terminal is a VM's console, its keys and the table are no business of the monitor. */
static void test_console_takes_keys_and_table(void **state)
{
	static struct guest_console console;
	static uint8_t memory[GUEST_CONSOLE_BYTES];
	static const struct options options;
	(void)state;
	guest_console_init(&console, memory, 0);
	vms[1].console = &console;
	press(&options, 'p');
	press(&options, 'c');
	assert_non_null(strstr(last, "console of two: Ctrl-] leaves\n"));
	lines = 0;
	press(&options, 't');
	assert_int_equal(lines, 0);
	assert_int_equal(guest_console_input(&console), 't');
	press(&options, 0x1d);
	press(&options, 'p');
	assert_non_null(strstr(last, "table off"));
	vms[1].console = NULL;
}

static void test_q_ends_as_it_was_asked(void **state)
{
	static const enum end ends[] = {END_POWER_OFF, END_REBOOT, END_HALT};
	static const char *const words[] = {"switches off", "reboots", "halts"};
	(void)state;
	for (volatile unsigned i = 0; i < 3; i++) {
		const struct options options = {.end = ends[i]};
		monitor_finish(&options);
		assert_non_null(strstr(last, words[i]));
		if (setjmp(ended) == 0) {
			press(&options, 'q');
			fail_msg("q returned");
		}
		assert_int_equal(end_asked, ends[i]);
		assert_true(end_passed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_table_is_written_under_the_lock, setup),
		cmocka_unit_test_setup(test_columns_of_the_table, setup),
		cmocka_unit_test_setup(test_long_row_is_cut, setup),
		cmocka_unit_test_setup(test_every_key_writes_whole_lines, setup),
		cmocka_unit_test_setup(test_console_takes_keys_and_table, setup),
		cmocka_unit_test_setup(test_q_ends_as_it_was_asked, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
