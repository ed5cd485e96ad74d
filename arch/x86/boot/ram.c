/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes firmware's memory map usable (multiboot2 specification 3.6.8). Real maps are unsorted, have
 * holes, and contradict themselves: the region that forbids wins. Pure, tested on the host.
 */
#include "arch/x86/boot/ram.h"

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
