/* SPDX-License-Identifier: BSD-2-Clause */
/* See port.h. */
#include "guests/backdoor/port.h"

#include <stdarg.h>

#define COM1 0x3f8
#define SLEEP_CONTROL 0x600
#define SLEEP_S5 0x34 /* SLP_EN, and the type of S5 */
#define DIGITS_MAX 20

static void print_number(uint64_t number)
{
	char digits[DIGITS_MAX];
	unsigned count = 0;

	do {
		digits[count++] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	while (count > 0) {
		port_write8(COM1, (uint8_t)digits[--count]);
	}
}

static void print_text(const char *text)
{
	for (; *text != '\0'; text++) {
		port_write8(COM1, (uint8_t)*text);
	}
}

void port_print(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	for (; *format != '\0'; format++) {
		if (*format != '%') {
			port_write8(COM1, (uint8_t)*format);
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

void port_power_off(void)
{
	for (;;) {
		port_write8(SLEEP_CONTROL, SLEEP_S5);
	}
}
