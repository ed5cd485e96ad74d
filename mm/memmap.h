/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine's memory map, made usable: from firmware's list (unsorted, overlapping, with holes)
 * to a sorted list of whole available frames. Pure: no hardware, no allocation. Used by one CPU at
 * boot, before there is a frame table.
 */
#ifndef MM_MEMMAP_H
#define MM_MEMMAP_H

#include "base/status.h"
#include "base/types.h"

#define MEMMAP_REGIONS_MAX 1024

/* Bytes [start, end), half-open. */
struct memmap_region {
	uint64_t start;
	uint64_t end;
};

/* Sorted, disjoint, page-aligned, not empty. */
struct memmap {
	unsigned count;
	struct memmap_region regions[MEMMAP_REGIONS_MAX];
};

void memmap_init(struct memmap *map);

/*
 * Adds bytes [start, end) that firmware calls available, rounded inwards to frames; merges with
 * what is there. NO_MEMORY: more than MEMMAP_REGIONS_MAX pieces; the map is unchanged.
 */
MUST_CHECK enum status memmap_add(struct memmap *map, uint64_t start, uint64_t end);

/* Takes [start, end), rounded outwards to frames, out of the map. Errors as memmap_add. */
MUST_CHECK enum status memmap_remove(struct memmap *map, uint64_t start, uint64_t end);

/*
 * Takes `bytes` (a multiple of the page size) aligned to `align` (a power of two) out of the map,
 * the lowest place that lies in [floor, ceiling). NO_MEMORY: there is none.
 */
MUST_CHECK enum status memmap_take(struct memmap *map, uint64_t bytes, uint64_t align,
				   uint64_t floor, uint64_t ceiling, hpa_t *place);

/* Takes everything that is not in `other` out of the map. Errors as memmap_add. */
MUST_CHECK enum status memmap_keep(struct memmap *map, const struct memmap *other);

/* Does any byte of [start, end) lie in the map? */
bool memmap_touches(const struct memmap *map, uint64_t start, uint64_t end);

/* Takes the smallest region out, to make room. Answers its bytes; 0: the map is empty. */
uint64_t memmap_drop_smallest(struct memmap *map);

/* Total bytes, and the first byte behind the highest region (0 for an empty map). */
uint64_t memmap_bytes(const struct memmap *map);
uint64_t memmap_end(const struct memmap *map);

/*
 * Drops the highest regions as long as the frame-table entries that their distance costs
 * (`entry_bytes` per frame up to memmap_end) are more than what they hold. Answers bytes dropped.
 */
uint64_t memmap_drop_remote(struct memmap *map, uint64_t entry_bytes);

#endif
