/* SPDX-License-Identifier: BSD-2-Clause */
/* See area.h. */
#include <stddef.h>

#include "guests/bench/area.h"
#include "guests/bench/measure.h"
#include "guests/lib/console.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/palloc.h"
#include "guests/lib/runtime.h"
#include "guests/lib/wait.h"

#define PAGE_BYTES 4096
#define GIGABYTE_PAGES 0x40000

struct aerostat_range area_ranges[AEROSTAT_RANGES_MAX] __attribute__((aligned(PAGE_BYTES)));
static volatile struct aerostat_balloon_page shared __attribute__((aligned(PAGE_BYTES)));
static uint64_t next_gfn = AREA_START_GFN;

_Noreturn void area_fail(const char *what)
{
	console_print("%s\n", what);
	runtime_exit(GUEST_EXIT_INTERFACE);
}

volatile struct aerostat_balloon_page *area_attach(uint8_t vector)
{
	uint64_t gfn = (uintptr_t)&shared / PAGE_BYTES;

	area_ranges[0].gfn = 0; /* so that the page is there when it is measured */
	if (hypercall(AEROSTAT_CALL_BALLOON_ATTACH, gfn, vector, 0, 0) < 0) {
		area_fail("the balloon was refused");
	}
	return &shared;
}

static uint64_t take(uint64_t start, uint64_t pages)
{
	if (start + pages > palloc_counts.total) {
		console_print("RAM is too small\n");
		runtime_exit(GUEST_EXIT_NO_MEMORY);
	}
	next_gfn = start + pages;
	return start;
}

uint64_t area_take_extents(uint64_t count)
{
	return take(next_gfn, count * AREA_EXTENT_PAGES);
}

uint64_t area_take_gigabyte(void)
{
	uint64_t start = (next_gfn + GIGABYTE_PAGES - 1) & ~(GIGABYTE_PAGES - 1ull);

	return take(start, GIGABYTE_PAGES);
}

uint64_t area_take_field(void)
{
	uint64_t first = area_take_extents(2);

	area_range(&area_ranges[0], first, 1, 0);
	area_range(&area_ranges[1], first + 2 * AREA_EXTENT_PAGES - 1, 1, 0);
	area_issue(AEROSTAT_CALL_BALLOON_SURRENDER, 2, NULL);
	return first;
}

int64_t area_touch(uint64_t gfn)
{
	return MEASURE_ASM("movb $1, (%%rdi)", gfn * PAGE_BYTES);
}

void area_range(struct aerostat_range *range, uint64_t gfn, uint32_t count, uint8_t order)
{
	*range = (struct aerostat_range){.gfn = gfn, .count = count, .order = order};
}

int64_t area_issue(uint64_t call, unsigned count, unsigned *calls)
{
	unsigned first = 0;
	unsigned issued = 0;
	uint64_t start = cpu_read_tsc();

	while (first < count) {
		int64_t finished =
			hypercall(call, (uintptr_t)&area_ranges[first], count - first, 0, 0);

		issued++;
		if (finished < 0) {
			area_fail("a call over ranges was refused");
		}
		first += (unsigned)finished;
	}

	int64_t ticks = measure_since(start);

	for (unsigned i = 0; i < count; i++) {
		if (area_ranges[i].status != AEROSTAT_RANGE_OK) {
			console_print("call %lu, range %u at gfn %lu: status %u after %u extents\n",
				      call, i, area_ranges[i].gfn, area_ranges[i].status,
				      area_ranges[i].done);
			runtime_exit(GUEST_EXIT_INTERFACE);
		}
	}
	if (calls) {
		*calls = issued;
	}
	return ticks;
}

void area_rest(uint64_t milliseconds)
{
	wait_ms_quietly(milliseconds);
}
