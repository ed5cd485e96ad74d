/* SPDX-License-Identifier: BSD-2-Clause */
/* Where physical memory appears in our address space. Written once at boot, by one CPU. */
#include "mm/phys.h"

uintptr_t direct_map_base;
