/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides at boot what each piece of RAM is. Three maps:
 *
 *	ram		all that gets a direct mapping: available to us, or in our use already
 *	hypervisor	in our use: image, modules, boot information, page tables, frame table
 *	available	the rest of ram; the frame table hands it out from then on
 *
 * Only what ram_find() calls RAM is ever touched, and what the loader put somewhere for us. What it
 * put there comes back later, thing by thing: boot information once it has been copied, each module
 * once its VM has been made or refused. Boot CPU only, no lock.
 */
#include "arch/x86/boot/memory.h"

#include "arch/x86/boot/ram.h"
#include "arch/x86/cpu/features.h"
#include "arch/x86/trap/paging.h"
#include "base/bits.h"
#include "base/check.h"
#include "base/log.h"
#include "base/string.h"
#include "drivers/phys/physical.h"
#include "arch/arch.h"
#include "mm/alloc.h"
#include "mm/frame.h"
#include "mm/memmap.h"
#include "mm/phys.h"

static struct memmap ram;
static struct memmap hypervisor;
static struct memmap available;
static uint64_t table_bytes;
static struct loaded loaded;
static struct memmap firmware_ram; /* all that firmware calls RAM, the first MiB included */
static uint64_t low_page;
static bool low_page_is_borrowed;

uint64_t memory_ram_bytes(void)
{
	return memmap_bytes(&ram);
}

uint64_t memory_table_bytes(void)
{
	return table_bytes;
}

/* Bytes [start, end) are in our use; whole frames are, because rights go by frame. */
static enum status claim(uint64_t start, uint64_t end)
{
	start = align_down_u64(start, PAGE_BYTES);
	end = align_up_u64(end, PAGE_BYTES);
	enum status status = memmap_remove(&available, start, end);

	if (status == STATUS_OK) {
		status = memmap_add(&ram, start, end);
	}
	if (status == STATUS_OK) {
		status = memmap_add(&hypervisor, start, end);
	}
	return status;
}

/* An empty module is nowhere, or at a place that is not its own. */
static enum status claim_loaded(void)
{
	const struct boot_info *info = loaded.info;
	enum status status = claim(loaded.image, loaded.image_end);

	if (status == STATUS_OK) {
		status = claim(loaded.information, loaded.information_end);
	}
	for (unsigned i = 0; status == STATUS_OK && i < info->module_count; i++) {
		const struct boot_module *module = &info->modules[i];

		if (module->start < module->end) {
			status = claim(module->start, module->end);
		}
	}
	return status;
}

/* The table reaches to the end of RAM, and of what we use should that lie behind it. */
static enum status build_frame_table(void)
{
	uint64_t count = memmap_end(&ram) / PAGE_BYTES;
	hpa_t place;

	table_bytes = align_up_u64(count * sizeof(struct frame), PAGE_BYTES);
	enum status status =
		memmap_take(&available, table_bytes, PAGE_BYTES, RAM_FLOOR, UINT64_MAX, &place);
	if (status == STATUS_OK) {
		status = memmap_add(&hypervisor, place.v, place.v + table_bytes);
	}
	if (status == STATUS_OK) {
		frame_table_init(phys_to_virt(place), count, &available, &hypervisor);
	}
	return status;
}

/*
 * Reads firmware's map, once, while it is still there. What it has too much of, or what makes no
 * sense in it, is left alone, and said.
 */
static void read_map(void)
{
	const struct boot_map *map = &loaded.info->map;
	uint64_t lost = ram_find(map, cpu_features.physical_bits, RAM_FLOOR, &ram);

	(void)ram_find(map, cpu_features.physical_bits, 0, &firmware_ram);
	low_page = ram_find_low_page(loaded.info, loaded.information, loaded.information_end,
				     &low_page_is_borrowed);
	if (lost != 0) {
		log_event(NULL,
			  "memory: the memory map makes more than %u pieces of RAM; the smallest, "
			  "%lu KiB, are left alone",
			  RAM_PIECES_MAX, lost >> 10);
	}
	if (map->senseless != 0) {
		log_event(NULL,
			  "memory: %u regions of the memory map are ignored: they reach beyond "
			  "the last of all addresses",
			  map->senseless);
	}
}

enum status memory_init(const struct boot_info *info, hpa_t information, size_t information_bytes,
			struct error *error)
{
	loaded = (struct loaded){
		.info = info,
		.image = image_to_hpa(image_start).v,
		.image_end = image_to_hpa(image_end).v,
		.information = information.v,
		.information_end = information.v + information_bytes,
	};
	read_map();
	uint64_t dropped = memmap_drop_remote(&ram, sizeof(struct frame));
	if (dropped != 0) {
		log_event(NULL,
			  "memory: %lu KiB lie so far away that their frame-table entries would "
			  "take more than they hold; they are left alone",
			  dropped >> 10);
	}
	available = ram;
	if (claim_loaded() != STATUS_OK) {
		return error_set(error, STATUS_NO_MEMORY,
				 "the memory map and %u modules make more than %u pieces",
				 info->module_count, MEMMAP_REGIONS_MAX);
	}
	uint64_t ram_bytes = memmap_bytes(&ram);
	if (paging_init(&ram, &available, &hypervisor) != STATUS_OK) {
		return error_set(
			error, STATUS_NO_MEMORY,
			"this machine has too little memory: of %lu KiB none are left for the "
			"hypervisor's page tables; give it at least 48 MiB",
			ram_bytes >> 10);
	}
	if (build_frame_table() != STATUS_OK) {
		return error_set(
			error, STATUS_NO_MEMORY,
			"this machine has too little memory: of %lu KiB no piece of %lu KiB is "
			"left for the frame table; give it at least 48 MiB",
			ram_bytes >> 10, table_bytes >> 10);
	}
	return STATUS_OK;
}

bool physical_is_ram(uint64_t place, size_t bytes)
{
	uint64_t end = place + bytes;

	return memmap_touches(&firmware_ram, place, end) || memmap_touches(&ram, place, end);
}

uint64_t memory_find_low_page(bool *borrowed)
{
	*borrowed = low_page_is_borrowed;
	return low_page;
}

/* Frees what the thing that has just been released does not share. Answers bytes. */
static uint64_t release(unsigned index)
{
	static struct memmap freed;

	if (ram_find_released(&loaded, index, &firmware_ram, &freed) != STATUS_OK) {
		return 0; /* they stay the hypervisor's: that does no harm */
	}
	for (unsigned i = 0; i < freed.count; i++) {
		const struct memmap_region *region = &freed.regions[i];

		frame_free_range((pfn_t){region->start >> PAGE_SHIFT},
				 (region->end - region->start) >> PAGE_SHIFT);
	}
	return memmap_bytes(&freed);
}

void memory_release_information(void)
{
	CHECK(!loaded.information_released);
	loaded.information_released = true;
	(void)release(LOADED_INFORMATION);
}

uint64_t arch_module_release(struct boot_module *module)
{
	unsigned index = (unsigned)(module - loaded.info->modules);

	CHECK(index < loaded.info->module_count && !module->released);
	module->released = true;
	return release(index) >> PAGE_SHIFT;
}
