/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPU time out of turn, for a VM that the host needs something done by: its driver is asked for
 * memory, or a vCPU comes for the frame that it waited for. Its vCPUs run before others, however
 * little their weight gives them, until the target is met or the VM's budget is used up.
 *
 * No VM gains by it. Each VM has one budget, however many vCPUs it has, which fills with
 * tunables.boost_percent of one CPU's time and never holds more than tunables.boost_most_ms: what
 * is asked, and how often, changes neither. Time out of turn counts in virtual time like any other,
 * so it is a loan: a VM whose share is larger than that has no more for it in the end. And on each
 * CPU boosted vCPUs together have at most one part in five while others could run
 * (kernel/sched/run_queue.c).
 *
 * Locks: none; the two words are atomic.
 */
#ifndef KERNEL_SCHED_BOOST_H
#define KERNEL_SCHED_BOOST_H

#include "kernel/lib/tunables.h"
#include "kernel/vm/vm.h"

#define BOOST_CHARGE_MS 8 /* most for one run: a standstill of the machine is not its fault */

/* Full, and not wanted. Boot. */
void boost_init(struct vm *vm);

/* So many ticks have passed. Boot CPU. */
void boost_fill(struct vm *vm, uint64_t ticks);

/* From now on its driver is to run out of turn, or not any more. Boot CPU. */
void boost_want(struct vm *vm, bool wanted);

/* One of its vCPUs has run for so many ticks out of turn. */
void boost_charge(struct vm *vm, uint64_t ticks);

/* How long one of its vCPUs may run out of turn now: in ticks, not more than `most`. */
uint64_t boost_slice(const struct vm *vm, uint64_t most);

static inline bool boost_is_wanted(const struct vm *vm)
{
	return __atomic_load_n(&vm->boost.wanted, __ATOMIC_RELAXED);
}

static inline bool boost_has_time(const struct vm *vm)
{
	return __atomic_load_n(&vm->boost.left_ticks, __ATOMIC_RELAXED) > 0;
}

#endif
