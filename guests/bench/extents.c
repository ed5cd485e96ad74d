/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that moves in extents of 2 MiB and 1 GiB. */
#include <stddef.h>

#include "guests/bench/area.h"
#include "guests/bench/measure.h"
#include "guests/bench/probes.h"

#define ORDER_2M 9
#define ORDER_1G 18
#define BATCH 16
#define ROUNDS 4
#define REST_MS 1000
#define GIGABYTE_EXTENTS 512
#define GIGABYTE_REST_MS 8000

static struct samples samples;
static struct samples returns;
static struct samples fills;

static int64_t issue(uint64_t call, uint64_t gfn, unsigned count, uint8_t order)
{
	area_range(&area_ranges[0], gfn, count, order);
	return area_issue(call, 1, NULL);
}

static int64_t touch(uint64_t gfn, unsigned count)
{
	int64_t ticks = 0;

	for (unsigned i = 0; i < count; i++) {
		ticks += area_touch(gfn + (uint64_t)i * AREA_EXTENT_PAGES);
	}
	return ticks;
}

static void move_extents(unsigned count, const char *surrender_name, const char *return_name,
			 const char *fill_name)
{
	uint64_t gfn = area_take_extents(count);

	touch(gfn, count);
	for (unsigned round = 0; round < ROUNDS; round++) {
		int64_t ticks;

		area_rest(REST_MS);
		measure_add(&samples, issue(AEROSTAT_CALL_BALLOON_SURRENDER, gfn, count, ORDER_2M));
		ticks = issue(AEROSTAT_CALL_BALLOON_RETURN, gfn, count, ORDER_2M);
		measure_add(&returns, ticks);
		measure_add(&fills, ticks + touch(gfn, count));
	}
	measure_row(surrender_name, &samples, count);
	measure_row(return_name, &returns, count);
	measure_row(fill_name, &fills, count);
}

static void probe_report(unsigned count, const char *name)
{
	uint64_t gfn = area_take_extents(count);

	for (unsigned round = 0; round < ROUNDS; round++) {
		touch(gfn, count);
		area_rest(REST_MS);
		measure_add(&samples, issue(AEROSTAT_CALL_BALLOON_REPORT, gfn, count, ORDER_2M));
	}
	measure_row(name, &samples, count);
}

static void probe_emergency(void)
{
	uint64_t gfn = area_take_extents(1);

	for (unsigned round = 0; round < ROUNDS; round++) {
		issue(AEROSTAT_CALL_BALLOON_SURRENDER, gfn, 1, ORDER_2M);
		area_rest(REST_MS);
		measure_add(&samples, issue(AEROSTAT_CALL_BALLOON_EMERGENCY, gfn, 1, ORDER_2M));
		if (!(area_ranges[0].flags & AEROSTAT_RANGE_FLAG_BACKED)) {
			area_fail("an emergency return brought no memory");
		}
	}
	measure_row("emergency_2m", &samples, 1);
}

/* A page out of the middle of 2 MiB that are mapped large: the split that balloons have to do. */
static void probe_split(void)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t gfn = area_take_extents(1);

		touch(gfn, 1);
		measure_add(&samples, issue(AEROSTAT_CALL_BALLOON_SURRENDER, gfn + 100, 1, 0));
	}
	measure_row("surrender_4k_of_2m", &samples, 1);
	area_rest(REST_MS);
}

void probe_extents(void)
{
	move_extents(1, "surrender_2m", "return_2m", "return_fill_2m");
	move_extents(BATCH, "surrender_2m_x16", "return_2m_x16", "return_fill_2m_x16");
	probe_report(1, "report_2m");
	probe_report(BATCH, "report_2m_x16");
	probe_emergency();
	probe_split();
}

/* ---- A gigabyte ------------------------------------------------------------------------------ */

void probe_gigabyte(void)
{
	unsigned calls = 0;

	area_attach(0);

	uint64_t gfn = area_take_gigabyte();

	touch(gfn, GIGABYTE_EXTENTS);
	area_range(&area_ranges[0], gfn, GIGABYTE_EXTENTS, ORDER_2M);
	measure_value("surrender_gib", area_issue(AEROSTAT_CALL_BALLOON_SURRENDER, 1, &calls));
	measure_value("surrender_gib_calls", calls);
	measure_value("return_gib",
		      issue(AEROSTAT_CALL_BALLOON_RETURN, gfn, GIGABYTE_EXTENTS, ORDER_2M));
	area_rest(GIGABYTE_REST_MS);
	measure_value("fill_gib", touch(gfn, GIGABYTE_EXTENTS));
	measure_value("surrender_1g", issue(AEROSTAT_CALL_BALLOON_SURRENDER, gfn, 1, ORDER_1G));
	measure_value("return_1g", issue(AEROSTAT_CALL_BALLOON_RETURN, gfn, 1, ORDER_1G));
}

void probe_hold_gigabyte(void)
{
	area_attach(0);
	area_rest(GIGABYTE_REST_MS);
	touch(area_take_gigabyte(), GIGABYTE_EXTENTS);
}

/* The hard case: every page on its own. */
void probe_hold_pages(void)
{
	area_attach(0);
	area_rest(GIGABYTE_REST_MS);

	uint64_t gfn = area_take_gigabyte();

	for (unsigned i = 0; i < GIGABYTE_EXTENTS; i++) {
		uint64_t extent = gfn + (uint64_t)i * AREA_EXTENT_PAGES;

		issue(AEROSTAT_CALL_BALLOON_SURRENDER, extent, 1, 0);
		for (unsigned page = 1; page < AREA_EXTENT_PAGES; page++) {
			*(volatile char *)((extent + page) * 4096) = 1;
		}
	}
}
