/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See vpit.h. The six modes are those of the 8254 data sheet: a count that is written at one clock
 * is in the counter at the next, and from there on value and output are functions of the clocks
 * that have passed.
 */
#include "drivers/virt/vpit.h"

#include "base/bits.h"

#define ACCESS_LATCH 0
#define ACCESS_LOW 1
#define ACCESS_HIGH 2
#define ACCESS_BOTH 3

#define CONTROL_CHANNEL_SHIFT 6
#define CONTROL_READ_BACK 3
#define CONTROL_ACCESS_SHIFT 4
#define CONTROL_MODE_SHIFT 1
#define CONTROL_BCD 0x01
#define READ_BACK_NO_COUNT 0x20
#define READ_BACK_NO_STATUS 0x10
#define STATUS_OUTPUT 0x80
#define STATUS_NULL 0x40

#define COUNT_MAX 65536
#define COUNT_MAX_BCD 10000

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

/* ---- One channel ---------------------------------------------------------------------------- */

static bool is_periodic(const struct vpit_channel *channel)
{
	return channel->mode == 2 || channel->mode == 3;
}

/* Modes 1 and 5: the gate starts the count. */
static bool is_triggered(const struct vpit_channel *channel)
{
	return channel->mode == 1 || channel->mode == 5;
}

static uint64_t elapsed(const struct vpit_channel *channel, uint64_t clock)
{
	return channel->started ? sub_floor_u64(clock, channel->start) : channel->elapsed;
}

/* A count that was written while a period ran begins with the next one. */
static void settle(struct vpit_channel *channel, uint64_t clock)
{
	if (channel->next_count != 0 && is_periodic(channel) && channel->started &&
	    clock >= channel->next_start) {
		channel->start = channel->next_start;
		channel->count = channel->next_count;
		channel->next_count = 0;
	}
}

/* Clocks of mode 3 with a high output: the longer half of an odd count. */
static uint32_t high_clocks(const struct vpit_channel *channel)
{
	return (channel->count + 1) / 2;
}

static bool output(const struct vpit_channel *channel, uint64_t clock)
{
	uint64_t passed = elapsed(channel, clock);
	if (!channel->loaded || (!channel->started && is_periodic(channel))) {
		return channel->mode != 0;
	}
	switch (channel->mode) {
	case 0:
		return passed >= channel->count;
	case 1:
		return !channel->started || passed >= channel->count;
	case 2:
		return channel->count == 1 || passed % channel->count != channel->count - 1;
	case 3:
		return passed % channel->count < high_clocks(channel);
	default:
		return passed != channel->count;
	}
}

static uint32_t count_max(const struct vpit_channel *channel)
{
	return channel->bcd ? COUNT_MAX_BCD : COUNT_MAX;
}

/* Mode 3 counts down by two, twice in a period, from the even number at or below the count. */
static uint32_t square_value(const struct vpit_channel *channel, uint64_t passed)
{
	uint32_t phase = (uint32_t)(passed % channel->count);
	uint32_t high = high_clocks(channel);
	return (channel->count & ~1u) - 2 * (phase < high ? phase : phase - high);
}

static uint16_t to_bcd(uint32_t value)
{
	return (uint16_t)(value / 1000 % 10 << 12 | value / 100 % 10 << 8 | value / 10 % 10 << 4 |
			  value % 10);
}

/* What the guest reads; the largest count shows as 0. */
static uint16_t value_at(const struct vpit_channel *channel, uint64_t clock)
{
	uint64_t passed = elapsed(channel, clock);
	uint32_t most = count_max(channel);
	uint32_t value;
	if (channel->mode == 3) {
		value = square_value(channel, passed);
	} else if (channel->mode == 2) {
		value = channel->count - (uint32_t)(passed % channel->count);
	} else {
		/* Having reached 0, it counts on from the largest number. */
		value = channel->count + most - (uint32_t)(passed % most);
	}
	value %= most;
	return channel->bcd ? to_bcd(value) : (uint16_t)value;
}

/* The count as it was written: 0 stands for the largest, and so does a BCD digit too large. */
static uint32_t count_of(const struct vpit_channel *channel, uint16_t written)
{
	uint32_t count = written;
	if (channel->bcd) {
		count = (written >> 12) * 1000u + (written >> 8 & 15) * 100u +
			(written >> 4 & 15) * 10u + (written & 15);
	}
	return count == 0 ? count_max(channel) : (uint32_t)min_u64(count, count_max(channel));
}

static void start(struct vpit_channel *channel, uint64_t clock)
{
	channel->start = clock + 1;
	channel->started = true;
}

static void load(struct vpit_channel *channel, uint16_t written, uint64_t clock)
{
	uint32_t count = count_of(channel, written);
	bool runs = channel->loaded && channel->started;
	if (runs && is_triggered(channel)) {
		channel->next_count = count;
		return;
	}
	if (runs && is_periodic(channel) && clock >= channel->start) {
		uint64_t periods = (clock - channel->start) / channel->count + 1;
		channel->next_count = count;
		channel->next_start = channel->start + periods * channel->count;
		return;
	}
	channel->count = count;
	channel->next_count = 0;
	channel->loaded = true;
	channel->started = false;
	channel->elapsed = 0;
	if (channel->gate && !is_triggered(channel)) {
		start(channel, clock);
	}
}

static void write_count(struct vpit_channel *channel, uint8_t value, uint64_t clock)
{
	switch (channel->access) {
	case ACCESS_LOW:
		load(channel, value, clock);
		return;
	case ACCESS_HIGH:
		load(channel, (uint16_t)(value << 8), clock);
		return;
	default:
		break;
	}
	if (channel->half_written) {
		channel->half_written = false;
		load(channel, (uint16_t)(value << 8 | channel->low), clock);
		return;
	}
	channel->half_written = true;
	channel->low = value;
	if (channel->mode == 0) {
		/* The first byte stops the count and makes the output low. */
		channel->elapsed = elapsed(channel, clock);
		channel->started = false;
		channel->loaded = false;
	}
}

static void set_gate(struct vpit_channel *channel, bool gate, uint64_t clock)
{
	bool rises = gate && !channel->gate;
	bool falls = !gate && channel->gate;
	channel->gate = gate;
	if (falls && !is_triggered(channel)) {
		channel->elapsed = elapsed(channel, clock);
		channel->started = false;
	}
	if (!rises || !channel->loaded) {
		return;
	}
	if (is_periodic(channel) || is_triggered(channel)) {
		channel->count = channel->next_count != 0 ? channel->next_count : channel->count;
		channel->next_count = 0;
		start(channel, clock);
	} else {
		channel->start = clock - channel->elapsed;
		channel->started = true;
	}
}

static void set_mode(struct vpit_channel *channel, uint8_t control, uint64_t clock)
{
	uint8_t mode = (control >> CONTROL_MODE_SHIFT) & 7;
	channel->elapsed = elapsed(channel, clock);
	channel->mode = mode > 5 ? mode & 3 : mode;
	channel->access = (control >> CONTROL_ACCESS_SHIFT) & 3;
	channel->bcd = (control & CONTROL_BCD) != 0;
	channel->loaded = false;
	channel->started = false;
	channel->half_written = false;
	channel->half_read = false;
	channel->status_latched = false;
	channel->count_latched = false;
	channel->next_count = 0;
	channel->count = (uint32_t)min_u64(channel->count, count_max(channel));
}

static void latch_count(struct vpit_channel *channel, uint64_t clock)
{
	if (!channel->count_latched) {
		channel->count_latched = true;
		channel->latched_count = value_at(channel, clock);
	}
}

static void latch_status(struct vpit_channel *channel, uint64_t clock)
{
	if (channel->status_latched) {
		return;
	}
	bool waits = !channel->loaded || channel->next_count != 0 ||
		     (is_triggered(channel) && !channel->started) ||
		     (channel->started && clock < channel->start);
	channel->status_latched = true;
	channel->latched_status =
		(uint8_t)((output(channel, clock) ? STATUS_OUTPUT : 0) | (waits ? STATUS_NULL : 0) |
			  channel->access << CONTROL_ACCESS_SHIFT |
			  channel->mode << CONTROL_MODE_SHIFT | (channel->bcd ? CONTROL_BCD : 0));
}

static uint8_t read_count(struct vpit_channel *channel, uint64_t clock)
{
	if (channel->status_latched) {
		channel->status_latched = false;
		return channel->latched_status;
	}
	uint16_t value = channel->count_latched ? channel->latched_count : value_at(channel, clock);
	bool high = channel->access == ACCESS_HIGH ||
		    (channel->access == ACCESS_BOTH && channel->half_read);
	if (channel->access == ACCESS_BOTH) {
		channel->half_read = !high;
	}
	if (high || channel->access != ACCESS_BOTH) {
		channel->count_latched = false;
	}
	return (uint8_t)(high ? value >> 8 : value);
}

/* ---- Ticks of channel 0 ----------------------------------------------------------------------*/

/* Rises of the output up to `clock`, counted from the load. */
static uint64_t rises(const struct vpit_channel *channel, uint64_t clock)
{
	uint64_t passed = elapsed(channel, clock);
	if (!channel->loaded || !channel->started) {
		return 0;
	}
	switch (channel->mode) {
	case 0:
		return passed >= channel->count ? 1 : 0;
	case 2:
	case 3:
		return passed / channel->count;
	case 4: /* the output is low for one clock */
		return passed >= channel->count + 1 ? 1 : 0;
	default: /* its gate is always high, so nothing triggers it */
		return 0;
	}
}

static void add_rises(struct vpit *pit, uint64_t clock)
{
	const struct vpit_channel *channel = &pit->channels[0];
	uint64_t more = rises(channel, clock) - rises(channel, pit->counted);
	pit->owed = (unsigned)min_u64(pit->owed + more, VPIT_TICKS_OWED_MAX);
	pit->counted = clock;
}

/* Brings `owed` up to date. */
static void count_ticks(struct vpit *pit, uint64_t clock)
{
	struct vpit_channel *channel = &pit->channels[0];
	if (channel->next_count != 0 && channel->started && is_periodic(channel) &&
	    clock >= channel->next_start) {
		add_rises(pit, channel->next_start);
		settle(channel, clock);
	}
	add_rises(pit, clock);
}

static uint64_t pace(const struct vpit_channel *channel)
{
	return is_periodic(channel) ? max_u64(channel->count / PACE_PART, PACE_CLOCKS)
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

/* The clock of the next rise behind `clock`; UINT64_MAX: there is none. */
static uint64_t next_rise(const struct vpit_channel *channel, uint64_t clock)
{
	uint64_t first = channel->start + channel->count;
	if (!channel->loaded || !channel->started || is_triggered(channel)) {
		return UINT64_MAX;
	}
	if (is_periodic(channel)) {
		return first + elapsed(channel, clock) / channel->count * channel->count;
	}
	first += channel->mode == 4 ? 1 : 0;
	return first > clock ? first : UINT64_MAX;
}

uint64_t vpit_next(const struct vpit *pit, uint64_t now)
{
	struct vpit later = *pit;
	uint64_t clock = clock_now(&later, now);
	count_ticks(&later, clock);
	uint64_t next = later.owed > 0 ? clock : next_rise(&later.channels[0], clock);
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
		pit->channels[i] = (struct vpit_channel){
			.mode = 3,
			.access = ACCESS_BOTH,
			.gate = i != 2,
			.count = COUNT_MAX,
		};
	}
}

bool vpit_output(const struct vpit *pit, unsigned channel, uint64_t now)
{
	struct vpit_channel later = pit->channels[channel % VPIT_CHANNELS];
	uint64_t clock = clock_at(pit, now);
	settle(&later, clock);
	return output(&later, clock);
}

static void read_back(struct vpit *pit, uint8_t control, uint64_t clock)
{
	for (unsigned i = 0; i < VPIT_CHANNELS; i++) {
		if ((control & 2u << i) == 0) {
			continue;
		}
		if ((control & READ_BACK_NO_COUNT) == 0) {
			latch_count(&pit->channels[i], clock);
		}
		if ((control & READ_BACK_NO_STATUS) == 0) {
			latch_status(&pit->channels[i], clock);
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
	if (((control >> CONTROL_ACCESS_SHIFT) & 3) == ACCESS_LATCH) {
		latch_count(channel, clock);
		return;
	}
	bool before = output(channel, clock);
	set_mode(channel, control, clock);
	if (number == 0) {
		/* What the old mode owed is over; a control word may make the output rise itself.
		 */
		pit->owed = !before && output(channel, clock) ? 1 : 0;
		pit->paced = 0;
	}
}

static void settle_all(struct vpit *pit, uint64_t clock)
{
	count_ticks(pit, clock);
	for (unsigned i = 1; i < VPIT_CHANNELS; i++) {
		settle(&pit->channels[i], clock);
	}
}

uint8_t vpit_read(struct vpit *pit, uint16_t port, uint64_t now)
{
	uint64_t clock = clock_now(pit, now);
	settle_all(pit, clock);
	if (port >= VPIT_PORT && port < VPIT_PORT + VPIT_CHANNELS) {
		return read_count(&pit->channels[port - VPIT_PORT], clock);
	}
	if (port != VPIT_SYSTEM_PORT) {
		return 0xff;
	}
	return (uint8_t)(pit->system_control |
			 (clock / REFRESH_CLOCKS % 2 != 0 ? SYSTEM_REFRESH : 0) |
			 (output(&pit->channels[2], clock) ? SYSTEM_OUTPUT2 : 0));
}

void vpit_write(struct vpit *pit, uint16_t port, uint8_t value, uint64_t now)
{
	uint64_t clock = clock_now(pit, now);
	settle_all(pit, clock);
	if (port >= VPIT_PORT && port < VPIT_PORT + VPIT_CHANNELS) {
		write_count(&pit->channels[port - VPIT_PORT], value, clock);
	} else if (port == VPIT_CONTROL_PORT) {
		write_control(pit, value, clock);
	} else if (port == VPIT_SYSTEM_PORT) {
		pit->system_control = value & SYSTEM_CONTROL;
		set_gate(&pit->channels[2], (value & SYSTEM_GATE2) != 0, clock);
	}
}
