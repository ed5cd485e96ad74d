/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ticket spin lock with a rank. Tickets are served in the order in which they were drawn, so no CPU
 * starves while others acquire the lock again and again. The order of all locks is the enum below:
 * a CPU that holds one may acquire only locks of higher rank. Debug builds check it
 * (lock_order_check, kernel/lib/lock.c). A structure of zeros is a lock of the first rank, and
 * free.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include "base/check.h"
#include "base/spin.h"
#include "base/types.h"

enum lock_rank {
	LOCK_PLATFORM,	/* the devices of one VM */
	LOCK_S2,	/* one VM's second-stage tables and its account */
	LOCK_FRAMES,	/* frame table, pools, promises */
	LOCK_RUN_QUEUE, /* one CPU's vCPUs that can run */
	LOCK_LOG,	/* console output */
};

struct lock {
	uint32_t serving; /* ticket of the holder, the only writer; equal to `next`: free */
	uint32_t next;	  /* ticket of the next CPU */
	uint32_t rank;	  /* enum lock_rank */
};

#define LOCK_INITIALIZER(lock_rank)                                                                \
	{                                                                                          \
		0, 0, (lock_rank)                                                                  \
	}

/* Debug builds only: `taken` tells the direction. kernel/lib/lock.c and the host tests implement
 * it. */
void lock_order_check(const struct lock *lock, bool taken);

static inline void lock_init(struct lock *lock, enum lock_rank rank)
{
	*lock = (struct lock)LOCK_INITIALIZER(rank);
}

/* A CPU holds it or waits for it. For checks: the result may be out of date at once. */
static inline bool lock_is_taken(const struct lock *lock)
{
	return __atomic_load_n(&lock->next, __ATOMIC_RELAXED) !=
	       __atomic_load_n(&lock->serving, __ATOMIC_RELAXED);
}

static inline void lock_acquire(struct lock *lock)
{
	if (DEBUG_BUILD) {
		lock_order_check(lock, true);
	}
	uint32_t ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);
	if (__builtin_expect(__atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE) == ticket, 1)) {
		return;
	}
	do {
		spin_hint();
	} while (__atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE) != ticket);
}

static inline void lock_release(struct lock *lock)
{
	uint32_t ticket = __atomic_load_n(&lock->serving, __ATOMIC_RELAXED);
	__atomic_store_n(&lock->serving, ticket + 1, __ATOMIC_RELEASE);
	if (DEBUG_BUILD) {
		lock_order_check(lock, false);
	}
}

#endif
