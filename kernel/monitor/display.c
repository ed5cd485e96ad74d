/* SPDX-License-Identifier: BSD-2-Clause */
/* See display.h. Boot CPU only. */
#include "kernel/monitor/display.h"

#include "base/log.h"
#include "base/time.h"
#include "drivers/phys/screen.h"
#include "arch/arch.h"
#include "kernel/log/log.h"
#include "kernel/monitor/frame_map.h"
#include "kernel/sched/scheduler.h"

#define LOOK_MS 5
#define SHARE 256 /* of the time between two looks; one step at least */
#define TABLE_MS 1000
#define LETTERS 1      /* in a step */
#define STEPS_MOST 256 /* of one look, however fast they are */

static struct {
	bool started;
	uint64_t next_tsc;
	uint64_t next_table_tsc;
	uint64_t ticks;
} display;

void display_tell(void)
{
	if (screen_is_open()) {
		log_event(NULL, "screen drawn_ticks=%lu busy_ticks=%lu map=%s", display.ticks,
			  scheduler_counts(0).busy_ticks, frame_map_is_on() ? "on" : "off");
	}
}

/* Under the log's lock: no other CPU is drawing what it writes when the boot CPU begins to. */
static void let_letters_wait(void)
{
	screen_defer(true);
}

static void tell_map(const char *why_not)
{
	if (why_not != NULL) {
		log_event(NULL, "screen: no map: %s", why_not);
	}
}

/* From here on the boot CPU has other things to do than to draw letters at once. */
static void start(const struct options *options)
{
	display.started = true;
	log_while_locked(let_letters_wait);
	if (options->screen == SCREEN_USE_MAP) {
		tell_map(frame_map_set(true));
	}
}

void display_poll(const struct options *options, uint64_t now_tsc)
{
	if (!screen_is_open() || now_tsc < display.next_tsc) {
		return;
	}
	uint64_t begin = arch_tsc();
	if (!display.started) {
		start(options);
	}
	if (now_tsc >= display.next_table_tsc) {
		display.next_table_tsc = now_tsc + ticks_from_ms(TABLE_MS);
		tell_map(frame_map_follow());
		frame_map_table();
	}
	uint64_t end = begin + ticks_from_ms(LOOK_MS) / SHARE;
	for (unsigned i = 0; i < STEPS_MOST && (i == 0 || arch_tsc() < end); i++) {
		screen_step(LETTERS * SCREEN_LETTER_WORK);
		frame_map_step();
	}
	display.next_tsc = now_tsc + ticks_from_ms(LOOK_MS);
	display.ticks += arch_tsc() - begin;
}
