/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets of pages; their numbers are kept in pages of the allocator, one per 512. */
#include <stddef.h>

#include "guests/lib/balloon.h"
#include "guests/lib/page_set.h"
#include "guests/lib/palloc.h"

_Static_assert(sizeof(struct page_chunk) == 4096, "a chunk is a page");

/* How often a long allocation looks after the balloon. */
#define BALLOON_INTERVAL_PAGES 64

static bool chunk_add(struct page_set *set, uint64_t chunk)
{
	uint64_t page;

	if (chunk == PAGE_SET_CHUNKS_MAX) {
		return false;
	}
	page = palloc_page(NULL);
	if (page == PALLOC_NONE) {
		return false;
	}
	set->chunks[chunk] = (struct page_chunk *)(page * 4096);
	return true;
}

static void chunk_remove(const struct page_set *set, uint64_t chunk)
{
	palloc_free((uintptr_t)set->chunks[chunk] / 4096, 1);
}

static bool page_add(struct page_set *set)
{
	uint64_t chunk = set->count / PAGE_SET_CHUNK_PAGES;
	uint64_t slot = set->count % PAGE_SET_CHUNK_PAGES;
	uint64_t page;

	if (slot == 0 && !chunk_add(set, chunk)) {
		return false;
	}
	page = palloc_page(NULL);
	if (page == PALLOC_NONE) {
		if (slot == 0) {
			chunk_remove(set, chunk);
		}
		return false;
	}
	set->chunks[chunk]->pages[slot] = page;
	set->count++;
	return true;
}

bool page_set_grow(struct page_set *set, uint64_t count)
{
	if (set->count < count) {
		palloc_claim(count - set->count + count / PAGE_SET_CHUNK_PAGES -
			     set->count / PAGE_SET_CHUNK_PAGES);
	}
	while (set->count < count) {
		if (!page_add(set)) {
			palloc_claim(0);
			palloc_want(count - set->count);
			return false;
		}
		if (set->count % BALLOON_INTERVAL_PAGES == 0) {
			balloon_work();
		}
	}
	palloc_claim(0);
	return true;
}

void page_set_shrink(struct page_set *set, uint64_t count)
{
	while (set->count > count) {
		uint64_t index = --set->count;

		palloc_free(page_set_page(set, index), 1);
		if (index % PAGE_SET_CHUNK_PAGES == 0) {
			chunk_remove(set, index / PAGE_SET_CHUNK_PAGES);
		}
	}
	balloon_work();
}
