/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's own address space:
 *
 *	0xffff800000000000  direct map of RAM, never executable
 *	0xffffffff80000000  the image at the same distance from its physical place; W^X
 *	0xffffffffc0000000  device registers, uncached
 *
 * Nothing else is mapped, nothing is accessible to user mode, and guard pages of stacks are holes.
 */
#ifndef ARCH_X86_CPU_PAGING_H
#define ARCH_X86_CPU_PAGING_H

#define DIRECT_MAP_BASE 0xffff800000000000
#define IMAGE_BASE 0xffffffff80000000
#define MMIO_BASE 0xffffffffc0000000
#define MMIO_BYTES 0x200000 /* one page table */

/* Everything that may be touched before paging_init() has finished lies below. */
#define EARLY_MAP_BYTES 0x100000000

#ifndef __ASSEMBLY__

#include "base/status.h"
#include "base/types.h"
#include "mm/memmap.h"

extern char image_start[], image_end[], text_start[], text_end[], rodata_start[], rodata_end[];
extern char data_start[], data_end[], bss_start[], bss_end[];

/* Of something inside the image. */
static inline hpa_t image_to_hpa(const void *address)
{
	return (hpa_t){(uintptr_t)address - IMAGE_BASE};
}

/*
 * Builds the final tables, maps `ram` directly, and switches to them. Tables come from `available`
 * and are added to `hypervisor`. NO_MEMORY: nothing was switched.
 */
enum status paging_init(const struct memmap *ram, struct memmap *available,
			struct memmap *hypervisor);

/* Maps device registers uncached for good. NULL: the window is full. */
volatile void *paging_map_mmio(hpa_t place, size_t bytes);

#endif /* __ASSEMBLY__ */

#endif
