/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors and their tables as the processor reads them (Intel SDM volume
 * 3, 3.4.5, 3.5.1, 6.14.1 and 7.7), for whoever handles exceptions.
 */
#ifndef GUESTS_LIB_DESCRIPTOR_H
#define GUESTS_LIB_DESCRIPTOR_H

#include <stdint.h>

/* Low bits: which stack of the interrupt stack table, 0 for none. */
#define GATE_INTERRUPT 0x8e00	   /* present, ring 0, interrupts off on entry */
#define GATE_INTERRUPT_USER 0xee00 /* the same, and user mode may raise it */

#define TASK_BYTES 104
#define TASK_RSP0 4	  /* byte at which the stack for ring 0 lies */
#define TASK_STACK_1 36	  /* the first of the interrupt stack table, 8 bytes each */
#define TASK_PORT_MAP 102 /* two bytes: where the map of ports begins */
#define TASK_AVAILABLE 0x0000890000000000ull

struct gate {
	uint16_t offset_low;
	uint16_t selector;
	uint16_t flags;
	uint16_t offset_middle;
	uint32_t offset_high;
	uint32_t reserved;
};

struct table_pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

_Static_assert(sizeof(struct gate) == 16, "SDM 6.14.1");
_Static_assert(sizeof(struct table_pointer) == 10, "LIDT");

static inline struct gate gate_to(uint64_t entry, uint16_t selector, uint16_t flags)
{
	return (struct gate){
		.offset_low = (uint16_t)entry,
		.selector = selector,
		.flags = flags,
		.offset_middle = (uint16_t)(entry >> 16),
		.offset_high = (uint32_t)(entry >> 32),
	};
}

/* The table of vectors of this vCPU. */
static inline void gates_load(const struct gate *gates, uint16_t limit)
{
	struct table_pointer pointer = {limit, (uintptr_t)gates};

	__asm__ volatile("lidt %0" : : "m"(pointer));
}

/* Field of a task state segment: 8 bytes at a multiple of 4. */
static inline void task_set(uint32_t *task, unsigned byte, uint64_t value)
{
	task[byte / 4] = (uint32_t)value;
	task[byte / 4 + 1] = (uint32_t)(value >> 32);
}

/* The two slots of a GDT that describe it. */
static inline void task_describe(uint64_t *slots, const uint32_t *task)
{
	uint64_t base = (uintptr_t)task;

	slots[0] = TASK_AVAILABLE | (TASK_BYTES - 1) | (base & 0xffffff) << 16 |
		   (base >> 24 & 0xff) << 56;
	slots[1] = base >> 32;
}

#endif
