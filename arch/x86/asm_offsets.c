/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers that assembly needs from C. Compiled to assembly only; the Makefile turns each
 * `->NAME VALUE` into a #define in build/include/asm_offsets.h.
 */
#include "arch/x86/cpu/cpu.h"
#include "arch/x86/cpu/interrupt.h"

#define DEFINE(name, value) __asm__ volatile("\n->" #name " %0" : : "i"(value))

void asm_offsets(void);

void asm_offsets(void)
{
	DEFINE(STACKS_MAIN_TOP, offsetof(struct cpu_stacks, main) + STACK_BYTES);
}
