/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of VMs: one line for each, with a column for each statistic that has one. Boot CPU. */
#ifndef KERNEL_MONITOR_TABLE_H
#define KERNEL_MONITOR_TABLE_H

#include "kernel/vm/vm.h"

/* Titles, a line for each VM, and the host's frames, into the monitor's output. */
void table_print(void);

/* The word of its column STATE: running, sleeping, short, paused, and how it ended. */
const char *table_state(const struct vm *vm);

#endif
