/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The governor connects the policy with the world: reads statistics, runs the policy once a period
 * (at once when a vCPU waits for a frame), publishes targets, wakes waiting vCPUs, notices
 * unresponsive drivers, and ends a VM when the host is out of memory.
 */
#ifndef KERNEL_OVERCOMMIT_GOVERNOR_H
#define KERNEL_OVERCOMMIT_GOVERNOR_H

#include "base/types.h"

struct vm;

/* Sets the thresholds from what is free now. Boot, before the first VM. */
void governor_init(void);

/* So many pages that were in use when governor_init() counted have become free: they raise the
 * thresholds. Boot, before the first VM runs. */
void governor_note_released(uint64_t pages);

/* The host's floor was set, or a reclaim has begun: it takes its bounds and decides anew, soon. */
void governor_renew(void);

/* Runs when its time has come; called by the boot CPU between two guests. */
void governor_poll(uint64_t now_tsc);

/* The TSC at which governor_poll has something to do next. */
uint64_t governor_next_tsc(void);

/* Is there enough spare memory for optional work such as merging pages? */
bool governor_is_plentiful(void);

/* Fewest frames that were ever free. */
uint64_t governor_free_low(void);

#endif
