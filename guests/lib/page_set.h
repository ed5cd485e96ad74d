/* SPDX-License-Identifier: BSD-2-Clause */
/* A growing and shrinking set of pages, numbered 0.. in the order in which they came. */
#ifndef GUESTS_LIB_PAGE_SET_H
#define GUESTS_LIB_PAGE_SET_H

#include <stdbool.h>
#include <stdint.h>

#define PAGE_SET_CHUNK_PAGES 512
#define PAGE_SET_CHUNKS_MAX 8192 /* 16 GiB */

/* A page full of page numbers, itself from the allocator. */
struct page_chunk {
	uint64_t pages[PAGE_SET_CHUNK_PAGES];
};

struct page_set {
	uint64_t count;
	struct page_chunk *chunks[PAGE_SET_CHUNKS_MAX];
};

/* Allocates until there are `count` pages. False: no memory; those that came stay. */
bool page_set_grow(struct page_set *set, uint64_t count);

/* Frees the youngest until there are `count` pages. */
void page_set_shrink(struct page_set *set, uint64_t count);

static inline uint64_t page_set_page(const struct page_set *set, uint64_t index)
{
	return set->chunks[index / PAGE_SET_CHUNK_PAGES]->pages[index % PAGE_SET_CHUNK_PAGES];
}

static inline void *page_set_address(const struct page_set *set, uint64_t index)
{
	return (void *)(page_set_page(set, index) * 4096);
}

#endif
