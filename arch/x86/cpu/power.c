/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end: an emulator is told the verdict, a real machine is switched off by ACPI, reset, or left
 * halted. ACPI's tables are read at boot, before a VM can write to where firmware put them. At the
 * end only one CPU is left, so nothing here takes a lock.
 */
#include "arch/x86/cpu/power.h"

#include "arch/x86/cpu/cpu.h"
#include "arch/x86/cpu/ipi.h"
#include "base/log.h"
#include "base/time.h"
#include "drivers/phys/acpi_power.h"
#include "drivers/phys/debugcon.h"
#include "drivers/phys/power.h"
#include "drivers/phys/screen.h"
#include "drivers/phys/uart.h"
#include "arch/arch.h"

#define OFF_MS 2000  /* how long a machine may take to go off */
#define RESET_MS 200 /* and to reset, before another way is tried */

static struct acpi_ways ways;

void power_prepare(uint64_t rsdp)
{
	acpi_find_ways(rsdp, &ways);
}

void arch_halt(void)
{
	for (;;) {
		__asm__ volatile("cli; hlt" : : : "memory");
	}
}

void arch_power_off(bool pass)
{
	arch_cpus_halt_others();
	screen_defer(false);
	uart_drain(&uart_console);
	emulator_power_off(pass);
	arch_halt();
}

static void wait_ms(uint64_t ms)
{
	uint64_t start = arch_tsc();

	while (arch_tsc() - start < ticks_from_ms(ms)) {
		arch_pause();
	}
}

/* Returns why the machine is still on. */
static const char *switch_off(void)
{
	if (!ways.has_sleep) {
		return ways.no_sleep.text;
	}
	if (!power_sleep(&ways.sleep)) {
		return "ACPI's register cannot be reached";
	}
	wait_ms(OFF_MS);
	return "it does not obey ACPI";
}

/* With an empty descriptor table the first exception becomes a third one: shutdown (SDM 3, 6.15).
 */
static void triple_fault(void)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) nothing;

	__asm__ volatile("lidt %0; int3" : : "m"(nothing) : "memory");
}

/* From the best way to the crudest. */
_Noreturn static void reset(void)
{
	if (ways.has_reset && power_reset_acpi(&ways.reset)) {
		wait_ms(RESET_MS);
	}
	if (power_reset_keyboard()) {
		wait_ms(RESET_MS);
	}
	power_reset_chipset();
	wait_ms(RESET_MS);
	triple_fault();
	arch_halt();
}

void arch_end(enum end end, bool pass)
{
	const char *message = NULL;

	if (end == END_REBOOT) {
		ipi_leave_vmx_at_halt();
	}
	arch_cpus_halt_others();
	/* A CPU may have been halted in the middle of a line. */
	log_break_lock();
	screen_defer(false); /* the verdict stays in sight */
	uart_drain(&uart_console);
	switch (end) {
	case END_POWER_OFF:
		emulator_power_off(pass);
		message = switch_off();
		break;
	case END_REBOOT:
		cpu_leave_vmx();
		reset();
	case END_HALT:
		message = "so the command line wants it";
		break;
	}
	log_event(NULL, "power: the machine stays on, halted: %s", message);
	uart_drain(&uart_console);
	arch_halt();
}
