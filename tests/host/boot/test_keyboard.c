/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drivers/phys/keyboard.c and ps2.c: what keys send, and controllers that work, are absent, are
 * stuck, or hold what nobody has typed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "base/bits.h"
#include "drivers/phys/keyboard.h"
#include "drivers/phys/ps2.h"
#include "fake/board.h"

#define KHZ 1000000

static uint64_t now_tsc;
static uint64_t read_ticks; /* that each read of a port takes */

uint64_t arch_tsc(void)
{
	return now_tsc;
}

uint64_t arch_tsc_khz(void)
{
	return KHZ;
}

void arch_pause(void)
{
}

/* ---- Keys ------------------------------------------------------------------------------------ */

static struct keyboard keyboard;
static char typed[4096];
static size_t typed_bytes;

static int start(void **state)
{
	(void)state;
	keyboard = (struct keyboard){0};
	typed_bytes = 0;
	return 0;
}

static void code(unsigned value)
{
	char bytes[KEYBOARD_BYTES_MOST];
	size_t count = keyboard_take(&keyboard, (uint8_t)value, bytes);
	assert_true(count <= KEYBOARD_BYTES_MOST);
	assert_true(typed_bytes + count < sizeof(typed));
	memcpy(typed + typed_bytes, bytes, count);
	typed_bytes += count;
}

/* Pressed and released. */
static void key(unsigned value)
{
	code(value);
	code(value | 0x80);
}

static void extended(unsigned value)
{
	code(0xe0);
	code(value);
	code(0xe0);
	code(value | 0x80);
}

static void expect(const char *text)
{
	typed[typed_bytes] = '\0';
	assert_string_equal(typed, text);
	typed_bytes = 0;
}

static void row(unsigned first, unsigned last)
{
	for (unsigned value = first; value <= last; value++) {
		key(value);
	}
}

static void test_rows_of_keys(void **state)
{
	(void)state;
	row(0x02, 0x0d);
	expect("1234567890-=");
	row(0x10, 0x1b);
	expect("qwertyuiop[]");
	row(0x1e, 0x29);
	expect("asdfghjkl;'`");
	row(0x2b, 0x35);
	expect("\\zxcvbnm,./");
	key(0x39);
	key(0x0f);
	key(0x0e);
	key(0x1c);
	key(0x01);
	expect(" \t\x7f\r\x1b");
	key(0x37);
	key(0x4a);
	key(0x4e);
	extended(0x35);
	extended(0x1c);
	expect("*-+/\r");
}

static void test_shift(void **state)
{
	static const unsigned shifts[] = {0x2a, 0x36};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(shifts); i++) {
		code(shifts[i]);
		row(0x02, 0x0d);
		row(0x10, 0x1b);
		row(0x1e, 0x29);
		row(0x2b, 0x35);
		key(0x4a);
		code(shifts[i] | 0x80);
		key(0x10);
		expect("!@#$%^&*()_+QWERTYUIOP{}ASDFGHJKL:\"~|ZXCVBNM<>?-q");
	}
	/* The other one is still held. */
	code(0x2a);
	code(0x36);
	code(0x36 | 0x80);
	key(0x10);
	expect("Q");
}

static void test_capitals(void **state)
{
	(void)state;
	key(0x3a);
	key(0x10);
	key(0x02);
	code(0x2a);
	key(0x10);
	code(0xaa);
	key(0x3a);
	key(0x10);
	expect("Q1qq");
}

static void test_control(void **state)
{
	(void)state;
	code(0x1d);
	key(0x2e); /* c */
	key(0x20); /* d */
	key(0x1b); /* ] */
	key(0x02); /* 1: there is no such code */
	code(0x9d);
	code(0xe0);
	code(0x1d);
	key(0x1e); /* a */
	code(0xe0);
	code(0x9d);
	key(0x1e);
	assert_int_equal(typed_bytes, 5);
	expect("\x03\x04\x1d\x01"
	       "a");
}

static void test_keys_with_sequences(void **state)
{
	static const struct {
		unsigned code;
		const char *text;
	} keys[] = {
		{0x48, "\x1b[A"},  {0x50, "\x1b[B"},  {0x4d, "\x1b[C"},	 {0x4b, "\x1b[D"},
		{0x47, "\x1b[H"},  {0x4f, "\x1b[F"},  {0x53, "\x1b[3~"}, {0x52, "\x1b[2~"},
		{0x49, "\x1b[5~"}, {0x51, "\x1b[6~"},
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(keys); i++) {
		extended(keys[i].code);
		expect(keys[i].text);
		key(keys[i].code);
		expect(keys[i].text);
	}
	/* As old keyboards send an arrow while Shift is held: Shift does not count, and stays. */
	code(0x2a);
	code(0xe0);
	code(0xaa);
	extended(0x48);
	key(0x11);
	code(0xe0);
	code(0x2a);
	key(0x10);
	expect("\x1b[AWQ");
}

static void test_codes_without_a_meaning(void **state)
{
	(void)state;
	/* Pause is one key of six bytes. */
	const unsigned pause[] = {0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5};
	for (unsigned i = 0; i < ARRAY_COUNT(pause); i++) {
		code(pause[i]);
	}
	row(0x3b, 0x46); /* F1 to F10, Num Lock, Scroll Lock: 0x45 and 0x46 */
	key(0x4c);
	row(0x54, 0x5f);
	extended(0x5b);
	extended(0x37); /* Print Screen */
	key(0x38);	/* Alt */
	code(0xfa);
	code(0xfe);
	key(0x1e);
	expect("a");
	/* Too many keys at once: what is held is not known any more. */
	code(0x2a);
	code(0x1d);
	code(0xff);
	key(0x1e);
	code(0x2a);
	code(0x00);
	key(0x1e);
	expect("aa");
}

static void test_random_codes_make_ascii(void **state)
{
	(void)state;
	srand(2);
	for (unsigned i = 0; i < 200000; i++) {
		code((unsigned)rand() & 0xff);
		for (size_t k = 0; k < typed_bytes; k++) {
			assert_true((uint8_t)typed[k] < 0x80);
		}
		typed_bytes = 0;
	}
}

/* ---- The controller -------------------------------------------------------------------------- */

#define STATUS_FULL 0x01
#define STATUS_BUSY 0x02
#define STATUS_MOUSE 0x20

static struct {
	bool absent;
	bool busy;     /* never takes a byte */
	bool endless;  /* always has one */
	bool mute;     /* commands get no answer */
	uint64_t slow; /* takes a byte only so many ticks after the last */
	uint64_t taken_tsc;
	uint8_t mode;
	uint8_t command; /* whose byte is expected */
	uint8_t queue[64];
	bool mouse[64];
	unsigned first, last;
	unsigned reads;
	bool scanning, on;
} board;

static void put(uint8_t byte, bool mouse)
{
	assert_true(board.last < ARRAY_COUNT(board.queue));
	board.queue[board.last] = byte;
	board.mouse[board.last++] = mouse;
}

void board_write(uint16_t port, unsigned bytes, uint32_t value)
{
	assert_int_equal(bytes, 1);
	assert_true(port == 0x60 || port == 0x64);
	assert_false(board.absent || board.busy);
	assert_true(now_tsc - board.taken_tsc >= board.slow);
	board.taken_tsc = now_tsc;
	if (port == 0x64) {
		board.command = (uint8_t)value;
		if (value == 0x20 && !board.mute) {
			put(board.mode, false);
		}
		board.on |= value == 0xae;
		return;
	}
	if (board.command == 0x60) {
		board.mode = (uint8_t)value;
		board.command = 0;
	} else if (value == 0xf4) {
		board.scanning = true;
		put(0xfa, false);
	}
}

uint32_t board_read(uint16_t port, unsigned bytes)
{
	assert_int_equal(bytes, 1);
	assert_true(++board.reads < 1000000);
	now_tsc += read_ticks;
	if (board.absent) {
		return 0xff;
	}
	bool full = board.endless || board.first < board.last;
	if (port == 0x64) {
		bool mouse = full && !board.endless && board.mouse[board.first];
		bool busy = board.busy || now_tsc - board.taken_tsc < board.slow;
		return (full ? STATUS_FULL : 0u) | (busy ? STATUS_BUSY : 0u) |
		       (mouse ? STATUS_MOUSE : 0u);
	}
	assert_int_equal(port, 0x60);
	return board.endless || !full ? 0x1e : board.queue[board.first++];
}

static int reset(void **state)
{
	(void)state;
	memset(&board, 0, sizeof(board));
	read_ticks = KHZ / 1000;
	board.mode = 0x33; /* interrupts on, both devices off, no translation */
	return 0;
}

static void test_a_controller_as_firmware_may_leave_it(void **state)
{
	(void)state;
	put(0x1e, false); /* typed before we came */
	put(0x08, true);
	assert_true(ps2_start());
	assert_int_equal(board.mode, 0x60);
	assert_true(board.on && board.scanning);
	assert_int_equal(ps2_read(), -1);
	now_tsc += 5 * KHZ;
	put(0x23, false); /* h */
	put(0xa3, false);
	put(0x1e, true); /* of the mouse */
	put(0xe0, false);
	put(0x48, false);
	assert_int_equal(ps2_read(), 'h');
	assert_int_equal(ps2_read(), 0x1b);
	assert_int_equal(ps2_read(), '[');
	assert_int_equal(ps2_read(), 'A');
	assert_int_equal(ps2_read(), -1);
}

static void test_no_controller(void **state)
{
	(void)state;
	board.absent = true;
	assert_false(ps2_start());
	assert_int_equal(ps2_read(), -1);
	reset(state);
	board.busy = true;
	assert_false(ps2_start());
	reset(state);
	board.endless = true;
	assert_false(ps2_start());
	assert_int_equal(ps2_read(), -1);
	reset(state);
	board.mute = true;
	assert_false(ps2_start());
}

static void test_a_flood_is_read_in_pieces(void **state)
{
	(void)state;
	assert_true(ps2_start());
	board.endless = true;
	board.reads = 0;
	assert_int_equal(ps2_read(), 'a');
	assert_true(board.reads < 64);
	board.endless = false;
	board.first = board.last = 0;
	for (unsigned i = 0; i < 40; i++) {
		put(0xfa, false);
	}
	put(0x30, false);
	unsigned looks = 0;
	while (ps2_read() != 'b') {
		now_tsc += 5 * KHZ;
		assert_true(++looks < 10);
	}
	assert_true(looks > 0);
	/* The controller goes away: all ones. */
	board.absent = true;
	assert_int_equal(ps2_read(), -1);
}

/*
 * Each read may be a trap into firmware: an idle keyboard is looked at every 5 ms, however often
 * the caller asks.
 */
static void test_an_idle_keyboard_is_read_seldom(void **state)
{
	(void)state;
	assert_true(ps2_start());
	assert_int_equal(ps2_read(), -1);
	board.reads = 0;
	for (unsigned i = 0; i < 5000; i++) {
		now_tsc += KHZ / 5;
		assert_int_equal(ps2_read(), -1);
	}
	assert_in_range(board.reads, 190, 200);
	/* What is typed comes at the next look, all of it. */
	put(0x23, false);
	put(0x17, false);
	now_tsc += 5 * KHZ;
	assert_int_equal(ps2_read(), 'h');
	assert_int_equal(ps2_read(), 'i');
	assert_int_equal(ps2_read(), -1);
}

/* A controller that does not answer costs 20 ms a wait, whether reads are quick or slow. */
static void test_waits_end_by_the_clock(void **state)
{
	static const unsigned micros[] = {1, 100, 30000};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(micros); i++) {
		reset(state);
		board.busy = true;
		read_ticks = (uint64_t)micros[i] * (KHZ / 1000);
		uint64_t before = now_tsc;
		assert_false(ps2_start());
		assert_in_range(now_tsc - before, 20 * KHZ, 20 * KHZ + 2 * read_ticks);
	}
	/* One that answers late, but in time. */
	reset(state);
	board.slow = 15 * KHZ;
	assert_true(ps2_start());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_rows_of_keys, start),
		cmocka_unit_test_setup(test_shift, start),
		cmocka_unit_test_setup(test_capitals, start),
		cmocka_unit_test_setup(test_control, start),
		cmocka_unit_test_setup(test_keys_with_sequences, start),
		cmocka_unit_test_setup(test_codes_without_a_meaning, start),
		cmocka_unit_test_setup(test_random_codes_make_ascii, start),
		cmocka_unit_test_setup(test_a_controller_as_firmware_may_leave_it, reset),
		cmocka_unit_test_setup(test_no_controller, reset),
		cmocka_unit_test_setup(test_a_flood_is_read_in_pieces, reset),
		cmocka_unit_test_setup(test_an_idle_keyboard_is_read_seldom, reset),
		cmocka_unit_test_setup(test_waits_end_by_the_clock, reset),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
