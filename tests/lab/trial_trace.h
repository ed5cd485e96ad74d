/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A trial as a table, of which tools/trial_plot.py makes a picture: comma-separated, a line of
 * names, then a line for each VM, ten times a second. Sizes are in MiB.
 */
#ifndef LAB_TRIAL_TRACE_H
#define LAB_TRIAL_TRACE_H

#include <stdio.h>

/* From now on each trial writes itself there. */
void trial_trace(FILE *file);

#endif
