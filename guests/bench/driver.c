/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole machine: guests/lib's allocator and balloon driver, and the hypervisor. The target is
 * written into our own copy of the balloon page, as if the hypervisor had asked; the hypervisor
 * itself goes by what the driver then does.
 */
#include <stddef.h>

#include "guests/bench/area.h"
#include "guests/bench/measure.h"
#include "guests/bench/probes.h"
#include "guests/lib/balloon.h"
#include "guests/lib/palloc.h"
#include "guests/lib/wait.h"

#define PAGES 16384 /* 64 MiB */
#define REST_MS 3000

static uint64_t pages[PAGES];

static void allocate(void)
{
	for (unsigned i = 0; i < PAGES; i++) {
		pages[i] = palloc_page(NULL);
		if (pages[i] == PALLOC_NONE) {
			area_fail("there is no memory for the driver's probe");
		}
		area_touch(pages[i]);
	}
}

/* Ticks of a change of the target, the driver's work included. */
static int64_t retarget(uint64_t target)
{
	uint64_t start = cpu_read_tsc();

	balloon_page()->target_pages = target;
	balloon_work();

	int64_t ticks = measure_since(start);

	if (palloc_counts.pages[PAGE_SURRENDERED] != target) {
		area_fail("the driver did not reach its target");
	}
	return ticks;
}

/* `free_step`: 1 frees all pages, 2 every other one. Names: out, back, back and touched. */
static void move(unsigned free_step, const char *const *names)
{
	static struct samples samples;
	unsigned freed = 0;
	int64_t back;

	if (!balloon_attach()) {
		area_fail("the balloon was refused");
	}
	allocate();
	wait_ms_quietly(REST_MS);
	for (unsigned i = 0; i < PAGES; i += free_step) {
		palloc_free(pages[i], 1);
		freed++;
	}
	freed -= AREA_EXTENT_PAGES; /* well within what the driver can spare */
	measure_add(&samples, retarget(freed));
	measure_row(names[0], &samples, freed);
	wait_ms_quietly(REST_MS);
	back = retarget(0);
	measure_add(&samples, back);
	measure_row(names[1], &samples, freed);
	for (unsigned i = 0; i < freed; i++) {
		back += area_touch(palloc_page(NULL));
	}
	measure_add(&samples, back);
	measure_row(names[2], &samples, freed);
}

void probe_driver(void)
{
	static const char *const names[] = {"machine_inflate_2m", "machine_deflate_2m",
					    "machine_deflate_fill_2m"};

	move(1, names);
}

void probe_driver_pages(void)
{
	static const char *const names[] = {"machine_inflate_4k", "machine_deflate_4k",
					    "machine_deflate_fill_4k"};

	move(2, names);
}
