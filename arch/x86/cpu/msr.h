/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Model-specific registers: the numbers that the host itself uses (Intel SDM volume 4) and the
 * instructions. Capability registers of VT-x are listed in arch/x86/vmx.
 */
#ifndef ARCH_X86_CPU_MSR_H
#define ARCH_X86_CPU_MSR_H

#define MSR_IA32_APIC_BASE 0x1b
#define MSR_IA32_FEATURE_CONTROL 0x3a
#define MSR_IA32_SYSENTER_CS 0x174
#define MSR_IA32_SYSENTER_ESP 0x175
#define MSR_IA32_SYSENTER_EIP 0x176
#define MSR_IA32_MISC_ENABLE 0x1a0
#define MSR_IA32_PAT 0x277
#define MSR_IA32_TSC_DEADLINE 0x6e0
#define MSR_IA32_XSS 0xda0
#define MSR_X2APIC_BASE 0x800 /* + register offset / 16 */
#define MSR_IA32_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_CSTAR 0xc0000083
#define MSR_FMASK 0xc0000084
#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_TSC_AUX 0xc0000103

#ifndef __ASSEMBLY__

#include "base/types.h"

#ifdef AEROSTAT_HOST_TEST

/* A fake processor has them: tests/host/fake/processor.c. */
uint64_t msr_read(uint32_t index);
void msr_write(uint32_t index, uint64_t value);

#else

static inline uint64_t msr_read(uint32_t index)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index) : "memory");
	return (uint64_t)high << 32 | low;
}

static inline void msr_write(uint32_t index, uint64_t value)
{
	__asm__ volatile("wrmsr"
			 :
			 : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(index)
			 : "memory");
}

#endif

/* Reads one that a processor may lack: false, and *value is as it was, when it has not. */
bool msr_read_safe(uint32_t index, uint64_t *value);

/* Writes one that a processor may lack, or a value that it may refuse: false, and nothing changed.
 */
bool msr_write_safe(uint32_t index, uint64_t value);

#endif /* __ASSEMBLY__ */

#endif
