/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides at boot what each piece of RAM is. Three maps:
 *
 *	ram		all that gets a direct mapping: available to us, or in our use already
 *	hypervisor	in our use: image, modules, boot information, page tables, frame table
 *	available	the rest of ram; the frame table hands it out from then on
 *
 * Only what ram_find() calls RAM is ever touched, and what the loader put somewhere for us. Boot
 * CPU only, no lock.
 */
#include "arch/x86/boot/memory.h"

#include "arch/x86/boot/ram.h"
#include "arch/x86/cpu/features.h"
#include "arch/x86/cpu/paging.h"
#include "base/bits.h"
#include "base/log.h"
#include "base/string.h"
#include "mm/frame.h"
#include "mm/memmap.h"
#include "mm/phys.h"

static struct memmap ram;
static struct memmap hypervisor;
static struct memmap available;
static uint64_t table_bytes;

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

static enum status claim_loaded(const struct boot_info *info, hpa_t information,
				size_t information_bytes)
{
	enum status status = claim(image_to_hpa(image_start).v, image_to_hpa(image_end).v);

	if (status == STATUS_OK) {
		status = claim(information.v, information.v + information_bytes);
	}
	for (unsigned i = 0; status == STATUS_OK && i < info->module_count; i++) {
		status = claim(info->modules[i].start, info->modules[i].end);
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

bool memory_init(const struct boot_info *info, hpa_t information, size_t information_bytes,
		 char *sentence)
{
	if (ram_find(info, cpu_features.physical_bits, &ram) != STATUS_OK) {
		snprintf(sentence, MEMORY_SENTENCE_BYTES,
			 "the machine's memory map has more than %u pieces", MEMMAP_REGIONS_MAX);
		return false;
	}
	uint64_t dropped = memmap_drop_remote(&ram, sizeof(struct frame));
	if (dropped != 0) {
		log_event(NULL,
			  "memory: %lu KiB lie so far away that their frame-table entries would "
			  "take more than they hold; they are left alone",
			  dropped >> 10);
	}
	available = ram;
	if (claim_loaded(info, information, information_bytes) != STATUS_OK) {
		snprintf(sentence, MEMORY_SENTENCE_BYTES,
			 "the memory map and %u modules make more than %u pieces",
			 info->module_count, MEMMAP_REGIONS_MAX);
		return false;
	}
	uint64_t ram_bytes = memmap_bytes(&ram);
	if (paging_init(&ram, &available, &hypervisor) != STATUS_OK) {
		snprintf(sentence, MEMORY_SENTENCE_BYTES,
			 "this machine has too little memory: of %lu KiB none are left for the "
			 "hypervisor's page tables; give it at least 48 MiB",
			 ram_bytes >> 10);
		return false;
	}
	if (build_frame_table() != STATUS_OK) {
		snprintf(sentence, MEMORY_SENTENCE_BYTES,
			 "this machine has too little memory: of %lu KiB no piece of %lu KiB is "
			 "left for the frame table; give it at least 48 MiB",
			 ram_bytes >> 10, table_bytes >> 10);
		return false;
	}
	return true;
}
