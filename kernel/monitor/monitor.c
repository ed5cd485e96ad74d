/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The operator at the console: single keys, the line of the monitor, and what is shown in between.
 * Boot CPU, between two guests: each look takes a bounded number of keys and shows a bounded number
 * of bytes.
 *
 * Keys act at once, as long as no line is begun. A letter that is not a key begins a line, if a
 * command begins with it; so does Enter. A key that turns out to be the first letter of a command
 * (t, then o: top) has acted, and is the line's first letter, too: what those keys do is harmless,
 * and p is undone.
 */
#include "kernel/monitor/monitor.h"

#include "base/log.h"
#include "base/string.h"
#include "base/time.h"
#include "arch/arch.h"
#include "kernel/log/log.h"
#include "kernel/monitor/attach.h"
#include "kernel/monitor/audit.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/display.h"
#include "kernel/monitor/line.h"
#include "kernel/monitor/output.h"
#include "kernel/monitor/results.h"
#include "kernel/monitor/script.h"
#include "kernel/monitor/table.h"
#include "kernel/sched/scheduler.h"
#include "kernel/vm/vm.h"

#define PROMPT "aerostat> "
#define KEYS_AT_ONCE 64
#define SECOND_LETTER_MS 2000 /* so long a key may still become the first letter of a line */
#define NOISE_MS 1000	      /* so long it must be quiet behind bytes that no keyboard sends */
#define NOISE_FIRST 0x80      /* what keyboards send is ASCII */
#define CTRL_C 0x03

static bool table; /* shown once a second */

static struct {
	struct line line;
	bool open;	    /* a line is being typed; else keys act at once */
	int first;	    /* the key that acted last, if a command begins with it, or -1 */
	uint64_t first_tsc; /* when */
	bool noisy;	    /* the line brings bytes that no keyboard sends: nothing is obeyed */
	uint64_t noise_tsc; /* when the last of them came */
	unsigned noise_bytes;
	uint64_t unknown_tsc; /* when a key without a meaning was last complained about */
} monitor = {.first = -1};

static const char *const what_q_does[] = {
	[END_POWER_OFF] = "switches off",
	[END_REBOOT] = "reboots",
	[END_HALT] = "halts",
};

void monitor_finish(const struct options *options)
{
	if (table) {
		table = false;
		table_print();
		output_flush();
	}
	log_event(NULL, "end: all VMs have ended; q prints their results and %s",
		  what_q_does[options->end]);
}

static void show_line(void)
{
	char text[LOG_PROMPT_BYTES] = {0};
	size_t behind = 0;
	size_t bytes = 0;
	if (monitor.open && !command_is_busy() && output_is_empty() && !attach_is_on()) {
		bytes = line_show(&monitor.line, PROMPT, sizeof(text) - 1, text, &behind);
	}
	log_prompt(text, bytes, behind);
}

static void open_line(void)
{
	monitor.open = true;
	line_clear(&monitor.line, false);
}

static void close_line(void)
{
	monitor.open = false;
	log_prompt("", 0, 0);
	scheduler_set_typing(false);
	log_event(NULL, "keys: h lists them, Enter begins a line");
}

static void toggle_table(void)
{
	table = !table;
	log_event(NULL, "table %s", table ? "on" : "off");
}

/* False: the key has no meaning. */
static bool obey_key(int key, const struct options *options)
{
	switch (key) {
	case 'h':
	case '?':
		log_event(NULL, "keys: t table now, p table on/off, c console of a VM, a audit, "
				"q results and end; Enter begins a line: help lists its commands");
		break;
	case 't':
		table_print();
		break;
	case 'p':
		toggle_table();
		break;
	case 'a':
		vms_audit_and_tell();
		break;
	case 'c':
		attach_ask();
		break;
	case 'q':
		output_flush();
		arch_end(options->end, report_results(true));
	default:
		return false;
	}
	return true;
}

static bool begins_a_command(const char *letters, size_t count)
{
	return command_is_begun((struct word){letters, count});
}

/* The key before this one was a letter of the line that this one goes on with. */
static bool goes_on(char key, uint64_t now_tsc)
{
	char letters[2] = {(char)monitor.first, key};
	return monitor.first >= 0 &&
	       now_tsc - monitor.first_tsc < ticks_from_ms(SECOND_LETTER_MS) &&
	       begins_a_command(letters, sizeof(letters));
}

static void complain(int key, uint64_t now_tsc)
{
	if (monitor.unknown_tsc == 0 || now_tsc - monitor.unknown_tsc >= ticks_from_seconds(1)) {
		monitor.unknown_tsc = now_tsc;
		log_event(NULL, "key: code %d means nothing here, h lists the keys", key);
	}
}

static void take_key(int key, const struct options *options, uint64_t now_tsc)
{
	char letter = (char)key;
	if (goes_on(letter, now_tsc)) {
		if (monitor.first == 'p') {
			toggle_table();
		}
		char first = (char)monitor.first;
		open_line();
		line_insert(&monitor.line, &first, 1);
		line_insert(&monitor.line, &letter, 1);
		monitor.first = -1;
		return;
	}
	monitor.first = -1;
	if (key == '\r' || key == '\n') {
		open_line();
	} else if (obey_key(key, options)) {
		monitor.first = begins_a_command(&letter, 1) ? key : -1;
		monitor.first_tsc = now_tsc;
	} else if (begins_a_command(&letter, 1)) {
		open_line();
		line_insert(&monitor.line, &letter, 1);
	} else {
		complain(key, now_tsc);
	}
}

/* A line of one letter is that key. */
static void run_line(const struct options *options)
{
	struct error error;
	char text[LINE_BYTES];
	memcpy(text, monitor.line.text, sizeof(text));
	line_clear(&monitor.line, true);
	log_prompt("", 0, 0);
	output_print("%s%s", PROMPT, text);
	if (text[0] != '\0' && text[1] == '\0' && obey_key(text[0], options)) {
		return;
	}
	if (command_run(text, false, &error) != STATUS_OK) {
		output_print("%s", error.text);
	}
}

/* What all ends have in common is put in; where they differ, they are shown. */
static void complete(void)
{
	char common[LINE_BYTES];
	char before[LINE_BYTES];
	memcpy(before, monitor.line.text, monitor.line.cursor);
	before[monitor.line.cursor] = '\0';
	unsigned count = command_complete(before, false, common, sizeof(common));
	line_insert(&monitor.line, common, strlen(common));
	if (count == 1) {
		line_insert(&monitor.line, " ", 1);
	} else if (count > 1 && common[0] == '\0') {
		(void)command_complete(before, true, common, sizeof(common));
	}
}

static void noise(uint64_t now_tsc)
{
	monitor.noisy = true;
	monitor.noise_tsc = now_tsc;
	monitor.noise_bytes++;
	monitor.first = -1;
	line_clear(&monitor.line, false);
}

static void type_key(int key, const struct options *options, uint64_t now_tsc)
{
	switch (line_key(&monitor.line, (uint8_t)key)) {
	case LINE_ENTERED:
		run_line(options);
		break;
	case LINE_COMPLETION:
		complete();
		break;
	case LINE_LEFT:
		close_line();
		break;
	case LINE_NOISE:
		noise(now_tsc);
		break;
	case LINE_NOTHING:
	case LINE_CHANGED:
	case LINE_DROPPED:
		break;
	}
}

/* Nothing is obeyed until it has been quiet for a second, or a command could come of it. */
static bool swallow_noise(int key, uint64_t now_tsc)
{
	if (monitor.noisy || key >= NOISE_FIRST) {
		noise(now_tsc);
	}
	return monitor.noisy;
}

static void end_noise(uint64_t now_tsc)
{
	if (now_tsc - monitor.noise_tsc >= ticks_from_ms(NOISE_MS)) {
		log_event(NULL,
			  "console: %u bytes came with bytes that are no keys; nothing of them is "
			  "obeyed",
			  monitor.noise_bytes);
		monitor.noisy = false;
		monitor.noise_bytes = 0;
	}
}

static void take(int key, const struct options *options, uint64_t now_tsc)
{
	if (swallow_noise(key, now_tsc) || attach_choose(key, now_tsc)) {
		return;
	}
	if (command_is_busy()) {
		command_step(now_tsc, key);
	} else if (monitor.open) {
		type_key(key, options, now_tsc);
	} else if (key == CTRL_C && script_is_busy()) {
		script_stop();
	} else {
		take_key(key, options, now_tsc);
	}
}

/* What was typed ahead waits until the command before it has said all. */
static bool may_read(const struct options *options)
{
	return !options->batch && !attach_is_on() && (command_is_busy() || output_is_empty());
}

static bool all_over(void)
{
	for (unsigned i = 0; i < vm_count; i++) {
		if (vm_is_alive(&vms[i]) || vms[i].s2_exists) {
			return false;
		}
	}
	return true;
}

static void poll_keys(const struct options *options, uint64_t now_tsc)
{
	if (monitor.noisy) {
		end_noise(now_tsc);
	}
	for (unsigned i = 0; i < KEYS_AT_ONCE && may_read(options); i++) {
		int key = arch_console_read();
		if (key < 0) {
			break;
		}
		take(key, options, now_tsc);
	}
}

bool monitor_is_typing(void)
{
	return monitor.open || attach_is_on();
}

void monitor_poll(const struct options *options, uint64_t now_tsc)
{
	static bool started;
	static uint64_t next_tsc;
	if (!started) {
		started = true;
		table = options->table;
		next_tsc = now_tsc;
		line_init(&monitor.line);
	}
	display_poll(options, now_tsc);
	attach_poll(now_tsc);
	poll_keys(options, now_tsc);
	if (command_is_busy()) {
		command_step(now_tsc, -1);
	}
	if (script_is_busy()) {
		script_poll(now_tsc, all_over());
	}
	if (table && !attach_is_on() && !monitor.open && !command_is_busy() &&
	    now_tsc >= next_tsc) {
		next_tsc = now_tsc + ticks_from_seconds(1);
		table_print();
	}
	if (!output_is_empty()) {
		output_poll();
	}
	if (monitor.open) {
		scheduler_set_typing(true);
		show_line();
	}
}
