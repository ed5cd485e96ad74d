/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the boot information of a multiboot2 loader (specification 2.0, chapter 3.6). */
#ifndef ARCH_X86_BOOT_MULTIBOOT2_H
#define ARCH_X86_BOOT_MULTIBOOT2_H

#include "base/error.h"
#include "base/types.h"
#include "arch/boot_info.h"

#define MULTIBOOT2_LOADER_MAGIC 0x36d76289
#define MULTIBOOT2_HEAD_BYTES 8
#define MULTIBOOT2_BYTES_MAX 0x1000000 /* a loader that tells more than this is not believed */

/*
 * Pure: reads `bytes` bytes at `buffer` (8-byte aligned) and fills *out, which keeps nothing of the
 * buffer but where the map of memory is. INVALID: *error says what is wrong; *out then holds what
 * was read so far, all of it well-formed. What has no place is counted in *out and is no error.
 */
enum status multiboot2_parse(const void *buffer, size_t bytes, struct boot_info *out,
			     struct error *error);

struct boot_region {
	uint64_t start; /* bytes [start, end), as firmware gave them: unsorted, may overlap */
	uint64_t end;	/* UINT64_MAX also for 2^64 */
	bool available;
};

/*
 * Pure: entry `index` of the map, below map->count. False: it is empty, or makes no sense, and is
 * to be ignored.
 */
bool multiboot2_region(const struct boot_map *map, unsigned index, struct boot_region *region);

#endif
