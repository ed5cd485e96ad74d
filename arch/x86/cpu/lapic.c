/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC (Intel SDM volume 3, chapter 11). Firmware may have left it in xAPIC mode
 * (registers in memory) or in x2APIC mode (registers as MSRs); we stay in the mode we find, because
 * leaving x2APIC is possible only by way of "off". Processors whose identifiers xAPIC mode cannot
 * address are the reason to change it (lapic_use_x2apic). All CPUs are in the same mode. Each CPU
 * touches only its own.
 */
#include "arch/x86/cpu/lapic.h"

#include "arch/x86/cpu/cpu.h"
#include "arch/x86/cpu/features.h"
#include "arch/x86/cpu/interrupt.h"
#include "arch/x86/cpu/msr.h"
#include "arch/x86/cpu/tsc.h"
#include "base/bits.h"
#include "base/check.h"
#include "base/time.h"

#define BASE_ENABLED BIT(11)
#define BASE_X2APIC BIT(10)
#define BASE_ADDRESS 0x000ffffffffff000ull

#define REG_ID 0x020
#define REG_VERSION 0x030
#define REG_TASK_PRIORITY 0x080
#define REG_EOI 0x0b0
#define REG_SPURIOUS 0x0f0
#define REG_IN_SERVICE 0x100 /* eight registers, 0x10 apart */
#define REG_ERROR_STATUS 0x280
#define REG_LVT_CMCI 0x2f0
#define REG_COMMAND_LOW 0x300
#define REG_COMMAND_HIGH 0x310
#define REG_LVT_TIMER 0x320
#define REG_LVT_THERMAL 0x330
#define REG_LVT_PERFORMANCE 0x340
#define REG_LVT_LINT0 0x350
#define REG_LVT_LINT1 0x360
#define REG_LVT_ERROR 0x370
#define REG_TIMER_INITIAL 0x380
#define REG_TIMER_CURRENT 0x390
#define REG_TIMER_DIVIDE 0x3e0

#define SPURIOUS_ENABLE BIT(8)
#define LVT_MASKED BIT(16)
#define LVT_TSC_DEADLINE BIT(18)
#define DIVIDE_BY_16 0x3
#define VERSION_LVT_MAX(version) ((version) >> 16 & 0xff)
#define COMMAND_PENDING BIT(12)
#define XAPIC_ID_MAX 254 /* the next one means "all" */
/* Reads of the register; one takes some 100 ns, and sending takes a few microseconds. */
#define COMMAND_READS_MAX 100000

#define CALIBRATE_MICROS 500
#define CALIBRATE_ROUNDS 4
#define PARTS 1000000ull
#define DOUBT_SMALL 1000 /* of PARTS: no further round is needed */

static bool x2apic;
static bool mode_chosen;
static uint64_t base_address;
static volatile uint32_t *registers; /* xAPIC mode */
static bool deadline_mode;
/* One-shot mode: timer counts per 2^32 ticks of the TSC. */
static uint64_t counts_scaled;

static uint32_t reg_read(unsigned reg)
{
	if (x2apic) {
		return (uint32_t)msr_read(MSR_X2APIC_BASE + reg / 16);
	}
	return registers[reg / 4];
}

static void reg_write(unsigned reg, uint32_t value)
{
	if (x2apic) {
		msr_write(MSR_X2APIC_BASE + reg / 16, value);
	} else {
		registers[reg / 4] = value;
	}
}

uint32_t lapic_id(void)
{
	return x2apic ? reg_read(REG_ID) : reg_read(REG_ID) >> 24;
}

void lapic_eoi(void)
{
	reg_write(REG_EOI, 0);
}

/* Every CPU uses the boot CPU's mode. */
hpa_t lapic_find(void)
{
	uint64_t base = msr_read(MSR_IA32_APIC_BASE);

	mode_chosen = true;
	x2apic = (base & BASE_ENABLED) && (base & BASE_X2APIC);
	base_address = base & BASE_ADDRESS;
	return (hpa_t){x2apic ? 0 : base_address};
}

void lapic_set_page(volatile void *page)
{
	CHECK(page != NULL);
	registers = page;
}

/* Each step is one that the processor allows: from off to xAPIC to x2APIC to off (11.12.5). */
static void enter_mode(void)
{
	uint64_t base = msr_read(MSR_IA32_APIC_BASE);
	uint64_t off = (base & ~(BASE_ADDRESS | BASE_X2APIC | BASE_ENABLED)) | base_address;

	if ((base & BASE_X2APIC) && !x2apic) {
		msr_write(MSR_IA32_APIC_BASE, off);
		base = off;
	}
	if ((base & BASE_ENABLED) == 0 || (base & BASE_ADDRESS) != base_address) {
		base = off | BASE_ENABLED | (base & BASE_X2APIC);
		msr_write(MSR_IA32_APIC_BASE, base);
	}
	if (x2apic && (base & BASE_X2APIC) == 0) {
		msr_write(MSR_IA32_APIC_BASE, base | BASE_X2APIC);
	}
}

static void mask_lines(void)
{
	unsigned lvt_max = VERSION_LVT_MAX(reg_read(REG_VERSION));

	reg_write(REG_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	reg_write(REG_LVT_LINT0, LVT_MASKED);
	reg_write(REG_LVT_LINT1, LVT_MASKED);
	reg_write(REG_LVT_ERROR, LVT_MASKED | VECTOR_SPURIOUS);
	if (lvt_max >= 4) {
		reg_write(REG_LVT_PERFORMANCE, LVT_MASKED);
	}
	if (lvt_max >= 5) {
		reg_write(REG_LVT_THERMAL, LVT_MASKED);
	}
	if (lvt_max >= 6) {
		reg_write(REG_LVT_CMCI, LVT_MASKED);
	}
}

/* What firmware accepted and never ended would block all lower vectors for ever. */
static void end_leftovers(void)
{
	for (unsigned reg = REG_IN_SERVICE; reg < REG_IN_SERVICE + 8 * 0x10; reg += 0x10) {
		for (uint32_t bits = reg_read(reg); bits != 0; bits &= bits - 1) {
			lapic_eoi();
		}
	}
}

/* The TSC around the store that starts the timer. */
static struct {
	uint64_t before;
	uint64_t start;
} begun;

static void begin_round(void)
{
	reg_write(REG_TIMER_DIVIDE, DIVIDE_BY_16);
	begun.before = tsc_read();
	reg_write(REG_TIMER_INITIAL, UINT32_MAX);
	begun.start = tsc_read();
}

/*
 * The timer's counts per 2^32 ticks since begin_round(), and for how many millionths of that time
 * this CPU was perhaps stopped around the two readings.
 */
static uint64_t end_round(uint64_t *doubt)
{
	uint64_t least = ticks_from_us(CALIBRATE_MICROS);
	uint64_t end = tsc_read();

	while (end - begun.start < least) {
		end = tsc_read();
	}
	uint64_t counts = UINT32_MAX - reg_read(REG_TIMER_CURRENT);
	uint64_t after = tsc_read();
	uint64_t ticks = max_u64(end - begun.start, 1);

	reg_write(REG_TIMER_INITIAL, 0);
	if (counts == UINT32_MAX) {
		*doubt = UINT64_MAX; /* it has run out, who knows when */
		return 0;
	}
	*doubt = (begun.start - begun.before + after - end) * PARTS / ticks;
	return (max_u64(counts, 1) << 32) / ticks;
}

/*
 * Only where the TSC cannot trigger the timer directly. As in tsc.c, the round counts in which this
 * CPU was not stopped; the first one began in lapic_init().
 */
void lapic_calibrate(void)
{
	uint64_t least = UINT64_MAX;

	if (deadline_mode) {
		return;
	}
	for (unsigned i = 0; i < CALIBRATE_ROUNDS && least > DOUBT_SMALL; i++) {
		if (i > 0) {
			begin_round();
		}
		uint64_t doubt;
		uint64_t scaled = end_round(&doubt);

		if (doubt < least) {
			least = doubt;
			counts_scaled = scaled;
		}
	}
}

void lapic_init(void)
{
	CHECK(mode_chosen);
	enter_mode();
	deadline_mode = cpu_features.tsc_deadline;
	mask_lines();
	reg_write(REG_TASK_PRIORITY, 0);
	reg_write(REG_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
	reg_write(REG_ERROR_STATUS, 0);
	end_leftovers();
	if (!deadline_mode && counts_scaled == 0) {
		begin_round();
	}
	cpu_current()->apic_id = lapic_id();
}

bool lapic_use_x2apic(void)
{
	if (!x2apic && cpu_features.x2apic) {
		x2apic = true;
		enter_mode();
		cpu_current()->apic_id = lapic_id();
	}
	return x2apic;
}

bool lapic_can_address(uint32_t apic_id)
{
	return x2apic || apic_id <= XAPIC_ID_MAX;
}

void lapic_command(uint32_t apic_id, uint32_t command)
{
	if (x2apic) {
		/* Writing the register does not wait for earlier stores: the other CPU must see
		 * them. */
		__asm__ volatile("mfence; lfence" : : : "memory");
		msr_write(MSR_X2APIC_BASE + REG_COMMAND_LOW / 16,
			  (uint64_t)apic_id << 32 | command);
		return;
	}
	for (unsigned i = 0; i < COMMAND_READS_MAX; i++) {
		if ((reg_read(REG_COMMAND_LOW) & COMMAND_PENDING) == 0) {
			break;
		}
		__builtin_ia32_pause();
	}
	reg_write(REG_COMMAND_HIGH, apic_id << 24);
	reg_write(REG_COMMAND_LOW, command);
}

void lapic_timer_arm(uint64_t deadline_tsc)
{
	if (deadline_mode) {
		reg_write(REG_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR_TIMER);
		/* The mode must be in place before the deadline is (11.5.4.1). */
		__asm__ volatile("mfence" : : : "memory");
		msr_write(MSR_IA32_TSC_DEADLINE, deadline_tsc);
		return;
	}
	uint64_t ticks = min_u64(sub_floor_u64(deadline_tsc, tsc_read()), UINT32_MAX);
	uint64_t counts = max_u64(ticks * counts_scaled >> 32, 1);
	reg_write(REG_LVT_TIMER, VECTOR_TIMER);
	reg_write(REG_TIMER_DIVIDE, DIVIDE_BY_16);
	reg_write(REG_TIMER_INITIAL, (uint32_t)min_u64(counts, UINT32_MAX));
}

void lapic_timer_disarm(void)
{
	if (deadline_mode) {
		msr_write(MSR_IA32_TSC_DEADLINE, 0);
	} else {
		reg_write(REG_TIMER_INITIAL, 0);
	}
	reg_write(REG_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
}

void arch_idle(uint64_t deadline_tsc)
{
	if (tsc_read() >= deadline_tsc) {
		/* STI holds interrupts off for one more instruction. */
		__asm__ volatile("sti; nop; cli" : : : "memory");
		return;
	}
	lapic_timer_arm(deadline_tsc);
	/* STI takes effect after HLT has begun: an interrupt in between is not lost. */
	__asm__ volatile("sti; hlt; cli" : : : "memory");
	lapic_timer_disarm();
}
