/* SPDX-License-Identifier: BSD-2-Clause */
/* See vm_stats.h. Values may be a moment old, and those of one line from different moments. */
#include "kernel/vm/vm_stats.h"

#include "base/bits.h"
#include "base/string.h"
#include "base/time.h"
#include "kernel/vm/platform.h"

#define NUMBER_BYTES 24

const struct vm_stat_info vm_stat_infos[VM_STAT_COUNT] = {
#define VM_STAT(name, unit, kind, line, column, value, meaning)                                    \
	[VM_STAT_##name] = {#name, column, STAT_##unit, STAT_##kind, STAT_##line},
#include "kernel/vm/vm_stats.def"
#undef VM_STAT
};

const char *vm_state_name(enum vm_state state)
{
	switch (state) {
	case VM_REFUSED:
		return "refused";
	case VM_RUNNING:
		return "running";
	case VM_FINISHED:
		return "finished";
	case VM_RESTARTING:
		return "restarting";
	case VM_KILLED:
		return "killed";
	case VM_LATER:
		return "later";
	case VM_UNUSED:
	case VM_STATES:
		break;
	}
	return "unused";
}

static uint64_t active_pages(const struct vm *vm)
{
	return vm->working_set.known ? vm->working_set.active_pages : VM_STAT_UNKNOWN;
}

uint64_t vm_stat_read(const struct vm *vm, enum vm_stat stat)
{
	switch (stat) {
#define VM_STAT(name, unit, kind, line, column, value, meaning)                                    \
	case VM_STAT_##name:                                                                       \
		return value;
#include "kernel/vm/vm_stats.def"
#undef VM_STAT
	case VM_STAT_COUNT:
		break;
	}
	return 0;
}

static bool is_unknown(enum vm_stat stat, uint64_t value)
{
	return vm_stat_infos[stat].kind == STAT_ESTIMATE && value == VM_STAT_UNKNOWN;
}

void vm_stat_print(const struct vm *vm, enum vm_stat stat, char *text, size_t bytes)
{
	uint64_t value = vm_stat_read(vm, stat);
	if (is_unknown(stat, value)) {
		snprintf(text, bytes, "unknown");
	} else if (vm_stat_infos[stat].unit == STAT_NAME) {
		snprintf(text, bytes, "%s", vm_state_name((enum vm_state)value));
	} else {
		snprintf(text, bytes, vm_stat_infos[stat].unit == STAT_HEX ? "0x%lx" : "%lu",
			 value);
	}
}

void vm_stat_print_column(const struct vm *vm, enum vm_stat stat, char *text, size_t bytes)
{
	uint64_t value = vm_stat_read(vm, stat);
	if (is_unknown(stat, value)) {
		snprintf(text, bytes, "-");
	} else if (vm_stat_infos[stat].unit == STAT_PAGES) {
		snprintf(text, bytes, "%lu", value << PAGE_SHIFT >> 10);
	} else {
		vm_stat_print(vm, stat, text, bytes);
	}
}

void vm_stats_print_line(const struct vm *vm, enum vm_stat_line line, char *text, size_t bytes)
{
	size_t used = 0;
	text[0] = '\0';
	for (unsigned stat = 0; stat < VM_STAT_COUNT && used < bytes; stat++) {
		if (vm_stat_infos[stat].line == line) {
			char value[NUMBER_BYTES];
			vm_stat_print(vm, (enum vm_stat)stat, value, sizeof(value));
			used += (size_t)snprintf(text + used, bytes - used, "%s%s=%s",
						 used > 0 ? " " : "", vm_stat_infos[stat].name,
						 value);
		}
	}
}

#ifdef AEROSTAT_DEBUG

static uint64_t exits_of(const struct vm *vm, unsigned slot)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < vm->config.vcpus && i < AEROSTAT_VCPUS_MAX; i++) {
		sum += vm->vcpus[i].exits_by_reason[slot];
	}
	return sum;
}

bool vm_stats_print_reasons(const struct vm *vm, char *text, size_t bytes)
{
	size_t used = 0;
	for (unsigned slot = 0; slot < EXIT_REASONS; slot++) {
		uint64_t count = exits_of(vm, slot);
		unsigned reason = slot == EXIT_REASONS - 2 ? 0x400 : slot;
		if (count != 0 && used < bytes) {
			used += (size_t)snprintf(text + used, bytes - used, "%s0x%x=%llu",
						 used == 0 ? "" : " ", reason,
						 (unsigned long long)count);
		}
	}
	return used != 0;
}

#else

bool vm_stats_print_reasons(const struct vm *vm, char *text, size_t bytes)
{
	(void)vm;
	(void)text;
	(void)bytes;
	return false;
}

#endif
