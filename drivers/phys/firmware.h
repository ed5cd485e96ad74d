/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tables of PC firmware have in common: where they are looked for, and their checksums. */
#ifndef DRIVERS_PHYS_FIRMWARE_H
#define DRIVERS_PHYS_FIRMWARE_H

#include "base/types.h"

#define FIRMWARE_BIOS_END 0x100000

/* Places are multiples of this, whichever area is searched. */
#define FIRMWARE_SEARCH_STEP 16

/* The extended BIOS data area, as the BIOS data area tells; 0: there is none. */
uint64_t firmware_ebda(void);

/* Where conventional memory ends, as the BIOS data area tells; 0: it says nothing usable. */
uint64_t firmware_base_memory_end(void);

/* The first place in [start, end) with `signature`, `bytes` (at most 8) long; 0: none. */
uint64_t firmware_search(uint64_t start, uint64_t end, const char *signature, size_t bytes);

/* All bytes of [place, place + bytes) can be read and add up to 0. */
bool firmware_checksum_is_right(uint64_t place, uint64_t bytes);

#endif
