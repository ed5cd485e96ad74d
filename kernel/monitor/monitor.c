/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of VMs and the operator's keys. Reads counters only; changes nothing but the table.
 * Boot CPU; each line is printed under the log's lock, or it would mix with those of other CPUs.
 */
#include "kernel/monitor/monitor.h"

#include "base/bits.h"
#include "base/log.h"
#include "base/string.h"
#include "base/time.h"
#include "arch/arch.h"
#include "kernel/log/log.h"
#include "kernel/monitor/attach.h"
#include "kernel/monitor/results.h"
#include "kernel/vm/vm_stats.h"
#include "kernel/monitor/audit.h"
#include "mm/audit.h"
#include "mm/frame.h"

#define LINE_BYTES 160
#define HOMES_BYTES 9
#define NUMBER_BYTES 24
#define COLUMN_BYTES_LEAST 8 /* 16 GiB in KiB */

static const char *state_word(const struct vm *vm)
{
	if (vm->state == VM_FINISHED && vm->exit_code != 0) {
		return "failed";
	}
	if (vm->state != VM_RUNNING) {
		return vm_state_name(vm->state);
	}
	if (vm_waits_for_memory(vm)) {
		return "short";
	}
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		enum vcpu_state state = vm->vcpus[i].state;
		if (state == VCPU_QUEUED || state == VCPU_RUNNING) {
			return "running";
		}
	}
	return "sleeping";
}

/* Where its vCPUs run or ran last, such as "0,2"; more than there is room for are not shown. */
static void print_homes(const struct vm *vm, char *text, size_t bytes)
{
	size_t used = 0;
	text[0] = '\0';
	for (unsigned i = 0; i < vm->config.vcpus && vm->state != VM_REFUSED; i++) {
		const struct vcpu *vcpu = &vm->vcpus[i];
		if (vcpu->state != VCPU_OFF && used < bytes) {
			used += (size_t)snprintf(text + used, bytes - used, used > 0 ? ",%u" : "%u",
						 vcpu->home);
		}
	}
}

static void print_line(const char *line)
{
	log_text(line, strlen(line));
}

/* Adds `text`, right-aligned; what does not fit into the line is cut. Returns the new length. */
static size_t add_cell(char *line, size_t used, const char *text, size_t width)
{
	size_t blanks = sub_floor_u64(width, strlen(text));
	for (; blanks > 0 && used < LINE_BYTES - 2; blanks--) {
		line[used++] = ' ';
	}
	for (; *text != '\0' && used < LINE_BYTES - 2; text++) {
		line[used++] = *text;
	}
	return used;
}

/* The columns of vm_stats.def behind the first three; `vm` is NULL: their titles. */
static void print_row(const struct vm *vm, const char *name, const char *state, const char *homes)
{
	char line[LINE_BYTES];
	char cell[NUMBER_BYTES];
	size_t used = (size_t)snprintf(line, sizeof(line), "%-16s %-9s %-8s", name, state, homes);
	for (unsigned i = 0; i < VM_STAT_COUNT; i++) {
		const char *title = vm_stat_infos[i].column;
		if (title[0] == '\0') {
			continue;
		}
		if (vm != NULL) {
			vm_stat_print_column(vm, (enum vm_stat)i, cell, sizeof(cell));
		}
		size_t width = max_u64(strlen(title), COLUMN_BYTES_LEAST);
		used = add_cell(line, used, " ", 1);
		used = add_cell(line, used, vm != NULL ? cell : title, width);
	}
	line[used++] = '\n';
	line[used] = '\0';
	print_line(line);
}

static void print_table(void)
{
	char line[LINE_BYTES];
	char homes[HOMES_BYTES];
	print_row(NULL, "NAME", "STATE", "CPU");
	for (unsigned i = 0; i < vm_count; i++) {
		const struct vm *vm = &vms[i];
		print_homes(vm, homes, sizeof(homes));
		print_row(vm, vm_name(vm), state_word(vm), homes);
	}
	snprintf(line, sizeof(line), "host: frames free %llu, of them zeroed %llu, total %llu\n",
		 (unsigned long long)frame_count_free(),
		 (unsigned long long)frame_count(FRAME_ZEROED),
		 (unsigned long long)(frame_table_count - frame_count(FRAME_RESERVED)));
	print_line(line);
}

static void audit_now(void)
{
	struct audit_report report;
	vms_audit(&report);
	if (report.error_count == 0) {
		log_event(NULL, "audit clean");
	} else {
		log_event(NULL, "audit errors=%llu: %s", (unsigned long long)report.error_count,
			  report.first_error);
	}
}

static const char *const what_q_does[] = {
	[END_POWER_OFF] = "switches off",
	[END_REBOOT] = "reboots",
	[END_HALT] = "halts",
};

static bool table; /* shown once a second */

void monitor_finish(const struct options *options)
{
	if (table) {
		table = false;
		print_table();
	}
	log_event(NULL, "end: all VMs have ended; q prints their results and %s",
		  what_q_does[options->end]);
}

static void obey(int key, const struct options *options)
{
	switch (key) {
	case 'h':
	case '?':
		log_event(NULL, "keys: t table now, p table on/off, c console of a VM, a audit, "
				"q results and end");
		break;
	case 't':
		print_table();
		break;
	case 'p':
		table = !table;
		log_event(NULL, "table %s", table ? "on" : "off");
		break;
	case 'a':
		audit_now();
		break;
	case 'c':
		attach_ask();
		break;
	case 'q':
		arch_end(options->end, report_results(true));
	case '\r':
	case '\n':
		break;
	default:
		log_event(NULL, "key: code %d means nothing here, h lists the keys", key);
		break;
	}
}

void monitor_poll(const struct options *options, uint64_t now_tsc)
{
	static bool started;
	static uint64_t next_tsc;
	if (!started) {
		started = true;
		table = options->table;
		next_tsc = now_tsc;
	}
	attach_poll(now_tsc);
	int key = options->batch || attach_is_on() ? -1 : arch_console_read();
	if (key >= 0 && !attach_choose(key, now_tsc)) {
		obey(key, options);
	}
	if (table && !attach_is_on() && now_tsc >= next_tsc) {
		next_tsc = now_tsc + ticks_from_seconds(1);
		print_table();
	}
}
