/* SPDX-License-Identifier: BSD-2-Clause */
/* What the operator sees and can ask for on the console. */
#ifndef KERNEL_MONITOR_MONITOR_H
#define KERNEL_MONITOR_MONITOR_H

#include "kernel/lib/options.h"

/*
 * Shows the table when its second is over, obeys keys, moves what VMs' consoles say. Between two
 * guests.
 */
void monitor_poll(const struct options *options, uint64_t now_tsc);

/* The operator types: a serial port holds few keys, so looks are to be frequent. */
bool monitor_is_typing(void);

/* All VMs have ended: shows the table once more, stops it, and says how to leave. */
void monitor_finish(const struct options *options);

#endif
