/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What goes into the balloon, and what comes out: pages become ranges, neighbours one range. All
 * contract is in palloc.h. Lock: palloc_lock, held by the caller.
 */
#include "guests/lib/books.h"
#include "guests/lib/palloc.h"

struct chooser {
	struct aerostat_range *ranges;
	unsigned count;
	unsigned max;
	uint64_t pages_left;
	enum page_state to; /* what is chosen becomes that, at once */
};

/* Makes the last range longer by the extent at `page` if that is its neighbour. */
static inline bool choose_neighbour(struct chooser *chooser, uint64_t page, unsigned order)
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

/* Adds an extent of 2^order pages; false when the chooser is full. Per page it is what costs most.
 */
static inline __attribute__((always_inline)) bool choose(struct chooser *chooser, uint64_t page,
							 unsigned order)
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
	books_set(page, pages, chooser->to);
	return true;
}

/* Extents that are whole in `state` alone, or (IDLE) free with at least one IDLE page. */
static bool is_whole(uint64_t extent, enum page_state state)
{
	unsigned in_state = books_count(extent, state);

	if (state == PAGE_IDLE && in_state > 0) {
		in_state += books_count(extent, PAGE_FRESH);
	}
	return in_state == PALLOC_EXTENT_PAGES;
}

static void choose_extents(struct chooser *chooser, enum page_state state)
{
	if (palloc_counts.pages[state] == 0 || chooser->pages_left < PALLOC_EXTENT_PAGES) {
		return;
	}
	for (uint64_t extent = books.extent_count; extent-- > 0;) {
		if (is_whole(extent, state) &&
		    !choose(chooser, books_extent_start(extent), PALLOC_EXTENT_ORDER)) {
			return;
		}
	}
}

/*
 * Single pages; extents that are whole are spared unless `whole_too`. Looks no further than it
 * must: books of pages that were never used have no frame yet, and when the host is out of frames
 * whoever touches them cannot give any.
 */
static void choose_pages(struct chooser *chooser, enum page_state state, bool whole_too)
{
	if (palloc_counts.pages[state] == 0 || chooser->pages_left == 0) {
		return;
	}
	for (uint64_t extent = books.extent_count; extent-- > 0;) {
		if (books_count(extent, state) == 0 || (is_whole(extent, state) && !whole_too)) {
			continue;
		}
		const uint8_t *states = books.states + extent * PALLOC_EXTENT_PAGES;

		for (unsigned i = PALLOC_EXTENT_PAGES; i-- > 0;) {
			if ((states[i] & BOOKS_STATE) == state &&
			    !choose(chooser, books_extent_start(extent) + i, 0)) {
				return;
			}
		}
	}
}

unsigned palloc_choose_surrender(struct aerostat_range *ranges, unsigned ranges_max,
				 uint64_t pages_max)
{
	struct chooser chooser = {ranges, 0, ranges_max, pages_max, PAGE_GIVING};

	choose_extents(&chooser, PAGE_IDLE);
	choose_pages(&chooser, PAGE_IDLE, false);
	choose_pages(&chooser, PAGE_IDLE, true);
	choose_extents(&chooser, PAGE_FRESH);
	choose_pages(&chooser, PAGE_FRESH, true);
	return chooser.count;
}

unsigned palloc_choose_report(struct aerostat_range *ranges, unsigned ranges_max)
{
	struct chooser chooser = {ranges, 0, ranges_max, UINT64_MAX, PAGE_TAKING};

	choose_extents(&chooser, PAGE_IDLE);
	choose_pages(&chooser, PAGE_IDLE, true);
	return chooser.count;
}

unsigned palloc_choose_return(struct aerostat_range *ranges, unsigned ranges_max,
			      uint64_t pages_max)
{
	struct chooser chooser = {ranges, 0, ranges_max, pages_max, PAGE_TAKING};

	choose_extents(&chooser, PAGE_SURRENDERED);
	choose_pages(&chooser, PAGE_SURRENDERED, false);
	if (chooser.count == 0) {
		choose_pages(&chooser, PAGE_SURRENDERED, true);
	}
	return chooser.count;
}
