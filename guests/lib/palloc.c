/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The books: one byte of state per page, and per extent of 512 pages the counts of each state, so
 * that a search skips what has nothing to offer. Both start as zero bytes, which means FRESH: RAM
 * that is never used costs no book page either. All contract is in palloc.h.
 */
#include <stddef.h>

#include "guests/lib/balloon.h"
#include "guests/lib/palloc.h"

#define STATE_MASK 0x3
#define PAGE_WRITTEN 0x4 /* does not read as zero, as far as we know */

/* Difference of each state's count to an extent that is FRESH throughout. */
struct extent {
	int16_t delta[PAGE_STATES];
};

struct palloc_counts palloc_counts;

static uint64_t base_page; /* of the first extent; a multiple of 512 */
static uint64_t extent_count;
static struct extent *extents;
static uint8_t *states;		     /* by page - base_page */
static uint64_t cursor;		     /* page behind the last one handed out */
static uint64_t lowest[PAGE_STATES]; /* no extent below has a page of this state (free ones) */

static unsigned count_in(uint64_t extent, enum page_state state)
{
	return (unsigned)(extents[extent].delta[state] +
			  (state == PAGE_FRESH ? PALLOC_EXTENT_PAGES : 0));
}

static enum page_state state_of(uint64_t page)
{
	return (enum page_state)(states[page - base_page] & STATE_MASK);
}

static uint64_t extent_of(uint64_t page)
{
	return (page - base_page) / PALLOC_EXTENT_PAGES;
}

static uint64_t extent_start(uint64_t extent)
{
	return base_page + extent * PALLOC_EXTENT_PAGES;
}

static void set_state(uint64_t page, enum page_state state)
{
	uint8_t *byte = &states[page - base_page];
	uint64_t extent = extent_of(page);
	enum page_state old = (enum page_state)(*byte & STATE_MASK);

	extents[extent].delta[old]--;
	extents[extent].delta[state]++;
	palloc_counts.pages[old]--;
	palloc_counts.pages[state]++;
	*byte = (uint8_t)((*byte & ~STATE_MASK) | state);
	if (extent < lowest[state]) {
		lowest[state] = extent;
	}
}

static void set_states(uint64_t page, uint64_t count, enum page_state state)
{
	for (uint64_t i = 0; i < count; i++) {
		set_state(page + i, state);
	}
}

uint64_t palloc_books_bytes(uint64_t limit_pages)
{
	uint64_t count = limit_pages / PALLOC_EXTENT_PAGES + 2;

	return count * (sizeof(struct extent) + PALLOC_EXTENT_PAGES);
}

void palloc_init(uint64_t first_page, uint64_t limit_pages, void *books)
{
	base_page = first_page - first_page % PALLOC_EXTENT_PAGES;
	extent_count = extent_of(limit_pages - 1) + 1;
	extents = books;
	states = (uint8_t *)(extents + extent_count);
	cursor = first_page;
	palloc_counts = (struct palloc_counts){0};
	palloc_counts.pages[PAGE_FRESH] = extent_count * PALLOC_EXTENT_PAGES;
	for (unsigned state = 0; state < PAGE_STATES; state++) {
		lowest[state] = 0;
	}
	set_states(base_page, first_page - base_page, PAGE_USED);
	set_states(limit_pages, extent_start(extent_count) - limit_pages, PAGE_USED);
	palloc_counts.total = limit_pages - first_page;
	palloc_counts.pages[PAGE_USED] = 0;
}

void palloc_exclude(uint64_t page)
{
	if (page >= base_page && page < extent_start(extent_count) &&
	    state_of(page) == PAGE_FRESH) {
		set_state(page, PAGE_USED);
		palloc_counts.pages[PAGE_USED]--;
		palloc_counts.total--;
	}
}

/* The lowest extent that has a page in `state`; extent_count if there is none. */
static uint64_t find_extent(enum page_state state)
{
	uint64_t extent = lowest[state];

	if (palloc_counts.pages[state] == 0) {
		return extent_count;
	}
	while (extent < extent_count && count_in(extent, state) == 0) {
		extent++;
	}
	lowest[state] = extent;
	return extent;
}

/* A page in `state` inside an extent that has one, from the cursor on if that is inside. */
static uint64_t find_page(uint64_t extent, enum page_state state)
{
	uint64_t start = extent_start(extent);
	uint64_t page = start;

	if (cursor > start && cursor < start + PALLOC_EXTENT_PAGES) {
		page = cursor;
	}
	while (state_of(page) != state) {
		page++;
		if (page == start + PALLOC_EXTENT_PAGES) {
			page = start;
		}
	}
	return page;
}

static bool take_written(uint64_t page)
{
	uint8_t *byte = &states[page - base_page];
	bool was_written = (*byte & PAGE_WRITTEN) != 0;

	*byte |= PAGE_WRITTEN;
	return was_written;
}

static uint64_t take_page(bool *zero)
{
	enum page_state state = PAGE_IDLE;
	uint64_t extent = find_extent(state);

	if (extent == extent_count) {
		state = PAGE_FRESH;
		extent = find_extent(state);
	}
	if (extent == extent_count) {
		return PALLOC_NONE;
	}

	uint64_t page = find_page(extent, state);

	if (count_in(extent, PAGE_FRESH) == PALLOC_EXTENT_PAGES) {
		set_states(extent_start(extent), PALLOC_EXTENT_PAGES, PAGE_IDLE);
	}
	set_state(page, PAGE_USED);
	cursor = page + 1;
	*zero = !take_written(page);
	return page;
}

static uint64_t take_extent(bool *zero)
{
	uint64_t found = PALLOC_NONE;

	for (uint64_t extent = 0; extent < extent_count; extent++) {
		unsigned idle = count_in(extent, PAGE_IDLE);

		if (idle + count_in(extent, PAGE_FRESH) == PALLOC_EXTENT_PAGES) {
			found = found == PALLOC_NONE || idle > 0 ? extent : found;
			if (idle > 0) {
				break;
			}
		}
	}
	if (found == PALLOC_NONE) {
		return PALLOC_NONE;
	}

	uint64_t start = extent_start(found);

	*zero = true;
	for (uint64_t i = 0; i < PALLOC_EXTENT_PAGES; i++) {
		set_state(start + i, PAGE_USED);
		*zero = !take_written(start + i) && *zero;
	}
	return start;
}

static uint64_t answer(uint64_t page, uint64_t pages)
{
	palloc_counts.wanted = page == PALLOC_NONE ? pages : 0;
	palloc_counts.claimed -= pages < palloc_counts.claimed ? pages : palloc_counts.claimed;
	return page;
}

uint64_t palloc_page(bool *zero)
{
	bool dropped = false;
	bool *zero_to = zero ? zero : &dropped;
	uint64_t page = take_page(zero_to);

	if (page == PALLOC_NONE && balloon_deflate_for(1) > 0) {
		page = take_page(zero_to);
	}
	return answer(page, 1);
}

uint64_t palloc_extent(bool *zero)
{
	bool dropped = false;
	bool *zero_to = zero ? zero : &dropped;
	uint64_t page = take_extent(zero_to);

	/* Whole extents come back first, if there are any in the balloon. */
	if (page == PALLOC_NONE && balloon_deflate_for(PALLOC_EXTENT_PAGES) > 0) {
		page = take_extent(zero_to);
	}
	return answer(page, PALLOC_EXTENT_PAGES);
}

void palloc_free(uint64_t page, uint64_t count)
{
	set_states(page, count, PAGE_IDLE);
	palloc_counts.free_calls++;
}

void palloc_mark_surrendered(uint64_t page, uint64_t count)
{
	set_states(page, count, PAGE_SURRENDERED);
}

void palloc_settle(uint64_t page, uint64_t count, enum page_state state, bool zero)
{
	for (uint64_t i = 0; i < count; i++) {
		uint8_t *byte = &states[page + i - base_page];

		set_state(page + i, state);
		*byte = (uint8_t)(zero ? *byte & ~PAGE_WRITTEN : *byte | PAGE_WRITTEN);
	}
}

/* ---- What goes into the balloon, and what comes out ---- */

struct chooser {
	struct aerostat_range *ranges;
	unsigned count;
	unsigned max;
	uint64_t pages_left;
	bool surrender; /* mark what is chosen, at once */
};

/* Makes the last range longer by the extent at `page` if that is its neighbour. */
static bool choose_neighbour(struct chooser *chooser, uint64_t page, unsigned order)
{
	struct aerostat_range *last;

	if (chooser->count == 0) {
		return false;
	}
	last = &chooser->ranges[chooser->count - 1];
	if (last->order != order) {
		return false;
	}
	if (page + (1ull << order) == last->gfn) {
		last->gfn = page;
	} else if (page != last->gfn + ((uint64_t)last->count << order)) {
		return false;
	}
	last->count++;
	return true;
}

/* Adds an extent of 2^order pages; false when the chooser is full. */
static bool choose(struct chooser *chooser, uint64_t page, unsigned order)
{
	uint64_t pages = 1ull << order;

	if (pages > chooser->pages_left) {
		return false;
	}
	if (!choose_neighbour(chooser, page, order)) {
		if (chooser->count == chooser->max) {
			return false;
		}
		chooser->ranges[chooser->count++] = (struct aerostat_range){
			.gfn = page,
			.count = 1,
			.order = (uint8_t)order,
		};
	}
	chooser->pages_left -= pages;
	if (chooser->surrender) {
		set_states(page, pages, PAGE_SURRENDERED);
	}
	return true;
}

/* Extents that are whole in `state` alone, or (IDLE) free with at least one IDLE page. */
static bool is_whole(uint64_t extent, enum page_state state)
{
	unsigned in_state = count_in(extent, state);

	if (state == PAGE_IDLE && in_state > 0) {
		in_state += count_in(extent, PAGE_FRESH);
	}
	return in_state == PALLOC_EXTENT_PAGES;
}

static void choose_extents(struct chooser *chooser, enum page_state state)
{
	if (palloc_counts.pages[state] == 0) {
		return;
	}
	for (uint64_t extent = extent_count; extent-- > 0;) {
		if (is_whole(extent, state) &&
		    !choose(chooser, extent_start(extent), PALLOC_EXTENT_ORDER)) {
			return;
		}
	}
}

/* Single pages; extents that are whole are spared unless `whole_too`. */
static void choose_pages(struct chooser *chooser, enum page_state state, bool whole_too)
{
	if (palloc_counts.pages[state] == 0) {
		return;
	}
	for (uint64_t extent = extent_count; extent-- > 0;) {
		if (count_in(extent, state) == 0 || (is_whole(extent, state) && !whole_too)) {
			continue;
		}
		for (uint64_t i = PALLOC_EXTENT_PAGES; i-- > 0;) {
			uint64_t page = extent_start(extent) + i;

			if (state_of(page) == state && !choose(chooser, page, 0)) {
				return;
			}
		}
	}
}

unsigned palloc_choose_surrender(struct aerostat_range *ranges, unsigned ranges_max,
				 uint64_t pages_max)
{
	struct chooser chooser = {ranges, 0, ranges_max, pages_max, true};

	choose_extents(&chooser, PAGE_IDLE);
	choose_pages(&chooser, PAGE_IDLE, false);
	choose_pages(&chooser, PAGE_IDLE, true);
	choose_extents(&chooser, PAGE_FRESH);
	choose_pages(&chooser, PAGE_FRESH, true);
	return chooser.count;
}

unsigned palloc_choose_report(struct aerostat_range *ranges, unsigned ranges_max)
{
	struct chooser chooser = {ranges, 0, ranges_max, UINT64_MAX, true};

	choose_extents(&chooser, PAGE_IDLE);
	choose_pages(&chooser, PAGE_IDLE, true);
	return chooser.count;
}

unsigned palloc_choose_return(struct aerostat_range *ranges, unsigned ranges_max,
			      uint64_t pages_max)
{
	struct chooser chooser = {ranges, 0, ranges_max, pages_max, false};

	choose_extents(&chooser, PAGE_SURRENDERED);
	choose_pages(&chooser, PAGE_SURRENDERED, false);
	if (chooser.count == 0) {
		choose_pages(&chooser, PAGE_SURRENDERED, true);
	}
	return chooser.count;
}
