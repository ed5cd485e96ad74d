/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The balloon driver: keeps as many pages in the balloon as the hypervisor's target says, as far as
 * the guest can spare them, and takes pages back when the guest itself runs out. docs/abi.md is the
 * interface it speaks. The doorbell only wakes the guest; everything happens in balloon_work(),
 * which every program calls from its loops and wait_until() before it sleeps. All functions may be
 * called on any vCPU at any time once balloon_attach() is through; balloon.c says how.
 */
#ifndef GUESTS_LIB_BALLOON_H
#define GUESTS_LIB_BALLOON_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/aerostat.h"

/* Free pages that the driver leaves to the guest whatever the target says. */
#define BALLOON_RESERVE_PAGES 32

/* False: the hypervisor refused. The doorbell is DOORBELL_VECTOR. On vCPU 0. */
bool balloon_attach(void);

/* The page that is shared with the hypervisor, attached or not. */
volatile struct aerostat_balloon_page *balloon_page(void);

/* Moves pages until target and size agree or nothing moves, then writes the statistics. */
void balloon_work(void);

/*
 * Takes at least `pages` out of the balloon if it has them, whatever the target says; answers how
 * many came. Until the target changes or something is freed, the driver does not give again.
 */
uint64_t balloon_deflate_for(uint64_t pages);

/*
 * Gives these used pages (numbers, in any order) away, whatever the target says. Those that the
 * hypervisor refuses become free pages. Answers how many went.
 */
uint64_t balloon_surrender(const uint64_t *pages, uint64_t count);

/*
 * Tells the hypervisor that nothing in the free pages is needed, so that it takes their frames
 * without asking. They stay free. Answers how many pages were reported; 0 when it knows no reports.
 */
uint64_t balloon_report(void);

/*
 * For programs that speak the protocol themselves, about pages that the allocator has handed out: a
 * page of ranges of this vCPU, which the functions above use too; and a call over ranges[0, count),
 * issued until none of them is PENDING, or the hypervisor refuses it (false) or makes no progress:
 * then the rest stays PENDING.
 */
struct aerostat_range *balloon_own_ranges(void);
bool balloon_issue(uint64_t call, struct aerostat_range *ranges, unsigned count);

/* Has the balloon been in use, and are its target and size zero again? */
bool balloon_has_come_back(void);

#endif
