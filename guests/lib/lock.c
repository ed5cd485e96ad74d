/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting for a lock. */
#include <stdbool.h>

#include "guests/lib/hypercall.h"
#include "guests/lib/lock.h"

/* Longer than a lock is held by a vCPU that runs. */
#define SPINS 2000

void lock_yield(void)
{
	/* A deadline that has passed: nothing to sleep for, but others have their turn first. */
	hypercall(AEROSTAT_CALL_WAIT, 1, 0, 0, 0);
}

static bool is_free_soon(const struct lock *lock)
{
	for (unsigned i = 0; i < SPINS; i++) {
		if (__atomic_load_n(&lock->taken, __ATOMIC_RELAXED) == 0) {
			return true;
		}
		__asm__ volatile("pause");
	}
	return false;
}

void lock_wait(struct lock *lock)
{
	do {
		if (!is_free_soon(lock)) {
			lock_yield();
		}
	} while (__atomic_exchange_n(&lock->taken, 1, __ATOMIC_ACQUIRE) != 0);
}
