/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 8254 interval timer of a PC and port 0x61 (Intel 8254 data sheet; 82371AB data sheet for the
 * port). One plain struct and pure functions, under the lock of the VM's devices.
 *
 * Time: `now` is the VM's TSC. The timer's clock of 1193182 Hz is computed from the ticks since the
 * reset, never added up, so it does not drift against the TSC. A `now` below one that was seen
 * before counts as that one.
 *
 * Missed ticks of channel 0: a VM that did not run finds at most VPIT_TICKS_OWED_MAX of the ticks
 * that it has missed, older ones are lost. They come one by one, an eighth of the period apart and
 * never closer than 100 us. So a kernel that counts time in ticks keeps its rate on a CPU that it
 * shares, and one that was away for long is not held in its timer's interrupt handler.
 */
#ifndef DRIVERS_VIRT_VPIT_H
#define DRIVERS_VIRT_VPIT_H

#include "base/types.h"
#include "drivers/virt/vpit_channel.h"

#define VPIT_HZ 1193182
#define VPIT_CHANNELS 3
#define VPIT_PORT 0x40 /* channels 0 to 2, then the control word */
#define VPIT_CONTROL_PORT 0x43
#define VPIT_SYSTEM_PORT 0x61 /* gate and output of channel 2, speaker, refresh */

#define VPIT_TICKS_OWED_MAX 64

struct vpit {
	uint64_t origin_tsc; /* clock 0 */
	uint64_t tsc_khz;
	uint64_t latest_tsc;
	struct vpit_channel channels[VPIT_CHANNELS];
	uint8_t system_control; /* bits 0 to 3 of port 0x61 */
	/* Ticks of channel 0. */
	uint64_t counted; /* clock up to which rises of its output are in `owed` */
	uint64_t paced;	  /* clock before which the next tick is not due */
	unsigned owed;
};

/* As after power-on: no channel counts. `tsc_khz` is not 0. */
void vpit_reset(struct vpit *pit, uint64_t now, uint64_t tsc_khz);

/* Byte accesses to the five ports; another port reads as ones and swallows writes. */
uint8_t vpit_read(struct vpit *pit, uint16_t port, uint64_t now);
void vpit_write(struct vpit *pit, uint16_t port, uint8_t value, uint64_t now);

/*
 * True: a tick of channel 0 is due, the caller raises IRQ 0 once (low, then high). One call, one
 * tick; ask vpit_next() again afterwards, and after every vpit_write().
 */
bool vpit_tick(struct vpit *pit, uint64_t now);

/* When vpit_tick() has something next, at or after `now`; UINT64_MAX: never as things are. */
uint64_t vpit_next(const struct vpit *pit, uint64_t now);

/* Level of the output of channel 0 or 2. */
bool vpit_output(const struct vpit *pit, unsigned channel, uint64_t now);

#endif
