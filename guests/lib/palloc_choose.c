/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What goes into the balloon, and what comes out: pages become ranges, neighbours one range. All
 * contract is in palloc.h. Lock: palloc_lock, held by the caller.
 */
#include "guests/lib/page_state.h"
#include "guests/lib/palloc.h"

struct chooser {
	struct aerostat_range *ranges;
	struct aerostat_range *next; /* behind the last that is used */
	struct aerostat_range *end;
	uint64_t pages_left;
	enum page_state to; /* what is chosen becomes that, at once */
};

/* Makes the last range longer by the extent at `page` if that is its neighbour. */
static inline bool choose_neighbour(struct chooser *chooser, uint64_t page, unsigned order)
{
	struct aerostat_range *last = chooser->next - 1;

	if (chooser->next == chooser->ranges || last->order != order) {
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
		if (chooser->next == chooser->end) {
			return false;
		}
		*chooser->next++ = (struct aerostat_range){
			.gfn = page,
			.count = 1,
			.order = (uint8_t)order,
		};
	}
	chooser->pages_left -= pages;
	return true;
}

/* Nothing of this state is to be had, or there is no range left for it. */
static bool is_in_vain(const struct chooser *chooser, enum page_state state)
{
	return palloc_counts.pages[state] == 0 || chooser->next == chooser->end;
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
	if (is_in_vain(chooser, state) || chooser->pages_left < PALLOC_EXTENT_PAGES) {
		return;
	}
	for (uint64_t extent = books.extent_count; extent-- > 0;) {
		uint64_t start = books_extent_start(extent);

		if (!is_whole(extent, state)) {
			continue;
		}
		if (!choose(chooser, start, PALLOC_EXTENT_ORDER)) {
			return;
		}
		books_set(start, PALLOC_EXTENT_PAGES, chooser->to);
	}
}

/* Single pages of one extent, counted together; false when the chooser is full. */
static bool choose_pages_of(struct chooser *chooser, uint64_t extent, enum page_state state)
{
	uint8_t *const first = books.states + extent * PALLOC_EXTENT_PAGES;
	uint8_t *byte = first + PALLOC_EXTENT_PAGES;
	uint64_t start = books_extent_start(extent);
	unsigned chosen = 0;
	bool full = false;

	while (byte-- > first) {
		if ((*byte & BOOKS_STATE) != state) {
			continue;
		}
		full = !choose(chooser, start + (uint64_t)(byte - first), 0);
		if (full) {
			break;
		}
		*byte = (uint8_t)((*byte & ~BOOKS_STATE) | chooser->to);
		chosen++;
	}
	books_count_change(extent, state, chooser->to, chosen);
	return !full;
}

/*
 * Single pages; extents that are whole are spared unless `whole_too`. Looks no further than it
 * must: books of pages that were never used have no frame yet, and when the host is out of frames
 * whoever touches them cannot give any.
 */
static void choose_pages(struct chooser *chooser, enum page_state state, bool whole_too)
{
	bool more = !is_in_vain(chooser, state) && chooser->pages_left > 0;

	for (uint64_t extent = books.extent_count; more && extent-- > 0;) {
		if (books_count(extent, state) > 0 && (whole_too || !is_whole(extent, state))) {
			more = choose_pages_of(chooser, extent, state);
		}
	}
}

/* How many ranges it has used. */
static unsigned chosen_count(const struct chooser *chooser)
{
	return (unsigned)(chooser->next - chooser->ranges);
}

unsigned palloc_choose_surrender(struct aerostat_range *ranges, unsigned ranges_max,
				 uint64_t pages_max)
{
	struct chooser chooser = {ranges, ranges, ranges + ranges_max, pages_max, PAGE_GIVING};

	choose_extents(&chooser, PAGE_IDLE);
	choose_pages(&chooser, PAGE_IDLE, false);
	choose_pages(&chooser, PAGE_IDLE, true);
	choose_extents(&chooser, PAGE_FRESH);
	choose_pages(&chooser, PAGE_FRESH, true);
	return chosen_count(&chooser);
}

unsigned palloc_choose_report(struct aerostat_range *ranges, unsigned ranges_max)
{
	struct chooser chooser = {ranges, ranges, ranges + ranges_max, UINT64_MAX, PAGE_TAKING};

	choose_extents(&chooser, PAGE_IDLE);
	choose_pages(&chooser, PAGE_IDLE, true);
	return chosen_count(&chooser);
}

unsigned palloc_choose_return(struct aerostat_range *ranges, unsigned ranges_max,
			      uint64_t pages_max)
{
	struct chooser chooser = {ranges, ranges, ranges + ranges_max, pages_max, PAGE_TAKING};

	choose_extents(&chooser, PAGE_SURRENDERED);
	choose_pages(&chooser, PAGE_SURRENDERED, false);
	if (chosen_count(&chooser) == 0) {
		choose_pages(&chooser, PAGE_SURRENDERED, true);
	}
	return chosen_count(&chooser);
}
