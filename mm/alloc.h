/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allocating and freeing frames. Every allocation is of zeroed frames; if none is ready, one is
 * scrubbed first. Nothing else in the hypervisor hands out memory. The frames come out of the
 * pools (mm/pool.h), single pages of guests through their VM's cache (mm/cache.h).
 *
 * Lock: frame_lock, taken inside. What is charged to a promise changes with the lock of the
 * promise's address space held, by the caller.
 */
#ifndef MM_ALLOC_H
#define MM_ALLOC_H

#include "base/status.h"
#include "base/types.h"
#include "mm/frame.h"
#include "mm/promise.h"

/*
 * An extent of 2^order zeroed frames for the hypervisor itself; its tag becomes `tag`, whose state
 * is HYPERVISOR and whose order is `order`. NO_MEMORY: none of that size, or only at the cost of a
 * promise.
 */
MUST_CHECK enum status frame_alloc(unsigned order, struct frame_tag tag, pfn_t *pfn);

/* Gives back what frame_alloc gave. No guest's page walk may ever have seen it. */
void frame_free(pfn_t pfn, struct frame_tag tag);

/*
 * Frees frames [first, first + pages) of the host, whatever extents they are part of: for what
 * frame_table_init() was told is the hypervisor's and is not any more. Panics where a frame is not.
 */
void frame_free_range(pfn_t first, uint64_t pages);

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
 * Host tests only: the n-th allocation from now on that goes past a VM's cache fails; 0 switches it
 * off. Lock: frame_lock.
 */
extern uint64_t frame_alloc_fail_at;

#endif
