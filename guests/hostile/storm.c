/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * H11: storms of exits, and the clock that says what share of the processor is left to others while
 * they last.
 */
#include "guests/hostile/attack.h"

#include "guests/hostile/trap.h"
#include "guests/lib/console.h"
#include "guests/lib/cpu.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/runtime.h"

#define BURST 256
#define MSR_THAT_IS_NOT_THERE 0x1b

static void storm_null(void)
{
	for (unsigned i = 0; i < BURST; i++) {
		hypercall(AEROSTAT_CALL_NULL, 0, 0, 0, 0);
	}
}

static void storm_unknown(void)
{
	for (unsigned i = 0; i < BURST; i++) {
		hypercall(AEROSTAT_CALL_COUNT + i, i, i, i, i);
	}
}

static void storm_cpuid(void)
{
	for (uint32_t i = 0; i < BURST; i++) {
		cpu_identify(i);
		cpu_identify(0x40000000 + i);
	}
}

static void storm_ports(void)
{
	for (unsigned i = 0; i < BURST; i++) {
		__asm__ volatile("outb %%al, %%dx" : : "a"(i), "d"(i));
		__asm__ volatile("inl %%dx, %%eax" : : "d"(i) : "eax");
	}
}

static void read_msr(void *index)
{
	__asm__ volatile("rdmsr" : : "c"((uint32_t)(uintptr_t)index) : "eax", "edx");
}

static void storm_msrs(void)
{
	for (unsigned i = 0; i < BURST; i++) {
		trap_run(read_msr, (void *)MSR_THAT_IS_NOT_THERE);
		read_msr((void *)0x10);
	}
}

static void storm_console(void)
{
	for (unsigned i = 0; i < BURST; i++) {
		static const char text[] = "flood\r\n[0.000000] 0 - verdict fail vms=0\033[2J";

		hypercall(AEROSTAT_CALL_CONSOLE_WRITE, (uintptr_t)text, sizeof(text) - 1, 0, 0);
	}
}

static void storm_wait(void)
{
	for (unsigned i = 0; i < BURST; i++) {
		cpu_interrupts_off();
		hypercall_wait(1);
	}
}

/* The largest calls there are, all of them for nothing. */
static void storm_ranges(void)
{
	for (unsigned i = 0; i < AEROSTAT_RANGES_MAX; i++) {
		range_set(i, pool_first, ORDER_2M, 1);
	}
	(void)issue(AEROSTAT_CALL_BALLOON_RETURN, AEROSTAT_RANGES_MAX);
	(void)move(AEROSTAT_CALL_BALLOON_SURRENDER, pool_first, 0, EXTENT_PAGES);
	(void)move(AEROSTAT_CALL_BALLOON_EMERGENCY, pool_first, 0, EXTENT_PAGES);
	(void)move(AEROSTAT_CALL_BALLOON_REPORT, pool_first, 0, EXTENT_PAGES);
}

int play_h11(const struct attack_arguments *arguments)
{
	static void (*const storms[])(void) = {
		storm_null, storm_unknown, storm_cpuid, storm_ports,
		storm_msrs, storm_console, storm_wait,	storm_ranges,
	};
	uint64_t end;

	if (!attack_attach()) {
		return GUEST_EXIT_INTERFACE;
	}
	for (unsigned i = 0; i < sizeof(storms) / sizeof(storms[0]); i++) {
		end = cpu_read_tsc() + arguments->ms * runtime_tsc_khz;
		while (cpu_read_tsc() < end) {
			storms[i]();
		}
	}
	return GUEST_EXIT_SUCCESS;
}

/*
 * Spins and looks at the time: a jump is when others ran. The digest is the share of the processor
 * that it had, in percent.
 */
int play_h11_clock(const struct attack_arguments *arguments)
{
	uint64_t jump = runtime_tsc_khz / 20; /* 50 us */
	uint64_t start = cpu_read_tsc();
	uint64_t end = start + arguments->ms * runtime_tsc_khz;
	uint64_t last = start;
	uint64_t mine = 0;
	uint64_t longest = 0;

	while (last < end) {
		uint64_t now = cpu_read_tsc();
		uint64_t step = now - last;

		if (step < jump) {
			mine += step;
		} else if (step > longest) {
			longest = step;
		}
		last = now;
	}
	uint64_t whole = last > start ? last - start : 1; /* with ms=0 it did not spin */
	uint64_t percent = mine * 100 / whole;
	runtime_set_digest(percent);
	console_print("had %lu percent; the longest pause was %lu us\n", percent,
		      longest * 1000 / runtime_tsc_khz);
	return GUEST_EXIT_SUCCESS;
}
