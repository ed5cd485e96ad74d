/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The check of the lock order in debug builds: each CPU remembers the ranks that it holds, and may
 * take only a later one. Each entry is touched by its own CPU alone, so there is no lock here.
 */
#include "base/lock.h"

#include "base/bits.h"
#include "arch/arch.h"

static uint32_t ranks_held[CPUS_MAX]; /* bit n: a lock of rank n */

void lock_order_check(const struct lock *lock, bool taken)
{
	uint32_t *held = &ranks_held[arch_cpu_index()];
	uint32_t bit = (uint32_t)BIT(lock->rank);

	if (!taken) {
		if ((*held & bit) == 0) {
			panic("a lock of rank %u is released that this CPU does not hold",
			      lock->rank);
		}
		*held &= ~bit;
		return;
	}
	if (*held >= bit) {
		uint32_t ranks = *held;

		*held = 0; /* the report takes locks too */
		panic("a lock of rank %u is taken while ranks 0x%x are held", lock->rank, ranks);
	}
	*held |= bit;
}
