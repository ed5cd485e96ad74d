/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptor tables (Intel SDM volume 3, 3.4.5, 6.14.1 and 7.7) and the second view of RAM that
 * user mode has: the kernel's own view stays closed to it, so that SMEP and SMAP may be tried.
 */
#include "guests/hostile/trap.h"

#include "guests/lib/layout.h"

#define GATE_KERNEL 0x8e00 /* present, interrupts off on entry */
#define STACK_EXCEPTIONS 1 /* of the interrupt stack table */
#define STACK_DOORBELL 2
#define TASK_BYTES 104
#define TASK_AVAILABLE 0x0000890000000000ull
#define TRAP_STACK_BYTES 4096

#define PAGE_PRESENT 0x1ull
#define PAGE_WRITABLE 0x2ull
#define PAGE_USER 0x4ull
#define PAGE_LARGE 0x80ull
#define PAGE_ADDRESS 0x000ffffffffff000ull

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

extern const uint64_t trap_stubs[EXCEPTION_COUNT];
extern uint64_t boot_pml4[512];
void doorbell_entry(void);

static struct gate gates[DOORBELL_VECTOR + 1] __attribute__((aligned(4096)));
static uint8_t stacks[3][TRAP_STACK_BYTES] __attribute__((aligned(16)));
static uint64_t user_directory[512] __attribute__((aligned(4096)));

/* RSP0 lies at byte 4, the interrupt stack table from byte 36 on. */
static uint32_t task[TASK_BYTES / 4] __attribute__((aligned(16)));

static uint64_t descriptors[] = {
	0,
	0x00af9b000000ffff, /* TRAP_CODE_64 */
	0x00cf93000000ffff, /* TRAP_DATA */
	0x00cf9b000000ffff, /* TRAP_CODE_32 */
	0x00cff3000000ffff, /* TRAP_USER_DATA */
	0x00affb000000ffff, /* TRAP_USER_CODE_64 */
	0x00cffb000000ffff, /* TRAP_USER_CODE_32 */
	0,		    /* TRAP_TASK, filled below */
	0,
};

static void gate_set(unsigned vector, uint64_t entry, unsigned stack)
{
	gates[vector] = (struct gate){
		.offset_low = (uint16_t)entry,
		.selector = TRAP_CODE_64,
		.flags = (uint16_t)(GATE_KERNEL | stack),
		.offset_middle = (uint16_t)(entry >> 16),
		.offset_high = (uint32_t)(entry >> 32),
	};
}

static void stack_set(unsigned word, unsigned stack)
{
	uint64_t top = (uintptr_t)stacks[stack] + TRAP_STACK_BYTES;

	task[word] = (uint32_t)top;
	task[word + 1] = (uint32_t)(top >> 32);
}

static void task_init(void)
{
	uint64_t base = (uintptr_t)task;

	stack_set(1, 0);
	stack_set(9, STACK_EXCEPTIONS);
	stack_set(11, STACK_DOORBELL);
	task[25] = TASK_BYTES << 16; /* no map of ports */
	descriptors[TRAP_TASK / 8] = TASK_AVAILABLE | (TASK_BYTES - 1) | (base & 0xffffff) << 16 |
				     (base >> 24 & 0xff) << 56;
	descriptors[TRAP_TASK / 8 + 1] = base >> 32;
}

static void user_pages_init(void)
{
	uint64_t *directories = (uint64_t *)(boot_pml4[0] & PAGE_ADDRESS);

	user_directory[0] = PAGE_PRESENT | PAGE_WRITABLE | PAGE_USER | PAGE_LARGE;
	directories[TRAP_USER_BASE >> 30] =
		(uintptr_t)user_directory | PAGE_PRESENT | PAGE_WRITABLE | PAGE_USER;
	boot_pml4[0] |= PAGE_USER;
}

static void table_load(uint16_t limit)
{
	struct table_pointer idt = {limit, (uintptr_t)gates};

	__asm__ volatile("lidt %0" : : "m"(idt));
}

void trap_init(void)
{
	struct table_pointer gdt = {sizeof(descriptors) - 1, (uintptr_t)descriptors};

	for (unsigned vector = 0; vector < EXCEPTION_COUNT; vector++) {
		gate_set(vector, trap_stubs[vector], STACK_EXCEPTIONS);
	}
	gate_set(DOORBELL_VECTOR, (uintptr_t)doorbell_entry, STACK_DOORBELL);
	task_init();
	user_pages_init();
	__asm__ volatile("lgdt %0\n"
			 "ltr %w1"
			 :
			 : "m"(gdt), "r"(TRAP_TASK)
			 : "memory");
	table_load(sizeof(gates) - 1);
}

void trap_forget(void)
{
	table_load(0);
}

uint64_t trap_table_page(void)
{
	return (uintptr_t)gates / 4096;
}
