/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the hypervisor touches physical memory: all RAM is mapped at one constant distance. Set once
 * at boot (arch/x86/trap/paging.c); host tests point it at an array.
 */
#ifndef MM_PHYS_H
#define MM_PHYS_H

#include "base/types.h"

extern uintptr_t direct_map_base;

static inline void *phys_to_virt(hpa_t hpa)
{
	return (void *)(direct_map_base + hpa.v);
}

static inline void *pfn_to_virt(pfn_t pfn)
{
	return phys_to_virt(pfn_to_hpa(pfn));
}

#endif
