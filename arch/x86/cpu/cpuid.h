/* SPDX-License-Identifier: BSD-2-Clause */
/* The CPUID instruction (Intel SDM volume 2, CPUID). */
#ifndef ARCH_X86_CPU_CPUID_H
#define ARCH_X86_CPU_CPUID_H

#include "base/types.h"

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

#ifdef AEROSTAT_HOST_TEST

/* A fake processor answers: tests/host/fake/processor.c. */
struct cpuid cpuid_read(uint32_t leaf, uint32_t subleaf);

#else

/* A leaf above the maximum answers with the data of the highest one: check features.h first. */
static inline struct cpuid cpuid_read(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid out;

	__asm__ volatile("cpuid"
			 : "=a"(out.eax), "=b"(out.ebx), "=c"(out.ecx), "=d"(out.edx)
			 : "a"(leaf), "c"(subleaf));
	return out;
}

#endif

#endif
