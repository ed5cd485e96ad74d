/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The operator's console and the way out: the part of kernel/arch.h that needs drivers. Callers of
 * arch_console_write are serialized by the log's lock, or are the only one left (panic).
 */
#include "base/string.h"
#include "drivers/phys/emulator.h"
#include "drivers/phys/uart.h"
#include "kernel/arch.h"

enum console {
	CONSOLE_NONE,
	CONSOLE_COM1,
	CONSOLE_E9,
};

static enum console console;

bool arch_console_select(const char *name)
{
	if (strcmp(name, "com1") == 0) {
		if (!uart_is_present() && !uart_init()) {
			return false;
		}
		console = CONSOLE_COM1;
		return true;
	}
	if (strcmp(name, "e9") == 0) {
		if (!debug_console_is_present()) {
			return false;
		}
		console = CONSOLE_E9;
		return true;
	}
	if (strcmp(name, "none") == 0) {
		console = CONSOLE_NONE;
		return true;
	}
	return false;
}

static void write_raw(const char *text, size_t bytes)
{
	if (console == CONSOLE_COM1) {
		uart_write(text, bytes);
	} else if (console == CONSOLE_E9) {
		debug_console_write(text, bytes);
	}
}

void arch_console_write(const char *text, size_t bytes)
{
	size_t start = 0;

	for (size_t i = 0; i < bytes; i++) {
		if (text[i] == '\n') {
			write_raw(text + start, i - start);
			write_raw("\r\n", 2);
			start = i + 1;
		}
	}
	write_raw(text + start, bytes - start);
}

int arch_console_read(void)
{
	return console == CONSOLE_COM1 ? uart_read() : -1;
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
	uart_drain();
	emulator_power_off(pass);
	arch_halt();
}
