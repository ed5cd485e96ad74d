/* SPDX-License-Identifier: BSD-2-Clause */
/* See processor.h. */
#include "fake/processor.h"

#include "fake/panic.h"

#include <cpuid.h>
#include <string.h>

#include "arch/x86/cpu/msr.h"
#include "arch/x86/cpu/registers.h"
#include "arch/x86/cpu/xstate_instructions.h"
#include "base/bits.h"

#define COMPONENT_BYTES 96 /* of those that are not in the legacy region; not a multiple of 64 */
#define LEGACY_BYTES 512
#define HEADER_BYTES 64
#define CONTROL_BYTES 6 /* x87: control, status, tags; the pointers follow */
#define POINTERS_END 24
#define MXCSR 24
#define MXCSR_BYTES 4
#define REGISTERS 32
#define X87_END 160
#define SSE_END 416
#define LEAVES_MAX 16
#define MSRS_MAX 32

bool processor_loses_compacted;
unsigned processor_compacted_trials;
bool processor_drops_pointers;
unsigned processor_xsetbv_count;

static bool has_begun;
static uint64_t supported;
static uint64_t xcr0;
static uint8_t legacy[LEGACY_BYTES];
static uint8_t others[PROCESSOR_COMPONENTS][COMPONENT_BYTES];

static struct {
	uint32_t leaf, subleaf;
	struct cpuid answer;
} leaves[LEAVES_MAX];
static unsigned leaf_count;

static struct {
	uint32_t index;
	uint64_t value;
	unsigned writes;
} msrs[MSRS_MAX];
static unsigned msr_count;

#define PLAIN_REGISTER(name)                                                                       \
	static uint64_t name;                                                                      \
	uint64_t read_##name(void)                                                                 \
	{                                                                                          \
		return name;                                                                       \
	}                                                                                          \
	void write_##name(uint64_t value)                                                          \
	{                                                                                          \
		name = value;                                                                      \
	}

PLAIN_REGISTER(cr0)
PLAIN_REGISTER(cr2)
PLAIN_REGISTER(cr3)
PLAIN_REGISTER(cr4)
PLAIN_REGISTER(dr0)
PLAIN_REGISTER(dr1)
PLAIN_REGISTER(dr2)
PLAIN_REGISTER(dr3)
PLAIN_REGISTER(dr6)
PLAIN_REGISTER(dr7)

struct descriptor_table read_gdtr(void)
{
	return (struct descriptor_table){0x27, 0xffffffff80201000};
}

struct descriptor_table read_idtr(void)
{
	return (struct descriptor_table){0xfff, 0xffffffff80202000};
}

/* ---- CPUID ---- */

void processor_cpuid_set(uint32_t leaf, uint32_t subleaf, struct cpuid answer)
{
	for (unsigned i = 0; i < leaf_count; i++) {
		if (leaves[i].leaf == leaf && leaves[i].subleaf == subleaf) {
			leaves[i].answer = answer;
			return;
		}
	}
	assert_true(leaf_count < LEAVES_MAX);
	leaves[leaf_count].leaf = leaf;
	leaves[leaf_count].subleaf = subleaf;
	leaves[leaf_count++].answer = answer;
}

static uint32_t place_of(unsigned component)
{
	return LEGACY_BYTES + HEADER_BYTES + (component - 2) * COMPONENT_BYTES;
}

static uint32_t bytes_for(uint64_t mask)
{
	uint32_t end = LEGACY_BYTES + HEADER_BYTES;

	for (unsigned i = 2; i < PROCESSOR_COMPONENTS; i++) {
		if (mask & BIT(i)) {
			end = place_of(i) + COMPONENT_BYTES;
		}
	}
	return end;
}

static struct cpuid xstate_leaf(uint32_t subleaf)
{
	if (subleaf == 0) {
		return (struct cpuid){(uint32_t)supported, bytes_for(xcr0), bytes_for(supported),
				      (uint32_t)(supported >> 32)};
	}
	if (subleaf >= 2 && subleaf < PROCESSOR_COMPONENTS && supported & BIT(subleaf)) {
		return (struct cpuid){COMPONENT_BYTES, place_of(subleaf), 0, 0};
	}
	return (struct cpuid){0, 0, 0, 0};
}

struct cpuid cpuid_read(uint32_t leaf, uint32_t subleaf)
{
	for (unsigned i = 0; i < leaf_count; i++) {
		if (leaves[i].leaf == leaf && leaves[i].subleaf == subleaf) {
			return leaves[i].answer;
		}
	}
	if (!has_begun) {
		struct cpuid own;

		__cpuid_count(leaf, subleaf, own.eax, own.ebx, own.ecx, own.edx);
		return own;
	}
	return leaf == 0xd ? xstate_leaf(subleaf) : (struct cpuid){0, 0, 0, 0};
}

/* ---- MSRs ---- */

uint64_t msr_read(uint32_t index)
{
	for (unsigned i = 0; i < msr_count; i++) {
		if (msrs[i].index == index) {
			return msrs[i].value;
		}
	}
	return 0;
}

void msr_write(uint32_t index, uint64_t value)
{
	unsigned i = 0;

	while (i < msr_count && msrs[i].index != index) {
		i++;
	}
	assert_true(i < MSRS_MAX);
	if (i == msr_count) {
		msr_count++;
		msrs[i].index = index;
		msrs[i].writes = 0;
	}
	msrs[i].value = value;
	msrs[i].writes++;
}

unsigned processor_msr_writes(uint32_t index)
{
	for (unsigned i = 0; i < msr_count; i++) {
		if (msrs[i].index == index) {
			return msrs[i].writes;
		}
	}
	return 0;
}

/* ---- XCR0 ---- */

static bool is_together(uint64_t value, uint64_t group)
{
	return !(value & group) || (value & group) == group;
}

static bool xcr0_accepts(uint64_t value)
{
	return !(value & ~supported) && value & XCR0_X87 &&
	       (value & XCR0_SSE || !(value & XCR0_AVX)) && is_together(value, XCR0_AVX512) &&
	       (value & XCR0_AVX || !(value & XCR0_AVX512)) && is_together(value, XCR0_MPX) &&
	       is_together(value, XCR0_AMX);
}

uint64_t read_xcr0(void)
{
	return xcr0;
}

void write_xcr0(uint64_t value)
{
	if (!xcr0_accepts(value)) {
		fail_msg("XSETBV of 0x%llx raises #GP", (unsigned long long)value);
	}
	xcr0 = value;
	processor_xsetbv_count++;
}

void processor_guest_xsetbv(uint64_t value)
{
	assert_true(xcr0_accepts(value));
	xcr0 = value;
}

/* ---- Extended state ---- */

static void initialise(unsigned component)
{
	if (component == 0) {
		memset(legacy, 0, MXCSR);
		memset(legacy + REGISTERS, 0, X87_END - REGISTERS);
		legacy[0] = 0x7f;
		legacy[1] = 0x03;
	} else if (component == 1) {
		memset(legacy + X87_END, 0, SSE_END - X87_END);
	} else {
		memset(others[component], 0, COMPONENT_BYTES);
	}
}

void processor_reset(uint64_t components)
{
	has_begun = true;
	supported = components;
	xcr0 = XCR0_X87;
	leaf_count = 0;
	msr_count = 0;
	processor_drops_pointers = false;
	processor_loses_compacted = false;
	processor_compacted_trials = 0;
	processor_xsetbv_count = 0;
	for (unsigned i = 0; i < PROCESSOR_COMPONENTS; i++) {
		initialise(i);
	}
	memset(legacy + MXCSR, 0, MXCSR_BYTES);
	legacy[MXCSR] = 0x80;
	legacy[MXCSR + 1] = 0x1f;
	dr0 = dr1 = dr2 = dr3 = 0;
	dr6 = 0xffff0ff0;
	dr7 = 0x400;
}

void processor_fninit(void)
{
	memset(legacy, 0, MXCSR);
	legacy[0] = 0x7f;
	legacy[1] = 0x03;
}

/* One component between its registers and an area. */
static void move(unsigned component, uint8_t *to, const uint8_t *from)
{
	if (component == 0) {
		memcpy(to, from, processor_drops_pointers ? CONTROL_BYTES : POINTERS_END);
		memcpy(to + REGISTERS, from + REGISTERS, X87_END - REGISTERS);
	} else {
		memcpy(to + X87_END, from + X87_END, SSE_END - X87_END);
	}
}

static void check_aligned(const void *area, unsigned alignment)
{
	if ((uintptr_t)area % alignment != 0) {
		fail_msg("an area at %p raises #GP", area);
	}
}

bool processor_keeps_compacted(void *area)
{
	static const uint8_t zeros[LEGACY_BYTES + 64];

	check_aligned(area, 64);
	assert_true((xcr0 & XCR0_AVX512) == XCR0_AVX512);
	assert_memory_equal(area, zeros, sizeof(zeros));
	processor_compacted_trials++;
	return !processor_loses_compacted;
}

void processor_xsave(void *area, uint64_t components)
{
	uint64_t *has = (uint64_t *)((uint8_t *)area + LEGACY_BYTES);

	check_aligned(area, 64);
	components &= xcr0;
	for (unsigned i = 0; i < PROCESSOR_COMPONENTS; i++) {
		if (!(components & BIT(i))) {
			continue;
		}
		if (i < 2) {
			move(i, area, legacy);
		} else {
			memcpy((uint8_t *)area + place_of(i), others[i], COMPONENT_BYTES);
		}
	}
	if (components & (XCR0_SSE | XCR0_AVX)) {
		memcpy((uint8_t *)area + MXCSR, legacy + MXCSR, MXCSR_BYTES);
	}
	*has |= components;
}

void processor_xrstor(const void *area, uint64_t components)
{
	const uint64_t *header = (const uint64_t *)((const uint8_t *)area + LEGACY_BYTES);

	check_aligned(area, 64);
	for (unsigned i = 1; i < 8; i++) {
		assert_true(header[i] == 0);
	}
	if (header[0] & ~xcr0) {
		fail_msg("XRSTOR of components that XCR0 does not enable raises #GP");
	}
	components &= xcr0;
	for (unsigned i = 0; i < PROCESSOR_COMPONENTS; i++) {
		if (!(components & BIT(i))) {
			continue;
		}
		if (!(header[0] & BIT(i))) {
			initialise(i);
		} else if (i < 2) {
			move(i, legacy, area);
		} else {
			memcpy(others[i], (const uint8_t *)area + place_of(i), COMPONENT_BYTES);
		}
	}
	if (components & (XCR0_SSE | XCR0_AVX)) {
		memcpy(legacy + MXCSR, (const uint8_t *)area + MXCSR, MXCSR_BYTES);
	}
}

void processor_fxsave(void *area)
{
	check_aligned(area, 16);
	move(0, area, legacy);
	move(1, area, legacy);
	memcpy((uint8_t *)area + MXCSR, legacy + MXCSR, MXCSR_BYTES);
}

void processor_fxrstor(const void *area)
{
	check_aligned(area, 16);
	move(0, legacy, area);
	move(1, legacy, area);
	memcpy(legacy + MXCSR, (const uint8_t *)area + MXCSR, MXCSR_BYTES);
}

/* ---- What tests do and see ---- */

static uint8_t *bytes_of(unsigned component, size_t *count)
{
	if (component >= 2) {
		*count = COMPONENT_BYTES;
		return others[component];
	}
	*count = component == 0 ? X87_END - REGISTERS : SSE_END - X87_END;
	return legacy + (component == 0 ? REGISTERS : X87_END);
}

void processor_fill(unsigned component, uint8_t byte)
{
	size_t count;
	uint8_t *bytes = bytes_of(component, &count);

	memset(bytes, byte, count);
	if (component == 0) {
		memset(legacy + CONTROL_BYTES, byte, POINTERS_END - CONTROL_BYTES);
	}
}

static bool all_are(const uint8_t *bytes, size_t count, uint8_t byte)
{
	for (size_t i = 0; i < count; i++) {
		if (bytes[i] != byte) {
			return false;
		}
	}
	return true;
}

bool processor_holds(unsigned component, uint8_t byte)
{
	size_t count;
	const uint8_t *bytes = bytes_of(component, &count);

	return all_are(bytes, count, byte);
}

bool processor_is_initial(unsigned component)
{
	if (component == 0 &&
	    (legacy[0] != 0x7f || legacy[1] != 0x03 || !all_are(legacy + 2, POINTERS_END - 2, 0))) {
		return false;
	}
	return processor_holds(component, 0);
}
