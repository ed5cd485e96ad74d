/* SPDX-License-Identifier: BSD-2-Clause */
/* How many exits of each reason a vCPU has made: in debug builds, so that no other pays for it. */
#ifndef KERNEL_VM_EXIT_REASONS_H
#define KERNEL_VM_EXIT_REASONS_H

#include "kernel/vm/vcpu.h"

/*
 * Debug builds only: one more exit of this reason, the processor's number for it. All that VT-x has
 * and those of AMD-V have a slot of their own, nested page faults the last but one; the last is for
 * numbers that did not exist when this was written.
 */
static inline void vcpu_count_reason(struct vcpu *vcpu, uint32_t reason)
{
#ifdef AEROSTAT_DEBUG
	uint32_t slot = reason < EXIT_REASONS - 2 ? reason : EXIT_REASONS - 1;

	vcpu->exits_by_reason[reason == 0x400 ? EXIT_REASONS - 2 : slot]++;
#else
	(void)vcpu;
	(void)reason;
#endif
}

#endif
