/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Locks between the vCPUs of this VM. A vCPU that finds one taken tries a while and then lets
 * others run, for the holder may not be on a processor at all. The doorbell's handler takes none,
 * so interrupts stay as they are. An uncontended lock costs one XCHG and one store.
 */
#ifndef GUESTS_LIB_LOCK_H
#define GUESTS_LIB_LOCK_H

#include <stdint.h>

/* All zero: free. */
struct lock {
	uint32_t taken;
};

/* Tries, and lets others run, until the lock is ours. */
void lock_wait(struct lock *lock);

static inline void lock_take(struct lock *lock)
{
	if (__atomic_exchange_n(&lock->taken, 1, __ATOMIC_ACQUIRE) != 0) {
		lock_wait(lock);
	}
}

static inline void lock_release(struct lock *lock)
{
	__atomic_store_n(&lock->taken, 0, __ATOMIC_RELEASE);
}

/* Gives the rest of this vCPU's time to others, once. */
void lock_yield(void);

#endif
