/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Segments: flat 64-bit code and data, and a task-state segment whose only use is the stacks for
 * NMI, double fault and machine check (Intel SDM volume 3, 3.4.5, 7.2.3, 6.14.5).
 */
#include "arch/x86/cpu/gdt.h"

#include "arch/x86/cpu/cpu.h"

#define DESCRIPTOR_CODE 0x00af9b000000ffffull /* 64-bit, execute/read, accessed, ring 0 */
#define DESCRIPTOR_DATA 0x00cf93000000ffffull /* read/write, accessed, ring 0 */
#define TSS_AVAILABLE_PRESENT 0x89ull

/* The 16-byte descriptor of a task-state segment. */
static void describe_tss(uint64_t slots[2], uint64_t base)
{
	uint64_t limit = sizeof(struct tss) - 1;

	slots[0] = limit | (base & 0xffffff) << 16 | TSS_AVAILABLE_PRESENT << 40 |
		   (base >> 24 & 0xff) << 56;
	slots[1] = base >> 32;
}

static uint64_t stack_top(const uint8_t *stack, size_t bytes)
{
	return (uintptr_t)stack + bytes;
}

static void load_segments(const struct descriptor_table *table)
{
	__asm__ volatile("lgdt %0\n\t"
			 "pushq %1\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "lretq\n"
			 "1:\n\t"
			 "movl %2, %%ds\n\t"
			 "movl %2, %%es\n\t"
			 "movl %2, %%ss\n\t"
			 :
			 : "m"(*table), "i"(SELECTOR_CODE), "r"(SELECTOR_DATA)
			 : "rax", "memory");
}

void gdt_load(struct cpu *cpu)
{
	struct descriptor_table table = {sizeof(cpu->gdt) - 1, (uintptr_t)cpu->gdt};
	struct cpu_stacks *stacks = cpu->stacks;

	cpu->tss = (struct tss){
		.ist[IST_NMI - 1] = stack_top(stacks->nmi, IST_STACK_BYTES),
		.ist[IST_DOUBLE_FAULT - 1] = stack_top(stacks->double_fault, IST_STACK_BYTES),
		.ist[IST_MACHINE_CHECK - 1] = stack_top(stacks->machine_check, IST_STACK_BYTES),
		.io_map_base = sizeof(struct tss), /* beyond the limit: no map */
	};
	cpu->gdt[0] = 0;
	cpu->gdt[SELECTOR_CODE / 8] = DESCRIPTOR_CODE;
	cpu->gdt[SELECTOR_DATA / 8] = DESCRIPTOR_DATA;
	describe_tss(&cpu->gdt[SELECTOR_TSS / 8], (uintptr_t)&cpu->tss);
	load_segments(&table);
	__asm__ volatile("ltr %w0" : : "r"(SELECTOR_TSS) : "memory");
}
