/* SPDX-License-Identifier: BSD-2-Clause */
/* Who runs next. Time slices end by the backend's timer, so that a spinning guest stops nobody. */
#ifndef KERNEL_SCHEDULER_H
#define KERNEL_SCHEDULER_H

#include "kernel/options.h"

/* Runs guests for ever; in batch mode ends with the verdict when all of them have ended. */
_Noreturn void scheduler_run(const struct options *options);

#endif
