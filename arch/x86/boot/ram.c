/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes firmware's memory map usable (multiboot2 specification 3.6.8). Real maps are unsorted, have
 * holes, and contradict themselves: the region that forbids wins. Pure, tested on the host.
 */
#include "arch/x86/boot/ram.h"

#define LOW_START PAGE_BYTES /* the first page holds the BIOS data area */
#define LOW_END 0xa0000

/*
 * Where the table is full the smallest piece goes. That may be a little larger than this one, but
 * RAM_PIECES_MAX is less than a full table, so that both are given up in the end.
 */
static uint64_t add(struct memmap *ram, uint64_t start, uint64_t end)
{
	uint64_t lost = 0;

	while (memmap_add(ram, start, end) != STATUS_OK) {
		lost += memmap_drop_smallest(ram);
	}
	return lost;
}

/* A hole cuts a piece in two; where there is no room for both, the smallest of all goes first. */
static uint64_t cut(struct memmap *ram, uint64_t start, uint64_t end)
{
	uint64_t lost = 0;

	while (memmap_remove(ram, start, end) != STATUS_OK) {
		lost += memmap_drop_smallest(ram);
	}
	return lost;
}

uint64_t ram_find(const struct boot_map *map, unsigned physical_bits, uint64_t floor,
		  struct memmap *ram)
{
	uint64_t ceiling =
		physical_bits < 64 ? min_u64(BIT(physical_bits), RAM_CEILING) : RAM_CEILING;
	struct boot_region region;
	uint64_t lost = 0;

	memmap_init(ram);
	for (unsigned i = 0; i < map->count; i++) {
		if (multiboot2_region(map, i, &region) && region.available) {
			lost += add(ram, region.start, region.end);
		}
	}
	for (unsigned i = 0; i < map->count; i++) {
		if (multiboot2_region(map, i, &region) && !region.available) {
			lost += cut(ram, region.start, region.end);
		}
	}
	lost += cut(ram, 0, floor);
	lost += cut(ram, ceiling, UINT64_MAX);
	while (ram->count > RAM_PIECES_MAX) {
		lost += memmap_drop_smallest(ram);
	}
	return lost;
}

/* ---- Where processors start ------------------------------------------------------------------ */

static bool overlaps(uint64_t page, uint64_t start, uint64_t end)
{
	return start < end && start < page + PAGE_BYTES && page < end;
}

static bool is_available_page(const struct boot_map *map, uint64_t page)
{
	struct boot_region region;
	bool available = false;

	for (unsigned i = 0; i < map->count; i++) {
		if (!multiboot2_region(map, i, &region)) {
			continue;
		}
		if (!region.available && overlaps(page, region.start, region.end)) {
			return false;
		}
		available |=
			region.available && region.start <= page && page + PAGE_BYTES <= region.end;
	}
	return available;
}

static bool holds_module(const struct boot_info *info, uint64_t page)
{
	for (unsigned i = 0; i < info->module_count; i++) {
		const struct boot_module *module = &info->modules[i];

		if (!module->released && overlaps(page, module->start, module->end)) {
			return true;
		}
	}
	return false;
}

uint64_t ram_find_low_page(const struct boot_info *info, uint64_t information,
			   uint64_t information_end, bool *borrowed)
{
	uint64_t lowest = 0;

	*borrowed = false;
	for (uint64_t page = LOW_START; page < LOW_END; page += PAGE_BYTES) {
		if (!is_available_page(&info->map, page)) {
			continue;
		}
		if (!holds_module(info, page) && !overlaps(page, information, information_end)) {
			return page;
		}
		lowest = lowest == 0 ? page : lowest;
	}
	*borrowed = lowest != 0;
	return lowest;
}

/* ---- What the loader put into memory --------------------------------------------------------- */

/* The frames of [start, end), none for an empty range. */
static enum status add_frames(struct memmap *map, uint64_t start, uint64_t end)
{
	if (start == end) {
		return STATUS_OK;
	}
	return memmap_add(map, align_down_u64(start, PAGE_BYTES), align_up_u64(end, PAGE_BYTES));
}

static enum status remove_needed(const struct loaded *loaded, struct memmap *freed)
{
	enum status status = memmap_remove(freed, loaded->image, loaded->image_end);

	if (status == STATUS_OK && !loaded->information_released) {
		status = memmap_remove(freed, loaded->information, loaded->information_end);
	}
	for (unsigned i = 0; status == STATUS_OK && i < loaded->info->module_count; i++) {
		const struct boot_module *module = &loaded->info->modules[i];

		if (!module->released) {
			status = memmap_remove(freed, module->start, module->end);
		}
	}
	return status;
}

enum status ram_find_released(const struct loaded *loaded, unsigned index, const struct memmap *ram,
			      struct memmap *freed)
{
	enum status status;

	memmap_init(freed);
	if (index == LOADED_INFORMATION) {
		status = add_frames(freed, loaded->information, loaded->information_end);
	} else {
		const struct boot_module *module = &loaded->info->modules[index];

		status = add_frames(freed, module->start, module->end);
	}
	if (status == STATUS_OK) {
		status = remove_needed(loaded, freed);
	}
	if (status == STATUS_OK) {
		status = memmap_keep(freed, ram);
	}
	return status;
}
