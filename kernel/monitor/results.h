/* SPDX-License-Identifier: BSD-2-Clause */
/* The lines at the end of a run, which tests and scripts read; docs/testing.md lists the fields. */
#ifndef KERNEL_MONITOR_RESULTS_H
#define KERNEL_MONITOR_RESULTS_H

#include "base/types.h"

/*
 * Audits and prints the verdict. `details`: the machine ends behind it, so the trace is sent to its
 * end, and one line per VM and one for the host come before the verdict, for scripts. Otherwise it
 * goes on: VMs may be restarted, and are traced as before. Answers the verdict.
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
