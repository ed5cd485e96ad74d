/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One extent that needs nothing but its own entry changed: walk, entry, record, flush and account
 * once each, without a batch and without the quarantine's list. What is not as plain as that (a
 * table, a pinned page, an entry that has to be cut, a table that would become uniform, the wrong
 * state, misaligned, outside) is left to mm/stage2/map.h, which does it or says why not.
 *
 * Lock: the address space's; frame_lock is taken inside.
 */
#ifndef MM_STAGE2_SINGLE_H
#define MM_STAGE2_SINGLE_H

#include "mm/stage2/map.h"

/*
 * As s2_surrender and s2_report, but the frames are free when this returns: the flush has been
 * done. Nothing is in the quarantine of the address space. True: done, *freed pages were taken out.
 * False: not plain, and nothing was changed.
 */
MUST_CHECK bool s2_single_take_out(struct s2_locked locked, gfn_t gfn, unsigned order,
				   enum s2_kind into, uint64_t *freed);

/* As s2_return. False: not plain, and nothing was changed. */
MUST_CHECK bool s2_single_return(struct s2_locked locked, gfn_t gfn, unsigned order);

/*
 * Where the page at `gfn` is, as long as s2_removals() answers what it does now; NULL: none of its
 * RAM is MAPPED there. The one that was found last is found again without a walk.
 */
uint8_t *s2_single_find(struct s2_locked locked, gfn_t gfn);

static inline uint8_t *s2_single_page(struct s2_locked locked, gfn_t gfn)
{
	const struct s2_found *found = &locked.s2->found;
	bool same = found->gfn.n == gfn.n && found->removals == s2_removals(locked);
	return same && found->page != NULL ? found->page : s2_single_find(locked, gfn);
}

#endif
