/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boot information of a multiboot2 loader. Real: arch/x86/boot/multiboot2.c, kernel/lib/string.c.
 * Stubbed: error messages.
 */
#include "tests/proofs/proof.h"

#include "arch/x86/boot/multiboot2.c"

static struct boot_info info;
static struct error error;

/*
 * PROOF boot_map_is_read_inside
 * Shows: regions of memory are read inside their tag only, whatever size of entries it claims
 * Bound: maps of up to 80 bytes, any contents
 * Assumes: the tag lies inside the whole
 * Classes: files
 * Sources: arch/x86/boot/multiboot2.c
 * Options: --unwind 5
 * Fault: arch/x86/boot/multiboot2.c | if (from->entry_size < sizeof(struct map_entry) ||
 * from->entry_size % TAG_ALIGN != 0) { | if (from->entry_size % TAG_ALIGN != 0) {
 */
void boot_map_is_read_inside(void)
{
	static uint8_t map[80] __attribute__((aligned(8)));
	struct parser parser = {.out = &info, .error = &error};
	HAVOC(map);
	unsigned bytes =
		sizeof(struct tag) + (unsigned)any_below(sizeof(map) - sizeof(struct tag) + 1);
	ASSUME(bytes % 8 == 0);
	struct tag *tag = (struct tag *)(void *)(map + sizeof(map) - bytes);
	tag->size = bytes;
	if (parse_memory_map(&parser, tag) == STATUS_OK) {
		PROVE(info.map.count * 24 <= bytes - 16);
		PROVE(info.map.senseless <= info.map.count);
	}
}

/*
 * PROOF boot_region_is_a_range
 * Shows: a region that is used begins before it ends; one that wraps is no RAM
 * Bound: all regions
 * Assumes: nothing
 * Classes: files
 * Sources: arch/x86/boot/multiboot2.c
 * Fault: arch/x86/boot/multiboot2.c | if (available && end != 0) { | if (available && end == 0) {
 */
void boot_region_is_a_range(void)
{
	struct map_entry entry;
	struct boot_region region;
	HAVOC(entry);
	struct boot_map map = {.entries = &entry, .entry_bytes = sizeof(entry), .count = 1};
	if (multiboot2_region(&map, 0, &region)) {
		PROVE(region.start < region.end && region.start == entry.base);
		PROVE(region.available == (entry.type == MEMORY_AVAILABLE));
		bool wraps = entry.length > UINT64_MAX - entry.base;
		PROVE(!wraps || !region.available || entry.base + entry.length == 0);
		PROVE(wraps || region.end - region.start == entry.length);
	}
}
