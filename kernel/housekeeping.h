/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the boot CPU does beside running guests: the governor, samples of what guests use, the
 * operator's keys, audits, tearing down what has ended, joining pages, the end of a batch run.
 * Called by its scheduler loop between two slices, so nothing here runs on two CPUs.
 */
#ifndef KERNEL_HOUSEKEEPING_H
#define KERNEL_HOUSEKEEPING_H

#include "kernel/options.h"

#define BOOT_CPU 0

/* Boot: from now on the time of the run counts. */
void housekeeping_init(const struct options *options);

/*
 * One round, if it is time for one or something has happened that is to be seen to `at_once`. True:
 * there is more to do.
 */
bool background_poll(uint64_t now_tsc, bool at_once);

/* When the next round is due by itself. */
uint64_t background_next_tsc(uint64_t now_tsc);

/* A bounded step of work that is only worth doing when no guest wants to run. */
void background_idle(void);

#endif
