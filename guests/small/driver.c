/* SPDX-License-Identifier: BSD-2-Clause */
/* See driver.h, and docs/abi.md: "The balloon". Lab 4 has the bodies written. */
#include <stddef.h>

#include "guests/small/driver.h"

#include "guests/lib/hypercall.h"
#include "guests/small/pool.h"

#define PAGE_BYTES 4096
#define EMERGENCY_PAGES 512 /* as many as one call can back */

volatile struct aerostat_balloon_page driver_page __attribute__((aligned(PAGE_BYTES)));
static struct aerostat_range ranges[AEROSTAT_RANGES_MAX] __attribute__((aligned(PAGE_BYTES)));

/* The pages that are in the balloon. */
static uint64_t held[POOL_PAGES_MAX];
static uint64_t held_count;

static uint64_t total;
static uint64_t wanted;
static uint64_t refaults;
static bool held_back;
static uint64_t held_back_target;

/* Calls until no range of ranges[0, count) is PENDING. False: the call is refused. */
static bool issue(uint64_t call, unsigned count)
{
	unsigned first = 0;

	while (first < count) {
		int64_t finished = hypercall(call, (uintptr_t)&ranges[first], count - first, 0, 0);

		if (finished < 0) {
			return false;
		}
		first += (unsigned)finished;
	}
	return true;
}

/* Adds a page to the ranges; neighbours become one range. False: there is no room. */
static bool add(unsigned *count, uint64_t page)
{
	struct aerostat_range *last = *count > 0 ? &ranges[*count - 1] : NULL;

	if (last && (last->gfn + last->count == page || last->gfn == page + 1)) {
		last->gfn = page < last->gfn ? page : last->gfn;
		last->count++;
		return true;
	}
	if (*count == AEROSTAT_RANGES_MAX) {
		return false;
	}
	ranges[(*count)++] = (struct aerostat_range){.gfn = page, .count = 1};
	return true;
}

/* Free pages that the driver may give. */
static uint64_t spare(uint64_t pages)
{
	return pages > DRIVER_RESERVE_PAGES ? pages - DRIVER_RESERVE_PAGES : 0;
}

/* Surrenders up to `pages` pages; answers how many went. */
static uint64_t give(uint64_t pages)
{
	uint64_t before = held_count;
	unsigned count = 0;

	for (uint64_t i = 0; i < pages && spare(pool_free_pages()) > 0; i++) {
		uint64_t page = pool_take();

		if (!add(&count, page)) {
			pool_put(page, true);
			break;
		}
	}
	issue(AEROSTAT_CALL_BALLOON_SURRENDER, count);
	for (unsigned i = 0; i < count; i++) {
		for (uint32_t j = 0; j < ranges[i].count; j++) {
			if (j < ranges[i].done) {
				held[held_count++] = ranges[i].gfn + j;
			} else {
				pool_put(ranges[i].gfn + j, true);
			}
		}
	}
	return held_count - before;
}

/* Returns up to `pages` pages by `call`; answers how many are the guest's again. */
static uint64_t take(uint64_t call, uint64_t pages)
{
	uint64_t before = held_count;
	unsigned count = 0;

	while (before - held_count < pages && held_count > 0 && add(&count, held[held_count - 1])) {
		held_count--;
	}
	if (!issue(call, count) && call == AEROSTAT_CALL_BALLOON_EMERGENCY) {
		issue(AEROSTAT_CALL_BALLOON_RETURN, count);
	}
	for (unsigned i = 0; i < count; i++) {
		bool ours = ranges[i].status == AEROSTAT_RANGE_NOT_SURRENDERED;
		bool backed = (ranges[i].flags & AEROSTAT_RANGE_FLAG_BACKED) != 0;

		for (uint32_t j = 0; j < ranges[i].count; j++) {
			if (j < ranges[i].done || (ours && j == ranges[i].done)) {
				pool_put(ranges[i].gfn + j, backed || j == ranges[i].done);
			} else {
				held[held_count++] = ranges[i].gfn + j;
			}
		}
	}
	return before - held_count;
}

static void write_statistics(void)
{
	uint64_t free = spare(pool_free_pages());
	uint64_t touched = pool_touched_pages();

	driver_page.total_pages = total;
	driver_page.free_pages = pool_free_pages();
	driver_page.idle_pages = held_back ? 0 : touched < free ? touched : free;
	driver_page.wanted_pages = wanted;
	driver_page.refault_count = refaults;
}

bool driver_attach(uint8_t vector, uint64_t total_pages)
{
	total = total_pages;
	wanted = 0;
	refaults = 0;
	held_back = false;
	write_statistics();
	*(volatile uint64_t *)&ranges[0].gfn = 0; /* has a frame from now on */
	return hypercall(AEROSTAT_CALL_BALLOON_ATTACH, (uintptr_t)&driver_page / PAGE_BYTES, vector,
			 0, 0) == 0;
}

void driver_work(void)
{
	uint64_t moved = 1;

	while (moved > 0) {
		uint64_t target = driver_page.target_pages;

		held_back = held_back && held_back_target == target;
		moved = 0;
		if (held_count < target && !held_back) {
			moved = give(target - held_count);
		} else if (held_count > target) {
			moved = take(AEROSTAT_CALL_BALLOON_RETURN, held_count - target);
		}
	}
	write_statistics();
}

uint64_t driver_short(uint64_t pages)
{
	bool emergency = driver_page.pressure == AEROSTAT_PRESSURE_HIGH;
	uint64_t came = 0;
	uint64_t moved = 1;

	while (moved > 0) {
		uint64_t rest = pages - came;

		if (emergency) {
			moved = take(AEROSTAT_CALL_BALLOON_EMERGENCY,
				     rest < EMERGENCY_PAGES ? rest : EMERGENCY_PAGES);
		} else {
			moved = take(AEROSTAT_CALL_BALLOON_RETURN, rest);
		}
		came += moved;
	}
	refaults += came;
	wanted = pages - came;
	held_back = true;
	held_back_target = driver_page.target_pages;
	write_statistics();
	return came;
}

void driver_freed(void)
{
	held_back = false;
	wanted = 0;
	write_statistics();
}

bool driver_detach(void)
{
	return hypercall(AEROSTAT_CALL_BALLOON_DETACH, 0, 0, 0, 0) == 0;
}
