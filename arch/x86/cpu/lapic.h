/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC, in whichever mode firmware left it (Intel SDM volume 3, chapter 11). */
#ifndef ARCH_X86_CPU_LAPIC_H
#define ARCH_X86_CPU_LAPIC_H

#include "base/types.h"

/*
 * Boot CPU, before the first lapic_init: finds the mode that firmware left. Returns the page of the
 * registers, which must be mapped uncached and handed over with lapic_set_page; 0 in x2APIC mode.
 */
hpa_t lapic_find(void);
void lapic_set_page(volatile void *page);

/* Takes this CPU's over: legacy lines masked, spurious vector, timer. After lapic_find. */
void lapic_init(void);

/* Boot CPU, after lapic_init and tsc_init: how fast does the timer count? */
void lapic_calibrate(void);

uint32_t lapic_id(void);
void lapic_eoi(void);

/* Changes to x2APIC mode; before other CPUs start. False: this processor has none. */
bool lapic_use_x2apic(void);

/* Can the mode that is in use send to that processor? */
bool lapic_can_address(uint32_t apic_id);

/* What can be sent (11.6.1); the start-up command carries a page number below 1 MiB. */
#define LAPIC_FIXED(vector) (0x4000u | (vector))
#define LAPIC_NMI 0x4400u
#define LAPIC_INIT 0x4500u
#define LAPIC_STARTUP(page) (0x4600u | (page))

/* Sends to another processor. Waits, but not for ever, until the previous one has been sent. */
void lapic_command(uint32_t apic_id, uint32_t command);

/* One interrupt on VECTOR_TIMER when the TSC passes `deadline_tsc` (a little early is possible). */
void lapic_timer_arm(uint64_t deadline_tsc);
void lapic_timer_disarm(void);

#endif
