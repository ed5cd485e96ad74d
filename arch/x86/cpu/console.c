/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The operator's console: the part of include/arch/arch.h that needs drivers. Callers of
 * arch_console_write hold the log's lock, or are the only one left (panic).
 */
#include "arch/x86/cpu/console_screen.h"
#include "base/string.h"
#include "drivers/phys/debugcon.h"
#include "drivers/phys/pci.h"
#include "drivers/phys/physical.h"
#include "drivers/phys/ps2.h"
#include "drivers/phys/screen.h"
#include "drivers/phys/uart.h"
#include "arch/arch.h"
#include "arch/console.h"

#define REGISTERS 8
#define WORD_SHIFT 2

_Static_assert(CONSOLE_PCI_FIRST == PCI_FUNCTION_NONE, "the same number on both sides");

static enum console_kind kind;
static struct uart trace_port;

static const char *select_port(const struct console *console)
{
	struct uart_place place = {.port = console->port};

	return uart_init(&uart_console, &place, console->divisor) ? NULL
								  : "no serial port answers there";
}

/* Registers in memory are bytes in a row, or the low byte of words; the card does not say which. */
static const char *select_memory(uint64_t registers, uint16_t divisor)
{
	const size_t bytes = (size_t)REGISTERS << WORD_SHIFT;

	if (physical_is_ram(registers, bytes)) {
		return "the registers of the PCI serial card are said to lie in RAM";
	}
	struct uart_place place = {
		.memory = physical_map_device(registers, bytes),
	};

	if (place.memory == NULL) {
		return "the registers of the PCI serial card cannot be mapped";
	}
	if (uart_init(&uart_console, &place, divisor)) {
		return NULL;
	}
	place.shift = WORD_SHIFT;
	return uart_init(&uart_console, &place, divisor) ? NULL
							 : "the PCI serial card does not answer";
}

static const char *select_card(const struct console *console)
{
	struct pci_serial serial;
	const char *message = pci_find_serial(console->function, &serial);

	if (message != NULL) {
		return message;
	}
	if (serial.memory) {
		return select_memory(serial.place, console->divisor);
	}
	struct uart_place place = {.port = (uint16_t)serial.place};
	return uart_init(&uart_console, &place, console->divisor)
		       ? NULL
		       : "the PCI serial card does not answer";
}

const char *arch_console_select(const struct console *console)
{
	const char *message = NULL;

	switch (console->kind) {
	case CONSOLE_NONE:
		break;
	case CONSOLE_E9:
		message = debug_console_is_present() ? NULL : "nothing answers at port 0xe9";
		break;
	case CONSOLE_PORT:
		message = select_port(console);
		break;
	case CONSOLE_PCI:
		message = select_card(console);
		break;
	}
	if (message == NULL) {
		kind = console->kind;
	}
	return message;
}

static bool is_serial(void)
{
	return kind == CONSOLE_PORT || kind == CONSOLE_PCI;
}

static void write_raw(const char *text, size_t bytes)
{
	if (is_serial()) {
		uart_write(&uart_console, text, bytes);
	} else if (kind == CONSOLE_E9) {
		debug_console_write(text, bytes);
	}
	if (screen_is_open()) {
		screen_write(text, bytes);
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

/* A machine without a keyboard is asked once. */
static int read_keyboard(void)
{
	static bool asked;

	if (!asked) {
		asked = true;
		(void)ps2_start();
	}
	return ps2_read();
}

int arch_console_read(void)
{
	int key = is_serial() ? uart_read(&uart_console) : -1;

	return key < 0 && screen_is_open() ? read_keyboard() : key;
}

const char *arch_trace_port_select(const struct console *port)
{
	struct uart_place place = {.port = port->port};

	if (port->kind != CONSOLE_PORT) {
		return "a trace leaves by com1 to com4 or another port";
	}
	if (is_serial() && uart_is_at(&uart_console, &place)) {
		return "that is the console";
	}
	return uart_init(&trace_port, &place, port->divisor) ? NULL
							     : "no serial port answers there";
}

size_t arch_trace_port_offer(const uint8_t *bytes, size_t count)
{
	return uart_offer(&trace_port, bytes, count);
}

void arch_trace_port_write(const uint8_t *bytes, size_t count)
{
	uart_write(&trace_port, (const char *)bytes, count);
	uart_drain(&trace_port);
}

void arch_console_urgent(void)
{
	console_screen_urgent();
}

void arch_console_last_resort(void)
{
	console_screen_give_up();
}
