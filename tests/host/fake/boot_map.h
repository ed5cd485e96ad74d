/* SPDX-License-Identifier: BSD-2-Clause */
/* Firmware's map of memory for a test, in the form of multiboot2 (specification 3.6.8). */
#ifndef FAKE_BOOT_MAP_H
#define FAKE_BOOT_MAP_H

#include "arch/x86/boot/multiboot2.h"

#define FAKE_MAP_ENTRIES_MAX 4096

/* Makes *map of `regions`; good until the next call. */
static inline void fake_boot_map(struct boot_map *map, const struct boot_region *regions,
				 unsigned count)
{
	static struct {
		uint64_t base;
		uint64_t length;
		uint32_t type;
		uint32_t reserved;
	} entries[FAKE_MAP_ENTRIES_MAX];
	for (unsigned i = 0; i < count; i++) {
		entries[i].base = regions[i].start;
		entries[i].length = regions[i].end - regions[i].start;
		entries[i].type = regions[i].available ? 1 : 2;
	}
	*map = (struct boot_map){entries, sizeof(entries[0]), count, 0};
}

#endif
