/* SPDX-License-Identifier: BSD-2-Clause */
/* See output.h. */
#include "kernel/monitor/output.h"

#include <stdarg.h>

#include "base/bits.h"
#include "base/string.h"
#include "kernel/log/log.h"

#define RING_BYTES 16384
#define AT_ONCE_BYTES 256

/* Positions are counts of bytes that only grow. */
static char ring[RING_BYTES];
static uint64_t written;
static uint64_t shown;
static unsigned lost;

static uint64_t room(void)
{
	return RING_BYTES - (written - shown);
}

bool output_has_room(unsigned lines)
{
	return room() >= (uint64_t)lines * OUTPUT_LINE_BYTES;
}

bool output_is_empty(void)
{
	return written == shown;
}

static void put(const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		ring[written++ % RING_BYTES] = text[i];
	}
}

void output_print(const char *format, ...)
{
	char text[OUTPUT_LINE_BYTES + 1];
	va_list arguments;
	va_start(arguments, format);
	int wanted = vsnprintf(text, OUTPUT_LINE_BYTES, format, arguments);
	va_end(arguments);
	size_t bytes = min_u64((size_t)wanted, OUTPUT_LINE_BYTES - 1);
	text[bytes++] = '\n';
	/* One line is kept for what says that lines were lost. */
	if (room() < bytes + OUTPUT_LINE_BYTES) {
		lost++;
		return;
	}
	put(text, bytes);
}

static void say_lost(void)
{
	char text[64];
	if (lost > 0 && output_has_room(1)) {
		int bytes = snprintf(text, sizeof(text), "(%u lines are left out)\n", lost);
		lost = 0;
		put(text, (size_t)bytes);
	}
}

/* As many whole lines as fit, one at least. */
static size_t take(char *to)
{
	size_t bytes = 0;
	size_t whole = 0;
	while (bytes < AT_ONCE_BYTES && shown + bytes < written) {
		to[bytes] = ring[(shown + bytes) % RING_BYTES];
		bytes++;
		whole = to[bytes - 1] == '\n' ? bytes : whole;
	}
	shown += whole;
	return whole;
}

void output_poll(void)
{
	char text[AT_ONCE_BYTES];
	size_t bytes = take(text);
	if (bytes > 0) {
		log_text(text, bytes);
	}
	if (output_is_empty()) {
		say_lost();
	}
}

void output_flush(void)
{
	while (!output_is_empty()) {
		output_poll();
	}
}
