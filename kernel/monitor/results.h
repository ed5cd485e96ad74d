/* SPDX-License-Identifier: BSD-2-Clause */
/* The lines at the end of a run, which tests and scripts read; docs/testing.md lists the fields. */
#ifndef KERNEL_MONITOR_RESULTS_H
#define KERNEL_MONITOR_RESULTS_H

#include "base/types.h"

/*
 * Audits and prints the verdict, before it (if `details`) what scripts read: one line per VM and
 * one for the host. Answers the verdict.
 */
bool report_results(bool details);

/* Says that a batch run took too long; the verdict that follows is then a failure. */
void report_timeout(uint64_t seconds);

/*
 * Says that the machine does not run what was asked for: `absent` VMs never were, and count as
 * refused. The verdict is a failure, also if `absent` is 0 (there are more than were asked for).
 */
void report_incomplete(unsigned absent);

#endif
