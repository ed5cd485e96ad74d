/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flush epochs with the backend's instruction (VT-x: INVEPT single-context, SDM vol. 3, 29.4.3.1).
 * Guest translations of this CPU are dropped here and now; a CPU that has never run the VM holds
 * none.
 */
#include "kernel/tlb.h"

#include "base/check.h"
#include "mm/tlb.h"

uint64_t tlb_epoch_request(struct s2 *s2)
{
	return ++s2->tlb.requested;
}

bool tlb_epoch_reached(const struct s2 *s2, uint64_t epoch)
{
	for (unsigned cpu = 0; s2->tlb.ran_mask >> cpu != 0; cpu++) {
		bool ran = (s2->tlb.ran_mask >> cpu & 1) != 0;
		if (ran && s2->tlb.seen[cpu] < epoch) {
			return false;
		}
		if (cpu == S2_CPUS_MAX - 1) {
			break;
		}
	}
	return true;
}

void tlb_epoch_enforce(struct s2 *s2, uint64_t epoch)
{
	unsigned cpu = arch_cpu_index();
	if (s2->tlb.ran_mask >> cpu & 1 && s2->tlb.seen[cpu] < epoch) {
		uint64_t requested = s2->tlb.requested;
		backend->flush_s2(s2);
		s2->tlb.seen[cpu] = requested;
	}
	CHECK(tlb_epoch_reached(s2, epoch));
}
