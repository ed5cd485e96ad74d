/* SPDX-License-Identifier: BSD-2-Clause */
/* One instruction each. */
#ifndef GUESTS_LIB_CPU_H
#define GUESTS_LIB_CPU_H

#include <stdint.h>

static inline uint64_t cpu_read_tsc(void)
{
	uint32_t low;
	uint32_t high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static inline uint64_t cpu_read_cr2(void)
{
	uint64_t value;

	__asm__ volatile("movq %%cr2, %0" : "=r"(value));
	return value;
}

static inline void cpu_interrupts_off(void)
{
	__asm__ volatile("cli" : : : "memory");
}

static inline void cpu_interrupts_on(void)
{
	__asm__ volatile("sti" : : : "memory");
}

/* Interrupts go on, and the vCPU sleeps until one arrives: none is lost in between. */
static inline void cpu_halt(void)
{
	__asm__ volatile("sti\n"
			 "hlt"
			 :
			 :
			 : "memory");
}

struct cpuid {
	uint32_t eax;
	uint32_t ebx;
	uint32_t ecx;
	uint32_t edx;
};

static inline struct cpuid cpu_identify(uint32_t leaf)
{
	struct cpuid result;

	__asm__ volatile("cpuid"
			 : "=a"(result.eax), "=b"(result.ebx), "=c"(result.ecx), "=d"(result.edx)
			 : "a"(leaf), "c"(0));
	return result;
}

#endif
