/* SPDX-License-Identifier: BSD-2-Clause */
/* See board.h. */
#include "guests/virtio/board.h"

#include <stdarg.h>

#define COM1 0x3f8
#define SLEEP_CONTROL 0x600
#define SLEEP_S5 0x34 /* SLP_EN, and the type of S5 */
#define KEYBOARD_COMMAND 0x64
#define KEYBOARD_RESET 0xfe
#define DIGITS_MAX 20

#define ENTRY_PRESENT 0x1ul
#define ENTRY_WRITABLE 0x2ul
#define ENTRY_LARGE 0x80ul
#define ENTRY_ADDRESS 0xffffffffff000ul

static uint64_t window_directory[512] __attribute__((aligned(4096)));

void board_map(void)
{
	uint64_t cr3;

	__asm__ volatile("movq %%cr3, %0" : "=r"(cr3));
	uint64_t *top = (uint64_t *)(cr3 & ENTRY_ADDRESS);
	uint64_t *gigabytes = (uint64_t *)(top[0] & ENTRY_ADDRESS);
	window_directory[(WINDOW >> 21) & 511] =
		WINDOW | ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_LARGE;
	gigabytes[WINDOW >> 30] = (uint64_t)window_directory | ENTRY_PRESENT | ENTRY_WRITABLE;
	__asm__ volatile("movq %0, %%cr3" : : "r"(cr3) : "memory");
}

static void write_port(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "d"(port));
}

static void print_number(uint64_t number)
{
	char digits[DIGITS_MAX];
	unsigned count = 0;

	do {
		digits[count++] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	while (count > 0) {
		write_port(COM1, (uint8_t)digits[--count]);
	}
}

static void print_text(const char *text)
{
	for (; *text != '\0'; text++) {
		write_port(COM1, (uint8_t)*text);
	}
}

void board_print(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	for (; *format != '\0'; format++) {
		if (*format != '%') {
			write_port(COM1, (uint8_t)*format);
			continue;
		}
		format++;
		if (*format == 'u') {
			print_number(va_arg(arguments, uint64_t));
		} else {
			print_text(va_arg(arguments, const char *));
		}
	}
	va_end(arguments);
}

void board_power_off(void)
{
	for (;;) {
		write_port(SLEEP_CONTROL, SLEEP_S5);
	}
}

void board_reset(void)
{
	for (;;) {
		write_port(KEYBOARD_COMMAND, KEYBOARD_RESET);
	}
}
