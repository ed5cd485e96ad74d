/* SPDX-License-Identifier: BSD-2-Clause */
/* Which bytes of the machine are RAM that we may touch. */
#ifndef ARCH_X86_BOOT_RAM_H
#define ARCH_X86_BOOT_RAM_H

#include "arch/x86/boot/multiboot2.h"
#include "base/bits.h"
#include "base/status.h"
#include "arch/boot_info.h"
#include "mm/memmap.h"

/* Left to firmware, whatever the map says: it keeps data there that it does not declare. */
#define RAM_FLOOR MIB(1)
/* Frame numbers have 32 bits, the last one means "none" (mm/frame.h). */
#define RAM_CEILING ((BIT(32) - 1) << PAGE_SHIFT)

/*
 * Pieces of RAM that are used: so many that no machine is known with half of them. The rest of a
 * memmap is for cutting out what is in use: each loaded thing makes one piece more at most.
 */
#define RAM_PIECES_MAX (MEMMAP_REGIONS_MAX - BOOT_MODULES_MAX - 64)

/*
 * Pure: fills *ram from the loader's map. What firmware calls available counts where no other
 * region contradicts, in whole frames, inside [floor, RAM_CEILING) and below 2^physical_bits.
 * Answers the bytes of the smallest pieces, which are given up where there are too many.
 */
uint64_t ram_find(const struct boot_map *map, unsigned physical_bits, uint64_t floor,
		  struct memmap *ram);

/*
 * Pure: the page of conventional memory (below 640 KiB, behind the BIOS data area) in which other
 * processors start. The lowest that is available and holds neither a module nor a byte of the boot
 * information in [information, information_end); *borrowed is false. Where loaded things fill it
 * all, the lowest available page, whose contents are needed afterwards; *borrowed is true. 0:
 * there is none.
 */
uint64_t ram_find_low_page(const struct boot_info *info, uint64_t information,
			   uint64_t information_end, bool *borrowed);

/*
 * Pure: of what the loader has put into memory for us, the boot information at [information,
 * information_end) and the modules, the frames that are free once the thing of that index has
 * been released, in *freed. LOADED_INFORMATION is the boot information, others are modules. A frame
 * that it shares with the image or with something that is not released stays, until the last one
 * goes. What `ram` does not call RAM is not given back either. The caller sets `released` of the
 * thing itself before. NO_MEMORY: too many pieces; nothing may be freed.
 */
#define LOADED_INFORMATION (~0u)
struct loaded {
	const struct boot_info *info;
	uint64_t image;
	uint64_t image_end;
	uint64_t information;
	uint64_t information_end;
	bool information_released;
};
MUST_CHECK enum status ram_find_released(const struct loaded *loaded, unsigned index,
					 const struct memmap *ram, struct memmap *freed);

#endif
