/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arithmetic on the list of available memory: add, remove, take. Keeps the list sorted, disjoint
 * and page-aligned. Boot CPU only, no lock. Multiboot2 specification 3.6.8 for where it comes from.
 */
#include "mm/memmap.h"

#include "base/bits.h"

void memmap_init(struct memmap *map)
{
	map->count = 0;
}

static void remove_at(struct memmap *map, unsigned index)
{
	map->count--;
	for (unsigned i = index; i < map->count; i++) {
		map->regions[i] = map->regions[i + 1];
	}
}

static enum status insert_at(struct memmap *map, unsigned index, struct memmap_region region)
{
	if (map->count == MEMMAP_REGIONS_MAX) {
		return STATUS_NO_MEMORY;
	}
	for (unsigned i = map->count; i > index; i--) {
		map->regions[i] = map->regions[i - 1];
	}
	map->regions[index] = region;
	map->count++;
	return STATUS_OK;
}

enum status memmap_add(struct memmap *map, uint64_t start, uint64_t end)
{
	/* A region that ends at the top of the address space cannot be rounded up: it ends there.
	 */
	start = start > UINT64_MAX - PAGE_BYTES ? UINT64_MAX : align_up_u64(start, PAGE_BYTES);
	end = align_down_u64(end, PAGE_BYTES);
	if (start >= end) {
		return STATUS_OK;
	}
	unsigned first = 0;
	while (first < map->count && map->regions[first].end < start) {
		first++;
	}
	if (first == map->count || map->regions[first].start > end) {
		return insert_at(map, first, (struct memmap_region){start, end});
	}
	struct memmap_region *merged = &map->regions[first];
	merged->start = min_u64(merged->start, start);
	merged->end = max_u64(merged->end, end);
	while (first + 1 < map->count && map->regions[first + 1].start <= merged->end) {
		merged->end = max_u64(merged->end, map->regions[first + 1].end);
		remove_at(map, first + 1);
	}
	return STATUS_OK;
}

enum status memmap_remove(struct memmap *map, uint64_t start, uint64_t end)
{
	if (start >= end) {
		return STATUS_OK;
	}
	start = align_down_u64(start, PAGE_BYTES);
	end = end > UINT64_MAX - PAGE_BYTES ? UINT64_MAX : align_up_u64(end, PAGE_BYTES);
	unsigned i = 0;
	while (i < map->count) {
		struct memmap_region *region = &map->regions[i];
		if (region->end <= start || region->start >= end) {
			i++;
		} else if (region->start < start && region->end > end) {
			struct memmap_region upper = {end, region->end};
			enum status status = insert_at(map, i + 1, upper);
			if (status != STATUS_OK) {
				return status; /* the hole lies inside one region: nothing changed
						*/
			}
			region->end = start;
			return STATUS_OK;
		} else if (region->start < start) {
			region->end = start;
			i++;
		} else if (region->end > end) {
			region->start = end;
			i++;
		} else {
			remove_at(map, i);
		}
	}
	return STATUS_OK;
}

enum status memmap_take(struct memmap *map, uint64_t bytes, uint64_t align, uint64_t floor,
			uint64_t ceiling, hpa_t *place)
{
	for (unsigned i = 0; i < map->count; i++) {
		uint64_t low = max_u64(map->regions[i].start, floor);
		uint64_t high = min_u64(map->regions[i].end, ceiling);
		if (low > UINT64_MAX - align) {
			continue;
		}
		uint64_t start = align_up_u64(low, align);
		if (start >= high || high - start < bytes) {
			continue;
		}
		enum status status = memmap_remove(map, start, start + bytes);
		if (status == STATUS_OK) {
			*place = (hpa_t){start};
		}
		return status;
	}
	return STATUS_NO_MEMORY;
}

enum status memmap_keep(struct memmap *map, const struct memmap *other)
{
	uint64_t at = 0;
	for (unsigned i = 0; i < other->count; i++) {
		enum status status = memmap_remove(map, at, other->regions[i].start);
		if (status != STATUS_OK) {
			return status;
		}
		at = other->regions[i].end;
	}
	return memmap_remove(map, at, UINT64_MAX);
}

uint64_t memmap_drop_smallest(struct memmap *map)
{
	unsigned smallest = 0;
	uint64_t bytes = UINT64_MAX;
	for (unsigned i = 0; i < map->count; i++) {
		uint64_t holds = map->regions[i].end - map->regions[i].start;
		if (holds < bytes) {
			bytes = holds;
			smallest = i;
		}
	}
	if (map->count == 0) {
		return 0;
	}
	remove_at(map, smallest);
	return bytes;
}

bool memmap_touches(const struct memmap *map, uint64_t start, uint64_t end)
{
	for (unsigned i = 0; i < map->count; i++) {
		if (start < map->regions[i].end && end > map->regions[i].start) {
			return true;
		}
	}
	return false;
}

uint64_t memmap_bytes(const struct memmap *map)
{
	uint64_t bytes = 0;
	for (unsigned i = 0; i < map->count; i++) {
		bytes += map->regions[i].end - map->regions[i].start;
	}
	return bytes;
}

uint64_t memmap_end(const struct memmap *map)
{
	return map->count == 0 ? 0 : map->regions[map->count - 1].end;
}

uint64_t memmap_drop_remote(struct memmap *map, uint64_t entry_bytes)
{
	uint64_t dropped = 0;
	while (map->count > 1) {
		const struct memmap_region *last = &map->regions[map->count - 1];
		uint64_t reach = last->end - map->regions[map->count - 2].end;
		uint64_t holds = last->end - last->start;
		if (reach / PAGE_BYTES * entry_bytes <= holds) {
			break;
		}
		dropped += holds;
		map->count--;
	}
	return dropped;
}
