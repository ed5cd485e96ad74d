/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Handing out pages and taking them back. All contract is in palloc.h; page_state.c keeps the
 * books. Lock: palloc_lock, taken here.
 */
#include <stddef.h>

#include "guests/lib/balloon.h"
#include "guests/lib/page_state.h"
#include "guests/lib/palloc.h"
#include "guests/lib/vcpu.h"

/* How often a request waits for what other vCPUs have under way. */
#define WAITS_MAX 1000

struct palloc_counts palloc_counts;
struct lock palloc_lock;

static uint64_t cursor; /* page behind the last one handed out */

/* Of each vCPU; palloc_counts has the sums. */
static struct demand {
	uint64_t claimed;
	uint64_t wanted;
} demands[AEROSTAT_VCPUS_MAX];

uint64_t palloc_books_bytes(uint64_t limit_pages)
{
	uint64_t count = limit_pages / PALLOC_EXTENT_PAGES + 2;

	return books_extents_bytes(count) + count * PALLOC_EXTENT_PAGES;
}

void palloc_init(uint64_t first_page, uint64_t limit_pages, void *memory)
{
	for (unsigned i = 0; i < AEROSTAT_VCPUS_MAX; i++) {
		demands[i] = (struct demand){0};
	}
	cursor = first_page;
	books_init(first_page, limit_pages, memory);
}

void palloc_exclude(uint64_t page)
{
	if (page >= books.base_page && page < books_extent_start(books.extent_count) &&
	    books_state(page) == PAGE_FRESH) {
		books_set(page, 1, PAGE_USED);
		palloc_counts.pages[PAGE_USED]--;
		palloc_counts.total--;
	}
}

/* A page in `state` inside an extent that has one, from the cursor on if that is inside. */
static uint64_t find_page(uint64_t extent, enum page_state state)
{
	uint64_t start = books_extent_start(extent);
	uint64_t page = start;

	if (cursor > start && cursor < start + PALLOC_EXTENT_PAGES) {
		page = cursor;
	}
	while (books_state(page) != state) {
		page++;
		if (page == start + PALLOC_EXTENT_PAGES) {
			page = start;
		}
	}
	return page;
}

static uint64_t take_page(bool *zero)
{
	enum page_state state = PAGE_IDLE;
	uint64_t extent = books_find_extent(state);

	if (extent == books.extent_count) {
		state = PAGE_FRESH;
		extent = books_find_extent(state);
	}
	if (extent == books.extent_count) {
		return PALLOC_NONE;
	}

	uint64_t page = find_page(extent, state);

	if (books_count(extent, PAGE_FRESH) == PALLOC_EXTENT_PAGES) {
		books_set(books_extent_start(extent), PALLOC_EXTENT_PAGES, PAGE_IDLE);
	}
	cursor = page + 1;
	*zero = !books_was_written(page);
	books_set_written(page, 1, PAGE_USED, BOOKS_WRITTEN);
	return page;
}

static uint64_t take_extent(bool *zero)
{
	uint64_t found = PALLOC_NONE;

	for (uint64_t extent = 0; extent < books.extent_count; extent++) {
		unsigned idle = books_count(extent, PAGE_IDLE);

		if (idle + books_count(extent, PAGE_FRESH) == PALLOC_EXTENT_PAGES) {
			found = found == PALLOC_NONE || idle > 0 ? extent : found;
			if (idle > 0) {
				break;
			}
		}
	}
	if (found == PALLOC_NONE) {
		return PALLOC_NONE;
	}

	uint64_t start = books_extent_start(found);

	*zero = true;
	for (uint64_t i = 0; i < PALLOC_EXTENT_PAGES; i++) {
		*zero = !books_was_written(start + i) && *zero;
	}
	books_set_written(start, PALLOC_EXTENT_PAGES, PAGE_USED, BOOKS_WRITTEN);
	return start;
}

static void set_wanted(struct demand *demand, uint64_t pages)
{
	palloc_counts.wanted += pages - demand->wanted;
	demand->wanted = pages;
}

static void set_claimed(struct demand *demand, uint64_t pages)
{
	palloc_counts.claimed += pages - demand->claimed;
	demand->claimed = pages;
}

static void note_answer(uint64_t page, uint64_t pages)
{
	struct demand *demand = &demands[vcpu_index()];

	set_wanted(demand, page == PALLOC_NONE ? pages : 0);
	set_claimed(demand, pages < demand->claimed ? demand->claimed - pages : 0);
}

/*
 * Gets pages out of the balloon, or waits for what others have under way; the lock is free
 * meanwhile. False: there is nothing to hope for.
 */
static bool find_more(uint64_t pages)
{
	bool others = palloc_counts.pages[PAGE_GIVING] + palloc_counts.pages[PAGE_TAKING] > 0;
	uint64_t returned;

	lock_release(&palloc_lock);
	returned = balloon_deflate_for(pages);
	if (returned == 0 && others) {
		lock_yield();
	}
	lock_take(&palloc_lock);
	return returned > 0 || others;
}

uint64_t palloc_page(bool *zero)
{
	bool dropped = false;
	bool *zero_to = zero ? zero : &dropped;
	uint64_t page;

	lock_take(&palloc_lock);
	page = take_page(zero_to);
	for (unsigned waits = 0; page == PALLOC_NONE && waits < WAITS_MAX; waits++) {
		if (!find_more(1)) {
			break;
		}
		page = take_page(zero_to);
	}
	note_answer(page, 1);
	lock_release(&palloc_lock);
	return page;
}

uint64_t palloc_extent(bool *zero)
{
	bool dropped = false;
	bool *zero_to = zero ? zero : &dropped;
	uint64_t page;

	lock_take(&palloc_lock);
	page = take_extent(zero_to);
	/* Whole extents come back first, if there are any in the balloon. */
	if (page == PALLOC_NONE && find_more(PALLOC_EXTENT_PAGES)) {
		page = take_extent(zero_to);
	}
	note_answer(page, PALLOC_EXTENT_PAGES);
	lock_release(&palloc_lock);
	return page;
}

void palloc_claim(uint64_t pages)
{
	lock_take(&palloc_lock);
	set_claimed(&demands[vcpu_index()], pages);
	lock_release(&palloc_lock);
}

void palloc_want(uint64_t pages)
{
	lock_take(&palloc_lock);
	set_wanted(&demands[vcpu_index()], pages);
	lock_release(&palloc_lock);
}

void palloc_free(uint64_t page, uint64_t count)
{
	lock_take(&palloc_lock);
	books_set(page, count, PAGE_IDLE);
	palloc_counts.free_calls++;
	lock_release(&palloc_lock);
}
