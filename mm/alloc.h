/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pools of free frames: ZEROED extents in a buddy system, DIRTY ones in plain lists until
 * somebody scrubs them. Whoever takes a frame takes a zeroed one; if none is ready it is scrubbed
 * on the way. Nothing else in the hypervisor hands out memory.
 *
 * Lock: frame_lock, taken inside unless a function says that its caller holds it.
 */
#ifndef MM_ALLOC_H
#define MM_ALLOC_H

#include "base/status.h"
#include "base/types.h"
#include "mm/frame.h"
#include "mm/promise.h"

/* Empties the pools; boot only. */
void pool_init(void);

/* Free frames that nobody is being given at this moment. Caller holds frame_lock. */
uint64_t pool_available(void);

/* Puts an extent whose state is DIRTY into its list. Caller holds frame_lock (or boots). */
void pool_put_dirty(pfn_t pfn);

/*
 * Makes a list of REVOKING extents of `owner`, linked through frame->next from `head`, DIRTY.
 * Caller holds frame_lock and has seen the flush epoch reached.
 */
void pool_take_revoked(uint32_t head, vm_id_t owner);

/*
 * An extent of 2^order zeroed frames for the hypervisor itself; its tag becomes `tag`, whose state
 * is HYPERVISOR and whose order is `order`. NO_MEMORY: none of that size, or only at the cost of a
 * promise.
 */
MUST_CHECK enum status frame_alloc(unsigned order, struct frame_tag tag, pfn_t *pfn);

/* Gives back what frame_alloc gave. No guest's page walk may ever have seen it. */
void frame_free(pfn_t pfn, struct frame_tag tag);

/*
 * A zeroed extent for a VM's memory, mapped at `gfn`; charged to its promise. NO_MEMORY: as above,
 * but what the VM itself was promised may be used.
 */
MUST_CHECK enum status frame_alloc_guest(struct promise *promise, unsigned order, vm_id_t owner,
					 gfn_t gfn, pfn_t *pfn);

/* A zeroed page for a VM's page tables, charged to the tables it was promised. */
MUST_CHECK enum status frame_alloc_table(struct promise *promise, vm_id_t owner, pfn_t *pfn);

/* Gives back a table page that was never linked into a table. */
void frame_free_table(struct promise *promise, vm_id_t owner, pfn_t pfn);

/*
 * Scrubs one DIRTY extent, at most 2^order_max frames of it, into the ZEROED pool. Answers how many
 * frames; 0 when nothing is dirty. For idle time.
 */
uint64_t scrub_step(unsigned order_max);

/*
 * Walks the pools and counts what they hold, in frames. False: a list is damaged or an extent in it
 * has another state or order. Caller holds frame_lock. For the auditor.
 */
bool pool_audit(uint64_t *dirty, uint64_t *zeroed);

/* Host tests only: the n-th allocation from now on fails; 0 switches it off. */
extern uint64_t frame_alloc_fail_at;

#endif
