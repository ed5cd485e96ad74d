/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptor tables for expected exceptions. */
#include "guests/probe/trap.h"

#include "guests/lib/descriptor.h"

#define EXCEPTIONS 32
#define GATES (TRAP_LEAVE_USER_VECTOR + 1)
#define TRAP_STACK_BYTES 4096

extern const uint64_t trap_stubs[EXCEPTIONS];
void trap_software_stub(void);
void trap_leave_user(void);

uint64_t trap_vector;
uint64_t trap_error;
uint64_t trap_rip;
uint64_t trap_rflags;
uint64_t trap_count;
uint64_t trap_resume;

static struct gate gates[GATES];
static uint8_t stack[TRAP_STACK_BYTES] __attribute__((aligned(16)));

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
	gates[vector] = gate_to(entry, TRAP_CODE_64, flags);
}

void trap_init(void)
{
	struct table_pointer gdt = {sizeof(descriptors) - 1, (uintptr_t)descriptors};

	for (unsigned vector = 0; vector < EXCEPTIONS; vector++) {
		gate_set(vector, trap_stubs[vector], GATE_INTERRUPT);
	}
	gate_set(TRAP_SOFTWARE_VECTOR, (uintptr_t)trap_software_stub, GATE_INTERRUPT);
	gate_set(TRAP_LEAVE_USER_VECTOR, (uintptr_t)trap_leave_user, GATE_INTERRUPT_USER);
	task_set(task, TASK_RSP0, (uintptr_t)(stack + TRAP_STACK_BYTES));
	task_describe(&descriptors[TRAP_TASK / 8], task);
	__asm__ volatile("cli\n"
			 "lgdt %0\n"
			 "ltr %w1"
			 :
			 : "m"(gdt), "r"(TRAP_TASK)
			 : "memory");
	gates_load(gates, sizeof(gates) - 1);
}
