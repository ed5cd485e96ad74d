/* SPDX-License-Identifier: BSD-2-Clause */
/* See vrtc_calendar.h. Days are counted from 0001-01-01, where the cycles of leap years begin. */
#include "drivers/virt/vrtc_calendar.h"

#include "base/bits.h"

#define DAY_SECONDS 86400
#define DAYS_TO_1970 719162
#define DAYS_1 365u
#define DAYS_4 (4 * DAYS_1 + 1)
#define DAYS_100 (25 * DAYS_4 - 1)
#define DAYS_400 (4 * DAYS_100 + 1)
#define MONTHS 12
#define NO_VALUE 64

static bool is_leap(unsigned year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static unsigned month_days(unsigned month, unsigned year)
{
	static const uint8_t days[MONTHS] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	return days[month - 1] + (month == 2 && is_leap(year) ? 1u : 0u);
}

void vrtc_calendar_date(int64_t seconds, struct vrtc_date *date)
{
	int64_t since = seconds + (int64_t)DAYS_TO_1970 * DAY_SECONDS;
	uint64_t positive = since < 0 ? 0 : (uint64_t)since;
	uint64_t days = positive / DAY_SECONDS;
	unsigned second = (unsigned)(positive % DAY_SECONDS);

	date->second = second % 60;
	date->minute = second / 60 % 60;
	date->hour = second / 3600;
	date->weekday = (unsigned)((days + 1) % 7); /* 0001-01-01 was a Monday */

	unsigned year = (unsigned)(days / DAYS_400) * 400 + 1;
	unsigned left = (unsigned)(days % DAYS_400);
	/* The last day of a cycle belongs to its last century, and of four years to the last. */
	unsigned centuries = (unsigned)min_u64(left / DAYS_100, 3);
	left -= centuries * DAYS_100;
	unsigned fours = left / DAYS_4;
	left -= fours * DAYS_4;
	unsigned ones = (unsigned)min_u64(left / DAYS_1, 3);
	left -= ones * DAYS_1;
	year += centuries * 100 + fours * 4 + ones;

	unsigned month = 1;
	while (left >= month_days(month, year)) {
		left -= month_days(month, year);
		month++;
	}
	date->day = left + 1;
	date->month = month;
	date->year = year;
}

int64_t vrtc_calendar_seconds(const struct vrtc_date *date)
{
	unsigned year = (unsigned)max_u64(date->year, 1);
	unsigned month = (unsigned)min_u64(max_u64(date->month, 1), MONTHS);
	unsigned before = year - 1;
	int64_t days = (int64_t)before * DAYS_1 + before / 4 - before / 100 + before / 400;
	for (unsigned i = 1; i < month; i++) {
		days += month_days(i, year);
	}
	days += (int64_t)max_u64(date->day, 1) - 1 - DAYS_TO_1970;
	return days * DAY_SECONDS + (int64_t)date->hour * 3600 + date->minute * 60 + date->second;
}

/* The first bit of `set` from `from` on; NO_VALUE: there is none. */
static unsigned first_from(uint64_t set, unsigned from)
{
	uint64_t rest = from < 64 ? set >> from << from : 0;
	return rest == 0 ? NO_VALUE : (unsigned)__builtin_ctzll(rest);
}

unsigned vrtc_calendar_wait(unsigned now, uint64_t hours, uint64_t minutes, uint64_t seconds)
{
	if (hours == 0 || minutes == 0 || seconds == 0) {
		return 0;
	}
	unsigned from = (now + 1) % DAY_SECONDS;
	unsigned hour = from / 3600;
	unsigned minute = from / 60 % 60;
	unsigned second = first_from(seconds, from % 60);
	unsigned next_minute = first_from(minutes, minute + (second == NO_VALUE ? 1 : 0));
	unsigned next_hour = first_from(hours, hour + (next_minute == NO_VALUE ? 1 : 0));
	if (next_hour != hour) {
		next_minute = first_from(minutes, 0);
		second = first_from(seconds, 0);
	} else if (next_minute != minute) {
		second = first_from(seconds, 0);
	}
	next_hour = next_hour == NO_VALUE ? first_from(hours, 0) : next_hour;
	unsigned at = next_hour * 3600 + next_minute * 60 + second;
	return (at + DAY_SECONDS - from) % DAY_SECONDS + 1;
}
