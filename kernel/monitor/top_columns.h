/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the command top shows of each VM: four views of eight columns, and the value of each.
 * Columns are named as operators of other hypervisors know them. Boot CPU only, no locks: values
 * are read while VMs run.
 */
#ifndef KERNEL_MONITOR_TOP_COLUMNS_H
#define KERNEL_MONITOR_TOP_COLUMNS_H

#include "base/types.h"
#include "kernel/vm/vm.h"

#define TOP_CELLS 8
#define TOP_UNKNOWN UINT64_MAX

enum top_view { VIEW_MEMORY, VIEW_BALLOON, VIEW_RATES, VIEW_OTHER, TOP_VIEWS };

/* MIB: the value is a number of 4 KiB pages and is shown in MiB. */
enum top_unit { MIB, NUMBER };

struct top_column {
	const char *title;
	enum top_unit unit;
	const char *meaning;
};

extern const struct top_column top_columns[TOP_VIEWS][TOP_CELLS];

/* Counters that only grow, of which the screen shows how fast. */
struct top_counters {
	uint64_t ran_ticks;
	uint64_t exits;
	uint64_t faults;
	uint64_t hypercalls;
	uint64_t surrendered_pages;
	uint64_t returned_pages;
	uint64_t kicks;
};

/*
 * The value of one cell in the unit of its column, or TOP_UNKNOWN. `rates`: how much each counter
 * grows in a second, and of ran_ticks the percent of a CPU.
 */
uint64_t top_value(enum top_view view, const struct vm *vm, unsigned cell,
		   const struct top_counters *rates);

/* The column STATUS: "ok", "low", "warn" (waits for memory), or "-" for a VM that does not run. */
const char *top_health(const struct vm *vm);

/* Pages; 0 for a VM that has ended, whose last target means nothing any more. */
uint64_t top_target_pages(const struct vm *vm);

#endif
