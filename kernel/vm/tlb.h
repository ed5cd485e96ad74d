/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processor's side of mm/tlb.h. Each CPU announces which address space it is in the guest of;
 * immediately before it enters it does the flush that was asked for since it last ran that guest.
 * So a CPU that is not in the guest needs not be waited for: it cannot use a stale translation
 * before it has flushed.
 *
 * The announcement and the look at the epoch stand on two sides of a full fence, as the request and
 * the look at the announcement do in kernel/vm/tlb.c: one of the two sees the other
 * (tests/models/flush_epoch.pml).
 */
#ifndef KERNEL_VM_TLB_H
#define KERNEL_VM_TLB_H

#include "arch/arch.h"
#include "arch/backend.h"
#include "mm/stage2/map.h"

/* On a cache line of its own: written at every entry and exit. */
struct tlb_cpu {
	const struct s2 *guest; /* in whose guest the CPU is, or NULL */
} __attribute__((aligned(64)));

extern struct tlb_cpu tlb_cpus[CPUS_MAX];

/* Flushes on this CPU for all that was requested up to `epoch`. */
void tlb_catch_up(struct s2 *s2, unsigned cpu, uint64_t epoch) __attribute__((cold));

/* Once before the first VM entry of a run on this CPU. */
static inline void tlb_run_begin(struct s2 *s2, unsigned cpu)
{
	if ((__atomic_load_n(&s2->tlb.ran_mask, __ATOMIC_RELAXED) >> cpu & 1) == 0) {
		__atomic_fetch_or(&s2->tlb.ran_mask, 1ull << cpu, __ATOMIC_SEQ_CST);
	}
}

/* Immediately before every VM entry of the run, interrupts off. */
static inline void tlb_enter(struct s2 *s2, unsigned cpu)
{
	(void)__atomic_exchange_n(&tlb_cpus[cpu].guest, s2, __ATOMIC_SEQ_CST);
	uint64_t requested = __atomic_load_n(&s2->tlb.requested, __ATOMIC_SEQ_CST);
	if (__builtin_expect(s2->tlb.seen[cpu] != requested, 0)) {
		tlb_catch_up(s2, cpu, requested);
	}
}

/*
 * First thing after every VM exit, except where the exit is decided without a lock, without waiting
 * for anything, and without a look at the tables: to others the CPU is in the guest all that time,
 * and what they send it ends its next run at once.
 */
static inline void tlb_leave(unsigned cpu)
{
	__atomic_store_n(&tlb_cpus[cpu].guest, NULL, __ATOMIC_RELEASE);
}

#endif
