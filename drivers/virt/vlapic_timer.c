/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The timer of a local APIC (Intel SDM volume 3, 11.5.4). A running timer is one number: the time
 * when it expires, in ticks of the TSC. Counts are computed from it.
 *
 * Every function lets the timer expire first if it was due: what a register changes must not change
 * what happened before.
 */
#include "drivers/virt/vlapic_timer.h"

#include "base/bits.h"
#include "base/compiler.h"

#define MODE(entry) ((entry) >> 17 & 3)
#define MODE_ONE_SHOT 0
#define MODE_PERIODIC 1
#define MODE_DEADLINE 2

static uint32_t entry_of(const struct vlapic *lapic)
{
	return lapic->lvt[VLAPIC_LVT_TIMER];
}

/* One-shot and periodic; the fourth mode is reserved, and nothing runs in it. */
static bool counts(uint32_t entry)
{
	return MODE(entry) <= MODE_PERIODIC;
}

/* Bits 0, 1 and 3: divide by 2, 4 and so on to 128, and by 1 (11.5.4). */
static unsigned shift_of(const struct vlapic *lapic)
{
	unsigned power = (lapic->divide & 3) | (lapic->divide >> 1 & 4);

	return VLAPIC_CLOCK_SHIFT + ((power + 1) & 7);
}

/* A sum beyond the end of time is never. */
static uint64_t later(uint64_t time, uint64_t ticks)
{
	return ticks < VLAPIC_NEVER - time ? time + ticks : VLAPIC_NEVER;
}

/* Only a timer with a count runs in periodic mode, so the period is not 0. */
static uint64_t next_period(const struct vlapic *lapic, uint64_t now)
{
	uint64_t period = (uint64_t)lapic->initial_count << shift_of(lapic);
	uint64_t late = now - lapic->due;

	return late < period ? later(lapic->due, period) : later(now, period - late % period);
}

static NOT_INLINE void fire(struct vlapic *lapic, uint64_t now)
{
	uint32_t entry = entry_of(lapic);

	lapic->due = MODE(entry) == MODE_PERIODIC ? next_period(lapic, now) : VLAPIC_NEVER;
	if ((entry & VLAPIC_ENTRY_MASKED) == 0) {
		(void)vlapic_request(lapic, (uint8_t)entry, false);
	}
}

static void expire(struct vlapic *lapic, uint64_t now)
{
	if (now >= lapic->due && lapic->due != VLAPIC_NEVER) {
		fire(lapic, now);
	}
}

uint64_t vlapic_next_tick(const struct vlapic *lapic)
{
	return entry_of(lapic) & VLAPIC_ENTRY_MASKED ? VLAPIC_NEVER : lapic->due;
}

uint64_t vlapic_tick(struct vlapic *lapic, uint64_t now)
{
	expire(lapic, now);
	return vlapic_next_tick(lapic);
}

uint32_t vlapic_timer_count(struct vlapic *lapic, uint64_t now)
{
	expire(lapic, now);
	if (lapic->due == VLAPIC_NEVER || !counts(entry_of(lapic))) {
		return 0;
	}
	/* The count reaches 0 when the timer expires, not before. A clock that was set back shows
	 * no more than what the count began with. */
	unsigned shift = shift_of(lapic);
	uint64_t count = (lapic->due - now - 1) >> shift;
	return (uint32_t)min_u64(count + 1, lapic->initial_count);
}

void vlapic_timer_start(struct vlapic *lapic, uint32_t count, uint64_t now)
{
	expire(lapic, now);
	if (!counts(entry_of(lapic))) {
		return;
	}
	lapic->initial_count = count;
	lapic->due = count != 0 ? later(now, (uint64_t)count << shift_of(lapic)) : VLAPIC_NEVER;
}

void vlapic_timer_divide(struct vlapic *lapic, uint32_t value, uint64_t now)
{
	uint32_t count = vlapic_timer_count(lapic, now);

	lapic->divide = value;
	if (count != 0) {
		lapic->due = later(now, (uint64_t)count << shift_of(lapic));
	}
}

void vlapic_timer_set_entry(struct vlapic *lapic, uint32_t entry, uint64_t now)
{
	uint32_t before = entry_of(lapic);

	expire(lapic, now);
	vlapic_set_entry(lapic, VLAPIC_LVT_TIMER, entry);
	if (MODE(before) != MODE(entry) && !(counts(before) && counts(entry))) {
		lapic->due = VLAPIC_NEVER;
	}
}

uint64_t vlapic_timer_deadline(struct vlapic *lapic, uint64_t now)
{
	expire(lapic, now);
	return MODE(entry_of(lapic)) == MODE_DEADLINE && lapic->due != VLAPIC_NEVER ? lapic->due
										    : 0;
}

bool vlapic_timer_rearm(struct vlapic *lapic, uint64_t deadline, uint64_t now)
{
	/* One that does not run is never due. */
	if (MODE(entry_of(lapic)) != MODE_DEADLINE || now >= lapic->due) {
		return false;
	}
	lapic->due = deadline != 0 ? deadline : VLAPIC_NEVER;
	return true;
}

void vlapic_timer_set_deadline(struct vlapic *lapic, uint64_t deadline, uint64_t now)
{
	expire(lapic, now);
	if (MODE(entry_of(lapic)) == MODE_DEADLINE) {
		lapic->due = deadline != 0 ? deadline : VLAPIC_NEVER;
	}
}
