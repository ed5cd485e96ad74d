/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the time-stamp counter without pause at the lowest priority. A step that takes longer than
 * a few instructions is work that somebody else did. Interrupts of Linux's own timer are work, too;
 * those that come while nobody works are known beforehand and taken off.
 */
#define _GNU_SOURCE
#include "busy.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define STEP_MAX 200	       /* ticks: a longer one is not ours alone */
#define WINDOW 1000000ul       /* ticks over which the machine is busy or quiet */
#define QUIET_PERCENT 25       /* of a window: less work than that is quiet */
#define QUIET_WINDOWS 40       /* in a row: the work has come to its end */
#define START_WINDOWS 60       /* so long may the work take to begin */
#define BACKGROUND_WINDOWS 200 /* over which the cost of idling is found */

static double background; /* work per idle tick */

struct window {
	uint64_t ticks;
	uint64_t work;
};

static uint64_t read_tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* A window lasts longer when its end falls into somebody's work. */
static struct window watch(void)
{
	uint64_t start = read_tsc();
	uint64_t before = start;
	struct window window = {0, 0};

	while (before - start < WINDOW) {
		uint64_t now = read_tsc();

		if (now - before > STEP_MAX) {
			window.work += now - before;
		}
		before = now;
	}
	window.ticks = before - start;
	return window;
}

static int64_t work_beyond_idling(struct window total)
{
	double idle = (double)(total.ticks - total.work);

	return (int64_t)((double)total.work - background * idle);
}

void busy_prepare(void)
{
	struct sched_param parameters = {0};
	struct window total = {0, 0};

	if (sched_setscheduler(0, SCHED_IDLE, &parameters) != 0) {
		perror("SCHED_IDLE");
		exit(1);
	}
	for (unsigned i = 0; i < BACKGROUND_WINDOWS; i++) {
		struct window window = watch();

		total.ticks += window.ticks;
		total.work += window.work;
	}
	background = (double)total.work / (double)(total.ticks - total.work);
}

int64_t busy_until_quiet(void)
{
	struct window total = {0, 0};
	unsigned windows = 0;
	unsigned quiet = 0;
	int begun = 0;

	while (begun ? quiet < QUIET_WINDOWS : windows < START_WINDOWS) {
		struct window window = watch();

		total.ticks += window.ticks;
		total.work += window.work;
		windows++;
		quiet++;
		if (window.work * 100 >= window.ticks * QUIET_PERCENT) {
			begun = 1;
			quiet = 0;
		}
	}
	return work_beyond_idling(total);
}

int64_t busy_for(unsigned seconds)
{
	struct window total = {0, 0};

	while (total.ticks < seconds * BUSY_HZ) {
		struct window window = watch();

		total.ticks += window.ticks;
		total.work += window.work;
	}
	return work_beyond_idling(total);
}
