/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptor tables and the second view of RAM that user mode has: the kernel's own view stays
 * closed to it, so that SMEP and SMAP may be tried.
 */
#include "guests/hostile/trap.h"

#include "guests/lib/descriptor.h"
#include "guests/lib/layout.h"

#define STACK_EXCEPTIONS 1 /* of the interrupt stack table */
#define STACK_DOORBELL 2
#define TRAP_STACK_BYTES 4096

#define PAGE_PRESENT 0x1ull
#define PAGE_WRITABLE 0x2ull
#define PAGE_USER 0x4ull
#define PAGE_LARGE 0x80ull
#define PAGE_ADDRESS 0x000ffffffffff000ull

extern const uint64_t trap_stubs[EXCEPTION_COUNT];
extern uint64_t boot_pml4[512];
void doorbell_entry(void);

static struct gate gates[DOORBELL_VECTOR + 1] __attribute__((aligned(4096)));
static uint8_t stacks[3][TRAP_STACK_BYTES] __attribute__((aligned(16)));
static uint64_t user_directory[512] __attribute__((aligned(4096)));

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

static uint64_t stack_end(unsigned stack)
{
	return (uintptr_t)stacks[stack] + TRAP_STACK_BYTES;
}

static void task_init(void)
{
	task_set(task, TASK_RSP0, stack_end(0));
	task_set(task, TASK_STACK_1, stack_end(STACK_EXCEPTIONS));
	task_set(task, TASK_STACK_1 + 8, stack_end(STACK_DOORBELL));
	task[TASK_PORT_MAP / 4] = TASK_BYTES << 16; /* there is none */
	task_describe(&descriptors[TRAP_TASK / 8], task);
}

static void user_pages_init(void)
{
	uint64_t *directories = (uint64_t *)(boot_pml4[0] & PAGE_ADDRESS);

	user_directory[0] = PAGE_PRESENT | PAGE_WRITABLE | PAGE_USER | PAGE_LARGE;
	directories[TRAP_USER_BASE >> 30] =
		(uintptr_t)user_directory | PAGE_PRESENT | PAGE_WRITABLE | PAGE_USER;
	boot_pml4[0] |= PAGE_USER;
}

void trap_init(void)
{
	struct table_pointer gdt = {sizeof(descriptors) - 1, (uintptr_t)descriptors};

	for (unsigned vector = 0; vector < EXCEPTION_COUNT; vector++) {
		gates[vector] = gate_to(trap_stubs[vector], TRAP_CODE_64,
					GATE_INTERRUPT | STACK_EXCEPTIONS);
	}
	gates[DOORBELL_VECTOR] =
		gate_to((uintptr_t)doorbell_entry, TRAP_CODE_64, GATE_INTERRUPT | STACK_DOORBELL);
	task_init();
	user_pages_init();
	__asm__ volatile("lgdt %0\n"
			 "ltr %w1"
			 :
			 : "m"(gdt), "r"(TRAP_TASK)
			 : "memory");
	gates_load(gates, sizeof(gates) - 1);
}

void trap_forget(void)
{
	gates_load(gates, 0);
}

uint64_t trap_table_page(void)
{
	return (uintptr_t)gates / 4096;
}
