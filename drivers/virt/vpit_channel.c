/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See vpit_channel.h. The six modes are those of the 8254 data sheet: a count that is written at
 * one clock is in the counter at the next, and from there on value and output are functions of the
 * clocks that have passed.
 */
#include "drivers/virt/vpit_channel.h"

#include "base/bits.h"

#define ACCESS_LOW 1
#define ACCESS_HIGH 2
#define ACCESS_BOTH 3

#define CONTROL_ACCESS_SHIFT 4
#define CONTROL_MODE_SHIFT 1
#define CONTROL_BCD 0x01
#define STATUS_OUTPUT 0x80
#define STATUS_NULL 0x40

#define COUNT_MAX 65536
#define COUNT_MAX_BCD 10000

bool vpit_channel_is_periodic(const struct vpit_channel *channel)
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

void vpit_channel_settle(struct vpit_channel *channel, uint64_t clock)
{
	if (channel->next_count != 0 && vpit_channel_is_periodic(channel) && channel->started &&
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

bool vpit_channel_output(const struct vpit_channel *channel, uint64_t clock)
{
	uint64_t passed = elapsed(channel, clock);
	if (!channel->loaded || (!channel->started && vpit_channel_is_periodic(channel))) {
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
	if (runs && vpit_channel_is_periodic(channel) && clock >= channel->start) {
		uint64_t periods = (clock - channel->start) / channel->count + 1;
		channel->next_count = count;
		channel->next_start = channel->start + periods * channel->count;
		return;
	}
	channel->count = count;
	channel->next_count = 0;
	channel->loaded = true;
	channel->elapsed = 0;
	start(channel, clock);
	channel->started = channel->gate && !is_triggered(channel);
}

void vpit_channel_write(struct vpit_channel *channel, uint8_t value, uint64_t clock)
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

void vpit_channel_set_gate(struct vpit_channel *channel, bool gate, uint64_t clock)
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
	if (vpit_channel_is_periodic(channel) || is_triggered(channel)) {
		channel->count = channel->next_count != 0 ? channel->next_count : channel->count;
		channel->next_count = 0;
		start(channel, clock);
	} else {
		channel->start = max_u64(channel->start, clock - channel->elapsed);
		channel->started = true;
	}
}

void vpit_channel_set_mode(struct vpit_channel *channel, uint8_t control, uint64_t clock)
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

void vpit_channel_latch_count(struct vpit_channel *channel, uint64_t clock)
{
	if (!channel->count_latched) {
		channel->count_latched = true;
		channel->latched_count = value_at(channel, clock);
	}
}

void vpit_channel_latch_status(struct vpit_channel *channel, uint64_t clock)
{
	if (channel->status_latched) {
		return;
	}
	bool waits = !channel->loaded || channel->next_count != 0 ||
		     (is_triggered(channel) && !channel->started) ||
		     (channel->started && clock < channel->start);
	channel->status_latched = true;
	channel->latched_status =
		(uint8_t)((vpit_channel_output(channel, clock) ? STATUS_OUTPUT : 0) |
			  (waits ? STATUS_NULL : 0) | channel->access << CONTROL_ACCESS_SHIFT |
			  channel->mode << CONTROL_MODE_SHIFT | (channel->bcd ? CONTROL_BCD : 0));
}

uint8_t vpit_channel_read(struct vpit_channel *channel, uint64_t clock)
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

/* Rises of the output up to `clock`, counted from the load. */
uint64_t vpit_channel_rises(const struct vpit_channel *channel, uint64_t clock)
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

/* The clock of the next rise behind `clock`; UINT64_MAX: there is none. */
uint64_t vpit_channel_next_rise(const struct vpit_channel *channel, uint64_t clock)
{
	uint64_t first = channel->start + channel->count;
	if (!channel->loaded || !channel->started || is_triggered(channel)) {
		return UINT64_MAX;
	}
	if (vpit_channel_is_periodic(channel)) {
		return first + elapsed(channel, clock) / channel->count * channel->count;
	}
	first += channel->mode == 4 ? 1 : 0;
	return first > clock ? first : UINT64_MAX;
}

void vpit_channel_reset(struct vpit_channel *channel, bool gate)
{
	*channel = (struct vpit_channel){
		.mode = 3,
		.access = ACCESS_BOTH,
		.gate = gate,
		.count = COUNT_MAX,
	};
}
