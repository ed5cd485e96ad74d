/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ready frames of one VM: zeroed single frames that it is lent many at a time, so that the demand
 * faults of different VMs do not meet at frame_lock. (The vCPUs of one VM meet at the lock of its
 * address space in any case.)
 *
 * A frame that is lent is ZEROED, owned by the VM, in no list, and charged to the VM's promise as
 * if it were mapped already: taking it changes no account, so no promise to another can be broken
 * by it. Frames are lent only while the host has plenty. In a shortage every frame counts: an
 * allocation that finds none drains the caches of all VMs before it is refused.
 *
 * Lock. Pop: s2->lock. Fill: s2->lock and frame_lock. Drain: frame_lock.
 *
 * One word, `count`, decides between pop (compare-and-swap) and drain (exchange). So
 * pfns[0, count) stand still under frame_lock, and belong to the winner. `lent` and `next` are
 * frame_lock's.
 */
#ifndef MM_CACHE_H
#define MM_CACHE_H

#include "mm/frame.h"

#ifndef FRAME_CACHE_SIZE /* small worlds have less */
#define FRAME_CACHE_SIZE 32
#endif
#define FRAME_CACHES_OFF UINT64_MAX

struct promise;

struct frame_cache {
	uint32_t count; /* frames that are ready */
	uint32_t lent;	/* those and the ones taken since the loan was last settled */
	bool listed;	/* among the caches that may have something */
	vm_id_t owner;	/* while listed */
	struct promise *next;
	uint32_t pfns[FRAME_CACHE_SIZE];
};

/* No cache has anything, and none is filled. Boot only. */
void frame_caches_init(void);

/*
 * From now on frames are lent as long as that leaves so many that are free and promised to no VM;
 * FRAME_CACHES_OFF, as after boot: none are.
 */
void frame_caches_floor_set(uint64_t spare_pages);

/* What was lent and is not settled: still ready, and taken; owed again if it all came back. */
struct frame_cached_count {
	uint64_t ready_pages;
	uint64_t taken_pages;
	uint64_t owed_again_pages;
};

/* Over all VMs; exact when no CPU takes frames meanwhile. Caller holds frame_lock. */
struct frame_cached_count frame_caches_sum(void);

/*
 * Lends frames to the promise's VM if that is allowed now; its cache is empty. Caller holds
 * frame_lock and the lock of the address space.
 */
void frame_cache_fill(struct promise *promise, vm_id_t owner);

/*
 * Takes back what the VM, or every VM, was lent and has not taken; answers how many frames are back
 * in the pool. Caller holds frame_lock.
 */
uint64_t frame_cache_drain(struct promise *promise);
uint64_t frame_caches_drain(void);

/* The same; the caller holds no lock. */
void frame_caches_empty(void);

/* A ready frame, GUEST and mapped at `gfn` from now on. The address space's lock is held. */
static inline bool frame_cache_take(struct frame_cache *cache, vm_id_t owner, gfn_t gfn, pfn_t *pfn)
{
	uint32_t count = __atomic_load_n(&cache->count, __ATOMIC_RELAXED);
	if (count == 0 || !__atomic_compare_exchange_n(&cache->count, &count, count - 1, false,
						       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
		return false; /* all was taken back at this moment */
	}
	*pfn = (pfn_t){cache->pfns[count - 1]};
	const struct frame_tag ready = {FRAME_ZEROED, ORDER_4K, owner};
	const struct frame_tag guest = {FRAME_GUEST, ORDER_4K, owner};
	frame_step_take(frame_step(ready, guest), *pfn);
	frame_table[pfn->n].gfn = (uint32_t)gfn.n;
	return true;
}

#endif
