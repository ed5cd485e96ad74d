/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's own address space:
 *
 *	0xffff800000000000  direct map of RAM, never executable
 *	0xffffffff80000000  the image at the same distance from its physical place; W^X
 *	0xffffffffc0000000  device registers, uncached; the last page is a window
 *	0xffffffffc0200000  stacks of all CPUs but the first
 *	0xffffff0000000000  the screen, if it may be used
 *
 * Nothing else is mapped, nothing is accessible to user mode, and guard pages of stacks are holes.
 */
#ifndef ARCH_X86_TRAP_PAGING_H
#define ARCH_X86_TRAP_PAGING_H

#define DIRECT_MAP_BASE 0xffff800000000000
#define IMAGE_BASE 0xffffffff80000000
#define SCREEN_BASE 0xffffff0000000000
#define MMIO_BASE 0xffffffffc0000000
#define MMIO_BYTES 0x200000 /* one page table */
#define STACKS_BASE (MMIO_BASE + MMIO_BYTES)

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

/*
 * Shows one frame, which need not be RAM that we own, readable and writable at an address that is
 * good until the next call; NULL: this machine has no such address. Boot CPU only.
 */
void *paging_window(hpa_t frame);

/* Shows nothing any more. */
void paging_window_close(void);

struct cpu_stacks;

/*
 * The stacks of CPU `index` (not the boot CPU's): its place in the address space, backed by frames
 * of ours, all but the guard pages. What an earlier call has done stays. NULL: no memory.
 */
struct cpu_stacks *paging_back_stacks(unsigned index);

#endif /* __ASSEMBLY__ */

#endif
