/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See guest_console.h. The reader of the scrollback copies first and looks afterwards whether the
 * writer has come round to what was copied.
 */
#include "kernel/vm/guest_console.h"

#include "arch/arch.h"
#include "base/bits.h"
#include "base/log.h"
#include "base/string.h"
#include "base/time.h"

#define LINES_PER_POLL 4 /* a serial port takes milliseconds for one */
#define ESCAPE 0x1b

static uint64_t written_now(const struct guest_console *console)
{
	return __atomic_load_n(&console->written, __ATOMIC_ACQUIRE);
}

static uint8_t byte_at(const struct guest_console *console, uint64_t position)
{
	return __atomic_load_n(&console->scrollback[position % GUEST_CONSOLE_BYTES],
			       __ATOMIC_RELAXED);
}

/* The first byte that is there for certain: the writer may be at work on the one before. */
static uint64_t oldest(uint64_t written)
{
	return sub_floor_u64(written + 1, GUEST_CONSOLE_BYTES);
}

void guest_console_init(struct guest_console *console, void *memory, uint64_t now_tsc)
{
	*console = (struct guest_console){
		.scrollback = memory,
		.refill_tsc = now_tsc,
		.lines_left = GUEST_CONSOLE_LINES_AT_ONCE,
	};
}

void guest_console_put(struct guest_console *console, uint8_t byte)
{
	uint64_t position = __atomic_load_n(&console->written, __ATOMIC_RELAXED);
	/* A reader that sees this byte in place of an older one also sees the count before it. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	__atomic_store_n(&console->scrollback[position % GUEST_CONSOLE_BYTES], byte,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&console->written, position + 1, __ATOMIC_RELEASE);
}

int guest_console_input(const struct guest_console *console)
{
	uint64_t heard = __atomic_load_n(&console->heard, __ATOMIC_RELAXED);
	if (heard == __atomic_load_n(&console->typed, __ATOMIC_ACQUIRE)) {
		return -1;
	}
	return console->input[heard % GUEST_CONSOLE_INPUT_BYTES];
}

void guest_console_input_done(struct guest_console *console)
{
	uint64_t heard = __atomic_load_n(&console->heard, __ATOMIC_RELAXED);
	__atomic_store_n(&console->heard, heard + 1, __ATOMIC_RELEASE);
}

bool guest_console_type(struct guest_console *console, uint8_t byte)
{
	uint64_t typed = __atomic_load_n(&console->typed, __ATOMIC_RELAXED);
	uint64_t heard = __atomic_load_n(&console->heard, __ATOMIC_ACQUIRE);
	if (typed - heard >= GUEST_CONSOLE_INPUT_BYTES) {
		return false;
	}
	console->input[typed % GUEST_CONSOLE_INPUT_BYTES] = byte;
	__atomic_store_n(&console->typed, typed + 1, __ATOMIC_RELEASE);
	return true;
}

size_t guest_console_read(const struct guest_console *console, uint64_t *position, uint8_t *to,
			  size_t room)
{
	uint64_t end = written_now(console);
	uint64_t from = max_u64(*position, oldest(end));
	size_t count = (size_t)min_u64(sub_floor_u64(end, from), room);
	for (size_t i = 0; i < count; i++) {
		to[i] = byte_at(console, from + i);
	}
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	uint64_t first = max_u64(from, oldest(written_now(console)));
	size_t lost = (size_t)min_u64(first - from, count);
	memmove(to, to + lost, count - lost);
	*position = from + count;
	return count - lost;
}

uint64_t guest_console_tail(const struct guest_console *console, unsigned lines, size_t bytes)
{
	uint64_t end = written_now(console);
	uint64_t least = max_u64(oldest(end), sub_floor_u64(end, bytes));
	unsigned found = 0;
	for (uint64_t at = end; at > least; at--) {
		/* The end of the last line is not the beginning of another. */
		if (at != end && byte_at(console, at - 1) == '\n' && ++found == lines) {
			return at;
		}
	}
	return least;
}

/* ---- Lines for the log ---------------------------------------------------------------------- */

/* The length of a control sequence such as ESC [ 1 ; 31 m at `from`; 0: there is none. */
static size_t sequence_length(const uint8_t *from, size_t bytes)
{
	if (bytes < 2 || from[0] != ESCAPE || from[1] != '[') {
		return 0;
	}
	for (size_t i = 2; i < bytes; i++) {
		if (from[i] >= 0x40 && from[i] <= 0x7e) {
			return i + 1;
		}
	}
	return 0;
}

/* Takes out what only a terminal understands; returns the length that is left. */
static size_t clean(uint8_t *line, size_t bytes)
{
	size_t used = 0;
	for (size_t i = 0; i < bytes;) {
		size_t skip = sequence_length(line + i, bytes - i);
		if (skip > 0) {
			i += skip;
			continue;
		}
		uint8_t byte = line[i++];
		if (byte != '\r') {
			line[used++] = byte == '\t'		     ? ' '
				       : byte < 0x20 || byte == 0x7f ? '.'
								     : byte;
		}
	}
	while (used > 0 && line[used - 1] == ' ') {
		used--;
	}
	return used;
}

/* Copies the line that begins at `position`; moves *position behind it. False: it has no end yet.
 */
static bool take_line(const struct guest_console *console, uint64_t *position, uint8_t *line,
		      size_t *bytes)
{
	size_t count = guest_console_read(console, position, line, GUEST_CONSOLE_LINE_BYTES);
	for (size_t i = 0; i < count; i++) {
		if (line[i] == '\n') {
			*position -= count - i - 1;
			*bytes = i;
			return true;
		}
	}
	*bytes = count;
	return count == GUEST_CONSOLE_LINE_BYTES;
}

static void log_line(struct guest_console *console, const char *name, uint8_t *line, size_t bytes)
{
	size_t left = clean(line, bytes);
	if (console->left_out > 0) {
		log_event(name, "console: lines left out=%llu",
			  (unsigned long long)console->left_out);
		console->left_out = 0;
	}
	if (left > 0) {
		log_event(name, "console: %.*s", (int)left, (const char *)line);
		console->lines_left -= console->lines_left > 0 ? 1 : 0;
	}
}

/* Whole lines of what lies too far back are left out. */
static void catch_up(struct guest_console *console)
{
	uint64_t end = written_now(console);
	uint64_t least = sub_floor_u64(end, GUEST_CONSOLE_LAG_BYTES);
	uint64_t first = oldest(end);
	if (console->logged >= least) {
		return;
	}
	if (console->logged < first) {
		console->logged = first; /* how many lines went is not known */
		console->left_out++;
	}
	/* To the next beginning of a line, where one is near. */
	uint64_t last = min_u64(least + GUEST_CONSOLE_LINE_BYTES, end);
	for (bool inside = true; console->logged < last && (inside || console->logged < least);
	     console->logged++) {
		inside = byte_at(console, console->logged) != '\n';
		console->left_out += inside ? 0 : 1;
	}
}

static void refill(struct guest_console *console, uint64_t now_tsc)
{
	uint64_t line_ticks = ticks_from_seconds(1) / GUEST_CONSOLE_LINES_PER_SECOND;
	uint64_t lines = sub_floor_u64(now_tsc, console->refill_tsc) / max_u64(line_ticks, 1);
	console->refill_tsc += lines * line_ticks;
	console->lines_left =
		(unsigned)min_u64(console->lines_left + lines, GUEST_CONSOLE_LINES_AT_ONCE);
}

/* A line without its end is due when nothing has been added for a while. */
static bool is_partial_due(struct guest_console *console, uint64_t end, uint64_t now_tsc)
{
	if (console->partial_position != end) {
		console->partial_position = end;
		console->partial_tsc = now_tsc;
	}
	return sub_floor_u64(now_tsc, console->partial_tsc) >=
	       ticks_from_ms(GUEST_CONSOLE_PARTIAL_MS);
}

void guest_console_poll(struct guest_console *console, const char *name, uint64_t now_tsc,
			bool seen)
{
	uint8_t line[GUEST_CONSOLE_LINE_BYTES];
	size_t bytes;
	uint64_t end = written_now(console);
	if (console->logged == end) {
		return;
	}
	if (seen) {
		console->logged = end;
		return;
	}
	refill(console, now_tsc);
	for (unsigned i = 0; i < LINES_PER_POLL && console->lines_left > 0; i++) {
		uint64_t next = console->logged;
		bool whole = take_line(console, &next, line, &bytes);
		if (bytes == 0 && !whole) {
			break;
		}
		if (!whole && !is_partial_due(console, next, now_tsc)) {
			break;
		}
		console->logged = next;
		log_line(console, name, line, bytes);
	}
	if (console->lines_left == 0) {
		catch_up(console);
	}
}

void guest_console_close(struct guest_console *console, const char *name)
{
	uint8_t line[GUEST_CONSOLE_LINE_BYTES];
	size_t bytes;
	catch_up(console);
	while (console->logged != written_now(console)) {
		(void)take_line(console, &console->logged, line, &bytes);
		log_line(console, name, line, bytes);
	}
}
