/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Four-level paging (Intel SDM volume 3, 4.5) with 2 MiB pages, one to one. Entries are only ever
 * added, so nothing needs to be invalidated.
 */
#include <stddef.h>

#include "guests/lib/memory.h"
#include "guests/lib/paging.h"
#include "guests/lib/palloc.h"

#define ENTRIES 512
#define ENTRY_PRESENT 0x1
#define ENTRY_WRITABLE 0x2
#define ENTRY_LARGE 0x80
#define ENTRY_ADDRESS 0x000ffffffffff000
#define PAGE_BYTES 4096ul
#define PAGES_PER_GIB 0x40000
#define LARGE_PAGE_BYTES 0x200000

extern uint64_t boot_pml4[ENTRIES];

/* The table below an entry, made where there is none; NULL without memory. */
static uint64_t *table_below(uint64_t *entry)
{
	if (!(*entry & ENTRY_PRESENT)) {
		bool zero;
		uint64_t page = palloc_page(&zero);

		if (page == PALLOC_NONE) {
			return NULL;
		}
		if (!zero) {
			memset((void *)(page * PAGE_BYTES), 0, PAGE_BYTES);
		}
		*entry = page * PAGE_BYTES | ENTRY_PRESENT | ENTRY_WRITABLE;
	}
	return (uint64_t *)(*entry & ENTRY_ADDRESS);
}

bool paging_map_above_4_gib(uint64_t ram_pages)
{
	for (uint64_t gib = 4; gib * PAGES_PER_GIB < ram_pages; gib++) {
		uint64_t *directories = table_below(&boot_pml4[gib / ENTRIES]);
		uint64_t *directory = directories ? table_below(&directories[gib % ENTRIES]) : NULL;

		if (!directory) {
			return false;
		}
		for (uint64_t i = 0; i < ENTRIES; i++) {
			directory[i] = (gib * ENTRIES + i) * LARGE_PAGE_BYTES | ENTRY_PRESENT |
				       ENTRY_WRITABLE | ENTRY_LARGE;
		}
	}
	return true;
}
