/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See vrtc.h. Registers as in the MC146818A data sheet. The time is a number of seconds; the bytes
 * of the time are made from it when the guest reads them, and it is made from them when the guest
 * has written them. Bytes that are no time give some time, without harm.
 */
#include "drivers/virt/vrtc.h"

#include "base/bits.h"
#include "drivers/virt/vrtc_calendar.h"

#define REG_SECOND 0x00
#define REG_SECOND_ALARM 0x01
#define REG_MINUTE 0x02
#define REG_MINUTE_ALARM 0x03
#define REG_HOUR 0x04
#define REG_HOUR_ALARM 0x05
#define REG_WEEKDAY 0x06
#define REG_DAY 0x07
#define REG_MONTH 0x08
#define REG_YEAR 0x09
#define REG_A 0x0a
#define REG_B 0x0b
#define REG_C 0x0c
#define REG_D 0x0d
#define REG_EQUIPMENT 0x14
#define REG_BASE_MEMORY 0x15	 /* KiB, two bytes, as are the next three */
#define REG_EXTENDED_MEMORY 0x17 /* KiB above 1 MiB */
#define REG_EXTENDED_AGAIN 0x30
#define REG_HIGH_MEMORY 0x34 /* 64 KiB above 16 MiB */
#define REG_SUM_FIRST 0x10
#define REG_SUM 0x2e /* high byte first */
#define REG_CENTURY 0x32

#define A_UPDATING 0x80
#define A_DIVIDER_SHIFT 4
#define A_DIVIDER_RUNS 0x20
#define A_DIVIDER_HELD 6 /* this and 7 */
#define A_RATE 0x0f
#define A_RATE_1024 6

#define B_SET 0x80
#define B_PERIODIC 0x40
#define B_ALARM 0x20
#define B_UPDATE 0x10
#define B_BINARY 0x04
#define B_24_HOURS 0x02
#define FLAGS 0x70 /* of register C, at the places of their enable bits in B */
#define C_INTERRUPT 0x80
#define D_VALID 0x80

#define HOUR_PM 0x80
#define ANY 0xc0 /* these two bits of an alarm's byte: every value matches */
#define EQUIPMENT_FPU 0x02
#define BASE_MEMORY_KIB 640

#define UPDATE_US 244
#define UNITS 32768 /* of the divider in a second */
#define DAY_SECONDS 86400

/* ---- Time ----------------------------------------------------------------------------------- */

static uint64_t hz_of(const struct vrtc *rtc)
{
	return rtc->tsc_khz * 1000;
}

/* The divider is held: nothing counts. */
static bool is_held(const struct vrtc *rtc)
{
	return (rtc->bytes[REG_A] >> A_DIVIDER_SHIFT & 7) >= A_DIVIDER_HELD;
}

/* The time stands, in the bytes. */
static bool stands(const struct vrtc *rtc)
{
	return (rtc->bytes[REG_B] & B_SET) != 0 || is_held(rtc);
}

static uint64_t seconds_passed(const struct vrtc *rtc, uint64_t tsc)
{
	return sub_floor_u64(tsc, rtc->base_tsc) / hz_of(rtc);
}

static uint64_t ticks_of_second(const struct vrtc *rtc, uint64_t tsc)
{
	return sub_floor_u64(tsc, rtc->base_tsc) % hz_of(rtc);
}

static int64_t seconds_at(const struct vrtc *rtc, uint64_t tsc)
{
	return rtc->base_seconds + (int64_t)seconds_passed(rtc, tsc);
}

/* Units of one period of the periodic interrupt; 0: it is off. Rates 1 and 2 are those of 8 and 9.
 */
static uint64_t period_units(const struct vrtc *rtc)
{
	unsigned rate = rtc->bytes[REG_A] & A_RATE;
	if (rate == 0 || is_held(rtc)) {
		return 0;
	}
	return 1ull << ((rate <= 2 ? rate + 7 : rate) - 1);
}

static uint64_t units_at(const struct vrtc *rtc, uint64_t tsc)
{
	return seconds_passed(rtc, tsc) * UNITS + ticks_of_second(rtc, tsc) * UNITS / hz_of(rtc);
}

static uint64_t tsc_of_units(const struct vrtc *rtc, uint64_t units)
{
	uint64_t part = (units % UNITS * hz_of(rtc) + UNITS - 1) / UNITS;
	return rtc->base_tsc + units / UNITS * hz_of(rtc) + part;
}

/* ---- Bytes of the time ---------------------------------------------------------------------- */

static uint8_t encode(const struct vrtc *rtc, unsigned value)
{
	return (uint8_t)(rtc->bytes[REG_B] & B_BINARY ? value : (value / 10) << 4 | value % 10);
}

static unsigned decode(const struct vrtc *rtc, uint8_t byte)
{
	return rtc->bytes[REG_B] & B_BINARY ? byte : (byte >> 4) * 10u + (byte & 15);
}

static uint8_t encode_hour(const struct vrtc *rtc, unsigned hour)
{
	if (rtc->bytes[REG_B] & B_24_HOURS) {
		return encode(rtc, hour);
	}
	return encode(rtc, (hour + 11) % 12 + 1) | (hour >= 12 ? HOUR_PM : 0);
}

static unsigned decode_hour(const struct vrtc *rtc, uint8_t byte)
{
	if (rtc->bytes[REG_B] & B_24_HOURS) {
		return decode(rtc, byte);
	}
	unsigned hour = decode(rtc, byte & (uint8_t)~HOUR_PM) % 12;
	return hour + (byte & HOUR_PM ? 12 : 0);
}

/* Makes the bytes from the time, unless it stands there already. */
static void store_time(struct vrtc *rtc, uint64_t now)
{
	struct vrtc_date date;
	if (stands(rtc)) {
		return;
	}
	vrtc_calendar_date(seconds_at(rtc, now), &date);
	unsigned weekday = (date.weekday + rtc->weekday_shift) % 7;
	rtc->bytes[REG_SECOND] = encode(rtc, date.second);
	rtc->bytes[REG_MINUTE] = encode(rtc, date.minute);
	rtc->bytes[REG_HOUR] = encode_hour(rtc, date.hour);
	rtc->bytes[REG_WEEKDAY] = encode(rtc, weekday + 1);
	rtc->bytes[REG_DAY] = encode(rtc, date.day);
	rtc->bytes[REG_MONTH] = encode(rtc, date.month);
	rtc->bytes[REG_YEAR] = encode(rtc, date.year % 100);
	rtc->bytes[REG_CENTURY] = encode(rtc, date.year / 100 % 100);
}

/* Makes the time from the bytes; its present second began at `second_tsc`. */
static void load_time(struct vrtc *rtc, uint64_t second_tsc)
{
	struct vrtc_date date = {
		.second = decode(rtc, rtc->bytes[REG_SECOND]),
		.minute = decode(rtc, rtc->bytes[REG_MINUTE]),
		.hour = decode_hour(rtc, rtc->bytes[REG_HOUR]),
		.day = decode(rtc, rtc->bytes[REG_DAY]),
		.month = decode(rtc, rtc->bytes[REG_MONTH]),
		.year = decode(rtc, rtc->bytes[REG_CENTURY]) * 100 +
			decode(rtc, rtc->bytes[REG_YEAR]) % 100,
	};
	unsigned weekday = decode(rtc, rtc->bytes[REG_WEEKDAY]);
	rtc->base_seconds = vrtc_calendar_seconds(&date);
	rtc->base_tsc = second_tsc;
	vrtc_calendar_date(rtc->base_seconds, &date);
	rtc->weekday_shift =
		(uint8_t)(weekday >= 1 && weekday <= 7 ? (weekday + 6 - date.weekday) % 7 : 0);
}

/* ---- Alarm ---------------------------------------------------------------------------------- */

/* The values below `limit` that the alarm's byte at `number` matches. */
static uint64_t matches(const struct vrtc *rtc, unsigned number, unsigned limit)
{
	uint8_t alarm = rtc->bytes[number];
	uint64_t set = 0;
	for (unsigned i = 0; i < limit; i++) {
		uint8_t byte = number == REG_HOUR_ALARM ? encode_hour(rtc, i) : encode(rtc, i);
		set |= (alarm & ANY) == ANY || alarm == byte ? BIT(i) : 0;
	}
	return set;
}

/* Seconds from second `now` of a day to the next alarm, 1 to a day; 0: there is none. */
static unsigned alarm_wait(const struct vrtc *rtc, unsigned now)
{
	uint64_t hours = matches(rtc, REG_HOUR_ALARM, 24);
	uint64_t minutes = matches(rtc, REG_MINUTE_ALARM, 60);
	uint64_t seconds = matches(rtc, REG_SECOND_ALARM, 60);
	return vrtc_calendar_wait(now, hours, minutes, seconds);
}

static unsigned second_of_day(int64_t seconds)
{
	int64_t second = seconds % DAY_SECONDS;
	return (unsigned)(second < 0 ? second + DAY_SECONDS : second);
}

/* ---- Interrupts ----------------------------------------------------------------------------- */

/* Sets the flags of all that happened up to `now`. */
static uint64_t settle(struct vrtc *rtc, uint64_t now)
{
	uint64_t before = rtc->settled_tsc;
	now = max_u64(now, before);
	uint64_t period = period_units(rtc);
	uint8_t *flags = &rtc->bytes[REG_C];
	if (period != 0 && units_at(rtc, now) / period != units_at(rtc, before) / period) {
		*flags |= B_PERIODIC;
	}
	uint64_t passed = seconds_passed(rtc, now) - seconds_passed(rtc, before);
	if (!stands(rtc) && passed > 0) {
		unsigned wait = alarm_wait(rtc, second_of_day(seconds_at(rtc, before)));
		*flags |= B_UPDATE | (wait != 0 && wait <= passed ? B_ALARM : 0);
	}
	rtc->settled_tsc = now;
	return now;
}

static bool is_raised(const struct vrtc *rtc)
{
	return (rtc->bytes[REG_B] & rtc->bytes[REG_C] & FLAGS) != 0;
}

bool vrtc_interrupt(struct vrtc *rtc, uint64_t now)
{
	if ((rtc->bytes[REG_B] & FLAGS) == 0) {
		return false; /* asked after each access to any device: the flags can wait */
	}
	settle(rtc, now);
	return is_raised(rtc);
}

uint64_t vrtc_next(const struct vrtc *rtc, uint64_t now)
{
	struct vrtc later = *rtc;
	uint64_t next = UINT64_MAX;
	if (is_raised(rtc)) {
		return next;
	}
	uint64_t at = settle(&later, now);
	if (is_raised(&later)) {
		return now;
	}
	uint8_t enabled = rtc->bytes[REG_B];
	uint64_t period = period_units(rtc);
	if ((enabled & B_PERIODIC) && period != 0) {
		uint64_t count = units_at(rtc, at) / period + 1;
		next = min_u64(next, tsc_of_units(rtc, count * period));
	}
	uint64_t passed = seconds_passed(rtc, at);
	if ((enabled & B_UPDATE) && !stands(rtc)) {
		next = min_u64(next, rtc->base_tsc + (passed + 1) * hz_of(rtc));
	}
	if ((enabled & B_ALARM) && !stands(rtc)) {
		unsigned wait = alarm_wait(rtc, second_of_day(seconds_at(rtc, at)));
		next = wait == 0 ? next
				 : min_u64(next, rtc->base_tsc + (passed + wait) * hz_of(rtc));
	}
	return next;
}

/* ---- Ports ---------------------------------------------------------------------------------- */

static bool is_time(unsigned number)
{
	return (number <= REG_YEAR && number != REG_SECOND_ALARM && number != REG_MINUTE_ALARM &&
		number != REG_HOUR_ALARM) ||
	       number == REG_CENTURY;
}

/* A write of register A or B: the time may stop, go on, or go on half a second later. */
static void write_control(struct vrtc *rtc, unsigned number, uint8_t value, uint64_t now)
{
	store_time(rtc, now);
	bool stood = stands(rtc);
	bool was_held = is_held(rtc);
	uint64_t second_tsc = now - ticks_of_second(rtc, now);
	if (number == REG_A) {
		rtc->bytes[REG_A] = value & (uint8_t)~A_UPDATING;
	} else {
		rtc->bytes[REG_B] = value & (value & B_SET ? (uint8_t)~B_UPDATE : 0xff);
	}
	if (was_held && !is_held(rtc)) {
		second_tsc = sub_floor_u64(now, hz_of(rtc) / 2);
		rtc->base_tsc = second_tsc;
	}
	if (stood && !stands(rtc)) {
		load_time(rtc, second_tsc);
	}
}

static void write_byte(struct vrtc *rtc, uint8_t value, uint64_t now)
{
	unsigned number = rtc->index;
	if (number == REG_A || number == REG_B) {
		write_control(rtc, number, value, now);
	} else if (is_time(number)) {
		store_time(rtc, now);
		rtc->bytes[number] = value;
		if (!stands(rtc)) {
			load_time(rtc, now - ticks_of_second(rtc, now));
		}
	} else if (number != REG_C && number != REG_D) {
		rtc->bytes[number] = value;
	}
}

static uint8_t read_byte(struct vrtc *rtc, uint64_t now)
{
	unsigned number = rtc->index;
	if (is_time(number)) {
		store_time(rtc, now);
	}
	uint8_t value = rtc->bytes[number];
	if (number == REG_A && !stands(rtc)) {
		uint64_t left = hz_of(rtc) - ticks_of_second(rtc, now);
		value |= left <= rtc->tsc_khz * UPDATE_US / 1000 ? A_UPDATING : 0;
	} else if (number == REG_C) {
		value |= is_raised(rtc) ? C_INTERRUPT : 0;
		rtc->bytes[REG_C] = 0;
	}
	return value;
}

uint8_t vrtc_read(struct vrtc *rtc, uint16_t port, uint64_t now)
{
	now = settle(rtc, now);
	return port == VRTC_DATA_PORT ? read_byte(rtc, now) : 0xff;
}

void vrtc_write(struct vrtc *rtc, uint16_t port, uint8_t value, uint64_t now)
{
	now = settle(rtc, now);
	if (port == VRTC_INDEX_PORT) {
		rtc->index = value %
			     VRTC_BYTES; /* the highest bit masks NMIs, of which there are none */
	} else if (port == VRTC_DATA_PORT) {
		write_byte(rtc, value, now);
	}
}

static void store_word(struct vrtc *rtc, unsigned number, uint64_t value)
{
	value = min_u64(value, 0xffff);
	rtc->bytes[number] = (uint8_t)value;
	rtc->bytes[number + 1] = (uint8_t)(value >> 8);
}

void vrtc_reset(struct vrtc *rtc, uint64_t now, uint64_t tsc_khz, int64_t seconds,
		uint64_t ram_bytes)
{
	*rtc = (struct vrtc){
		.tsc_khz = tsc_khz,
		.base_seconds = seconds,
		.base_tsc = now,
		.settled_tsc = now,
	};
	rtc->bytes[REG_A] = A_DIVIDER_RUNS | A_RATE_1024;
	rtc->bytes[REG_B] = B_24_HOURS;
	rtc->bytes[REG_D] = D_VALID;
	rtc->bytes[REG_EQUIPMENT] = EQUIPMENT_FPU;
	store_word(rtc, REG_BASE_MEMORY, BASE_MEMORY_KIB);
	store_word(rtc, REG_EXTENDED_MEMORY, sub_floor_u64(ram_bytes, MIB(1)) / KIB(1));
	store_word(rtc, REG_EXTENDED_AGAIN, sub_floor_u64(ram_bytes, MIB(1)) / KIB(1));
	store_word(rtc, REG_HIGH_MEMORY, sub_floor_u64(ram_bytes, MIB(16)) / KIB(64));
	unsigned sum = 0;
	for (unsigned i = REG_SUM_FIRST; i < REG_SUM; i++) {
		sum += rtc->bytes[i];
	}
	rtc->bytes[REG_SUM] = (uint8_t)(sum >> 8);
	rtc->bytes[REG_SUM + 1] = (uint8_t)sum;
}
