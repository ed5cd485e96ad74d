/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extended state by XSAVE and XRSTOR in the standard format, or by FXSAVE and FXRSTOR on processors
 * without them (Intel SDM volume 1, chapter 13, and 10.5). The constants below are written once at
 * boot.
 */
#include "arch/x86/cpu/xstate.h"

#include "arch/x86/cpu/cpuid.h"
#include "arch/x86/cpu/features.h"
#include "arch/x86/cpu/registers.h"
#include "base/bits.h"
#include "base/check.h"
#include "base/string.h"

#define LEAF_XSTATE 0xd
#define LEGACY_BYTES 512
#define HEADER_BYTES 64
#define CONTROL_WORD_OFFSET 0
#define CONTROL_WORD_RESET 0x037f
#define MXCSR_OFFSET 24
#define MXCSR_RESET 0x1f80u

static uint64_t mask = XCR0_X87 | XCR0_SSE;
static size_t area_bytes = LEGACY_BYTES + HEADER_BYTES;

/* What guests can be given of what the processor offers. */
static uint64_t usable_components(void)
{
	struct cpuid leaf = cpuid_read(LEAF_XSTATE, 0);
	uint64_t offered = (uint64_t)leaf.edx << 32 | leaf.eax;
	uint64_t wanted = XCR0_X87 | XCR0_SSE;

	if (cpu_features.avx && (offered & XCR0_AVX)) {
		wanted |= XCR0_AVX;
		if ((offered & XCR0_AVX512) == XCR0_AVX512) {
			wanted |= XCR0_AVX512;
		}
	}
	return wanted;
}

void xstate_cpu_init(void)
{
	static bool found;

	if (!cpu_features.xsave) {
		return;
	}
	if (found) {
		write_xcr0(mask);
		return;
	}
	found = true;
	mask = usable_components();
	write_xcr0(mask);
	/* EBX: the size for what XCR0 holds now. */
	area_bytes = max_u64(cpuid_read(LEAF_XSTATE, 0).ebx, LEGACY_BYTES + HEADER_BYTES);
}

uint64_t xstate_mask(void)
{
	return mask;
}

size_t xstate_bytes(void)
{
	return area_bytes;
}

void xstate_init(void *area)
{
	uint16_t control_word = CONTROL_WORD_RESET;
	uint32_t mxcsr = MXCSR_RESET;

	/* A header of zeros says that every component is in its initial state. */
	memset(area, 0, area_bytes);
	memcpy((char *)area + CONTROL_WORD_OFFSET, &control_word, sizeof(control_word));
	memcpy((char *)area + MXCSR_OFFSET, &mxcsr, sizeof(mxcsr));
}

void xstate_save(void *area, uint64_t components)
{
	ASSERT(is_aligned_u64((uintptr_t)area, XSTATE_ALIGN));
	if (cpu_features.xsave) {
		__asm__ volatile("xsave64 (%0)"
				 :
				 : "r"(area), "a"((uint32_t)components),
				   "d"((uint32_t)(components >> 32))
				 : "memory");
	} else {
		__asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
	}
}

void xstate_restore(const void *area, uint64_t components)
{
	ASSERT(is_aligned_u64((uintptr_t)area, XSTATE_ALIGN));
	/*
	 * Many AMD processors save and restore the x87 instruction and data pointers only while an
	 * exception is pending: what the former owner left there has to go by other means.
	 */
	__asm__ volatile("fninit" : : : "memory");
	if (cpu_features.xsave) {
		__asm__ volatile("xrstor64 (%0)"
				 :
				 : "r"(area), "a"((uint32_t)components),
				   "d"((uint32_t)(components >> 32))
				 : "memory");
	} else {
		__asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
	}
}
