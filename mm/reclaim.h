/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way back: what is taken out of an address space (memory and page-table pages alike) waits
 * here, REVOKING, until no CPU can reach it any more, and only then becomes DIRTY.
 *
 * Lock: the address space's; frame_lock is taken inside.
 */
#ifndef MM_RECLAIM_H
#define MM_RECLAIM_H

#include "mm/frame.h"
#include "mm/stage2/map.h"

/* Takes in an extent whose entry has just been removed; `tag` is its tag until now. */
void reclaim_push(struct s2 *s2, pfn_t pfn, struct frame_tag tag);

/*
 * The same for many, with one step: the caller starts with *head = s2->revoking_head, and
 * afterwards accounts for the step, takes the pages off the promise, both under frame_lock, and
 * adds them to s2->revoking_pages, once for all.
 */
static inline void reclaim_push_one(uint32_t *head, pfn_t pfn, struct frame_step step)
{
	frame_step_take(step, pfn)->next = *head;
	*head = (uint32_t)pfn.n;
}

/* One flush for all that was pushed since the last one; then all of it is free. */
void reclaim_flush(struct s2_locked locked);

#endif
