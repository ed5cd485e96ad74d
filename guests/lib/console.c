/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of text on their way to the hypervisor, one per vCPU. */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guests/lib/console.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/vcpu.h"

/*
 * Each vCPU's own, so no lock. Aligned, so that the text does not cross a page: the call refuses
 * text that does.
 */
static struct line {
	char text[AEROSTAT_CONSOLE_BYTES_MAX];
	size_t bytes;
} __attribute__((aligned(256))) lines[AEROSTAT_VCPUS_MAX];

static void flush(struct line *line)
{
	if (line->bytes > 0) {
		hypercall(AEROSTAT_CALL_CONSOLE_WRITE, (uintptr_t)line->text, line->bytes, 0, 0);
		line->bytes = 0;
	}
}

void console_flush(void)
{
	flush(&lines[vcpu_index()]);
}

static void put(struct line *line, char c)
{
	if (c == '\n') {
		flush(line);
	} else if (line->bytes < sizeof(line->text)) {
		line->text[line->bytes++] = c;
	}
}

static void put_number(struct line *line, uint64_t value, unsigned base)
{
	char digits[20];
	unsigned count = 0;

	do {
		digits[count++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value > 0);
	while (count > 0) {
		put(line, digits[--count]);
	}
}

static void put_text(struct line *line, const char *text)
{
	for (; *text; text++) {
		put(line, *text);
	}
}

static void put_signed(struct line *line, int64_t value)
{
	if (value < 0) {
		put(line, '-');
	}
	put_number(line, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10);
}

void console_print(const char *format, ...)
{
	struct line *line = &lines[vcpu_index()];
	va_list arguments;

	va_start(arguments, format);
	for (; *format; format++) {
		if (*format != '%') {
			put(line, *format);
			continue;
		}
		format++;
		bool is_long = *format == 'l';
		if (is_long) {
			format++;
		}
		switch (*format) {
		case 's':
			put_text(line, va_arg(arguments, const char *));
			break;
		case 'c':
			put(line, (char)va_arg(arguments, int));
			break;
		case 'd':
			put_signed(line,
				   is_long ? va_arg(arguments, long) : va_arg(arguments, int));
			break;
		case 'u':
		case 'x':
			put_number(line,
				   is_long ? va_arg(arguments, unsigned long)
					   : va_arg(arguments, unsigned),
				   *format == 'x' ? 16 : 10);
			break;
		default:
			put(line, *format);
			break;
		}
	}
	va_end(arguments);
}
