/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The native balloon driver. The page allocator chooses pages and knows their state; this file
 * speaks the protocol: batches of ranges, partial progress, refusals. It uses no privileged
 * instruction, so that host tests can run it against a hypervisor of their own.
 *
 * Any vCPU may inflate, deflate, surrender and report at the same time as others: each has a page
 * of ranges of its own. Lock: palloc_lock guards the plans below together with the books, so that
 * two vCPUs never plan to give the same spare page or to close the same gap twice. It is held by
 * every static function that does not say otherwise, and released around the hypercall.
 */
#include <stddef.h>

#include "guests/lib/balloon.h"
#include "guests/lib/page_state.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/layout.h"
#include "guests/lib/palloc.h"
#include "guests/lib/vcpu.h"

#define PAGE_BYTES 4096

/* What is taken out of the balloon at once when the guest runs out of pages. */
#define DEFLATE_BATCH_PAGES 512

static volatile struct aerostat_balloon_page shared __attribute__((aligned(PAGE_BYTES)));

/* A page of ranges for each vCPU. */
static struct ranges_page {
	struct aerostat_range ranges[AEROSTAT_RANGES_MAX];
} __attribute__((aligned(PAGE_BYTES))) ranges_pages[AEROSTAT_VCPUS_MAX];

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

struct aerostat_range *balloon_own_ranges(void)
{
	return ranges_pages[vcpu_index()].ranges;
}

bool balloon_attach(void)
{
	uint64_t page = (uintptr_t)&shared / PAGE_BYTES;

	was_in_use = false;
	is_held_back = false;
	refault_count = 0;
	/* So that they have frames: when there are none, nobody can wait for one in order to give
	 * some. */
	for (unsigned i = 0; i < vcpu_count(); i++) {
		*(volatile uint8_t *)&ranges_pages[i].ranges[0].status = AEROSTAT_RANGE_PENDING;
	}
	is_attached = hypercall(AEROSTAT_CALL_BALLOON_ATTACH, page, DOORBELL_VECTOR, 0, 0) >= 0;
	return is_attached;
}

/* Without the lock. */
bool balloon_issue(uint64_t call, struct aerostat_range *ranges, unsigned count)
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

/* The same, the lock free meanwhile. */
static bool issue(uint64_t call, struct aerostat_range *ranges, unsigned count)
{
	bool accepted;

	lock_release(&palloc_lock);
	accepted = balloon_issue(call, ranges, count);
	lock_take(&palloc_lock);
	return accepted;
}

static uint64_t range_done_pages(const struct aerostat_range *range)
{
	return (uint64_t)range->done << range->order;
}

static uint64_t range_pages(const struct aerostat_range *range)
{
	return (uint64_t)range->count << range->order;
}

/* GIVING or TAKING pages that are ours again: FRESH, or IDLE when the balloon never took them. */
static inline void settle(uint64_t page, uint64_t count, enum page_state state, bool zero)
{
	books_set_written(page, count, state, zero ? 0 : BOOKS_WRITTEN);
}

/* Surrenders ranges[0, count), which are GIVING; what was refused is free again. */
static uint64_t surrender_ranges(struct aerostat_range *ranges, unsigned count)
{
	uint64_t surrendered = 0;

	issue(AEROSTAT_CALL_BALLOON_SURRENDER, ranges, count);
	for (unsigned i = 0; i < count; i++) {
		uint64_t done = range_done_pages(&ranges[i]);

		surrendered += done;
		books_set(ranges[i].gfn, done, PAGE_SURRENDERED);
		if (ranges[i].done < ranges[i].count) {
			settle(ranges[i].gfn + done, range_pages(&ranges[i]) - done, PAGE_IDLE,
			       false);
		}
	}
	was_in_use = was_in_use || surrendered > 0;
	return surrendered;
}

/*
 * A refused extent, TAKING, page by page: those that are not in the balloon are simply ours, the
 * others stay there.
 */
static uint64_t return_singly(struct aerostat_range *range, uint64_t page, uint64_t count)
{
	uint64_t returned = 0;

	for (uint64_t i = 0; i < count; i++) {
		*range = (struct aerostat_range){.gfn = page + i, .count = 1};
		issue(AEROSTAT_CALL_BALLOON_RETURN, range, 1);
		if (range->status == AEROSTAT_RANGE_OK ||
		    range->status == AEROSTAT_RANGE_NOT_SURRENDERED) {
			bool zero = range->status == AEROSTAT_RANGE_OK &&
				    (range->flags & AEROSTAT_RANGE_FLAG_ZERO);

			settle(page + i, 1, PAGE_FRESH, zero);
			returned++;
		} else {
			books_set(page + i, 1, PAGE_SURRENDERED);
		}
	}
	return returned;
}

/*
 * Returns ranges[0, count), which are TAKING; `call` says whether frames are needed at once. What
 * fails for want of memory stays in the balloon.
 */
static uint64_t return_ranges(uint64_t call, struct aerostat_range *ranges, unsigned count)
{
	uint64_t returned = 0;
	uint64_t refused_page = PALLOC_NONE;
	uint64_t refused_pages = 0;

	if (!issue(call, ranges, count) && call == AEROSTAT_CALL_BALLOON_EMERGENCY) {
		issue(AEROSTAT_CALL_BALLOON_RETURN, ranges, count);
	}
	for (unsigned i = 0; i < count; i++) {
		uint64_t done = range_done_pages(&ranges[i]);
		uint64_t rest = range_pages(&ranges[i]) - done;

		returned += done;
		settle(ranges[i].gfn, done,
		       ranges[i].flags & AEROSTAT_RANGE_FLAG_BACKED ? PAGE_IDLE : PAGE_FRESH,
		       (ranges[i].flags & AEROSTAT_RANGE_FLAG_ZERO) != 0);
		/* Somebody touched surrendered pages. One such range per round is enough: rounds
		 * repeat. */
		if (refused_page == PALLOC_NONE &&
		    (ranges[i].status == AEROSTAT_RANGE_NOT_SURRENDERED ||
		     ranges[i].status == AEROSTAT_RANGE_MIXED)) {
			refused_page = ranges[i].gfn + done;
			refused_pages = rest;
		} else {
			books_set(ranges[i].gfn + done, rest, PAGE_SURRENDERED);
		}
	}
	if (refused_page != PALLOC_NONE) {
		returned += return_singly(ranges, refused_page, refused_pages);
	}
	return returned;
}

static uint64_t deflate(uint64_t call, uint64_t pages)
{
	struct aerostat_range *ranges = balloon_own_ranges();
	unsigned count = palloc_choose_return(ranges, AEROSTAT_RANGES_MAX, pages);

	return count > 0 ? return_ranges(call, ranges, count) : 0;
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
	struct aerostat_range *ranges = balloon_own_ranges();
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
	return count > 0 ? surrender_ranges(ranges, count) : 0;
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

/* Pages in the balloon when everything that is under way has gone well. */
static uint64_t size_to_come(void)
{
	return palloc_counts.pages[PAGE_SURRENDERED] + palloc_counts.pages[PAGE_GIVING];
}

void balloon_work(void)
{
	uint64_t moved = 1;

	if (!is_attached) {
		return;
	}
	*vcpu_doorbell_note() = 0;
	lock_take(&palloc_lock);
	while (moved > 0) {
		uint64_t target = shared.target_pages;
		uint64_t size = size_to_come();

		moved = 0;
		if (size < target) {
			moved = inflate(target - size);
		} else if (size > target) {
			moved = deflate(AEROSTAT_CALL_BALLOON_RETURN, size - target);
		}
	}
	write_statistics();
	lock_release(&palloc_lock);
}

uint64_t balloon_deflate_for(uint64_t pages)
{
	/* While others wait for frames, pages without them would make us wait as well. */
	uint64_t call = shared.pressure == AEROSTAT_PRESSURE_HIGH ? AEROSTAT_CALL_BALLOON_EMERGENCY
								  : AEROSTAT_CALL_BALLOON_RETURN;
	uint64_t returned = 0;

	lock_take(&palloc_lock);
	if (is_attached && palloc_counts.pages[PAGE_SURRENDERED] > 0) {
		returned = deflate(call, pages < DEFLATE_BATCH_PAGES ? DEFLATE_BATCH_PAGES : pages);
		refault_count += returned;
		is_held_back = true;
		held_back_target = shared.target_pages;
		held_back_free_calls = palloc_counts.free_calls;
		write_statistics();
	}
	lock_release(&palloc_lock);
	return returned;
}

uint64_t balloon_surrender(const uint64_t *pages, uint64_t count)
{
	struct aerostat_range *ranges = balloon_own_ranges();
	uint64_t surrendered = 0;
	unsigned used = 0;

	lock_take(&palloc_lock);
	for (uint64_t i = 0; i < count; i++) {
		struct aerostat_range *last = used > 0 ? &ranges[used - 1] : NULL;

		books_set(pages[i], 1, PAGE_GIVING);
		if (last && last->gfn + last->count == pages[i]) {
			last->count++;
			continue;
		}
		if (used == AEROSTAT_RANGES_MAX) {
			surrendered += surrender_ranges(ranges, used);
			used = 0;
		}
		ranges[used++] = (struct aerostat_range){.gfn = pages[i], .count = 1};
	}
	surrendered += used > 0 ? surrender_ranges(ranges, used) : 0;
	lock_release(&palloc_lock);
	return surrendered;
}

/* Reports ranges[0, count), which are TAKING; they are free again after it. */
static uint64_t report_ranges(struct aerostat_range *ranges, unsigned count)
{
	uint64_t reported = 0;

	issue(AEROSTAT_CALL_BALLOON_REPORT, ranges, count);
	for (unsigned i = 0; i < count; i++) {
		uint64_t done = range_done_pages(&ranges[i]);
		uint64_t rest = range_pages(&ranges[i]) - done;

		settle(ranges[i].gfn, done, PAGE_FRESH,
		       (ranges[i].flags & AEROSTAT_RANGE_FLAG_ZERO) != 0);
		settle(ranges[i].gfn + done, rest, PAGE_IDLE, false);
		reported += done;
	}
	return reported;
}

uint64_t balloon_report(void)
{
	struct aerostat_range *ranges = balloon_own_ranges();
	uint64_t sum = 0;
	uint64_t reported = 1;

	lock_take(&palloc_lock);
	while (is_attached && reported > 0) {
		unsigned count = palloc_choose_report(ranges, AEROSTAT_RANGES_MAX);

		reported = count > 0 ? report_ranges(ranges, count) : 0;
		sum += reported;
	}
	write_statistics();
	lock_release(&palloc_lock);
	return sum;
}

bool balloon_has_come_back(void)
{
	/* A request that was withdrawn before we could answer it was one, too. */
	return (was_in_use || shared.doorbells > 0) && shared.target_pages == 0 &&
	       shared.size_pages == 0;
}
