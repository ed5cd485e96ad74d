/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/x86/cpu/power.c: what the end of the machine believes when VMs have run. Firmware may have
 * put its tables into memory that its own map calls available: a VM's, then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "arch/arch.h"
#include "arch/x86/cpu/cpu.h"
#include "arch/x86/cpu/ipi.h"
#include "arch/x86/cpu/power.h"
#include "base/log.h"
#include "drivers/phys/debugcon.h"
#include "drivers/phys/physical.h"
#include "drivers/phys/power.h"
#include "drivers/phys/screen.h"
#include "drivers/phys/uart.h"
#include "fake/firmware.h"

#define ROOT 0xf0010
#define RSDT 0x100100
#define FADT 0x101000
#define DSDT 0x110000
#define HEADER 36
#define FADT_BYTES 129

static uint8_t fadt[FADT_BYTES - HEADER];
static jmp_buf over;
static char said[256];
static struct acpi_sleep slept;
static struct acpi_reset was_reset;
static bool obeys;

/* ---- The machine ----------------------------------------------------------------------------- */

static unsigned screens_drawn;

void arch_cpus_halt_others(void)
{
}

void ipi_leave_vmx_at_halt(void)
{
}

void cpu_leave_vmx(void)
{
}

void log_break_lock(void)
{
}

struct uart uart_console;

void uart_drain(const struct uart *uart)
{
	(void)uart;
}

void screen_defer(bool defer)
{
	assert_false(defer); /* what is not drawn now never is */
	screens_drawn++;
}

void emulator_power_off(bool pass)
{
	(void)pass;
}

uint64_t arch_tsc(void)
{
	return 0;
}

void arch_pause(void)
{
}

uint64_t arch_tsc_khz(void)
{
	return 0; /* nothing is waited for */
}

bool power_sleep(const struct acpi_sleep *sleep)
{
	slept = *sleep;
	return obeys;
}

bool power_reset_acpi(const struct acpi_reset *reset)
{
	was_reset = *reset;
	return obeys;
}

bool power_reset_keyboard(void)
{
	longjmp(over, 1);
}

void power_reset_chipset(void)
{
}

void log_event(const char *vm, const char *format, ...)
{
	va_list arguments;
	(void)vm;
	va_start(arguments, format);
	vsnprintf(said, sizeof(said), format, arguments);
	va_end(arguments);
	longjmp(over, 1);
}

/* ---- Firmware -------------------------------------------------------------------------------- */

static void put_32(unsigned offset, uint32_t value)
{
	memcpy(fadt + offset - HEADER, &value, sizeof(value));
}

static void publish(uint32_t port, uint8_t type, uint8_t reset_port)
{
	const uint64_t tables[] = {FADT};
	const uint8_t s5[] = {0x08, '_',  'S',	'5',  '_',  0x12, 0x06,
			      0x04, 0x0a, type, 0x00, 0x00, 0x00};
	memset(fadt, 0, sizeof(fadt));
	put_32(40, DSDT);
	put_32(64, port);
	put_32(112, 1u << 10);
	fadt[116 - HEADER] = 1; /* a port */
	put_32(120, reset_port);
	fadt[128 - HEADER] = 6;
	firmware_table(DSDT, "DSDT", s5, sizeof(s5));
	firmware_table(FADT, "FACP", fadt, sizeof(fadt));
	firmware_root_table(RSDT, "RSDT", tables, 1);
	firmware_root(ROOT, 0, RSDT, 0);
}

static int setup(void **state)
{
	(void)state;
	firmware_clear();
	memset(said, 0, sizeof(said));
	memset(&slept, 0, sizeof(slept));
	memset(&was_reset, 0, sizeof(was_reset));
	obeys = false;
	return 0;
}

static void end(enum end how)
{
	unsigned before = screens_drawn;

	if (setjmp(over) == 0) {
		arch_end(how, true);
	}
	assert_int_equal(screens_drawn, before + 1);
}

/* Regression: the tables were read at the end, when they could be what a VM had written there. */
static void test_forged_tables(void **state)
{
	(void)state;
	publish(0x604, 5, 0xf9);
	power_prepare(ROOT);
	publish(0x704, 3, 0x92);
	end(END_POWER_OFF);
	assert_int_equal(slept.control[0].place, 0x604);
	assert_int_equal(slept.type[0], 5);
	end(END_REBOOT);
	assert_int_equal(was_reset.where.place, 0xf9);
}

/* Siblings: tables that appear later, and ones that are gone, the root pointer included. */
static void test_tables_that_appear(void **state)
{
	(void)state;
	power_prepare(0);
	publish(0x704, 3, 0x92);
	end(END_POWER_OFF);
	assert_int_equal(slept.control[0].place, 0);
	assert_string_equal(said, "power: the machine stays on, halted: this machine has no ACPI");
	end(END_REBOOT);
	assert_int_equal(was_reset.where.place, 0);
}

static void test_tables_that_are_gone(void **state)
{
	(void)state;
	publish(0x604, 5, 0xf9);
	power_prepare(0); /* where BIOSes put it */
	firmware_clear();
	end(END_POWER_OFF);
	assert_int_equal(slept.control[0].place, 0x604);
	assert_string_equal(
		said, "power: the machine stays on, halted: ACPI's register cannot be reached");
}

static void test_every_reason(void **state)
{
	(void)state;
	obeys = true;
	publish(0x604, 5, 0xf9);
	power_prepare(ROOT);
	end(END_POWER_OFF);
	assert_string_equal(said, "power: the machine stays on, halted: it does not obey ACPI");
	firmware_memory[DSDT + 40] ^= 1;
	power_prepare(ROOT);
	end(END_POWER_OFF);
	assert_string_equal(
		said,
		"power: the machine stays on, halted: ACPI's table DSDT has a wrong checksum");
	end(END_HALT);
	assert_string_equal(said,
			    "power: the machine stays on, halted: so the command line wants it");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_forged_tables, setup),
		cmocka_unit_test_setup(test_tables_that_appear, setup),
		cmocka_unit_test_setup(test_tables_that_are_gone, setup),
		cmocka_unit_test_setup(test_every_reason, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
