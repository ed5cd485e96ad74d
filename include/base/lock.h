/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A spin lock that knows its place. The order of all locks is the enum below: a CPU that holds one
 * may only take a later one. Debug builds check it (lock_order_check, kernel/lock.c).
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include "base/check.h"
#include "base/types.h"

enum lock_rank {
	LOCK_SCHEDULER, /* run queues */
	LOCK_S2,	/* one VM's second-stage tables and its account */
	LOCK_FRAMES,	/* frame table, pools, promises */
	LOCK_LOG,	/* console output */
};

struct lock {
	uint32_t held;
	uint32_t rank; /* enum lock_rank */
};

#define LOCK_INITIALIZER(lock_rank)                                                                \
	{                                                                                          \
		0, (lock_rank)                                                                     \
	}

/* Debug builds only: `taken` tells the direction. kernel/lock.c and the host tests implement it. */
void lock_order_check(const struct lock *lock, bool taken);

static inline void lock_init(struct lock *lock, enum lock_rank rank)
{
	lock->held = 0;
	lock->rank = rank;
}

static inline void lock_acquire(struct lock *lock)
{
	if (DEBUG_BUILD) {
		lock_order_check(lock, true);
	}
	while (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE)) {
		while (__atomic_load_n(&lock->held, __ATOMIC_RELAXED)) {
			__builtin_ia32_pause();
		}
	}
}

static inline void lock_release(struct lock *lock)
{
	__atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
	if (DEBUG_BUILD) {
		lock_order_check(lock, false);
	}
}

#endif
