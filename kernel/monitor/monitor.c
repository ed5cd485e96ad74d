/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of VMs and the operator's keys. Reads counters only; changes nothing but the table.
 * Boot CPU; each line is printed under the log's lock, or it would mix with those of other CPUs.
 */
#include "kernel/monitor/monitor.h"

#include "base/log.h"
#include "base/string.h"
#include "base/time.h"
#include "arch/arch.h"
#include "kernel/log/log.h"
#include "kernel/monitor/results.h"
#include "kernel/vm/vm.h"
#include "kernel/monitor/audit.h"
#include "mm/audit.h"
#include "mm/frame.h"

#define LINE_BYTES 160
#define HOMES_BYTES 9
#define NUMBER_BYTES 24

static const char *state_word(const struct vm *vm)
{
	switch (vm->state) {
	case VM_UNUSED:
		return "unused";
	case VM_REFUSED:
		return "refused";
	case VM_FINISHED:
		return vm->exit_code == 0 ? "finished" : "failed";
	case VM_KILLED:
		return "killed";
	case VM_RUNNING:
		break;
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

/* The estimate, or a dash while there is none. */
static void print_active(const struct vm *vm, char *text, size_t bytes)
{
	if (vm->working_set.known) {
		snprintf(text, bytes, "%llu", (unsigned long long)vm->working_set.active_pages * 4);
	} else {
		snprintf(text, bytes, "-");
	}
}

static void print_line(const char *line)
{
	log_text(line, strlen(line));
}

static void print_table(void)
{
	char line[LINE_BYTES];
	char homes[HOMES_BYTES];
	char active[NUMBER_BYTES];
	print_line("NAME             STATE     CPU          MAX-K   HELD-K ACTIVE-K  LARGE-K  "
		   "BALLOON-K  "
		   "TARGET-K   FAULTS  HYPERCALLS\n");
	for (unsigned i = 0; i < vm_count; i++) {
		const struct vm *vm = &vms[i];
		print_homes(vm, homes, sizeof(homes));
		print_active(vm, active, sizeof(active));
		snprintf(line, sizeof(line),
			 "%-16s %-9s %-8s %9llu %8llu %8s %8llu %10llu %9llu %8llu %11llu\n",
			 vm_name(vm), state_word(vm), homes,
			 (unsigned long long)vm->config.max_pages * 4,
			 (unsigned long long)vm->s2.mapped_pages * 4, active,
			 (unsigned long long)vm->s2.large_pages * 4,
			 (unsigned long long)vm->s2.ballooned_pages * 4,
			 (unsigned long long)vm->balloon.target_pages * 4,
			 (unsigned long long)vm_fault_count(vm),
			 (unsigned long long)vm_hypercall_count(vm));
		print_line(line);
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
		log_event(NULL, "keys: t table now, p table on/off, a audit, q results and end");
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
	int key = options->batch ? -1 : arch_console_read();
	if (key >= 0) {
		obey(key, options);
	}
	if (table && now_tsc >= next_tsc) {
		next_tsc = now_tsc + ticks_from_seconds(1);
		print_table();
	}
}
