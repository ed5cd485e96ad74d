/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How drivers read what firmware left in memory. Implemented by arch/x86/cpu/paging.c, and by tests
 * over a buffer.
 */
#ifndef DRIVERS_PHYS_PHYSICAL_H
#define DRIVERS_PHYS_PHYSICAL_H

#include "base/types.h"

/*
 * Copies `bytes` bytes at host-physical `place`, which need not be RAM that we own. False: this
 * machine has no such addresses; `to` then holds anything. Boot CPU only.
 */
bool physical_read(uint64_t place, void *to, size_t bytes);

#endif
