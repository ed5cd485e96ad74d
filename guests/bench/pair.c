/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two guests on one processor, kept in step by the time-stamp counter, which is the same in both: a
 * phase begins half a PHASE_MS behind a multiple of PHASE_MS.
 *
 *	phase 1   both sleep for no time again and again: each sleep switches to the other
 *	phase 2   the giver fills a field of pages
 *	phase 3   the taker touches pages until the host has none left, and waits
 *	phase 4   the giver surrenders one page at a time; the taker stamps when its store is done
 *
 * The stamps leave as lines `stamps ...`, counted from the beginning of phase 4.
 */
#include <stddef.h>

#include "guests/bench/area.h"
#include "guests/bench/measure.h"
#include "guests/bench/probes.h"
#include "guests/lib/console.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/palloc.h"
#include "guests/lib/runtime.h"
#include "guests/lib/wait.h"

#define PHASE_MS 1000
#define SWITCH_ROUNDS 256
#define TRANSFERS 40
#define GIVEN_PAGES 400 /* more than are transferred: the taker gets its last ones for sure */
#define STAMPS_PER_LINE 20

static uint64_t stamps[GIVEN_PAGES];

/* The host has no frames for them later. */
static void touch_stamps(void)
{
	for (unsigned i = 0; i < GIVEN_PAGES; i++) {
		*(volatile uint64_t *)&stamps[i] = 0;
	}
}

static void yield(void)
{
	cpu_interrupts_off();
	hypercall_wait(1);
}

static void wait_for(uint64_t tsc)
{
	while (cpu_read_tsc() < tsc) {
		cpu_interrupts_off();
		hypercall_wait(tsc);
	}
}

static uint64_t phase_ticks(void)
{
	return PHASE_MS * runtime_tsc_khz;
}

/*
 * When phase 1 begins: both guests, which start within a millisecond, must come to the same answer.
 * Emulators reach the first guest a little before a whole second (Bochs after 4.98 or 5.0 s), so
 * phases begin at half ones.
 */
static uint64_t first_phase(void)
{
	uint64_t half = phase_ticks() / 2;

	return (cpu_read_tsc() + half) / phase_ticks() * phase_ticks() + half;
}

static void print_stamps(uint64_t origin)
{
	for (unsigned i = 0; i < TRANSFERS; i++) {
		if (i % STAMPS_PER_LINE == 0) {
			console_print("stamps");
		}
		console_print(" %lu", stamps[i] - origin);
		if (i % STAMPS_PER_LINE == STAMPS_PER_LINE - 1 || i == TRANSFERS - 1) {
			console_print("\n");
		}
	}
}

static void switch_to_and_fro(bool measured)
{
	static struct samples samples;

	for (unsigned i = 0; i < SWITCH_ROUNDS; i++) {
		uint64_t start = cpu_read_tsc();

		yield();
		measure_add(&samples, measure_since(start));
	}
	if (measured) {
		measure_row("vm_switch", &samples, 2);
	}
}

void probe_pair_giver(void)
{
	uint64_t begin = first_phase();

	area_attach(0);
	touch_stamps();
	wait_for(begin);
	switch_to_and_fro(true);

	begin += phase_ticks();
	wait_for(begin);
	uint64_t field = area_take_field();
	for (unsigned i = 0; i < GIVEN_PAGES; i++) {
		area_touch(field + 1 + i);
	}

	begin += 2 * phase_ticks();
	wait_for(begin);
	for (unsigned i = 0; i < GIVEN_PAGES; i++) {
		area_range(&area_ranges[0], field + 1 + i, 1, 0);
		stamps[i] = cpu_read_tsc();
		hypercall(AEROSTAT_CALL_BALLOON_SURRENDER, (uintptr_t)area_ranges, 1, 0, 0);
		yield();
	}
	print_stamps(begin);
}

void probe_pair_taker(void)
{
	uint64_t begin = first_phase();
	unsigned taken = 0;

	touch_stamps();
	wait_for(begin);
	switch_to_and_fro(false);

	begin += 2 * phase_ticks();
	wait_for(begin);
	begin += phase_ticks();
	for (uint64_t gfn = AREA_START_GFN; gfn < palloc_counts.total && taken < TRANSFERS; gfn++) {
		area_touch(gfn);

		uint64_t now = cpu_read_tsc();

		if (now >= begin) {
			stamps[taken++] = now;
		}
	}
	if (taken < TRANSFERS) {
		area_fail("the taker never ran out of memory: give the machine less");
	}
	print_stamps(begin);
}
