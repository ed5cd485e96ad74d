/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Second-stage page tables of one VM: what its guest-physical memory is made of. Every guest frame
 * number is in exactly one of three states:
 *
 *   EMPTY      nothing there yet; the first touch is given a zeroed frame
 *   MAPPED     a leaf; the frame table says GUEST, owner and gfn
 *   BALLOONED  surrendered; a touch is answered as the VM's configuration says
 *
 * All three exist on every level: 1 GiB of surrendered memory is one entry. Each change prepares
 * (may answer NO_MEMORY and has then changed nothing) and commits (cannot fail). Live entries are
 * written with single 64-bit stores, a new table only after it is filled. Frames and table pages
 * that are taken out go through mm/reclaim.h.
 *
 * Lock: s2->lock (rank LOCK_S2), for the tables, their counts, the counters, the quarantine and the
 * promise (but see mm/promise.h). Functions that need it take a struct s2_locked as proof. The
 * vCPUs of a VM, the scheduler and the teardown meet there; what is taken out between two of them
 * has passed its flush, because the lock is not released before. Processors walk the tables at any
 * time without it. Counters are single words that others may read as they are at the moment.
 */
#ifndef MM_STAGE2_MAP_H
#define MM_STAGE2_MAP_H

#include "base/limits.h"
#include "base/lock.h"
#include "base/status.h"
#include "base/types.h"
#include "mm/promise.h"
#include "mm/stage2/format.h"

#define S2_LEVELS 4
#define S2_ENTRIES 512

/* Where mm/tlb.h's implementation keeps which CPU has flushed when. */
struct s2_tlb {
	uint64_t requested;	 /* last epoch handed out */
	uint64_t seen[CPUS_MAX]; /* last epoch that CPU has flushed for */
	uint64_t ran_mask;	 /* CPUs that may hold translations */
	uint64_t kick_count;	 /* interrupts sent to CPUs that were in the guest */
};

_Static_assert(CPUS_MAX <= 64, "ran_mask has a bit for every CPU");

/* A page and where it was found; it is there still while s2_removals() is the same. */
struct s2_found {
	gfn_t gfn;
	uint64_t removals;
	uint8_t *page; /* NULL: none yet */
};

struct s2 {
	struct lock lock;
	vm_id_t owner;
	const struct s2_format *format;
	pfn_t root;
	uint64_t limit_pages; /* guest RAM is [0, limit) */

	uint64_t mapped_pages; /* all in 4 KiB units */
	uint64_t ballooned_pages;
	uint64_t large_pages; /* mapped by leaves of 2 MiB or more */
	uint64_t table_pages; /* root included */

	/* Extents taken out since the last flush: a list through frame->next (mm/reclaim.c). */
	uint32_t revoking_head;
	uint64_t revoking_pages;

	struct s2_found found; /* by s2_single_page() */
	struct promise promise;
	struct s2_tlb tlb;
};

struct s2_locked {
	struct s2 *s2;
};

static inline struct s2_locked s2_lock(struct s2 *s2)
{
	lock_acquire(&s2->lock);
	return (struct s2_locked){s2};
}

static inline void s2_unlock(struct s2_locked locked)
{
	lock_release(&locked.s2->lock);
}

/*
 * Changes whenever a page has been taken out or moved to another frame, before the lock is
 * released: what was found before may be elsewhere now.
 */
static inline uint64_t s2_removals(struct s2_locked locked)
{
	return locked.s2->tlb.requested;
}

enum s2_kind { S2_EMPTY, S2_MAPPED, S2_BALLOONED };

/* The entry that decides over a gfn. */
struct s2_slot {
	enum s2_kind kind;
	unsigned order; /* of the extent the entry stands for */
	pfn_t pfn;	/* MAPPED: the frame of that very gfn, not of the extent's start */
	bool pinned;	/* MAPPED: the hypervisor uses it */
};

/*
 * An empty address space of `limit_pages` of RAM (1 .. 2^32 - 1) for VM `owner`, with min_pages
 * promised. NO_MEMORY: the promise (with its page tables) cannot be kept; nothing was changed.
 */
MUST_CHECK enum status s2_create(struct s2 *s2, const struct s2_format *format, vm_id_t owner,
				 uint64_t limit_pages, uint64_t min_pages);

/*
 * Takes out up to `work_max` entries (at least 3072, so that every step gets on); true when all is
 * gone and the promise is withdrawn. The VM must not run any more. Frames pass the flush epoch like
 * any others.
 */
bool s2_destroy_step(struct s2 *s2, uint64_t work_max);

/* gfn is below limit_pages. */
struct s2_slot s2_lookup(struct s2_locked locked, gfn_t gfn);

/*
 * Gives zeroed memory to the EMPTY or BALLOONED gfn: the largest extent up to order_max that is in
 * the same state throughout, if a frame of that order is ready, else 4 KiB; a BALLOONED gfn gets
 * 4 KiB. MAPPED already (another vCPU was faster): OK, nothing done. NO_MEMORY: none free, or all
 * that is free is promised to others. *pages is what was added.
 */
MUST_CHECK enum status s2_populate(struct s2_locked locked, gfn_t gfn, unsigned order_max,
				   uint64_t *pages);

/*
 * The same for a touch: *was tells what there was before, and a BALLOONED page is filled only if
 * `fill_ballooned`, else the answer is SURRENDERED.
 */
MUST_CHECK enum status s2_fault(struct s2_locked locked, gfn_t gfn, unsigned order_max,
				bool fill_ballooned, enum s2_kind *was, uint64_t *pages);

/*
 * Takes the memory of the extent [gfn, gfn + 2^order), order 0, 9 or 18, out, in one step where it
 * is one entry. A surrender leaves it BALLOONED; a free-page report leaves it EMPTY: its contents
 * are dropped, and the guest may touch it again at any time. Errors: OUTSIDE, MISALIGNED,
 * SURRENDERED, MIXED, IN_USE, NO_MEMORY (a table could not be split). *freed is the count of frames
 * that were taken out and now wait for the flush, *work that of entries written or looked at. Many
 * at once: mm/stage2/runs.h.
 */
MUST_CHECK enum status s2_surrender(struct s2_locked locked, gfn_t gfn, unsigned order,
				    uint64_t *freed, uint64_t *work);
MUST_CHECK enum status s2_report(struct s2_locked locked, gfn_t gfn, unsigned order,
				 uint64_t *freed, uint64_t *work);

/*
 * Moves the extent out of the balloon; it is EMPTY then. Errors: OUTSIDE, MISALIGNED,
 * NOT_SURRENDERED, MIXED, NO_MEMORY (a table could not be split).
 */
MUST_CHECK enum status s2_return(struct s2_locked locked, gfn_t gfn, unsigned order,
				 uint64_t *work);

/*
 * Pins the page at gfn for the hypervisor's own use (populating it first) or lets it go. Errors of
 * pin: OUTSIDE, SURRENDERED, IN_USE, NO_MEMORY.
 */
MUST_CHECK enum status s2_pin(struct s2_locked locked, gfn_t gfn, pfn_t *pfn);
void s2_unpin(struct s2_locked locked, gfn_t gfn);

/*
 * Maps the region around gfn larger by one level if all 512 pieces are MAPPED and none is pinned:
 * 4 KiB to 2 MiB, in place where the frames are one aligned run, else by copying to a zeroed extent
 * that no VM was promised; 2 MiB to 1 GiB in place only. vCPUs may run meanwhile; one that accesses
 * what is being moved faults and waits for the lock. The caller flushes before it releases the
 * lock, so that what is left over is free. NOT_FOUND: not whole; NO_MEMORY: no such extent.
 */
MUST_CHECK enum status s2_merge(struct s2_locked locked, gfn_t gfn);

/* Most page-table pages that `limit_pages` of RAM can ever need. */
uint64_t s2_table_pages_worst(uint64_t limit_pages);

#endif
