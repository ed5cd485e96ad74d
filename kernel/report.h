/* SPDX-License-Identifier: BSD-2-Clause */
/* The lines at the end of a run, which tests and scripts read; docs/testing.md lists the fields. */
#ifndef KERNEL_REPORT_H
#define KERNEL_REPORT_H

#include "base/types.h"

/* Audits, prints one line per VM, one for the host and the verdict; answers the verdict. */
bool report_results(void);

/* Says that a batch run took too long; the verdict that follows is then a failure. */
void report_timeout(uint64_t seconds);

#endif
