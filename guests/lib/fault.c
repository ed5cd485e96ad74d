/* SPDX-License-Identifier: BSD-2-Clause */
/* The interrupt descriptor table (Intel SDM volume 3, 6.14.1) and the report of an exception. */
#include <stdint.h>

#include "guests/lib/console.h"
#include "guests/lib/cpu.h"
#include "guests/lib/fault.h"
#include "guests/lib/layout.h"
#include "guests/lib/runtime.h"

#define GATE_INTERRUPT 0x8e00 /* present, ring 0, interrupts off on entry */
#define VECTOR_PAGE_FAULT 14

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

/* As vectors.S leaves it on the stack. */
struct fault_frame {
	uint64_t vector;
	uint64_t error;
	uint64_t rip;
	uint64_t cs;
	uint64_t rflags;
	uint64_t rsp;
	uint64_t ss;
};

extern const uint64_t fault_stubs[EXCEPTION_COUNT];
void doorbell_entry(void);
_Noreturn void fault_report(const struct fault_frame *frame);

static struct gate gates[DOORBELL_VECTOR + 1];

static const char *const exception_names[EXCEPTION_COUNT] = {
	[0] = "divide error",
	[1] = "debug exception",
	[2] = "NMI",
	[3] = "breakpoint",
	[4] = "overflow",
	[5] = "bound range exceeded",
	[6] = "invalid opcode",
	[7] = "device not available",
	[8] = "double fault",
	[10] = "invalid TSS",
	[11] = "segment not present",
	[12] = "stack fault",
	[13] = "general protection",
	[14] = "page fault",
	[16] = "x87 error",
	[17] = "alignment check",
	[18] = "machine check",
	[19] = "SIMD exception",
	[20] = "virtualization fault",
	[21] = "control protection",
};

static void gate_set(unsigned vector, uint64_t entry)
{
	gates[vector].offset_low = (uint16_t)entry;
	gates[vector].selector = GUEST_CODE_SELECTOR;
	gates[vector].flags = GATE_INTERRUPT;
	gates[vector].offset_middle = (uint16_t)(entry >> 16);
	gates[vector].offset_high = (uint32_t)(entry >> 32);
}

void fault_init(void)
{
	struct table_pointer pointer = {sizeof(gates) - 1, (uintptr_t)gates};

	for (unsigned vector = 0; vector < EXCEPTION_COUNT; vector++) {
		gate_set(vector, fault_stubs[vector]);
	}
	gate_set(DOORBELL_VECTOR, (uintptr_t)doorbell_entry);
	__asm__ volatile("lidt %0" : : "m"(pointer));
}

_Noreturn void fault_report(const struct fault_frame *frame)
{
	const char *name = exception_names[frame->vector];

	console_print("%s (vector %lu) at 0x%lx, error 0x%lx", name ? name : "exception",
		      frame->vector, frame->rip, frame->error);
	if (frame->vector == VECTOR_PAGE_FAULT) {
		console_print(", address 0x%lx", cpu_read_cr2());
	}
	console_print("\n");
	runtime_exit(GUEST_EXIT_EXCEPTION + (int)frame->vector);
}
