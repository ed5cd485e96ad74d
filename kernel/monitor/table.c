/* SPDX-License-Identifier: BSD-2-Clause */
/* See table.h. Reads counters only. */
#include "kernel/monitor/table.h"

#include "base/bits.h"
#include "base/string.h"
#include "kernel/monitor/output.h"
#include "kernel/vm/vm_stats.h"
#include "kernel/overcommit/host_limits.h"
#include "mm/frame.h"

#define LINE_BYTES 160
#define HOMES_BYTES 9
#define NUMBER_BYTES 24
#define COLUMN_BYTES_LEAST 8 /* 16 GiB in KiB */

const char *table_state(const struct vm *vm)
{
	if (vm->state == VM_FINISHED && vm->exit_code != 0) {
		return "failed";
	}
	if (vm->state != VM_RUNNING) {
		return vm_state_name(vm->state);
	}
	if (vm_is_paused(vm)) {
		return "paused";
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
	line[used] = '\0';
	output_print("%s", line);
}

void table_print(void)
{
	char homes[HOMES_BYTES];
	print_row(NULL, "NAME", "STATE", "CPU");
	for (unsigned i = 0; i < vm_count; i++) {
		const struct vm *vm = &vms[i];
		print_homes(vm, homes, sizeof(homes));
		print_row(vm, vm_name(vm), table_state(vm), homes);
	}
	output_print("host: frames free %llu, of them zeroed %llu, total %llu, state %s",
		     (unsigned long long)frame_count_free(),
		     (unsigned long long)frame_count(FRAME_ZEROED),
		     (unsigned long long)(frame_table_count - frame_count(FRAME_RESERVED)),
		     host_state_name(host_limits_report().state));
}
