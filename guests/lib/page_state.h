/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The books of the page allocator: one byte of state per page, and per extent of 512 pages the
 * counts of each state, so that a search skips what has nothing to offer. Both start as zero bytes,
 * which means FRESH: RAM that is never used costs no book page either. palloc.h says what the
 * states mean. Lock: palloc_lock, held by the caller.
 */
#ifndef GUESTS_LIB_PAGE_STATE_H
#define GUESTS_LIB_PAGE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "guests/lib/palloc.h"

#define BOOKS_STATE 0x7	  /* of a page's byte */
#define BOOKS_WRITTEN 0x8 /* the page does not read as zero, as far as we know */

/* Difference of each state's count to an extent that is FRESH throughout. */
struct extent {
	int16_t delta[PAGE_STATES];
};

struct books {
	uint64_t base_page; /* of the first extent; a multiple of 512 */
	uint64_t extent_count;
	struct extent *extents;
	uint8_t *states;	      /* by page - base_page */
	uint64_t lowest[PAGE_STATES]; /* no extent below has a page of this state (free ones) */
};

extern struct books books;

/* Size of `extents`; whole words, so that `states` behind it is aligned. */
static inline uint64_t books_extents_bytes(uint64_t extent_count)
{
	return (extent_count * sizeof(struct extent) + 7) / 8 * 8;
}

static inline unsigned books_count(uint64_t extent, enum page_state state)
{
	return (unsigned)(books.extents[extent].delta[state] +
			  (state == PAGE_FRESH ? PALLOC_EXTENT_PAGES : 0));
}

static inline enum page_state books_state(uint64_t page)
{
	return (enum page_state)(books.states[page - books.base_page] & BOOKS_STATE);
}

static inline bool books_was_written(uint64_t page)
{
	return (books.states[page - books.base_page] & BOOKS_WRITTEN) != 0;
}

static inline uint64_t books_extent_of(uint64_t page)
{
	return (page - books.base_page) / PALLOC_EXTENT_PAGES;
}

static inline uint64_t books_extent_start(uint64_t extent)
{
	return books.base_page + extent * PALLOC_EXTENT_PAGES;
}

/* So many pages of the extent have gone from one state to another: their bytes say so already. */
static inline void books_count_change(uint64_t extent, enum page_state from, enum page_state to,
				      unsigned count)
{
	int16_t *delta = books.extents[extent].delta;

	delta[from] -= (int16_t)count;
	delta[to] += (int16_t)count;
	palloc_counts.pages[from] -= count;
	palloc_counts.pages[to] += count;
	if (count > 0 && extent < books.lowest[to]) {
		books.lowest[to] = extent;
	}
}

/* One page's byte becomes (byte & keep) | set: its new state, and perhaps BOOKS_WRITTEN. */
static inline void books_change_page(uint64_t page, uint8_t keep, uint8_t set)
{
	uint8_t *byte = &books.states[page - books.base_page];
	enum page_state from = (enum page_state)(*byte & BOOKS_STATE);

	*byte = (uint8_t)((*byte & keep) | set);
	books_count_change(books_extent_of(page), from, (enum page_state)(set & BOOKS_STATE), 1);
}

/* The same for more than one. */
void books_change(uint64_t page, uint64_t count, uint8_t keep, uint8_t set);

/* Everything from `first_page` to `limit_pages` is FRESH, and what else is in those extents USED.
 */
void books_init(uint64_t first_page, uint64_t limit_pages, void *memory);

/* New state of so many pages; whether they are written stays as it is. */
static inline void books_set(uint64_t page, uint64_t count, enum page_state state)
{
	if (count == 1) {
		books_change_page(page, (uint8_t)~BOOKS_STATE, (uint8_t)state);
	} else if (count > 0) {
		books_change(page, count, (uint8_t)~BOOKS_STATE, (uint8_t)state);
	}
}

/* The same, with BOOKS_WRITTEN or 0. */
static inline void books_set_written(uint64_t page, uint64_t count, enum page_state state,
				     uint8_t written)
{
	if (count == 1) {
		books_change_page(page, 0, (uint8_t)(state | written));
	} else if (count > 0) {
		books_change(page, count, 0, (uint8_t)(state | written));
	}
}

/* The lowest extent that has a page in `state`; extent_count if there is none. */
uint64_t books_find_extent(enum page_state state);

#endif
