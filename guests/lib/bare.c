/* SPDX-License-Identifier: BSD-2-Clause */
/* See bare.h. */
#include "guests/lib/bare.h"

#include <stdarg.h>

#define COM1 0x3f8
#define SLEEP_CONTROL 0x600
#define SLEEP_S5 0x34 /* SLP_EN, and the type of S5 */
#define DIGITS_MAX 20

uint64_t vcpus[64]; /* guests/lib/start.S refers to it */

uint64_t bare_number(const char *line, const char *name)
{
	for (; *line != '\0'; line++) {
		unsigned i = 0;
		while (name[i] != '\0' && line[i] == name[i]) {
			i++;
		}
		if (name[i] == '\0' && line[i] == '=') {
			uint64_t number = 0;
			for (i++; line[i] >= '0' && line[i] <= '9'; i++) {
				number = number * 10 + (uint64_t)(line[i] - '0');
			}
			return number;
		}
	}
	return 0;
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
		bare_port_write(COM1, (uint8_t)digits[--count]);
	}
}

static void print_text(const char *text)
{
	for (; *text != '\0'; text++) {
		bare_port_write(COM1, (uint8_t)*text);
	}
}

void bare_print(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	for (; *format != '\0'; format++) {
		if (*format != '%') {
			bare_port_write(COM1, (uint8_t)*format);
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

void bare_power_off(void)
{
	for (;;) {
		bare_port_write(SLEEP_CONTROL, SLEEP_S5);
	}
}
