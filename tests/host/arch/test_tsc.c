/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frequency of the time-stamp counter against a timer chip that is made here (8254 data sheet,
 * mode 0), and a processor that is stopped at any moment, as a hypervisor below does it. An access
 * too many is a loop without end, and fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/types.h"

/* The instructions that the real file would execute. */
#define DRIVERS_PHYS_PORT_H
#define ARCH_X86_CPU_CPUID_H

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

static uint8_t port_read_8(uint16_t port);
static void port_write_8(uint16_t port, uint8_t value);
static struct cpuid cpuid_read(uint32_t leaf, uint32_t subleaf);
static uint64_t fake_read(void);

#define tsc_read unused_tsc_read
#include "arch/x86/cpu/tsc.h"
#undef tsc_read
#define tsc_read fake_read
#include "arch/x86/cpu/tsc.c"

struct cpu_features cpu_features;

#define ACCESSES_MAX 1000000
#define NO_STOP UINT64_MAX

/* Nanoseconds all of them. */
static struct {
	uint64_t now;
	uint64_t loaded_at;
	uint64_t access_takes;
	uint64_t stop_takes;
	uint64_t stop_at; /* the number of the access before which the processor is stopped */
	bool stops_always;
	bool is_missing;
	bool has_no_output; /* port 0x61 never says that zero was reached */
} machine;

static struct {
	uint32_t reload, latched, old;
	unsigned bytes_written, bytes_read;
} chip;

static uint64_t accesses;
static uint64_t real_khz;
static uint32_t said_khz; /* by CPUID; 0: nothing */

static uint64_t fake_read(void)
{
	return machine.now * real_khz / 1000000;
}

static struct cpuid cpuid_read(uint32_t leaf, uint32_t subleaf)
{
	(void)subleaf;
	if (leaf == 0x40000000 && said_khz != 0) {
		return (struct cpuid){.eax = 0x40000010};
	}
	return (struct cpuid){.eax = leaf == 0x40000010 ? said_khz : 0};
}

static void pass_time(void)
{
	accesses++;
	assert_true(accesses < ACCESSES_MAX);
	machine.now += machine.access_takes;
	if (accesses == machine.stop_at || machine.stops_always) {
		machine.now += machine.stop_takes;
	}
}

static uint64_t clocks(void)
{
	return (machine.now - machine.loaded_at) * PIT_HZ / 1000000000;
}

static void port_write_8(uint16_t port, uint8_t value)
{
	pass_time();
	if (port == PIT_COMMAND && value == PIT_CHANNEL_2_LATCH) {
		chip.latched = clocks() == 0 ? chip.old : (chip.reload - clocks()) & 0xffff;
		chip.bytes_read = 0;
	} else if (port == PIT_COMMAND) {
		assert_int_equal(value, PIT_CHANNEL_2_MODE_0);
		chip.bytes_written = 0;
	} else if (port == PIT_CHANNEL_2 && chip.bytes_written++ == 0) {
		chip.reload = value;
	} else if (port == PIT_CHANNEL_2) {
		chip.reload |= (uint32_t)value << 8;
		machine.loaded_at = machine.now;
	}
}

static uint8_t port_read_8(uint16_t port)
{
	pass_time();
	if (machine.is_missing) {
		return 0xff;
	}
	if (port == SYSTEM_CONTROL) {
		return clocks() >= chip.reload && !machine.has_no_output ? CONTROL_OUT_2 : 0;
	}
	return chip.bytes_read++ == 0 ? chip.latched & 0xff : chip.latched >> 8;
}

/* Between the two steps of measuring, for memory's tables. */
static uint64_t nanoseconds_between;

static int start(void **state)
{
	(void)state;
	memset(&machine, 0, sizeof(machine));
	memset(&chip, 0, sizeof(chip));
	machine.access_takes = 1000;
	machine.stop_at = NO_STOP;
	accesses = 0;
	real_khz = 2400000;
	said_khz = 0;
	nanoseconds_between = 0;
	return 0;
}

static void find_frequency(void)
{
	tsc_measure();
	machine.now += nanoseconds_between;
	tsc_init();
}

static void assert_measured(void)
{
	find_frequency();
	assert_string_equal(tsc_source(), "pit");
	assert_true(arch_tsc_khz() * 100 >= real_khz * 99);
	assert_true(arch_tsc_khz() * 100 <= real_khz * 101);
}

static void test_frequencies(void **state)
{
	static const uint64_t khz[] = {50000, 125000, 1000000, 2400000, 5000000};

	for (size_t i = 0; i < sizeof(khz) / sizeof(khz[0]); i++) {
		start(state);
		real_khz = khz[i];
		assert_measured();
		/* Nothing stopped the processor: one count of the chip is the error. */
		assert_true(arch_tsc_khz() * 2000 >= real_khz * 1999);
		assert_true(arch_tsc_khz() * 2000 <= real_khz * 2001);
	}
}

/* Stopped before any access of the first rounds, for less than a turn of the counter and for more.
 */
static void test_stopped_at_any_access(void **state)
{
	static const uint64_t milliseconds[] = {5, 20, 43, 46, 54, 56, 60, 100, 113};

	for (size_t i = 0; i < sizeof(milliseconds) / sizeof(milliseconds[0]); i++) {
		for (uint64_t access = 1; access < 700; access++) {
			start(state);
			machine.access_takes = 30000;
			machine.stop_takes = milliseconds[i] * 1000000;
			machine.stop_at = access;
			assert_measured();
		}
	}
}

/* The count that the chip still shows is small: nothing can be measured from there. */
static void test_chip_that_shows_the_old_count(void **state)
{
	(void)state;
	machine.access_takes = 150; /* less than a clock of the chip */
	chip.old = 7;
	assert_measured();
}

static void test_slower_than_the_chip(void **state)
{
	(void)state;
	machine.stops_always = true;
	for (uint64_t microseconds = 500; microseconds < 200000; microseconds += 7321) {
		accesses = 0;
		machine.stop_takes = microseconds * 1000;
		find_frequency();
		assert_true(arch_tsc_khz() != 0);
	}
}

static void test_no_chip(void **state)
{
	(void)state;
	machine.is_missing = true;
	find_frequency();
	assert_string_equal(tsc_source(), "guess");
	assert_int_equal(arch_tsc_khz(), KHZ_FALLBACK);
	accesses = 0;
	said_khz = 2100000;
	find_frequency();
	assert_string_equal(tsc_source(), "cpuid");
	assert_int_equal(arch_tsc_khz(), 2100000);
}

/* CPUID is believed where the chip agrees, and not where it does not. */
static void test_who_is_believed(void **state)
{
	(void)state;
	said_khz = 2401234;
	find_frequency();
	assert_string_equal(tsc_source(), "cpuid");
	assert_int_equal(arch_tsc_khz(), 2401234);
	said_khz = 3000000;
	assert_measured();
}

/* What is done between the two steps may take no time, or longer than the chip counts. */
static void test_work_meanwhile(void **state)
{
	static const uint64_t microseconds[] = {0,     100,   4990,   5000,   5010,   30000,  54900,
						54930, 60000, 109000, 109870, 120000, 5000000};

	for (size_t i = 0; i < sizeof(microseconds) / sizeof(microseconds[0]); i++) {
		start(state);
		nanoseconds_between = microseconds[i] * 1000;
		assert_measured();
	}
}

/* Through zero, and nothing says so: what CPUID says shows that it must have been. */
static void test_work_that_takes_longer_than_the_chip_counts(void **state)
{
	for (uint64_t ms = 56; ms < 300; ms += 7) {
		start(state);
		machine.has_no_output = true;
		said_khz = (uint32_t)real_khz + 1000;
		nanoseconds_between = ms * 1000000;
		find_frequency();
		assert_string_equal(tsc_source(), "cpuid");
		assert_int_equal(arch_tsc_khz(), said_khz);
	}
}

/* Work that takes long enough is the whole measurement: nothing is waited for. */
static void test_nothing_is_waited_for(void **state)
{
	(void)state;
	nanoseconds_between = 5000000;
	assert_measured();
	assert_true(accesses < 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_frequencies, start),
		cmocka_unit_test_setup(test_stopped_at_any_access, start),
		cmocka_unit_test_setup(test_chip_that_shows_the_old_count, start),
		cmocka_unit_test_setup(test_slower_than_the_chip, start),
		cmocka_unit_test_setup(test_no_chip, start),
		cmocka_unit_test_setup(test_who_is_believed, start),
		cmocka_unit_test_setup(test_work_meanwhile, start),
		cmocka_unit_test_setup(test_work_that_takes_longer_than_the_chip_counts, start),
		cmocka_unit_test_setup(test_nothing_is_waited_for, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
