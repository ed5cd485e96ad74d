/* SPDX-License-Identifier: BSD-2-Clause */
/* The statistics of vm_stats.def: by number, with their names and as text. No lock. */
#ifndef KERNEL_VM_VM_STATS_H
#define KERNEL_VM_VM_STATS_H

#include "base/types.h"
#include "kernel/vm/vm.h"

enum vm_stat {
#define VM_STAT(name, unit, kind, line, column, value, meaning) VM_STAT_##name,
#include "kernel/vm/vm_stats.def"
#undef VM_STAT
	VM_STAT_COUNT
};

enum vm_stat_unit { STAT_PAGES, STAT_US, STAT_TICKS, STAT_COUNT, STAT_NAME, STAT_HEX };
enum vm_stat_kind {
	STAT_SETTING,
	STAT_LEVEL,
	STAT_PEAK,
	STAT_COUNTER,
	STAT_ONCE,
	STAT_ESTIMATE,
};
enum vm_stat_line { STAT_NO_LINE, STAT_RESULT, STAT_RESULT_2, STAT_COSTS };

struct vm_stat_info {
	const char *name;
	const char *column; /* title in the table of VMs, or "" */
	enum vm_stat_unit unit;
	enum vm_stat_kind kind;
	enum vm_stat_line line;
};

extern const struct vm_stat_info vm_stat_infos[VM_STAT_COUNT];

/* What an ESTIMATE is as long as there is none. */
#define VM_STAT_UNKNOWN UINT64_MAX

uint64_t vm_stat_read(const struct vm *vm, enum vm_stat stat);

/* As in results: decimal, hexadecimal with 0x, a word; `unknown`. Cut to `bytes`. */
void vm_stat_print(const struct vm *vm, enum vm_stat stat, char *text, size_t bytes);

/* As in the table of VMs: pages as KiB, and a dash for what is unknown. */
void vm_stat_print_column(const struct vm *vm, enum vm_stat stat, char *text, size_t bytes);

/* The statistics of one line of the log: `name=value name=value`. Cut to `bytes`. */
void vm_stats_print_line(const struct vm *vm, enum vm_stat_line line, char *text, size_t bytes);

/* "refused", "running", "finished", "killed" or "unused". */
const char *vm_state_name(enum vm_state state);

/*
 * Debug builds only: how many exits there were of each reason, `0x30=17 ...` by the processor's
 * numbers. False: none is known.
 */
bool vm_stats_print_reasons(const struct vm *vm, char *text, size_t bytes);

#endif
