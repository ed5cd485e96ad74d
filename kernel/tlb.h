/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processor's side of mm/tlb.h: a CPU that is about to enter a guest first does the flush that
 * was asked for since it last ran that guest.
 */
#ifndef KERNEL_TLB_H
#define KERNEL_TLB_H

#include "kernel/arch.h"
#include "kernel/backend.h"
#include "mm/s2.h"

/* Once before the first VM entry of a run on this CPU. */
static inline void tlb_run_begin(struct s2 *s2, unsigned cpu)
{
	s2->tlb.running_mask |= 1ull << cpu;
	s2->tlb.ran_mask |= 1ull << cpu;
}

/* Immediately before every VM entry of the run, interrupts off. */
static inline void tlb_enter(struct s2 *s2, unsigned cpu)
{
	uint64_t requested = s2->tlb.requested;
	if (__builtin_expect(s2->tlb.seen[cpu] != requested, 0)) {
		backend->flush_s2(s2);
		s2->tlb.seen[cpu] = requested;
	}
}

/* After the last exit of a run. */
static inline void tlb_run_end(struct s2 *s2, unsigned cpu)
{
	s2->tlb.running_mask &= ~(1ull << cpu);
}

#endif
