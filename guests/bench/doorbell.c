/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the moment at which the hypervisor changes the target (it leaves the time in the balloon
 * page) to the first instruction of the doorbell's handler. The guest makes the target change by
 * itself: it uses the host's memory up to the point where the host asks for some, gives it, and
 * takes it again.
 */
#include <stddef.h>

#include "guests/bench/area.h"
#include "guests/bench/measure.h"
#include "guests/bench/probes.h"
#include "guests/lib/descriptor.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/layout.h"
#include "guests/lib/palloc.h"
#include "guests/lib/runtime.h"

#define STAMP_VECTOR (DOORBELL_VECTOR - 1)
#define STAMP_LATE 2 /* instructions in the handler before it reads the time */
#define ROUNDS 12
#define POLL_MS 12 /* longer than the hypervisor's period */
#define STEP_PAGES 128
#define IDLE_PAGES 100000 /* more than can be asked for */
#define DROPPED_PAGES 200
#define KEPT_PAGES 512 /* stay in the balloon, so that the target never falls to zero */

volatile uint64_t stamp_tsc;
volatile uint32_t stamp_count;
void stamp_entry(void);

static volatile struct aerostat_balloon_page *page;
static uint64_t touched_end; /* gfns from AREA_START_GFN up to here are touched */

static void install_handler(void)
{
	struct table_pointer table;

	__asm__ volatile("sidt %0" : "=m"(table));
	((struct gate *)table.base)[STAMP_VECTOR] =
		gate_to((uintptr_t)stamp_entry, GUEST_CODE_SELECTOR, GATE_INTERRUPT);
}

static void sleep_ms(uint64_t milliseconds)
{
	uint64_t tsc = cpu_read_tsc() + milliseconds * runtime_tsc_khz;

	while (cpu_read_tsc() < tsc) {
		cpu_interrupts_off();
		hypercall_wait(tsc);
	}
}

enum sleep { SLEEP_HALT, SLEEP_WAIT, SLEEP_RUN };

/* Until the doorbell has rung once more; answers how long it took to arrive. */
static int64_t await_doorbell(enum sleep sleep, uint32_t count)
{
	while (stamp_count == count) {
		cpu_interrupts_off();
		if (stamp_count != count || sleep == SLEEP_RUN) {
			cpu_interrupts_on();
			for (unsigned i = 0; i < 1000 && stamp_count == count; i++) {
				__asm__ volatile("pause");
			}
		} else if (sleep == SLEEP_WAIT) {
			hypercall_wait(0);
		} else {
			__asm__ volatile("sti; hlt" : : : "memory");
		}
	}
	return (int64_t)(stamp_tsc - page->target_tsc) - STAMP_LATE;
}

static void move(uint64_t call, uint64_t first, uint64_t pages)
{
	area_range(&area_ranges[0], first, (uint32_t)pages, 0);
	area_issue(call, 1, NULL);
}

/* Uses memory until the host says that it is short. */
static void exhaust(void)
{
	while (page->pressure == AEROSTAT_PRESSURE_NONE && touched_end < palloc_counts.total) {
		for (unsigned i = 0; i < STEP_PAGES; i++) {
			area_touch(touched_end++);
		}
		sleep_ms(POLL_MS);
	}
}

/*
 * One change up and one down: gives what is asked for, drops the contents of some more pages, so
 * that the host has plenty, then takes all of it again.
 */
static void round_trip(enum sleep sleep, struct samples *samples)
{
	uint32_t count = stamp_count;
	uint64_t first = AREA_START_GFN + KEPT_PAGES;
	uint64_t given;

	page->free_pages = IDLE_PAGES;
	page->idle_pages = IDLE_PAGES;
	measure_add(samples, await_doorbell(sleep, count));
	given = page->target_pages - page->size_pages;
	count = stamp_count;
	page->free_pages = 0;
	page->idle_pages = 0;
	move(AEROSTAT_CALL_BALLOON_SURRENDER, first, given);
	move(AEROSTAT_CALL_BALLOON_REPORT, first + given, DROPPED_PAGES);
	measure_add(samples, await_doorbell(sleep, count));
	move(AEROSTAT_CALL_BALLOON_RETURN, first, given);
	for (uint64_t i = 0; i < given + DROPPED_PAGES; i++) {
		area_touch(first + i);
	}
}

void probe_doorbell(void)
{
	static const char *const names[] = {"doorbell_halted", "doorbell_waiting",
					    "doorbell_running"};
	static struct samples samples;

	touched_end = AREA_START_GFN;
	install_handler();
	page = area_attach(STAMP_VECTOR);
	exhaust();
	area_range(&area_ranges[0], AREA_START_GFN, KEPT_PAGES / 2, 0);
	area_issue(AEROSTAT_CALL_BALLOON_SURRENDER, 1, NULL);
	sleep_ms(POLL_MS);
	exhaust();
	for (unsigned sleep = SLEEP_HALT; sleep <= SLEEP_RUN; sleep++) {
		for (unsigned i = 0; i < ROUNDS; i++) {
			round_trip((enum sleep)sleep, &samples);
		}
		measure_row(names[sleep], &samples, 1);
	}
}
