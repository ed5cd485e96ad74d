/* SPDX-License-Identifier: BSD-2-Clause */
/* Dates of the Gregorian calendar and seconds since 1970-01-01 00:00:00, for the CMOS clock. */
#ifndef DRIVERS_VIRT_VRTC_CALENDAR_H
#define DRIVERS_VIRT_VRTC_CALENDAR_H

#include "base/types.h"

struct vrtc_date {
	unsigned second; /* 0 to 59 */
	unsigned minute;
	unsigned hour;	  /* 0 to 23 */
	unsigned weekday; /* 0 is Sunday */
	unsigned day;	  /* 1 to 31 */
	unsigned month;	  /* 1 to 12 */
	unsigned year;
};

/* `seconds` before the year 1 count as its first. */
void vrtc_calendar_date(int64_t seconds, struct vrtc_date *date);

/*
 * The weekday is not looked at. Numbers beyond their range carry over (31 April is 1 May), but a
 * month is taken as the nearest that there is, and so are day 0 and year 0.
 */
int64_t vrtc_calendar_seconds(const struct vrtc_date *date);

/*
 * Seconds from second `now` of a day to the next that is in all three sets (bit n: the number n), 1
 * to a day; 0: a set is empty.
 */
unsigned vrtc_calendar_wait(unsigned now, uint64_t hours, uint64_t minutes, uint64_t seconds);

#endif
