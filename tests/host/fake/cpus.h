/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processors of the machine as include/arch/arch.h shows them, the clock, and the boot CPU's
 * housekeeping: one thread plays them all, and says which CPU it is at the moment.
 */
#ifndef FAKE_CPUS_H
#define FAKE_CPUS_H

#include "arch/arch.h"

/* The clock; it stands still unless a test moves it. 1000 ticks are a millisecond. */
extern uint64_t fake_tsc;

extern unsigned fake_cpu; /* which one executes the code under test */
extern unsigned fake_cpu_count;
extern unsigned fake_kicks[CPUS_MAX]; /* how often each was kicked */
extern unsigned fake_kick_count;

/* What every guest is like at its exits: IF set and CR8 low (so at first), TF set. */
extern bool fake_interrupts_on;
extern bool fake_single_steps;
extern bool fake_nmi_is_handled;

/* What arch_device_access() answers, how often it was asked, and about which address last. */
extern enum arch_device fake_device;
extern unsigned fake_device_accesses;
extern uint64_t fake_device_address;

/* How often arch_timer_update() was called, and what it answers. */
extern unsigned fake_timer_updates;
extern bool fake_slice_is_over;

/* Called by a kick, a step of waiting, an idle CPU, a round of the housekeeping; or NULL. */
extern void (*fake_on_kick)(unsigned cpu);
extern void (*fake_on_pause)(void);
extern void (*fake_on_idle)(uint64_t deadline_tsc);
extern bool (*fake_on_background)(uint64_t now_tsc);

/* One CPU, nothing kicked, no functions, empty run queues. */
void fake_cpus_reset(unsigned count);

#endif
