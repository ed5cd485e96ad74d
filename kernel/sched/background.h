/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler's contract for background work: what the boot CPU does between two guests.
 * kernel/housekeeping.c implements it; the host tests bring their own.
 */
#ifndef KERNEL_SCHED_BACKGROUND_H
#define KERNEL_SCHED_BACKGROUND_H

#include "base/types.h"

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
