/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A whole balloon driver in one small file, for one vCPU and single pages: what docs/abi.md asks
 * for under "What a driver does", and no more. guests/lib/balloon.c does the same for several
 * vCPUs and for pages of 2 MiB.
 */
#ifndef GUESTS_SMALL_DRIVER_H
#define GUESTS_SMALL_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/aerostat.h"

/* Free pages that the driver leaves in the pool whatever the target says. */
#define DRIVER_RESERVE_PAGES 16

/* The page that is shared with the hypervisor. */
extern volatile struct aerostat_balloon_page driver_page;

/* ATTACH, with `vector` as the doorbell. `total_pages` is what the pool has. False: refused. */
bool driver_attach(uint8_t vector, uint64_t total_pages);

/* Gives or takes until the target is met or nothing moves any more, then writes the statistics. */
void driver_work(void);

/*
 * The guest has no free page and wants so many. Takes them out of the balloon, whatever the target
 * says, and answers how many came. The driver does not give again before the target has changed
 * or driver_freed() was called.
 */
uint64_t driver_short(uint64_t pages);

/* The guest has freed something. */
void driver_freed(void);

/* DETACH. False: refused. What is in the balloon stays there. */
bool driver_detach(void);

#endif
