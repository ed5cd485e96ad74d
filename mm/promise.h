/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Admission: what the hypervisor has promised and has not handed over yet. A VM is promised its
 * minimum and the page tables for all of its RAM. At every instant
 *
 *	sum over VMs of (min - held, if positive) + (worst - tables)  <=  free + revoking frames
 *
 * so that no sequence of touches by others can keep a VM from what it was promised.
 *
 * Besides, promise_reserve_set() keeps some frames from ordinary use: a guest that is out of memory
 * is given from them at once (struct promise, emergency). The reserve fills up again by itself,
 * because ordinary use starts only above it.
 *
 * Lock: frame_lock for the account of all, and for every word of a promise but `emergency`; the
 * pages that a VM holds and its tables change only while the lock of its address space is held as
 * well, except that frames which it was lent may be taken back at any time (mm/cache.h).
 * `emergency` belongs to the holder of the address space's lock. Others read single words of a
 * promise as they are at the moment.
 */
#ifndef MM_PROMISE_H
#define MM_PROMISE_H

#include "base/status.h"
#include "base/types.h"
#include "mm/cache.h"

struct promise {
	uint64_t min_pages;
	uint64_t held_pages; /* mapped, or ready in the cache */
	uint64_t table_pages_worst;
	uint64_t table_pages;
	bool emergency; /* this VM may use the emergency reserve now */
	struct frame_cache cache;
};

/* Still owed to all VMs together, in frames. */
uint64_t promise_owed(void);

/* Sets the size of the emergency reserve; none before. Boot. */
void promise_reserve_set(uint64_t pages);

/*
 * Free frames that are promised to no VM and not in the emergency reserve, per-VM caches included.
 * _locked: caches excluded; the caller holds frame_lock.
 */
uint64_t promise_spare(void);
uint64_t promise_spare_locked(void);

/*
 * Takes on a promise of so many frames. NO_MEMORY: there is not enough that is not promised
 * already. Takes frame_lock.
 */
MUST_CHECK enum status promise_make(struct promise *promise, uint64_t min_pages,
				    uint64_t table_pages_worst);

/*
 * Another minimum for a promise that was made. NO_MEMORY: what it would be owed more is not spare,
 * and nothing has changed. The lock of its address space is held; takes frame_lock.
 */
MUST_CHECK enum status promise_change(struct promise *promise, uint64_t min_pages);

/* Withdraws it; nothing of the VM is mapped any more. Takes frame_lock. */
void promise_withdraw(struct promise *promise);

/*
 * Charges `pages` more for this VM's memory. False, and nothing was charged: that would break a
 * promise to another. Caller holds frame_lock.
 */
bool promise_take(struct promise *promise, uint64_t pages);

/* Bookkeeping of what was handed over and what came back. Caller holds frame_lock. */
void promise_held_add(struct promise *promise, uint64_t pages);
void promise_held_remove(struct promise *promise, uint64_t pages);
void promise_table_add(struct promise *promise);
void promise_table_remove(struct promise *promise);

#endif
