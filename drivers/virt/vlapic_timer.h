/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The timer of a local APIC (Intel SDM volume 3, 11.5.4): one-shot, periodic, TSC-deadline. For the
 * CPU that runs the vCPU.
 *
 * Its input clock is the time-stamp counter divided by 4. It is a power of two of the TSC's, so
 * that every conversion is a shift, without a rate that would have to be known and without drift
 * between the two clocks. Not the TSC itself: CPUID leaf 0x15 gives the clock in Hz in 32 bits,
 * which a TSC above 4.29 GHz exceeds. Not less: emulated machines have TSCs of some 10 MHz, and
 * Linux wants 1 MHz at least and divides by 16. So leaf 0x15 of such a vCPU is EAX 1, EBX 4, ECX
 * tsc_khz * 250.
 *
 * Ticks that nobody could deliver are not made up for: however many periods have passed, one
 * interrupt is requested, and the next one is due a whole number of periods after the first.
 */
#ifndef DRIVERS_VIRT_VLAPIC_TIMER_H
#define DRIVERS_VIRT_VLAPIC_TIMER_H

#include "drivers/virt/vlapic.h"

#define VLAPIC_NEVER UINT64_MAX
#define VLAPIC_CLOCK_SHIFT 2 /* input clock = TSC >> this */

/*
 * Lets the timer expire if it is due at `now`, which requests its interrupt. Returns when the next
 * interrupt is due, VLAPIC_NEVER: none. A timer that is masked needs no call. The next one may be
 * due at once (a guest may ask for a period of 8 ticks): the caller decides how close together it
 * looks; a late look costs ticks, not the phase.
 */
uint64_t vlapic_tick(struct vlapic *lapic, uint64_t now);

/* When that will be, without letting anything expire. */
uint64_t vlapic_next_tick(const struct vlapic *lapic);

/* ---- the registers: vlapic_registers.c ---- */

/* What the count has come to: 0 when it does not run, and in TSC-deadline mode. */
uint32_t vlapic_timer_count(struct vlapic *lapic, uint64_t now);
/* Starts counting from `count`; 0 stops. Ignored in TSC-deadline mode. */
void vlapic_timer_start(struct vlapic *lapic, uint32_t count, uint64_t now);
/* The divide configuration register; a running count goes on from where it is. */
void vlapic_timer_divide(struct vlapic *lapic, uint32_t value, uint64_t now);
/* The timer's entry in the vector table: changing to or from TSC-deadline mode stops the timer. */
void vlapic_timer_set_entry(struct vlapic *lapic, uint32_t entry, uint64_t now);
/* IA32_TSC_DEADLINE; 0 disarms; ignored, and 0, in other modes. */
uint64_t vlapic_timer_deadline(struct vlapic *lapic, uint64_t now);
void vlapic_timer_set_deadline(struct vlapic *lapic, uint64_t deadline, uint64_t now);
/* The same where nothing expires by it. False: another mode, or one is due; nothing has changed. */
MUST_CHECK bool vlapic_timer_rearm(struct vlapic *lapic, uint64_t deadline, uint64_t now);

#endif
