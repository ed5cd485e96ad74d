/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flush epochs with the backend's instruction (VT-x: INVEPT single-context, SDM vol. 3, 29.4.3.1),
 * which each CPU executes for itself before its next entry. What is left to do here is to get CPUs
 * out of the guest: one interrupt each, all sent before the first is waited for. A CPU that has
 * never run the VM holds none of its translations.
 */
#include "kernel/vm/tlb.h"

#include "base/bits.h"
#include "base/check.h"
#include "base/trace.h"
#include "mm/tlb.h"

struct tlb_cpu tlb_cpus[CPUS_MAX];

void tlb_catch_up(struct s2 *s2, unsigned cpu, uint64_t epoch)
{
	trace_note(TRACE_flush, trace_who(s2->owner, 0), epoch, 0);
	backend->flush_s2(s2);
	__atomic_store_n(&s2->tlb.seen[cpu], epoch, __ATOMIC_RELEASE);
}

uint64_t tlb_epoch_request(struct s2 *s2)
{
	return __atomic_add_fetch(&s2->tlb.requested, 1, __ATOMIC_SEQ_CST);
}

/* In the guest, and has not flushed for this epoch: it may use what was removed. */
static bool may_be_stale(const struct s2 *s2, unsigned cpu, uint64_t epoch)
{
	return __atomic_load_n(&tlb_cpus[cpu].guest, __ATOMIC_SEQ_CST) == s2 &&
	       __atomic_load_n(&s2->tlb.seen[cpu], __ATOMIC_ACQUIRE) < epoch;
}

/* CPUs that have to be waited for. */
static inline uint64_t stale_mask(const struct s2 *s2, uint64_t epoch)
{
	uint64_t stale = 0;
	uint64_t ran = __atomic_load_n(&s2->tlb.ran_mask, __ATOMIC_SEQ_CST);
	for (; ran != 0; ran &= ran - 1) {
		unsigned cpu = (unsigned)__builtin_ctzll(ran);
		stale |= may_be_stale(s2, cpu, epoch) ? BIT(cpu) : 0;
	}
	return stale;
}

bool tlb_epoch_reached(const struct s2 *s2, uint64_t epoch)
{
	return stale_mask(s2, epoch) == 0;
}

/* Gets those CPUs out of the guest, and waits until they are. */
static __attribute__((noinline, cold)) void drive_out(struct s2 *s2, uint64_t epoch, uint64_t stale)
{
	trace_note(TRACE_kick, trace_who(s2->owner, 0), stale, epoch);
	for (uint64_t rest = stale; rest != 0; rest &= rest - 1) {
		arch_cpu_kick((unsigned)__builtin_ctzll(rest));
		s2->tlb.kick_count++;
	}
	for (; stale != 0; stale &= stale - 1) {
		while (may_be_stale(s2, (unsigned)__builtin_ctzll(stale), epoch)) {
			arch_pause();
		}
	}
}

void tlb_epoch_enforce(struct s2 *s2, uint64_t epoch)
{
	uint64_t stale = stale_mask(s2, epoch);
	if (stale != 0) {
		drive_out(s2, epoch, stale);
	}
}
