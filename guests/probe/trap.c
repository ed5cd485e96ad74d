/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptor tables for expected exceptions (Intel SDM volume 3, 3.4.5, 6.14.1 and 7.7). */
#include "guests/probe/trap.h"

#define EXCEPTIONS 32
#define GATES (TRAP_LEAVE_USER_VECTOR + 1)
#define GATE_KERNEL 0x8e00 /* present, interrupts off on entry */
#define GATE_USER 0xee00   /* the same, and user mode may raise it */
#define TASK_BYTES 104
#define TASK_AVAILABLE 0x0000890000000000ull
#define TRAP_STACK_BYTES 4096

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

extern const uint64_t trap_stubs[EXCEPTIONS];
void trap_software_stub(void);
void trap_leave_user(void);

uint64_t trap_vector;
uint64_t trap_error;
uint64_t trap_rip;
uint64_t trap_count;
uint64_t trap_resume;

static struct gate gates[GATES];
static uint8_t stack[TRAP_STACK_BYTES] __attribute__((aligned(16)));

/* RSP0 lies at byte 4. */
static uint32_t task[TASK_BYTES / 4] __attribute__((aligned(16)));

static uint64_t descriptors[] = {
	0,
	0x00af9b000000ffff, /* TRAP_CODE_64 */
	0x00cf93000000ffff, /* TRAP_DATA */
	0x00cf9b000000ffff, /* TRAP_CODE_32 */
	0x00affb000000ffff, /* TRAP_USER_CODE */
	0x00cff3000000ffff, /* TRAP_USER_DATA */
	0,		    /* TRAP_TASK, filled below */
	0,
};

static void gate_set(unsigned vector, uint64_t entry, uint16_t flags)
{
	gates[vector] = (struct gate){
		.offset_low = (uint16_t)entry,
		.selector = TRAP_CODE_64,
		.flags = flags,
		.offset_middle = (uint16_t)(entry >> 16),
		.offset_high = (uint32_t)(entry >> 32),
	};
}

static void task_init(void)
{
	uint64_t base = (uintptr_t)task;
	uint64_t top = (uintptr_t)(stack + TRAP_STACK_BYTES);

	task[1] = (uint32_t)top;
	task[2] = (uint32_t)(top >> 32);
	descriptors[TRAP_TASK / 8] = TASK_AVAILABLE | (TASK_BYTES - 1) | (base & 0xffffff) << 16 |
				     (base >> 24 & 0xff) << 56;
	descriptors[TRAP_TASK / 8 + 1] = base >> 32;
}

void trap_init(void)
{
	struct table_pointer gdt = {sizeof(descriptors) - 1, (uintptr_t)descriptors};
	struct table_pointer idt = {sizeof(gates) - 1, (uintptr_t)gates};

	for (unsigned vector = 0; vector < EXCEPTIONS; vector++) {
		gate_set(vector, trap_stubs[vector], GATE_KERNEL);
	}
	gate_set(TRAP_SOFTWARE_VECTOR, (uintptr_t)trap_software_stub, GATE_KERNEL);
	gate_set(TRAP_LEAVE_USER_VECTOR, (uintptr_t)trap_leave_user, GATE_USER);
	task_init();
	__asm__ volatile("cli\n"
			 "lgdt %0\n"
			 "lidt %1\n"
			 "ltr %w2"
			 :
			 : "m"(gdt), "m"(idt), "r"(TRAP_TASK)
			 : "memory");
}
