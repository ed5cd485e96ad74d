/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Balloon calls over lists of single pages, as the drivers of other hypervisors make them: the
 * neighbours among them become ranges before they reach kernel/balloon/ranges.h.
 */
#ifndef KERNEL_BALLOON_PAGE_LIST_H
#define KERNEL_BALLOON_PAGE_LIST_H

#include "kernel/balloon/ranges.h"

#define PAGE_LIST_MAX 512u

/*
 * Applies `operation` (not BALLOON_EMERGENCY) to the extents of 2^order pages, order 0 or 9, that
 * begin at gfns[0..count), count at most PAGE_LIST_MAX, as far as their statuses are
 * AEROSTAT_RANGE_PENDING. Those become what the core says of the extent; one that is refused stops
 * none of the others. Neighbours are found where they follow each other in the list, upwards or
 * downwards; of such a run the lowest comes first.
 *
 * True: no status is PENDING any more. False: the work of one call is used up; the caller calls
 * again with the same statuses, after others have had their turn. Each call gets on.
 *
 * `array_gfn` and the lock are as for balloon_run_ranges(); {UINT64_MAX}: there is no such page.
 */
MUST_CHECK bool balloon_run_pages(struct s2_locked locked, struct vm *vm,
				  enum balloon_operation operation, const uint64_t *gfns,
				  unsigned count, unsigned order, gfn_t array_gfn,
				  uint8_t *statuses);

#endif
