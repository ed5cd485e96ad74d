/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes firmware's memory map usable (multiboot2 specification 3.6.8). Real maps are unsorted, have
 * holes, and contradict themselves: the region that forbids wins. Pure, tested on the host.
 */
#include "arch/x86/boot/ram.h"

#define LOW_START PAGE_BYTES /* the first page holds the BIOS data area */
#define LOW_END 0xa0000

static enum status add_available(const struct boot_info *info, struct memmap *ram)
{
	enum status status = STATUS_OK;

	for (unsigned i = 0; status == STATUS_OK && i < info->region_count; i++) {
		const struct boot_region *region = &info->regions[i];

		if (region->available) {
			status = memmap_add(ram, region->start, region->end);
		}
	}
	return status;
}

static enum status remove_forbidden(const struct boot_info *info, struct memmap *ram)
{
	enum status status = STATUS_OK;

	for (unsigned i = 0; status == STATUS_OK && i < info->region_count; i++) {
		const struct boot_region *region = &info->regions[i];

		if (!region->available) {
			status = memmap_remove(ram, region->start, region->end);
		}
	}
	return status;
}

enum status ram_find(const struct boot_info *info, unsigned physical_bits, struct memmap *ram)
{
	uint64_t ceiling =
		physical_bits < 64 ? min_u64(BIT(physical_bits), RAM_CEILING) : RAM_CEILING;

	memmap_init(ram);
	enum status status = add_available(info, ram);
	if (status == STATUS_OK) {
		status = remove_forbidden(info, ram);
	}
	if (status == STATUS_OK) {
		status = memmap_remove(ram, 0, RAM_FLOOR);
	}
	if (status == STATUS_OK) {
		status = memmap_remove(ram, ceiling, UINT64_MAX);
	}
	return status;
}

static bool overlaps(uint64_t page, uint64_t start, uint64_t end)
{
	return start < page + PAGE_BYTES && page < end;
}

static bool is_free_page(const struct boot_info *info, uint64_t page)
{
	bool available = false;

	for (unsigned i = 0; i < info->region_count; i++) {
		const struct boot_region *region = &info->regions[i];

		if (!region->available && overlaps(page, region->start, region->end)) {
			return false;
		}
		available |= region->available && region->start <= page &&
			     page + PAGE_BYTES <= region->end;
	}
	for (unsigned i = 0; i < info->module_count; i++) {
		if (overlaps(page, info->modules[i].start, info->modules[i].end)) {
			return false;
		}
	}
	return available;
}

uint64_t ram_find_low_page(const struct boot_info *info, uint64_t information,
			   uint64_t information_end)
{
	for (uint64_t page = LOW_START; page < LOW_END; page += PAGE_BYTES) {
		if (is_free_page(info, page) && !overlaps(page, information, information_end)) {
			return page;
		}
	}
	return 0;
}
