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
bool processor_keeps_compacted(void *area);

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

/*
 * Do AVX-512's registers come back from the compacted format (13.4.3)? XCR0 has all of its
 * components, XSAVEC is there, and `area` is zeroed and has room. The registers are zero then.
 */
static inline bool processor_keeps_compacted(void *area)
{
	static const uint64_t before[8] __attribute__((aligned(64))) = {1, 2, 3, 4, 5, 6, 7, 8};
	uint64_t low[8] __attribute__((aligned(64))) = {0};
	uint64_t high[8] __attribute__((aligned(64))) = {0};
	bool kept = true;

	__asm__ volatile("vmovdqu64 (%3), %%zmm0\n\t"
			 "vmovdqu64 (%3), %%zmm16\n\t"
			 "xsavec64 (%2)\n\t"
			 "vpxorq %%zmm0, %%zmm0, %%zmm0\n\t"
			 "vpxorq %%zmm16, %%zmm16, %%zmm16\n\t"
			 "xrstor64 (%2)\n\t"
			 "vmovdqu64 %%zmm0, (%0)\n\t"
			 "vmovdqu64 %%zmm16, (%1)\n\t"
			 "vpxorq %%zmm0, %%zmm0, %%zmm0\n\t"
			 "vpxorq %%zmm16, %%zmm16, %%zmm16"
			 :
			 : "r"(low), "r"(high), "r"(area), "r"(before), "a"(~0u), "d"(~0u)
			 : "memory");
	for (unsigned i = 0; i < 8; i++) {
		kept = kept && low[i] == before[i] && high[i] == before[i];
	}
	return kept;
}

static inline void processor_fninit(void)
{
	__asm__ volatile("fninit" : : : "memory");
}

#endif

#endif
