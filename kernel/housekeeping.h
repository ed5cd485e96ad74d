/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the boot CPU does beside running guests: the governor, samples of what guests use, the
 * operator's keys, audits, tearing down what has ended, merging pages, the end of a batch run.
 * Called by its scheduler loop between two slices, so nothing here runs on two CPUs.
 */
#ifndef KERNEL_HOUSEKEEPING_H
#define KERNEL_HOUSEKEEPING_H

#include "kernel/lib/options.h"

/* Boot: from now on the time of the run counts. */
void housekeeping_init(const struct options *options);

#endif
