/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC, in whichever mode firmware left it (Intel SDM volume 3, chapter 11). */
#ifndef ARCH_X86_CPU_LAPIC_H
#define ARCH_X86_CPU_LAPIC_H

#include "base/types.h"

/* Takes it over: legacy lines masked, spurious vector, timer calibrated. After tsc_init. */
void lapic_init(void);

uint32_t lapic_id(void);
void lapic_eoi(void);

/* One interrupt on VECTOR_TIMER when the TSC passes `deadline_tsc` (a little early is possible). */
void lapic_timer_arm(uint64_t deadline_tsc);
void lapic_timer_disarm(void);

#endif
