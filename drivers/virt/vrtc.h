/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The CMOS clock of a PC (Motorola MC146818A data sheet) with 128 bytes, the century in byte 0x32.
 * One plain struct and pure functions, under the lock of the VM's devices.
 *
 * Time: `now` is the VM's TSC; seconds are computed from the ticks since the time was set, so the
 * clock does not drift against the TSC. Ports: 0x70 is the index, 0x71 the byte.
 */
#ifndef DRIVERS_VIRT_VRTC_H
#define DRIVERS_VIRT_VRTC_H

#include "base/types.h"

#define VRTC_INDEX_PORT 0x70
#define VRTC_DATA_PORT 0x71
#define VRTC_BYTES 128

struct vrtc {
	uint64_t tsc_khz;
	uint64_t latest_tsc;
	int64_t base_seconds; /* since 1970-01-01 00:00:00, at base_tsc, while the time runs */
	uint64_t base_tsc;    /* start of a second; periods count from here as well */
	uint64_t settled_tsc; /* up to here the flags of register C are right */
	uint8_t index;
	uint8_t weekday_shift;	   /* day of the week minus the calendar's, 0 to 6 */
	uint8_t bytes[VRTC_BYTES]; /* those of the time: true only while it stands (SET) */
};

/*
 * As firmware would leave it: BCD, 24 hours, running from `seconds` since 1970-01-01 at `now`, no
 * interrupt enabled, the bytes about memory for `ram_bytes` of RAM (0 for what lies above 4 GiB).
 * `tsc_khz` is not 0.
 */
void vrtc_reset(struct vrtc *rtc, uint64_t now, uint64_t tsc_khz, int64_t seconds,
		uint64_t ram_bytes);

/* Byte accesses to the two ports; another port reads as ones and swallows writes. */
uint8_t vrtc_read(struct vrtc *rtc, uint16_t port, uint64_t now);
void vrtc_write(struct vrtc *rtc, uint16_t port, uint8_t value, uint64_t now);

/* Level of IRQ 8 at `now`. Look after every call here and at vrtc_next(). */
bool vrtc_interrupt(struct vrtc *rtc, uint64_t now);

/*
 * When the level may rise next; UINT64_MAX: not before another access. While it is high there is no
 * such time: only the guest's read of register C ends that. Periods that pass meanwhile are one.
 */
uint64_t vrtc_next(const struct vrtc *rtc, uint64_t now);

#endif
