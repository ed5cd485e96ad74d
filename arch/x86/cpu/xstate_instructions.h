/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instructions that move extended state (Intel SDM volume 1, chapter 13 and 10.5). Areas are
 * aligned to 64 bytes (FXSAVE: 16). In host tests a fake processor executes them
 * (tests/host/fake/processor.c).
 */
#ifndef ARCH_X86_CPU_XSTATE_INSTRUCTIONS_H
#define ARCH_X86_CPU_XSTATE_INSTRUCTIONS_H

#include "base/types.h"

#ifdef AEROSTAT_HOST_TEST

void processor_xsave(void *area, uint64_t components);
void processor_xrstor(const void *area, uint64_t components);
void processor_fxsave(void *area);
void processor_fxrstor(const void *area);
void processor_fninit(void);

#else

/* `components` that XCR0 does not enable are left out. CR4.OSXSAVE must be set. */
static inline void processor_xsave(void *area, uint64_t components)
{
	__asm__ volatile("xsave64 (%0)"
			 :
			 : "r"(area), "a"((uint32_t)components), "d"((uint32_t)(components >> 32))
			 : "memory");
}

static inline void processor_xrstor(const void *area, uint64_t components)
{
	__asm__ volatile("xrstor64 (%0)"
			 :
			 : "r"(area), "a"((uint32_t)components), "d"((uint32_t)(components >> 32))
			 : "memory");
}

static inline void processor_fxsave(void *area)
{
	__asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
}

static inline void processor_fxrstor(const void *area)
{
	__asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
}

static inline void processor_fninit(void)
{
	__asm__ volatile("fninit" : : : "memory");
}

#endif

#endif
