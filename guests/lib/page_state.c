/* SPDX-License-Identifier: BSD-2-Clause */
/* See page_state.h. What changes a whole extent does so in words of eight pages. */
#include "guests/lib/page_state.h"

#define WORD_PAGES 8
#define WORD_OF_BYTES 0x0101010101010101ull

struct books books;

/* A byte becomes (byte & keep) | set. */
static void set_extent(uint64_t extent, uint8_t keep, uint8_t set)
{
	uint64_t *words = (uint64_t *)(books.states + extent * PALLOC_EXTENT_PAGES);
	enum page_state to = (enum page_state)(set & BOOKS_STATE);

	for (unsigned from = 0; from < PAGE_STATES; from++) {
		books_count_change(extent, from, to, books_count(extent, from));
	}
	for (unsigned i = 0; i < PALLOC_EXTENT_PAGES / WORD_PAGES; i++) {
		words[i] = (words[i] & keep * WORD_OF_BYTES) | set * WORD_OF_BYTES;
	}
}

/* Part of an extent: run after run of pages that were in the same state. */
static void set_part(uint64_t page, unsigned count, uint8_t keep, uint8_t set)
{
	uint8_t *bytes = books.states + (page - books.base_page);
	uint64_t extent = books_extent_of(page);

	while (count > 0) {
		enum page_state from = (enum page_state)(*bytes & BOOKS_STATE);
		unsigned run = 0;

		while (run < count && (bytes[run] & BOOKS_STATE) == from) {
			bytes[run] = (uint8_t)((bytes[run] & keep) | set);
			run++;
		}
		books_count_change(extent, from, (enum page_state)(set & BOOKS_STATE), run);
		bytes += run;
		count -= run;
	}
}

void books_change(uint64_t page, uint64_t count, uint8_t keep, uint8_t set)
{
	while (count > 0) {
		uint64_t extent = books_extent_of(page);
		uint64_t part = books_extent_start(extent + 1) - page;

		part = part < count ? part : count;
		if (part == PALLOC_EXTENT_PAGES) {
			set_extent(extent, keep, set);
		} else {
			set_part(page, (unsigned)part, keep, set);
		}
		page += part;
		count -= part;
	}
}

void books_init(uint64_t first_page, uint64_t limit_pages, void *memory)
{
	books = (struct books){.base_page = first_page - first_page % PALLOC_EXTENT_PAGES};
	books.extent_count = books_extent_of(limit_pages - 1) + 1;
	books.extents = memory;
	books.states = (uint8_t *)memory + books_extents_bytes(books.extent_count);
	palloc_counts = (struct palloc_counts){0};
	palloc_counts.pages[PAGE_FRESH] = books.extent_count * PALLOC_EXTENT_PAGES;
	books_set(books.base_page, first_page - books.base_page, PAGE_USED);
	books_set(limit_pages, books_extent_start(books.extent_count) - limit_pages, PAGE_USED);
	palloc_counts.total = limit_pages - first_page;
	palloc_counts.pages[PAGE_USED] = 0;
}

uint64_t books_find_extent(enum page_state state)
{
	uint64_t extent = books.lowest[state];

	if (palloc_counts.pages[state] == 0) {
		return books.extent_count;
	}
	while (extent < books.extent_count && books_count(extent, state) == 0) {
		extent++;
	}
	books.lowest[state] = extent;
	return extent;
}
