/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pools of free frames: ZEROED extents in a buddy system, DIRTY ones in plain lists until
 * they are scrubbed. All that is in a list belongs to the host: a ZEROED frame with another
 * owner is lent to that VM (mm/cache.h), is in no list, and is merged with nothing.
 *
 * Lock: frame_lock, held by the caller, and what the functions say of letting it go. Tags that are
 * looked at while merging may belong to frames that a VM takes from its cache or that are taken
 * from it at this moment, without frame_lock: they are read as single words, and no such value is a
 * free neighbour's.
 */
#ifndef MM_POOL_H
#define MM_POOL_H

#include "base/status.h"
#include "mm/frame.h"

/* Empties the pools; boot only. */
void pool_init(void);

/* Frames that are being scrubbed for one allocation, which will have them: free no more. */
extern uint64_t pool_handover_pages;

/* Free frames that are not being handed over at this moment. */
static inline uint64_t pool_available(void)
{
	return frame_counts[FRAME_DIRTY] + frame_counts[FRAME_ZEROED] - pool_handover_pages;
}

/* Some of them are being scrubbed on another CPU, and in no list until that is done. */
bool pool_is_awaited(void);

/* Puts an extent whose state is DIRTY into its list. */
void pool_put_dirty(pfn_t pfn);

/* DIRTY extents of one order that are linked both ways; prev of the head is FRAME_NONE. */
struct pool_run {
	uint32_t head;
	uint32_t last;
};
void pool_put_dirty_run(struct pool_run run, unsigned order);

/*
 * Makes a list of REVOKING extents of `owner`, linked through frame->next from `head`, DIRTY. The
 * caller has seen the flush epoch reached, and does not hold frame_lock.
 */
void pool_take_revoked(uint32_t head, vm_id_t owner);

/*
 * An extent of exactly 2^order frames, ZEROED, in no list. If none is ready a dirty one is scrubbed
 * on the way (not a gigabyte), and the lock is let go meanwhile.
 */
MUST_CHECK bool pool_take_zeroed(unsigned order, pfn_t *pfn);

/*
 * Lends up to `wanted` single frames that are ready to `owner`: their tags say so, and record i
 * keeps `i` in its link. Answers how many; frame_counts follows. And the way back for one of them.
 */
unsigned pool_lend(uint32_t *pfns, unsigned wanted, vm_id_t owner);
void pool_take_back(pfn_t pfn, vm_id_t owner);

/*
 * Walks the pools and counts what they hold, in frames. False: a list is damaged or an extent in it
 * has another state or order. For the auditor.
 */
bool pool_audit(uint64_t *dirty, uint64_t *zeroed);

#endif
