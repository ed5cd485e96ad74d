/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The clock of deadlines: the TSC, without the time for which the whole machine stood still. A
 * hypervisor below this one, or firmware, can take the processors away for seconds, and the TSC
 * counts on meanwhile; no guest could have done anything in that time.
 */
#ifndef KERNEL_SCHED_CLOCK_H
#define KERNEL_SCHED_CLOCK_H

#include "base/types.h"

/* Boot, before the others. */
void clock_init(uint64_t now_tsc);

/* The boot CPU passes by, which it does every few milliseconds; answers the time, in ticks. */
uint64_t clock_look(uint64_t now_tsc);

/* The time in ticks. After a standstill it is ahead until the boot CPU passes by. Any CPU. */
uint64_t clock_now(void);

#endif
