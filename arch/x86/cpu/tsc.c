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
#include "arch/arch.h"

#define LEAF_TSC_RATIO 0x15
#define LEAF_FREQUENCY 0x16
#define LEAF_HYPERVISOR_MAX 0x40000000
#define LEAF_HYPERVISOR_TSC 0x40000010 /* EAX: kHz, as VMware and KVM report it */

#define PIT_HZ 1193182
#define PIT_CHANNEL_2 0x42
#define PIT_COMMAND 0x43
#define PIT_CHANNEL_2_MODE_0 0xb0 /* both bytes, interrupt on terminal count, binary */
#define PIT_CHANNEL_2_LATCH 0x80
#define SYSTEM_CONTROL 0x61
#define CONTROL_GATE_2 0x01
#define CONTROL_SPEAKER 0x02
#define CONTROL_OUT_2 0x20

#define COUNT_START 0xffff  /* zero is reached after 55 ms */
#define COUNT_MEASURED 5966 /* 5 ms: an error of one count is 0.02 % */
#define STILL_MAX 10000	    /* samples of the same count: then it stands still */
#define SAMPLES_FOR_ONE 4
#define MEASURE_ROUNDS 10
#define ROUND_MS_MAX 50

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

/* The chip's count, which falls, and the moment at which it was so. */
struct sample {
	uint64_t tsc;
	uint64_t doubt; /* in ticks: how long reading took */
	uint32_t count;
};

static struct sample first; /* of the round */
static uint8_t control;	    /* what the chip's gate is put back to */

static struct sample take_sample(void)
{
	uint64_t before = tsc_read();

	port_write_8(PIT_COMMAND, PIT_CHANNEL_2_LATCH);
	uint32_t count = port_read_8(PIT_CHANNEL_2);
	count |= (uint32_t)port_read_8(PIT_CHANNEL_2) << 8;
	uint64_t after = tsc_read();
	return (struct sample){before + (after - before) / 2, after - before, count};
}

/* An emulator or hypervisor may stop us between any two instructions: the shortest of a few. */
static struct sample take_good_sample(void)
{
	struct sample best = take_sample();

	for (unsigned i = 1; i < SAMPLES_FOR_ONE; i++) {
		struct sample now = take_sample();

		if (now.doubt < best.doubt) {
			best = now;
		}
	}
	return best;
}

static void begin_round(void)
{
	port_write_8(PIT_COMMAND, PIT_CHANNEL_2_MODE_0);
	port_write_8(PIT_CHANNEL_2, COUNT_START & 0xff);
	port_write_8(PIT_CHANNEL_2, COUNT_START >> 8);
	(void)take_good_sample(); /* until its next clock the chip shows the count of before */
	first = take_good_sample();
}

/*
 * The frequency since begin_round(), in kHz; 0 when the chip does not count, or when it went
 * through zero because so much time has passed. The loop ends: the count never rises in it, and may
 * stand still for STILL_MAX samples.
 */
static uint64_t end_round(void)
{
	uint32_t before = first.count;
	for (unsigned still = 0; still < STILL_MAX; still++) {
		uint32_t count = take_sample().count;

		if (count > before) {
			return 0; /* through zero, as it must when the first sample came late */
		}
		if (count != before) {
			before = count;
			still = 0;
		}
		if (first.count - count < COUNT_MEASURED) {
			continue;
		}
		struct sample last = take_good_sample();
		if ((port_read_8(SYSTEM_CONTROL) & CONTROL_OUT_2) || last.count >= first.count) {
			return 0;
		}
		return (last.tsc - first.tsc) * PIT_HZ / (first.count - last.count) / 1000;
	}
	return 0;
}

void tsc_measure(void)
{
	control = port_read_8(SYSTEM_CONTROL) & ~(CONTROL_SPEAKER | CONTROL_GATE_2) & 0x0f;
	port_write_8(SYSTEM_CONTROL, control | CONTROL_GATE_2);
	begin_round();
}

static bool is_plausible(uint64_t khz)
{
	return khz >= KHZ_MIN && khz <= KHZ_MAX;
}

/* What was done since tsc_measure() took longer than the chip counts, if the TSC is so fast. */
static bool is_too_late(uint64_t said_khz)
{
	return is_plausible(said_khz) && (tsc_read() - first.tsc) / said_khz > ROUND_MS_MAX;
}

static uint64_t measured_khz(uint64_t said_khz)
{
	/* A chip may not say that it went through zero, an emulated one, for instance. */
	uint64_t khz = is_too_late(said_khz) ? 0 : end_round();

	for (unsigned round = 1; khz == 0 && round < MEASURE_ROUNDS; round++) {
		begin_round();
		khz = end_round();
	}
	port_write_8(SYSTEM_CONTROL, control);
	return khz;
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

void tsc_init(void)
{
	uint64_t said = cpuid_khz();
	uint64_t measured = measured_khz(said);
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
