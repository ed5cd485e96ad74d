/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Turns events into lines of the console. One line is one call of arch_console_write under log_lock
 * (rank LOCK_LOG), so lines of different CPUs never mix. Guests' text can be part of a line:
 * whatever is not printable ASCII is shown as \xNN, so that no guest forges a line or moves the
 * operator's cursor.
 */
#include "kernel/log/log.h"

#include "base/lock.h"
#include "base/log.h"
#include "base/string.h"
#include "base/time.h"
#include "arch/arch.h"

#define LINE_BYTES 512 /* the longest line, escapes included: a serial port takes 45 ms for it */
#define ESCAPE_BYTES 4

static struct lock log_lock = LOCK_INITIALIZER(LOCK_LOG);
static bool log_lock_broken;
static uint64_t log_start_tsc;
static enum log_level level = LOG_NORMAL; /* one word; the boot CPU writes it */

/* Under log_lock. */
static struct {
	char text[LOG_PROMPT_BYTES];
	size_t bytes;
	size_t behind;
} prompt;

void log_level_set(enum log_level to)
{
	__atomic_store_n(&level, to, __ATOMIC_RELAXED);
}

enum log_level log_level_now(void)
{
	return __atomic_load_n(&level, __ATOMIC_RELAXED);
}

void log_start(uint64_t tsc)
{
	log_start_tsc = tsc;
}

uint64_t log_origin_tsc(void)
{
	return log_start_tsc;
}

void log_break_lock(void)
{
	/* The CPU that holds it was stopped in the middle of a line; or there is what was typed. */
	if (lock_is_taken(&log_lock) || prompt.bytes > 0) {
		arch_console_write("\n", 1);
	}
	prompt.bytes = 0;
	log_lock_broken = true;
}

/* Appends at most `room` bytes' worth; answers the new length. */
static size_t append(char *line, size_t length, size_t room, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static size_t append(char *line, size_t length, size_t room, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int wanted = vsnprintf(line + length, room - length, format, arguments);
	va_end(arguments);
	size_t end = length + (size_t)wanted;
	return end < room ? end : room - 1;
}

static size_t append_prefix(char *line, size_t room, const char *vm)
{
	uint64_t micros = us_from_ticks(arch_tsc() - log_start_tsc);

	return append(line, 0, room, "[%lu.%06lu] %u %s ", micros / US_PER_SECOND,
		      micros % US_PER_SECOND, arch_cpu_index(), vm != NULL ? vm : "-");
}

/* Copies `from` so that only printable ASCII is left, LINE_BYTES of it at most; then *cut is set.
 */
static size_t escape(char *to, const char *from, size_t length, bool *cut)
{
	static const char digits[] = "0123456789abcdef";
	size_t used = 0;

	for (size_t i = 0; i < length; i++) {
		if (used + ESCAPE_BYTES > LINE_BYTES) {
			*cut = true;
			break;
		}
		unsigned char c = (unsigned char)from[i];

		if (c >= 0x20 && c < 0x7f) {
			to[used++] = (char)c;
			continue;
		}
		to[used++] = '\\';
		to[used++] = 'x';
		to[used++] = digits[c >> 4];
		to[used++] = digits[c & 15];
	}
	return used;
}

void log_event(const char *vm, const char *format, ...)
{
	char text[LINE_BYTES + 1];
	char line[LINE_BYTES + 8];
	va_list arguments;

	size_t length = append_prefix(text, sizeof(text), vm);
	va_start(arguments, format);
	size_t wanted =
		length + (size_t)vsnprintf(text + length, sizeof(text) - length, format, arguments);
	va_end(arguments);

	bool cut = wanted > LINE_BYTES;
	size_t used = escape(line, text, cut ? LINE_BYTES : wanted, &cut);
	if (cut) {
		memcpy(line + used, "...", 3);
		used += 3;
	}
	line[used++] = '\n';
	log_text(line, used);
}

static void show_prompt(void)
{
	char text[LOG_PROMPT_BYTES + 16];
	size_t used = prompt.bytes;
	memcpy(text, prompt.text, used);
	if (prompt.behind > 0) {
		/* CUB: so many columns back (ECMA-48, 8.3.14). */
		used += (size_t)snprintf(text + used, sizeof(text) - used, "\x1b[%uD",
					 (unsigned)prompt.behind);
	}
	arch_console_write(text, used);
}

/* To the first column, and EL: away with what stands in the line (ECMA-48, 8.3.41). */
static void hide_prompt(void)
{
	if (prompt.bytes > 0) {
		arch_console_write("\r\x1b[K", 4);
	}
}

static bool lock_log(void)
{
	if (log_lock_broken) {
		return false;
	}
	lock_acquire(&log_lock);
	return true;
}

void log_text(const char *text, size_t bytes)
{
	bool locked = lock_log();
	hide_prompt();
	arch_console_write(text, bytes);
	if (prompt.bytes > 0) {
		show_prompt();
	}
	if (locked) {
		lock_release(&log_lock);
	}
}

void log_while_locked(void (*change)(void))
{
	bool locked = lock_log();
	change();
	if (locked) {
		lock_release(&log_lock);
	}
}

/* The old one and some more behind it, which is what a line is mostly changed by. */
static bool is_longer(const char *text, size_t bytes, size_t behind)
{
	return prompt.bytes > 0 && bytes > prompt.bytes && behind == 0 && prompt.behind == 0 &&
	       memcmp(text, prompt.text, prompt.bytes) == 0;
}

void log_prompt(const char *text, size_t bytes, size_t behind)
{
	bytes = bytes < LOG_PROMPT_BYTES ? bytes : LOG_PROMPT_BYTES;
	if (bytes == prompt.bytes && behind == prompt.behind &&
	    memcmp(text, prompt.text, bytes) == 0) {
		return; /* only this CPU changes it */
	}
	bool locked = lock_log();
	bool longer = is_longer(text, bytes, behind);
	if (longer) {
		arch_console_write(text + prompt.bytes, bytes - prompt.bytes);
	} else {
		hide_prompt();
	}
	memcpy(prompt.text, text, bytes);
	prompt.bytes = bytes;
	prompt.behind = behind;
	if (bytes > 0 && !longer) {
		show_prompt();
	}
	if (locked) {
		lock_release(&log_lock);
	}
}
