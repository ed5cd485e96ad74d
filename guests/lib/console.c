/* SPDX-License-Identifier: BSD-2-Clause */
/* One line of text on its way to the hypervisor. */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guests/lib/console.h"
#include "guests/lib/hypercall.h"

/* Aligned, so that it does not cross a page: the call refuses text that does. */
static char line[AEROSTAT_CONSOLE_BYTES_MAX] __attribute__((aligned(256)));
static size_t line_bytes;

void console_flush(void)
{
	if (line_bytes > 0) {
		hypercall(AEROSTAT_CALL_CONSOLE_WRITE, (uintptr_t)line, line_bytes, 0, 0);
		line_bytes = 0;
	}
}

static void put(char c)
{
	if (c == '\n') {
		console_flush();
	} else if (line_bytes < sizeof(line)) {
		line[line_bytes++] = c;
	}
}

static void put_number(uint64_t value, unsigned base)
{
	char digits[20];
	unsigned count = 0;

	do {
		digits[count++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value > 0);
	while (count > 0) {
		put(digits[--count]);
	}
}

static void put_text(const char *text)
{
	for (; *text; text++) {
		put(*text);
	}
}

static void put_signed(int64_t value)
{
	if (value < 0) {
		put('-');
	}
	put_number(value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10);
}

void console_print(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	for (; *format; format++) {
		if (*format != '%') {
			put(*format);
			continue;
		}
		format++;
		bool is_long = *format == 'l';
		if (is_long) {
			format++;
		}
		switch (*format) {
		case 's':
			put_text(va_arg(arguments, const char *));
			break;
		case 'c':
			put((char)va_arg(arguments, int));
			break;
		case 'd':
			put_signed(is_long ? va_arg(arguments, long) : va_arg(arguments, int));
			break;
		case 'u':
		case 'x':
			put_number(is_long ? va_arg(arguments, unsigned long)
					   : va_arg(arguments, unsigned),
				   *format == 'x' ? 16 : 10);
			break;
		default:
			put(*format);
			break;
		}
	}
	va_end(arguments);
}
