/* SPDX-License-Identifier: BSD-2-Clause */
/* See vpit.h: the timer's clock, the ticks of channel 0, and the ports. */
#include "drivers/virt/vpit.h"

#include "base/bits.h"

#define CONTROL_CHANNEL_SHIFT 6
#define CONTROL_READ_BACK 3
#define CONTROL_ACCESS_SHIFT 4
#define CONTROL_ACCESS 3
#define READ_BACK_NO_COUNT 0x20
#define READ_BACK_NO_STATUS 0x10

#define SYSTEM_GATE2 0x01
#define SYSTEM_CONTROL 0x0f
#define SYSTEM_REFRESH 0x10
#define SYSTEM_OUTPUT2 0x20
#define REFRESH_CLOCKS 18 /* 15 us */

#define PACE_PART 8	/* of the period, between two ticks that were missed */
#define PACE_CLOCKS 119 /* 100 us */

/* ---- Time ----------------------------------------------------------------------------------- */

/* Clocks that have passed; the products stay below 2^64 for frequencies up to 15 THz. */
static uint64_t clock_at(const struct vpit *pit, uint64_t tsc)
{
	uint64_t hz = pit->tsc_khz * 1000;
	uint64_t ticks = sub_floor_u64(max_u64(tsc, pit->latest_tsc), pit->origin_tsc);
	return ticks / hz * VPIT_HZ + ticks % hz * VPIT_HZ / hz;
}

/* The first tick of the TSC at which `clock` clocks have passed. */
static uint64_t tsc_at(const struct vpit *pit, uint64_t clock)
{
	uint64_t hz = pit->tsc_khz * 1000;
	uint64_t part = (clock % VPIT_HZ * hz + VPIT_HZ - 1) / VPIT_HZ;
	return pit->origin_tsc + clock / VPIT_HZ * hz + part;
}

static uint64_t clock_now(struct vpit *pit, uint64_t now)
{
	pit->latest_tsc = max_u64(now, pit->latest_tsc);
	return clock_at(pit, pit->latest_tsc);
}

/* ---- Ticks of channel 0 ----------------------------------------------------------------------*/

static void add_rises(struct vpit *pit, uint64_t clock)
{
	const struct vpit_channel *channel = &pit->channels[0];
	uint64_t more =
		vpit_channel_rises(channel, clock) - vpit_channel_rises(channel, pit->counted);
	pit->owed = (unsigned)min_u64(pit->owed + more, VPIT_TICKS_OWED_MAX);
	pit->counted = clock;
}

/* Brings `owed` up to date. */
static void count_ticks(struct vpit *pit, uint64_t clock)
{
	struct vpit_channel *channel = &pit->channels[0];
	if (channel->next_count != 0 && channel->started && vpit_channel_is_periodic(channel) &&
	    clock >= channel->next_start) {
		add_rises(pit, channel->next_start);
		vpit_channel_settle(channel, clock);
	}
	add_rises(pit, clock);
}

static uint64_t pace(const struct vpit_channel *channel)
{
	return vpit_channel_is_periodic(channel) ? max_u64(channel->count / PACE_PART, PACE_CLOCKS)
						 : PACE_CLOCKS;
}

bool vpit_tick(struct vpit *pit, uint64_t now)
{
	uint64_t clock = clock_now(pit, now);
	count_ticks(pit, clock);
	if (pit->owed == 0 || clock < pit->paced) {
		return false;
	}
	pit->owed--;
	pit->paced = clock + pace(&pit->channels[0]);
	return true;
}

uint64_t vpit_next(const struct vpit *pit, uint64_t now)
{
	struct vpit later = *pit;
	uint64_t clock = clock_now(&later, now);
	count_ticks(&later, clock);
	uint64_t next = later.owed > 0 ? clock : vpit_channel_next_rise(&later.channels[0], clock);
	next = max_u64(next, later.paced);
	if (next == UINT64_MAX) {
		return UINT64_MAX;
	}
	return max_u64(tsc_at(pit, next), now);
}

/* ---- Ports ---------------------------------------------------------------------------------- */

void vpit_reset(struct vpit *pit, uint64_t now, uint64_t tsc_khz)
{
	*pit = (struct vpit){.origin_tsc = now, .latest_tsc = now, .tsc_khz = tsc_khz};
	for (unsigned i = 0; i < VPIT_CHANNELS; i++) {
		vpit_channel_reset(&pit->channels[i], i != 2);
	}
}

bool vpit_output(const struct vpit *pit, unsigned channel, uint64_t now)
{
	struct vpit_channel later = pit->channels[channel % VPIT_CHANNELS];
	uint64_t clock = clock_at(pit, now);
	vpit_channel_settle(&later, clock);
	return vpit_channel_output(&later, clock);
}

static void read_back(struct vpit *pit, uint8_t control, uint64_t clock)
{
	for (unsigned i = 0; i < VPIT_CHANNELS; i++) {
		if ((control & 2u << i) == 0) {
			continue;
		}
		if ((control & READ_BACK_NO_COUNT) == 0) {
			vpit_channel_latch_count(&pit->channels[i], clock);
		}
		if ((control & READ_BACK_NO_STATUS) == 0) {
			vpit_channel_latch_status(&pit->channels[i], clock);
		}
	}
}

static void write_control(struct vpit *pit, uint8_t control, uint64_t clock)
{
	unsigned number = control >> CONTROL_CHANNEL_SHIFT;
	if (number == CONTROL_READ_BACK) {
		read_back(pit, control, clock);
		return;
	}
	struct vpit_channel *channel = &pit->channels[number % VPIT_CHANNELS];
	if (((control >> CONTROL_ACCESS_SHIFT) & CONTROL_ACCESS) == 0) {
		/* counter latch command */
		vpit_channel_latch_count(channel, clock);
		return;
	}
	vpit_channel_set_mode(channel, control, clock);
	if (number == 0) {
		pit->owed = 0; /* what the old mode owed is over */
		pit->paced = 0;
	}
}

static void settle_all(struct vpit *pit, uint64_t clock)
{
	count_ticks(pit, clock);
	for (unsigned i = 1; i < VPIT_CHANNELS; i++) {
		vpit_channel_settle(&pit->channels[i], clock);
	}
}

uint8_t vpit_read(struct vpit *pit, uint16_t port, uint64_t now)
{
	uint64_t clock = clock_now(pit, now);
	settle_all(pit, clock);
	if (port >= VPIT_PORT && port < VPIT_PORT + VPIT_CHANNELS) {
		return vpit_channel_read(&pit->channels[port - VPIT_PORT], clock);
	}
	if (port != VPIT_SYSTEM_PORT) {
		return 0xff;
	}
	return (uint8_t)(pit->system_control |
			 (clock / REFRESH_CLOCKS % 2 != 0 ? SYSTEM_REFRESH : 0) |
			 (vpit_channel_output(&pit->channels[2], clock) ? SYSTEM_OUTPUT2 : 0));
}

void vpit_write(struct vpit *pit, uint16_t port, uint8_t value, uint64_t now)
{
	const struct vpit_channel *first = &pit->channels[0];
	uint64_t clock = clock_now(pit, now);
	settle_all(pit, clock);
	bool before = vpit_channel_output(first, clock);
	if (port >= VPIT_PORT && port < VPIT_PORT + VPIT_CHANNELS) {
		vpit_channel_write(&pit->channels[port - VPIT_PORT], value, clock);
	} else if (port == VPIT_CONTROL_PORT) {
		write_control(pit, value, clock);
	} else if (port == VPIT_SYSTEM_PORT) {
		pit->system_control = value & SYSTEM_CONTROL;
		vpit_channel_set_gate(&pit->channels[2], (value & SYSTEM_GATE2) != 0, clock);
	}
	/* A new mode, or a new count while the output was low, makes it rise at once. */
	if (!before && vpit_channel_output(first, clock) && pit->owed < VPIT_TICKS_OWED_MAX) {
		pit->owed++;
	}
}
