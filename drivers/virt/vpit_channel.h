/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One counter of the 8254 (see vpit.h), in clocks of the timer. Callers call
 * vpit_channel_settle() with the same clock before any function that changes the channel. One
 * deviation: in mode 3 too a new count begins with the next period, not with the next half of one.
 */
#ifndef DRIVERS_VIRT_VPIT_CHANNEL_H
#define DRIVERS_VIRT_VPIT_CHANNEL_H

#include "base/types.h"

/*
 * What a channel counts. Between two accesses nothing changes here: value and output follow from
 * the clocks that have passed since `start`.
 */
struct vpit_channel {
	uint8_t mode;	/* 0 to 5 */
	uint8_t access; /* 1: low byte, 2: high byte, 3: low then high */
	bool bcd;
	bool gate;
	bool loaded;	   /* a count came since the control word; else `count` means nothing */
	bool started;	   /* it counts from `start` on; else it stands at `elapsed` */
	bool half_written; /* access 3: `low` was written, the high byte is wanted */
	bool half_read;	   /* access 3: the next read is the high byte */
	bool status_latched;
	bool count_latched;
	uint8_t low;
	uint8_t latched_status;
	uint16_t latched_count;
	uint32_t count;	     /* 1 to 65536, of the period that runs */
	uint32_t next_count; /* of the next period or trigger; 0: none was written */
	uint64_t next_start; /* modes 2 and 3: when that period begins */
	uint64_t start;	     /* clock at which the channel held `count` */
	uint64_t elapsed;    /* clocks counted until the gate stopped it */
};

/* No count: the output is high. */
void vpit_channel_reset(struct vpit_channel *channel, bool gate);

/* A count that was written while a period ran begins with the next one. */
void vpit_channel_settle(struct vpit_channel *channel, uint64_t clock);

/* Modes 2 and 3. */
bool vpit_channel_is_periodic(const struct vpit_channel *channel);

/* The control word, unless it is a latch or read-back command. */
void vpit_channel_set_mode(struct vpit_channel *channel, uint8_t control, uint64_t clock);
void vpit_channel_set_gate(struct vpit_channel *channel, bool gate, uint64_t clock);

/* A byte at the channel's port. */
void vpit_channel_write(struct vpit_channel *channel, uint8_t value, uint64_t clock);
uint8_t vpit_channel_read(struct vpit_channel *channel, uint64_t clock);

/* What is latched stays until it has been read: a second command changes nothing. */
void vpit_channel_latch_count(struct vpit_channel *channel, uint64_t clock);
void vpit_channel_latch_status(struct vpit_channel *channel, uint64_t clock);

bool vpit_channel_output(const struct vpit_channel *channel, uint64_t clock);

/* How often the output has risen up to `clock` since the count began; and the clock of the next. */
uint64_t vpit_channel_rises(const struct vpit_channel *channel, uint64_t clock);
uint64_t vpit_channel_next_rise(const struct vpit_channel *channel, uint64_t clock);

#endif
