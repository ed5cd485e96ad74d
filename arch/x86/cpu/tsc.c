/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds the frequency of the time-stamp counter. The timer chip is the truth that every machine and
 * every emulator agrees on; what CPUID says (Intel SDM volume 3, 18.7.3) is more exact, and is
 * believed where the two agree or where there is no such chip. Written once at boot.
 */
#include "arch/x86/cpu/tsc.h"

#include "arch/x86/cpu/cpuid.h"
#include "arch/x86/cpu/features.h"
#include "base/bits.h"
#include "drivers/phys/port.h"
#include "kernel/arch.h"

#define LEAF_TSC_RATIO 0x15
#define LEAF_FREQUENCY 0x16
#define LEAF_HYPERVISOR_MAX 0x40000000
#define LEAF_HYPERVISOR_TSC 0x40000010 /* EAX: kHz, as VMware and KVM report it */

#define PIT_HZ 1193182
#define PIT_CHANNEL_2 0x42
#define PIT_COMMAND 0x43
#define PIT_CHANNEL_2_MODE_0 0xb0 /* both bytes, interrupt on terminal count, binary */
#define SYSTEM_CONTROL 0x61
#define CONTROL_GATE_2 0x01
#define CONTROL_SPEAKER 0x02
#define CONTROL_OUT_2 0x20

#define MEASURE_COUNT 5966    /* 5 ms */
#define MEASURE_READS 4000000 /* a second or more: then nobody counts */
#define MEASURE_ROUNDS 3

#define KHZ_MIN 1000ull
#define KHZ_MAX 10000000ull
#define KHZ_FALLBACK 1000000ull

static uint64_t tsc_khz;
static const char *source = "none";

uint64_t arch_tsc(void)
{
	return tsc_read();
}

uint64_t arch_tsc_khz(void)
{
	return tsc_khz;
}

const char *tsc_source(void)
{
	return source;
}

/* Ticks of the TSC while channel 2 counts MEASURE_COUNT down, or 0 when it does not. */
static uint64_t measure_ticks(void)
{
	uint8_t control = port_read_8(SYSTEM_CONTROL) & ~(CONTROL_SPEAKER | CONTROL_GATE_2) & 0x0f;
	uint64_t ticks = 0;

	port_write_8(SYSTEM_CONTROL, control | CONTROL_GATE_2);
	port_write_8(PIT_COMMAND, PIT_CHANNEL_2_MODE_0);
	port_write_8(PIT_CHANNEL_2, MEASURE_COUNT & 0xff);
	port_write_8(PIT_CHANNEL_2, MEASURE_COUNT >> 8);
	uint64_t start = tsc_read();
	if ((port_read_8(SYSTEM_CONTROL) & CONTROL_OUT_2) == 0) {
		for (unsigned i = 0; i < MEASURE_READS; i++) {
			if (port_read_8(SYSTEM_CONTROL) & CONTROL_OUT_2) {
				ticks = tsc_read() - start;
				break;
			}
		}
	}
	port_write_8(SYSTEM_CONTROL, control);
	return ticks;
}

/* An interruption by firmware or by a lower hypervisor only makes a round longer: the least wins.
 */
static uint64_t measured_khz(void)
{
	uint64_t least = UINT64_MAX;

	for (unsigned round = 0; round < MEASURE_ROUNDS; round++) {
		uint64_t ticks = measure_ticks();

		if (ticks == 0) {
			return 0;
		}
		least = min_u64(least, ticks);
	}
	return least * PIT_HZ / MEASURE_COUNT / 1000;
}

static uint64_t cpuid_khz(void)
{
	struct cpuid leaf;

	if (cpu_features.leaf_max >= LEAF_TSC_RATIO) {
		leaf = cpuid_read(LEAF_TSC_RATIO, 0);
		if (leaf.eax != 0 && leaf.ebx != 0 && leaf.ecx != 0) {
			return (uint64_t)leaf.ecx * leaf.ebx / leaf.eax / 1000;
		}
	}
	if (cpu_features.leaf_max >= LEAF_FREQUENCY) {
		leaf = cpuid_read(LEAF_FREQUENCY, 0);
		if ((leaf.eax & 0xffff) != 0) {
			return (leaf.eax & 0xffff) * 1000ull;
		}
	}
	leaf = cpuid_read(LEAF_HYPERVISOR_MAX, 0);
	if (leaf.eax >= LEAF_HYPERVISOR_TSC && leaf.eax < LEAF_HYPERVISOR_MAX + 0x10000) {
		return cpuid_read(LEAF_HYPERVISOR_TSC, 0).eax;
	}
	return 0;
}

static bool is_plausible(uint64_t khz)
{
	return khz >= KHZ_MIN && khz <= KHZ_MAX;
}

void tsc_init(void)
{
	uint64_t said = cpuid_khz();
	uint64_t measured = measured_khz();
	uint64_t difference = said > measured ? said - measured : measured - said;

	if (is_plausible(said) && (!is_plausible(measured) || difference * 100 <= measured)) {
		tsc_khz = said;
		source = "cpuid";
	} else if (is_plausible(measured)) {
		tsc_khz = measured;
		source = "pit";
	} else {
		tsc_khz = KHZ_FALLBACK;
		source = "guess";
	}
}
