/* SPDX-License-Identifier: BSD-2-Clause */
/* Segments and the task-state segment of each CPU (Intel SDM volume 3, chapters 3 and 8.7). */
#ifndef ARCH_X86_CPU_GDT_H
#define ARCH_X86_CPU_GDT_H

#define SELECTOR_CODE 0x08
#define SELECTOR_DATA 0x10
#define SELECTOR_TSS 0x18 /* two slots */
#define GDT_SLOTS 5

/* The table that boot uses before: the same code and data, and 32-bit code. */
#define SELECTOR_EARLY_CODE_32 0x18
#define EARLY_GDT_BYTES 32

/* Interrupt stack table: which vectors get a stack of their own. 0: the interrupted one. */
#define IST_NMI 1
#define IST_DOUBLE_FAULT 2
#define IST_MACHINE_CHECK 3

#ifndef __ASSEMBLY__

#include "base/types.h"

struct tss {
	uint32_t reserved_0;
	uint64_t rsp[3];
	uint64_t reserved_1;
	uint64_t ist[7]; /* IST n is ist[n - 1] */
	uint64_t reserved_2;
	uint16_t reserved_3;
	uint16_t io_map_base;
} __attribute__((packed));

_Static_assert(sizeof(struct tss) == 104, "layout of the processor");

struct cpu;

/* Builds and loads this CPU's GDT and TSS, and reloads all segment registers. */
void gdt_load(struct cpu *cpu);

#endif /* __ASSEMBLY__ */

#endif
