/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many extents at once. A run is neighbours in one page table that need nothing but their own
 * entries changed; a batch is runs one after the other, wherever they lie. Its runs share the walk
 * while they stay in one table, and all of them the sums and their lock.
 *
 * Lock: the address space's, held from the beginning of a batch to its end. In between nothing else
 * changes the tables; counters and sums are behind until the end.
 */
#ifndef MM_STAGE2_RUNS_H
#define MM_STAGE2_RUNS_H

#include "mm/frame.h"
#include "mm/stage2/map.h"

struct s2_batch {
	struct s2 *s2;

	/* Of the last run's order: which flags of a leaf decide, what they are in one that may go,
	 * and the step of its frames.
	 */
	unsigned order;
	uint64_t decisive_flags;
	uint64_t plain_flags;
	struct frame_step revoke;

	/* Extents of that order that no counter of the address space has heard of yet. */
	uint64_t leaves_out;
	uint64_t ballooned; /* more than before, modulo 2^64 */

	/* The table whose entries stand for 2 MiB around the last gfn; its gfns, or no table. */
	pfn_t middle;
	uint64_t middle_number;

	/* The table of the last run, and what it decides over. No pages: there is none. */
	pfn_t table;
	uint64_t *entries;
	uint64_t first_gfn;
	uint64_t pages; /* those beyond RAM are not among them */

	/* Pages that were taken out and are GUEST for the sums that all VMs share. */
	uint64_t revoked_pages;
};

#define S2_ORDER_NONE 0xff
#define S2_MIDDLE_NONE UINT64_MAX

static inline void s2_batch_begin(struct s2_batch *batch, struct s2_locked locked)
{
	batch->s2 = locked.s2;
	batch->order = S2_ORDER_NONE;
	batch->leaves_out = 0;
	batch->ballooned = 0;
	batch->first_gfn = 0;
	batch->pages = 0;
	batch->middle_number = S2_MIDDLE_NONE;
	batch->revoked_pages = 0;
}

/* Brings all sums up to date. What was taken out still waits for the flush (mm/reclaim.h). */
void s2_batch_end(struct s2_batch *batch);

/* Goes to the table whose entries stand for extents of 2^order pages around gfn. */
bool s2_batch_go(struct s2_batch *batch, gfn_t gfn, unsigned order);

/* False: there is no such table, or the extent is not wholly inside RAM. */
static inline bool s2_batch_find(struct s2_batch *batch, gfn_t gfn, unsigned order)
{
	bool here = order == batch->order && gfn.n - batch->first_gfn < batch->pages;
	return here || s2_batch_go(batch, gfn, order);
}

/*
 * Up to `count` extents from gfn on, as many as lie in the table that has just been found for it.
 * Answers how many were taken out or returned; 0, as when nothing is found: the first of them is
 * not as plain as that (a table or a pinned page is in the way, an entry has to be cut, it is
 * misaligned or in the wrong state). Then the batch has to be ended, and the functions for one
 * extent (mm/stage2/map.h) do it or say why not. Extents are checked one by one, so a run never
 * does what its extents would not have allowed.
 */
uint64_t s2_surrender_run(struct s2_batch *batch, gfn_t gfn, uint64_t count);
uint64_t s2_report_run(struct s2_batch *batch, gfn_t gfn, uint64_t count);
uint64_t s2_return_run(struct s2_batch *batch, gfn_t gfn, uint64_t count);

/*
 * The same for one extent of the table that has just been found for it, BALLOONED then or EMPTY.
 * False: not plain, and nothing was changed.
 */
MUST_CHECK bool s2_take_out_one(struct s2_batch *batch, gfn_t gfn, bool ballooned);
MUST_CHECK bool s2_return_one(struct s2_batch *batch, gfn_t gfn);

/* The table of level 0 or 1 holds no further tables. */
bool s2_is_of_leaves(const struct s2 *s2, pfn_t table, unsigned level);

/*
 * At the end of an address space, for such a table, which has just been unlinked: the frames of its
 * leaves are free when this returns, the flush has been done. What the entries say counts no more.
 */
void s2_free_leaves(struct s2 *s2, pfn_t table, unsigned level);

#endif
