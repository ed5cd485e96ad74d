/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How drivers read what firmware left in memory. Implemented by arch/x86/trap/paging.c, and by
 * tests over a buffer.
 */
#ifndef DRIVERS_PHYS_PHYSICAL_H
#define DRIVERS_PHYS_PHYSICAL_H

#include "base/types.h"

/*
 * Copies `bytes` bytes at host-physical `place`, which need not be RAM that we own. False: this
 * machine has no such addresses; `to` then holds anything. The boot CPU, or the
 * last one that runs.
 */
bool physical_read(uint64_t place, void *to, size_t bytes);

/*
 * Maps device registers uncached for good. NULL: not possible, or not yet; or firmware calls a part
 * of it RAM, and what is there is a VM's or our own. The first CPU while it boots, or the last one
 * that runs.
 */
volatile void *physical_map_device(uint64_t place, size_t bytes);

/* Does firmware's memory map call any of these bytes RAM? Then no device's registers are there. */
bool physical_is_ram(uint64_t place, size_t bytes);

#endif
