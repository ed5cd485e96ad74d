/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The native balloon driver. The page allocator chooses pages and knows their state; this file
 * speaks the protocol: batches of ranges, partial progress, refusals. It uses no privileged
 * instruction, so that host tests can run it against a hypervisor of their own.
 */
#include <stddef.h>

#include "guests/lib/balloon.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/layout.h"
#include "guests/lib/palloc.h"

#define PAGE_BYTES 4096

/* What is taken out of the balloon at once when the guest runs out of pages. */
#define DEFLATE_BATCH_PAGES 512

volatile uint32_t doorbell_rung;

static volatile struct aerostat_balloon_page shared __attribute__((aligned(PAGE_BYTES)));
static struct aerostat_range ranges[AEROSTAT_RANGES_MAX] __attribute__((aligned(PAGE_BYTES)));

static bool is_attached;
static bool was_in_use;
static uint64_t refault_count;

/* Why we do not give although the target is higher: the guest itself ran out at that point. */
static bool is_held_back;
static uint64_t held_back_target;
static uint64_t held_back_free_calls;

volatile struct aerostat_balloon_page *balloon_page(void)
{
	return &shared;
}

bool balloon_attach(void)
{
	uint64_t page = (uintptr_t)&shared / PAGE_BYTES;

	was_in_use = false;
	is_held_back = false;
	refault_count = 0;
	/* So that it has a frame: when there are none, nobody can wait for one in order to give
	 * some. */
	*(volatile uint8_t *)&ranges[0].status = AEROSTAT_RANGE_PENDING;
	is_attached = hypercall(AEROSTAT_CALL_BALLOON_ATTACH, page, DOORBELL_VECTOR, 0, 0) >= 0;
	return is_attached;
}

/*
 * Issues ranges[0, count) until none of them is PENDING, or the hypervisor refuses the call (false)
 * or makes no progress: then the rest stays PENDING.
 */
static bool issue(uint64_t call, unsigned count)
{
	unsigned first = 0;

	while (first < count) {
		unsigned first_before = first;
		uint32_t done_before = ranges[first].done;

		if (hypercall(call, (uintptr_t)&ranges[first], count - first, 0, 0) < 0) {
			return false;
		}
		while (first < count && ranges[first].status != AEROSTAT_RANGE_PENDING) {
			first++;
		}
		if (first < count && first == first_before && ranges[first].done == done_before) {
			return true;
		}
	}
	return true;
}

static uint64_t range_done_pages(const struct aerostat_range *range)
{
	return (uint64_t)range->done << range->order;
}

static uint64_t range_pages(const struct aerostat_range *range)
{
	return (uint64_t)range->count << range->order;
}

/* Surrenders ranges[0, count), already marked so; what was refused is free again. */
static uint64_t surrender_ranges(unsigned count)
{
	uint64_t surrendered = 0;

	issue(AEROSTAT_CALL_BALLOON_SURRENDER, count);
	for (unsigned i = 0; i < count; i++) {
		uint64_t done = range_done_pages(&ranges[i]);

		surrendered += done;
		palloc_settle(ranges[i].gfn + done, range_pages(&ranges[i]) - done, PAGE_IDLE,
			      false);
	}
	was_in_use = was_in_use || surrendered > 0;
	return surrendered;
}

/* A refused extent, page by page: those that are not in the balloon are simply ours. */
static uint64_t return_singly(uint64_t page, uint64_t count)
{
	uint64_t returned = 0;

	for (uint64_t i = 0; i < count; i++) {
		ranges[0] = (struct aerostat_range){.gfn = page + i, .count = 1};
		issue(AEROSTAT_CALL_BALLOON_RETURN, 1);
		if (ranges[0].status == AEROSTAT_RANGE_OK ||
		    ranges[0].status == AEROSTAT_RANGE_NOT_SURRENDERED) {
			bool zero = ranges[0].status == AEROSTAT_RANGE_OK &&
				    (ranges[0].flags & AEROSTAT_RANGE_FLAG_ZERO);

			palloc_settle(page + i, 1, PAGE_FRESH, zero);
			returned++;
		}
	}
	return returned;
}

/*
 * Returns ranges[0, count); `call` says whether frames are needed at once. What fails for want of
 * memory stays in the balloon.
 */
static uint64_t return_ranges(uint64_t call, unsigned count)
{
	uint64_t returned = 0;
	uint64_t refused_page = PALLOC_NONE;
	uint64_t refused_pages = 0;

	if (!issue(call, count) && call == AEROSTAT_CALL_BALLOON_EMERGENCY) {
		issue(AEROSTAT_CALL_BALLOON_RETURN, count);
	}
	for (unsigned i = 0; i < count; i++) {
		uint64_t done = range_done_pages(&ranges[i]);

		returned += done;
		palloc_settle(ranges[i].gfn, done,
			      ranges[i].flags & AEROSTAT_RANGE_FLAG_BACKED ? PAGE_IDLE : PAGE_FRESH,
			      (ranges[i].flags & AEROSTAT_RANGE_FLAG_ZERO) != 0);
		if (ranges[i].status == AEROSTAT_RANGE_NOT_SURRENDERED ||
		    ranges[i].status == AEROSTAT_RANGE_MIXED) {
			refused_page = ranges[i].gfn + done;
			refused_pages = range_pages(&ranges[i]) - done;
		}
	}
	/* Somebody touched surrendered pages. One such range per round is enough: rounds repeat. */
	if (refused_page != PALLOC_NONE) {
		returned += return_singly(refused_page, refused_pages);
	}
	return returned;
}

static uint64_t deflate(uint64_t call, uint64_t pages)
{
	unsigned count = palloc_choose_return(ranges, AEROSTAT_RANGES_MAX, pages);

	return count > 0 ? return_ranges(call, count) : 0;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* a - b, but never below zero. */
static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* Free pages that the guest can do without. */
static uint64_t spare_pages(void)
{
	return less(palloc_free_pages(), palloc_counts.claimed + BALLOON_RESERVE_PAGES);
}

static uint64_t inflate(uint64_t pages)
{
	uint64_t spare = spare_pages();
	unsigned count;

	if (is_held_back && (held_back_target != shared.target_pages ||
			     held_back_free_calls != palloc_counts.free_calls)) {
		is_held_back = false;
	}
	if (is_held_back) {
		return 0;
	}
	count = palloc_choose_surrender(ranges, AEROSTAT_RANGES_MAX, smaller(pages, spare));
	return count > 0 ? surrender_ranges(count) : 0;
}

/* Claimed pages are as good as used: they will be IDLE ones first. Idle is what we would give. */
static void write_statistics(void)
{
	uint64_t claimed = palloc_counts.claimed;
	uint64_t free = palloc_free_pages();
	uint64_t idle = less(palloc_counts.pages[PAGE_IDLE], claimed);
	uint64_t wanted = less(claimed, free);

	shared.total_pages = palloc_counts.total;
	shared.free_pages = less(free, claimed);
	shared.idle_pages = is_held_back ? 0 : smaller(idle, spare_pages());
	shared.wanted_pages = wanted > palloc_counts.wanted ? wanted : palloc_counts.wanted;
	shared.refault_count = refault_count;
}

void balloon_work(void)
{
	uint64_t moved = 1;

	if (!is_attached) {
		return;
	}
	doorbell_rung = 0;
	while (moved > 0) {
		uint64_t target = shared.target_pages;
		uint64_t size = palloc_counts.pages[PAGE_SURRENDERED];

		moved = 0;
		if (size < target) {
			moved = inflate(target - size);
		} else if (size > target) {
			moved = deflate(AEROSTAT_CALL_BALLOON_RETURN, size - target);
		}
	}
	write_statistics();
}

uint64_t balloon_deflate_for(uint64_t pages)
{
	/* While others wait for frames, pages without them would make us wait as well. */
	uint64_t call = shared.pressure == AEROSTAT_PRESSURE_HIGH ? AEROSTAT_CALL_BALLOON_EMERGENCY
								  : AEROSTAT_CALL_BALLOON_RETURN;
	uint64_t returned;

	if (!is_attached || palloc_counts.pages[PAGE_SURRENDERED] == 0) {
		return 0;
	}
	if (pages < DEFLATE_BATCH_PAGES) {
		pages = DEFLATE_BATCH_PAGES;
	}
	returned = deflate(call, pages);
	refault_count += returned;
	is_held_back = true;
	held_back_target = shared.target_pages;
	held_back_free_calls = palloc_counts.free_calls;
	write_statistics();
	return returned;
}

uint64_t balloon_surrender(const uint64_t *pages, uint64_t count)
{
	uint64_t surrendered = 0;
	unsigned used = 0;

	for (uint64_t i = 0; i < count; i++) {
		struct aerostat_range *last = used > 0 ? &ranges[used - 1] : NULL;

		palloc_mark_surrendered(pages[i], 1);
		if (last && last->gfn + last->count == pages[i]) {
			last->count++;
			continue;
		}
		if (used == AEROSTAT_RANGES_MAX) {
			surrendered += surrender_ranges(used);
			used = 0;
		}
		ranges[used++] = (struct aerostat_range){.gfn = pages[i], .count = 1};
	}
	return surrendered + (used > 0 ? surrender_ranges(used) : 0);
}

/* Reports ranges[0, count), which are marked as SURRENDERED; they are free again after it. */
static uint64_t report_ranges(unsigned count)
{
	uint64_t reported = 0;

	issue(AEROSTAT_CALL_BALLOON_REPORT, count);
	for (unsigned i = 0; i < count; i++) {
		uint64_t done = range_done_pages(&ranges[i]);
		uint64_t rest = range_pages(&ranges[i]) - done;

		palloc_settle(ranges[i].gfn, done, PAGE_FRESH,
			      (ranges[i].flags & AEROSTAT_RANGE_FLAG_ZERO) != 0);
		palloc_settle(ranges[i].gfn + done, rest, PAGE_IDLE, false);
		reported += done;
	}
	return reported;
}

uint64_t balloon_report(void)
{
	uint64_t sum = 0;
	uint64_t reported = 1;

	while (is_attached && reported > 0) {
		unsigned count = palloc_choose_report(ranges, AEROSTAT_RANGES_MAX);

		reported = count > 0 ? report_ranges(count) : 0;
		sum += reported;
	}
	write_statistics();
	return sum;
}

bool balloon_has_come_back(void)
{
	/* A request that was withdrawn before we could answer it was one, too. */
	return (was_in_use || shared.doorbells > 0) && shared.target_pages == 0 &&
	       shared.size_pages == 0;
}
