/* SPDX-License-Identifier: BSD-2-Clause */
/* Which bytes of the machine are RAM that we may touch. */
#ifndef ARCH_X86_BOOT_RAM_H
#define ARCH_X86_BOOT_RAM_H

#include "base/bits.h"
#include "base/status.h"
#include "kernel/boot_info.h"
#include "mm/memmap.h"

/* Left to firmware, whatever the map says: it keeps data there that it does not declare. */
#define RAM_FLOOR MIB(1)
/* Frame numbers have 32 bits, the last one means "none" (mm/frame.h). */
#define RAM_CEILING ((BIT(32) - 1) << PAGE_SHIFT)

/*
 * Pure: fills *ram from the loader's regions. What firmware calls available counts where no other
 * region contradicts, in whole frames, inside [RAM_FLOOR, RAM_CEILING) and below 2^physical_bits.
 * NO_MEMORY: more than MEMMAP_REGIONS_MAX pieces.
 */
enum status ram_find(const struct boot_info *info, unsigned physical_bits, struct memmap *ram);

/*
 * Pure: the lowest page of conventional memory (below 640 KiB, behind the BIOS data area) that is
 * available and holds neither a module nor the boot information in [information, information_end).
 * 0: there is none.
 */
uint64_t ram_find_low_page(const struct boot_info *info, uint64_t information,
			   uint64_t information_end);

#endif
