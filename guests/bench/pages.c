/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that moves in pages of 4 KiB. */
#include <stddef.h>

#include "guests/bench/area.h"
#include "guests/bench/measure.h"
#include "guests/bench/probes.h"

#define FILL_PAGES 500
#define FILL_EXTENTS 8
#define REST_MS 200
#define FIRST_REST_MS 2000

static struct samples samples;

static void fill_pages(const char *name)
{
	uint64_t field = area_take_field();

	for (unsigned i = 0; i < FILL_PAGES; i++) {
		measure_add(&samples, area_touch(field + 1 + i));
	}
	measure_row(name, &samples, 1);
}

static void fill_extents(const char *name)
{
	uint64_t first = area_take_extents(FILL_EXTENTS);

	for (unsigned i = 0; i < FILL_EXTENTS; i++) {
		measure_add(&samples, area_touch(first + i * AREA_EXTENT_PAGES));
	}
	measure_row(name, &samples, 1);
}

void probe_fills_unzeroed(void)
{
	area_attach(0);
	fill_pages("fill_4k_unzeroed");
	fill_extents("fill_2m_unzeroed");
}

/* ---- Surrender, return, first touch --------------------------------------------------------- */

/* One way to choose pages of a field, and to write them down as ranges. */
struct batch {
	const char *surrender_name;
	const char *return_name;
	const char *fill_name; /* return and first touch together */
	unsigned pages;
	bool scattered;
	unsigned rounds;
};

static const struct batch batches[] = {
	{"surrender_4k_x1", "return_4k_x1", "return_fill_4k_x1", 1, false, 64},
	{"surrender_4k_x8", "return_4k_x8", "return_fill_4k_x8", 8, false, 32},
	{"surrender_4k_x64", "return_4k_x64", "return_fill_4k_x64", 64, false, 16},
	{"surrender_4k_x512", "return_4k_x512", "return_fill_4k_x512", 512, false, 8},
	{"surrender_4k_x8_scattered", "return_4k_x8_scattered", NULL, 8, true, 32},
	{"surrender_4k_x64_scattered", "return_4k_x64_scattered", NULL, 64, true, 16},
	{"surrender_4k_x510_scattered", "return_4k_x510_scattered", NULL, 510, true, 8},
};

/* Neighbours lie across the border of the field's two extents, scattered ones everywhere. */
static uint64_t batch_page(const struct batch *batch, uint64_t field, unsigned i)
{
	if (batch->scattered) {
		return field + 2 + 2 * ((uint64_t)i * 203 % 510);
	}
	return field + AREA_EXTENT_PAGES - batch->pages / 2 + i;
}

/* Issues the call for all pages of the batch, as few calls as possible; answers the ticks. */
static int64_t batch_issue(const struct batch *batch, uint64_t field, uint64_t call)
{
	int64_t ticks = 0;

	if (!batch->scattered) {
		area_range(&area_ranges[0], batch_page(batch, field, 0), batch->pages, 0);
		return area_issue(call, 1, NULL);
	}
	for (unsigned i = 0; i < batch->pages;) {
		unsigned used = 0;

		while (used < AEROSTAT_RANGES_MAX && i < batch->pages) {
			area_range(&area_ranges[used++], batch_page(batch, field, i++), 1, 0);
		}
		ticks += area_issue(call, used, NULL);
	}
	return ticks;
}

static int64_t batch_touch(const struct batch *batch, uint64_t field)
{
	int64_t ticks = 0;

	for (unsigned i = 0; i < batch->pages; i++) {
		ticks += area_touch(batch_page(batch, field, i));
	}
	return ticks;
}

static void run_batch(const struct batch *batch, uint64_t field)
{
	static struct samples returns;
	static struct samples fills;

	batch_touch(batch, field);
	for (unsigned round = 0; round < batch->rounds; round++) {
		int64_t ticks;

		measure_add(&samples, batch_issue(batch, field, AEROSTAT_CALL_BALLOON_SURRENDER));
		ticks = batch_issue(batch, field, AEROSTAT_CALL_BALLOON_RETURN);
		measure_add(&returns, ticks);
		measure_add(&fills, ticks + batch_touch(batch, field));
	}
	measure_row(batch->surrender_name, &samples, batch->pages);
	measure_row(batch->return_name, &returns, batch->pages);
	if (batch->fill_name) {
		measure_row(batch->fill_name, &fills, batch->pages);
	}
	fills.count = 0;
	area_rest(REST_MS);
}

/* ---- Reports and touches of what was given away --------------------------------------------- */

static void probe_touch_surrendered(uint64_t field)
{
	for (unsigned round = 0; round < 64; round++) {
		area_range(&area_ranges[0], field + 16, 1, 0);
		area_issue(AEROSTAT_CALL_BALLOON_SURRENDER, 1, NULL);
		measure_add(&samples, area_touch(field + 16));
	}
	measure_row("touch_surrendered_4k", &samples, 1);
	area_rest(REST_MS);
}

static void probe_report(uint64_t field)
{
	for (unsigned round = 0; round < 16; round++) {
		for (unsigned i = 0; i < 64; i++) {
			area_touch(field + 16 + i);
		}
		area_range(&area_ranges[0], field + 16, 64, 0);
		measure_add(&samples, area_issue(AEROSTAT_CALL_BALLOON_REPORT, 1, NULL));
	}
	measure_row("report_4k_x64", &samples, 64);
	area_rest(REST_MS);
}

void probe_pages(void)
{
	uint64_t field = area_take_field();

	area_rest(FIRST_REST_MS);
	fill_pages("fill_4k_zeroed");
	fill_extents("fill_2m_zeroed");
	for (unsigned i = 0; i < sizeof(batches) / sizeof(batches[0]); i++) {
		run_batch(&batches[i], field);
	}
	probe_touch_surrendered(field);
	probe_report(field);
}
