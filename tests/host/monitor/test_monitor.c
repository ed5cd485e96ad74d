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

#include <stdio.h>
#include <string.h>

#include "base/lock.h"
#include "base/log.h"
#include "arch/arch.h"
#include "kernel/log/log.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/monitor.h"
#include "kernel/monitor/output.h"
#include "kernel/monitor/results.h"
#include "kernel/monitor/script.h"
#include "kernel/overcommit/host_limits.h"
#include "kernel/sched/scheduler.h"
#include "kernel/vm/guest_console.h"
#include "kernel/vm/platform.h"
#include "kernel/vm/vm.h"
#include "kernel/monitor/audit.h"
#include "mm/frame.h"

#define TABLE_LINES 4

struct vm vms[VMS_MAX];
unsigned vm_count;
uint64_t frame_table_count = 100;

static unsigned locks_held;
static unsigned lines;
static char last[600];
static char shown[TABLE_LINES + 1][600]; /* the first lines, and the last */
static char terminal[65536];		 /* all that was written since the last setup */
static size_t terminal_bytes;
static bool prompting; /* a line is being typed, so not all that is written ends in a line break */
static int key;
static const char *keys; /* or several, one a look */
static jmp_buf ended;
static enum end end_asked;
static bool end_passed;
static unsigned draws;
static uint64_t last_draw_tsc;

void lock_order_check(const struct lock *lock, bool taken)
{
	assert_int_equal(lock->rank, LOCK_LOG);
	locks_held += taken ? 1 : -1u;
}

void display_poll(const struct options *options, uint64_t now_tsc)
{
	(void)options;
	assert_true(now_tsc >= last_draw_tsc);
	last_draw_tsc = now_tsc;
	draws++;
}

void arch_console_write(const char *text, size_t bytes)
{
	assert_int_equal(locks_held, 1);
	assert_true(bytes > 0 && terminal_bytes + bytes < sizeof(terminal));
	memcpy(terminal + terminal_bytes, text, bytes);
	terminal_bytes += bytes;
	terminal[terminal_bytes] = '\0';
	assert_true(prompting || text[bytes - 1] == '\n');
	while (bytes > 0) {
		const char *end = memchr(text, '\n', bytes);
		size_t length = end != NULL ? (size_t)(end - text) + 1 : bytes;
		assert_true(length < sizeof(last));
		memcpy(last, text, length);
		last[length] = '\0';
		if (end != NULL) {
			memcpy(shown[lines < TABLE_LINES ? lines : TABLE_LINES], last,
			       sizeof(last));
			lines++;
		}
		text += length;
		bytes -= length;
	}
}

int arch_console_read(void)
{
	int pressed = key;
	if (keys != NULL && *keys != '\0') {
		return (uint8_t)*keys++;
	}
	key = -1;
	return pressed;
}

/* The commands, as far as the monitor sees them. */
static char ran[64]; /* the last line */
static unsigned runs;
static bool busy;
static int stepped; /* the last key that a busy command got */
static bool script_runs, script_stopped;

bool command_is_begun(struct word word)
{
	static const char *const names[] = {"help", "top", "attach", "pause", "vms", "why"};
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strncmp(names[i], word.text, word.length) == 0) {
			return true;
		}
	}
	return false;
}

enum status command_run(const char *line, bool script, struct error *error)
{
	assert_false(script);
	assert_true(strlen(line) < sizeof(ran));
	strcpy(ran, line);
	/* All that the one before had to say has been shown. */
	if (runs > 0) {
		char answer[32];
		snprintf(answer, sizeof(answer), "answer %u, line 19\n", runs);
		assert_non_null(strstr(terminal, answer));
	}
	runs++;
	for (unsigned i = 0; i < 20; i++) {
		output_print("answer %u, line %u", runs, i);
	}
	strcpy(error->text, "there is no such command");
	busy = strcmp(line, "top") == 0;
	return strcmp(line, "bad") == 0 ? STATUS_INVALID : STATUS_OK;
}

unsigned command_complete(const char *line, bool show, char *common, size_t bytes)
{
	assert_true(bytes > 4);
	if (show) {
		output_print("  two ends");
	}
	strcpy(common, strcmp(line, "he") == 0 ? "lp" : "");
	return strcmp(line, "he") == 0 ? 1 : strcmp(line, "") == 0 ? 2 : 0;
}

bool command_is_busy(void)
{
	return busy;
}

void command_step(uint64_t now_tsc, int pressed)
{
	(void)now_tsc;
	stepped = pressed >= 0 ? pressed : stepped;
	busy = busy && pressed != 'q';
}

void script_poll(uint64_t now_tsc, bool over)
{
	(void)now_tsc;
	assert_false(over);
}

bool script_is_busy(void)
{
	return script_runs;
}

void script_stop(void)
{
	script_stopped = true;
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

void vms_audit_and_tell(void)
{
	log_event(NULL, "audit clean");
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

struct host_report host_limits_report(void)
{
	return (struct host_report){.state = HOST_HARD};
}

uint64_t frame_count(enum frame_state state)
{
	(void)state;
	return 10;
}

static uint64_t now;

static int setup(void **state)
{
	(void)state;
	prompting = false;
	terminal_bytes = 0;
	terminal[0] = '\0';
	keys = NULL;
	output_flush();
	runs = 0;
	busy = false;
	script_runs = false;
	now += 10000; /* noise and keys of the test before are long past */
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

/* All that comes of it is shown. */
static void settle(const struct options *options)
{
	unsigned polls = 0;
	do {
		now++;
		unsigned draws_before = draws;
		monitor_poll(options, now);
		assert_int_equal(draws, draws_before + 1);
		assert_int_equal(locks_held, 0);
		assert_true(++polls < 10000);
	} while (!output_is_empty() || (keys != NULL && *keys != '\0'));
}

static void press(const struct options *options, int pressed)
{
	key = pressed;
	settle(options);
}

static void type(const char *text)
{
	static const struct options options;
	prompting = true;
	keys = text;
	settle(&options);
	settle(&options);
}

/* Back to single keys. */
static void close_line(void)
{
	type("\x03\x04");
	assert_false(monitor_is_typing());
}

static void clear(void)
{
	terminal_bytes = 0;
	terminal[0] = '\0';
}

/* The title, one line for each VM, and the host's. */
static void test_table_is_written_under_the_lock(void **state)
{
	static const struct options options;
	(void)state;
	press(&options, 't');
	assert_int_equal(lines, 4);
	assert_string_equal(last,
			    "host: frames free 90, of them zeroed 10, total 90, state hard\n");
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
		now += 3000; /* each for itself, not the beginning of a line */
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
	now += 3000;
	press(&options, 'p');
	assert_non_null(strstr(terminal, "table off"));
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
		now += 3000;
		if (setjmp(ended) == 0) {
			press(&options, 'q');
			fail_msg("q returned");
		}
		assert_int_equal(end_asked, ends[i]);
		assert_true(end_passed);
	}
}

static void test_enter_begins_a_line(void **state)
{
	(void)state;
	type("\r");
	assert_true(monitor_is_typing());
	assert_non_null(strstr(terminal, "aerostat> "));
	type("vms\r");
	assert_string_equal(ran, "vms");
	assert_non_null(strstr(terminal, "aerostat> vms\n"));
	type("bad\r");
	assert_non_null(strstr(terminal, "there is no such command\n"));
	type("\x1b[A\x1b[A!\r");
	assert_string_equal(ran, "vms!");
	close_line();
	assert_non_null(strstr(terminal, "keys: h lists them, Enter begins a line"));
}

/* A new operator types a command, and knows nothing of keys. */
static void test_letters_begin_a_line(void **state)
{
	(void)state;
	type("vms\r");
	assert_string_equal(ran, "vms");
	close_line();
	type("help\r"); /* h is a key as well */
	assert_non_null(strstr(terminal, "keys: t table now"));
	assert_string_equal(ran, "help");
	close_line();
	/* What p has switched on is off again. */
	type("pause x\r");
	assert_string_equal(ran, "pause x");
	assert_non_null(strstr(terminal, "table off"));
	close_line();
	/* Two seconds later it is a key. */
	runs = 0;
	type("t");
	now += 3000;
	type("o");
	assert_false(monitor_is_typing());
	assert_non_null(strstr(terminal, "key: code 111 means nothing here"));
	/* And no command begins with these two. */
	type("ta");
	assert_false(monitor_is_typing());
	assert_int_equal(runs, 0);
}

static void test_a_line_of_one_letter_is_that_key(void **state)
{
	(void)state;
	type("\rt\r");
	assert_int_equal(runs, 0);
	assert_non_null(strstr(terminal, "host: frames free 90"));
	type("x\r");
	assert_string_equal(ran, "x");
	close_line();
}

/* Lines of the log come before what is typed, which stays the last. */
static void test_log_lines_go_above_the_line(void **state)
{
	(void)state;
	type("\rwhy on");
	clear();
	log_event("one", "started");
	assert_memory_equal(terminal, "\r\x1b[K[", 5);
	assert_non_null(strstr(terminal, "one started\naerostat> why on"));
	clear();
	type("e");
	assert_string_equal(terminal, "e"); /* not the whole line again */
	clear();
	type("\x1b[D");
	assert_string_equal(terminal, "\r\x1b[Kaerostat> why one\x1b[1D");
	close_line();
}

static void test_tab_completes(void **state)
{
	(void)state;
	type("\rhe\t");
	type("walk\r");
	assert_string_equal(ran, "help walk");
	type("\t");
	assert_non_null(strstr(terminal, "  two ends\n"));
	close_line();
}

static void test_a_busy_command_gets_the_keys(void **state)
{
	(void)state;
	stepped = 0;
	type("\rtop\r");
	type("m");
	assert_int_equal(stepped, 'm');
	assert_int_equal(runs, 1);
	type("q");
	assert_false(busy);
	type("vms\r");
	assert_int_equal(runs, 2);
	close_line();
}

/* What is pasted behind a command waits until that has said all. */
static void test_several_lines_at_once(void **state)
{
	(void)state;
	type("\rvms\rwhy\rbad\r");
	assert_int_equal(runs, 3);
	close_line();
}

/* 4 KiB of garbage, with the key that ends the run among them: none of it is obeyed. */
static void test_noise_does_nothing(void **state)
{
	static const struct options options;
	unsigned seed = 7;
	(void)state;
	prompting = true;
	key = 0xa3;
	for (unsigned i = 0; i < 4096; i++) {
		monitor_poll(&options, ++now);
		seed = seed * 1103515245 + 12345;
		key = (int)(seed >> 16 & 0xff);
	}
	key = 'q';
	monitor_poll(&options, ++now);
	assert_int_equal(runs, 0);
	assert_true(lines < 3);
	now += 1500;
	monitor_poll(&options, now);
	assert_non_null(strstr(terminal, "4097 bytes came with bytes that are no keys"));
	type("vms\r");
	assert_string_equal(ran, "vms");
	close_line();
}

/* A wrong key is complained about, but not as often as it comes. */
static void test_wrong_keys_are_told_once_a_second(void **state)
{
	static const struct options options;
	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		press(&options, '!');
	}
	assert_int_equal(lines, 1);
	now += 1000;
	press(&options, '!');
	assert_int_equal(lines, 2);
}

static void test_ctrl_c_stops_a_script(void **state)
{
	(void)state;
	script_stopped = false;
	type("\x03");
	assert_false(script_stopped);
	script_runs = true;
	type("\x03");
	assert_true(script_stopped);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_table_is_written_under_the_lock, setup),
		cmocka_unit_test_setup(test_columns_of_the_table, setup),
		cmocka_unit_test_setup(test_long_row_is_cut, setup),
		cmocka_unit_test_setup(test_every_key_writes_whole_lines, setup),
		cmocka_unit_test_setup(test_console_takes_keys_and_table, setup),
		cmocka_unit_test_setup(test_enter_begins_a_line, setup),
		cmocka_unit_test_setup(test_letters_begin_a_line, setup),
		cmocka_unit_test_setup(test_a_line_of_one_letter_is_that_key, setup),
		cmocka_unit_test_setup(test_log_lines_go_above_the_line, setup),
		cmocka_unit_test_setup(test_tab_completes, setup),
		cmocka_unit_test_setup(test_a_busy_command_gets_the_keys, setup),
		cmocka_unit_test_setup(test_several_lines_at_once, setup),
		cmocka_unit_test_setup(test_noise_does_nothing, setup),
		cmocka_unit_test_setup(test_wrong_keys_are_told_once_a_second, setup),
		cmocka_unit_test_setup(test_ctrl_c_stops_a_script, setup),
		cmocka_unit_test_setup(test_q_ends_as_it_was_asked, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
