/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extended state by XSAVE and XRSTOR in the standard format, or by FXSAVE and FXRSTOR on processors
 * without them (Intel SDM volume 1, chapter 13, and 10.5). The constants below are written once at
 * boot; what guests can reach may shrink once more, when the backend has learned better.
 */
#include "arch/x86/cpu/xstate.h"

#include "arch/x86/cpu/cpuid.h"
#include "arch/x86/cpu/features.h"
#include "arch/x86/cpu/msr.h"
#include "arch/x86/cpu/registers.h"
#include "arch/x86/cpu/xstate_instructions.h"
#include "base/bits.h"
#include "base/check.h"
#include "base/string.h"
#include "arch/arch.h"

#define LEAF_XSTATE 0xd
#define LEAF_XSTATE_XSAVEC BIT(1) /* sub-leaf 1, EAX */
#define LEAF_XSTATE_XSAVES BIT(3)
#define LEGACY_BYTES 512
#define HEADER_BYTES 64
#define CONTROL_WORD_OFFSET 0
#define CONTROL_WORD_RESET 0x037f
#define MXCSR_OFFSET 24
#define MXCSR_RESET 0x1f80u

static uint64_t mask = XCR0_X87 | XCR0_SSE;	 /* what guests are offered */
static uint64_t hardware = XCR0_X87 | XCR0_SSE;	 /* what XCR0 can enable */
static uint64_t reachable = XCR0_X87 | XCR0_SSE; /* one of the two; atomic */
static size_t area_bytes = LEGACY_BYTES + HEADER_BYTES;
static bool compacts = true;

/* What guests can be given of what the processor offers. */
static uint64_t usable_components(uint64_t offered)
{
	uint64_t wanted = XCR0_X87 | XCR0_SSE;

	if (cpu_features.avx && (offered & XCR0_AVX)) {
		wanted |= XCR0_AVX;
		if ((offered & XCR0_AVX512) == XCR0_AVX512) {
			wanted |= XCR0_AVX512;
		}
	}
	return wanted;
}

/* All that XSETBV accepts at once: of components that go together none without the others. */
static uint64_t settable_components(uint64_t offered)
{
	static const uint64_t groups[] = {XCR0_AVX512, XCR0_MPX, XCR0_AMX};
	uint64_t settable = offered | XCR0_X87 | XCR0_SSE;

	for (size_t i = 0; i < ARRAY_COUNT(groups); i++) {
		if ((settable & groups[i]) != groups[i]) {
			settable &= ~groups[i];
		}
	}
	return settable & XCR0_AVX ? settable : settable & ~(uint64_t)XCR0_AVX512;
}

/*
 * Supervisor components take part in XSAVES and XRSTORS only where IA32_XSS says so (SDM volume 1,
 * 13.11). AMD-V cannot intercept the two, and they run in guests although CPUID hides them: what
 * firmware may have set there goes.
 */
static void supervisor_components_disable(void)
{
	if (cpuid_read(LEAF_XSTATE, 1).eax & LEAF_XSTATE_XSAVES) {
		msr_write(MSR_IA32_XSS, 0);
	}
}

/* Boot CPU, before there is any guest: nothing lies in the registers yet. */
static bool try_compacted_format(void)
{
	static uint8_t area[PAGE_BYTES] __attribute__((aligned(XSTATE_ALIGN)));

	if ((mask & XCR0_AVX512) != XCR0_AVX512 || area_bytes > sizeof(area) ||
	    !(cpuid_read(LEAF_XSTATE, 1).eax & LEAF_XSTATE_XSAVEC)) {
		return true;
	}
	return processor_keeps_compacted(area);
}

void xstate_cpu_init(void)
{
	struct cpuid leaf;

	if (!cpu_features.xsave) {
		return;
	}
	supervisor_components_disable();
	if (arch_cpu_index() != 0) {
		write_xcr0(mask);
		return;
	}
	leaf = cpuid_read(LEAF_XSTATE, 0);
	mask = usable_components((uint64_t)leaf.edx << 32 | leaf.eax);
	hardware = settable_components((uint64_t)leaf.edx << 32 | leaf.eax);
	reachable = mask;
	write_xcr0(mask);
	/* EBX: the size for what XCR0 holds now. */
	area_bytes = max_u64(cpuid_read(LEAF_XSTATE, 0).ebx, LEGACY_BYTES + HEADER_BYTES);
	compacts = try_compacted_format();
}

bool xstate_compacts(void)
{
	return compacts;
}

uint64_t xstate_mask(void)
{
	return mask;
}

uint64_t xstate_reachable(void)
{
	return __atomic_load_n(&reachable, __ATOMIC_RELAXED);
}

void xstate_reach_hardware(void)
{
	__atomic_store_n(&reachable, hardware, __ATOMIC_RELAXED);
}

void xstate_reach_offered(void)
{
	__atomic_store_n(&reachable, mask, __ATOMIC_RELAXED);
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
		processor_xsave(area, components);
	} else {
		processor_fxsave(area);
	}
}

void xstate_restore(const void *area, uint64_t components)
{
	ASSERT(is_aligned_u64((uintptr_t)area, XSTATE_ALIGN));
	/*
	 * Many AMD processors save and restore the x87 instruction and data pointers only while an
	 * exception is pending: what the former owner left there has to go by other means.
	 */
	processor_fninit();
	if (cpu_features.xsave) {
		processor_xrstor(area, components);
	} else {
		processor_fxrstor(area);
	}
}
