/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drivers/phys/screen.c, framebuffer.c and font.c: letters and rectangles in memory of the test, in
 * all depths, with guards around what the screen has; what is drawn at once, and what waits.
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
#include "drivers/phys/font.h"
#include "drivers/phys/screen.h"
#include "drivers/phys/vga_text.h"

#define GUARD 0xa5

static unsigned cursors_hidden;

unsigned arch_cpu_index(void)
{
	return 0;
}

void vga_text_hide_cursor(void)
{
	cursors_hidden++;
}

static struct screen shape;
static uint8_t *memory; /* exactly what the screen has: the sanitizer sees what is beyond */

static void make(unsigned width, unsigned height, unsigned pixel_bytes, unsigned extra)
{
	shape = (struct screen){
		.kind = SCREEN_PIXELS,
		.place = 0xfd000000,
		.pitch = width * pixel_bytes + extra,
		.width = width,
		.height = height,
		.pixel_bytes = (uint8_t)pixel_bytes,
		.red = {16, 8},
		.green = {8, 8},
		.blue = {0, 8},
	};
	if (pixel_bytes == 2) {
		shape.red = (struct screen_channel){11, 5};
		shape.green = (struct screen_channel){5, 6};
		shape.blue = (struct screen_channel){0, 5};
	}
	shape.bytes = (size_t)shape.pitch * height;
	free(memory);
	memory = malloc(shape.bytes);
	memset(memory, GUARD, shape.bytes);
}

static void make_text(unsigned columns, unsigned rows)
{
	make(columns, rows, 2, 0);
	shape.kind = SCREEN_TEXT;
}

static int stop_screen(void **state)
{
	(void)state;
	screen_move(NULL);
	free(memory);
	memory = NULL;
	return 0;
}

static uint32_t pixel_at(unsigned x, unsigned y)
{
	uint32_t pixel = 0;
	memcpy(&pixel, memory + (size_t)y * shape.pitch + (size_t)x * shape.pixel_bytes,
	       shape.pixel_bytes);
	return pixel;
}

/* What stands in a cell: one of printable ASCII, or 0. `scale` as the screen has it. */
static char letter_at(unsigned row, unsigned column, unsigned scale, uint32_t ground)
{
	for (unsigned c = FONT_FIRST; c <= FONT_LAST; c++) {
		bool same = true;
		for (unsigned y = 0; same && y < FONT_HEIGHT * scale; y++) {
			uint8_t line = font_line((uint8_t)c, y / scale);
			for (unsigned x = 0; same && x < FONT_WIDTH * scale; x++) {
				bool set = pixel_at(column * FONT_WIDTH * scale + x,
						    row * FONT_HEIGHT * scale + y) != ground;
				same = set == ((line >> (7 - x / scale) & 1) != 0);
			}
		}
		if (same) {
			return (char)c;
		}
	}
	return 0;
}

static void expect_text(unsigned row, const char *text, unsigned scale)
{
	for (unsigned i = 0; text[i] != '\0'; i++) {
		assert_int_equal(letter_at(row, i, scale, 0), text[i]);
	}
}

static void write(const char *text)
{
	screen_write(text, strlen(text));
}

/* ---- Letters --------------------------------------------------------------------------------- */

static void test_no_two_letters_are_alike(void **state)
{
	(void)state;
	for (unsigned a = FONT_FIRST; a <= FONT_LAST; a++) {
		unsigned points = 0;
		for (unsigned y = 0; y < FONT_HEIGHT; y++) {
			/* A column is free on either side, so letters do not touch. */
			assert_int_equal(font_line((uint8_t)a, y) & 0x81, 0);
			points += font_line((uint8_t)a, y) != 0 ? 1 : 0;
		}
		assert_int_equal(points == 0, a == ' ');
		for (unsigned b = FONT_FIRST; b < a; b++) {
			bool same = true;
			for (unsigned y = 0; y < FONT_HEIGHT; y++) {
				same &= font_line((uint8_t)a, y) == font_line((uint8_t)b, y);
			}
			assert_false(same);
		}
	}
	for (unsigned y = 0; y < FONT_HEIGHT; y++) {
		assert_int_equal(font_line(0, y), 0x7e);
		assert_int_equal(font_line(0x7f, y), 0x7e);
		assert_int_equal(font_line(0xff, y), 0x7e);
	}
}

static void test_depths(void **state)
{
	static const struct {
		unsigned pixel_bytes;
		unsigned extra;
	} depths[] = {{4, 0}, {4, 4}, {4, 64}, {3, 0}, {3, 5}, {2, 0}, {2, 6}};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(depths); i++) {
		make(640, 480, depths[i].pixel_bytes, depths[i].extra);
		assert_true(screen_open(&shape, memory));
		assert_int_equal(screen_columns(), 80);
		assert_int_equal(screen_rows(), 30);
		write("Hello, world: {[0~9]}\r\n\r\nthird");
		expect_text(0, "Hello, world: {[0~9]} ", 1);
		expect_text(2, "third", 1);
		assert_int_equal(pixel_at(639, 479), 0);
		/* Nothing between two lines is touched. */
		for (unsigned y = 0; y < 480; y++) {
			for (unsigned k = 0; k < depths[i].extra; k++) {
				assert_int_equal(memory[(y + 1) * (size_t)shape.pitch - 1 - k],
						 GUARD);
			}
		}
	}
}

static void test_large_screens_have_large_letters(void **state)
{
	(void)state;
	make(1920, 1080, 4, 0);
	assert_true(screen_open(&shape, memory));
	assert_int_equal(screen_columns(), 120);
	assert_int_equal(screen_rows(), 33);
	write("Large");
	expect_text(0, "Large", 2);
	make(1280, 1024, 4, 0);
	assert_true(screen_open(&shape, memory));
	assert_int_equal(screen_columns(), TERMINAL_COLUMNS_MAX);
	assert_int_equal(screen_rows(), TERMINAL_ROWS_MAX);
	make(640, 2049, 4, 0); /* high and narrow */
	assert_true(screen_open(&shape, memory));
	assert_int_equal(screen_columns(), 26);
	assert_int_equal(screen_rows(), 42);
}

static void test_what_is_too_small_stays_closed(void **state)
{
	(void)state;
	make(159, 64, 4, 0);
	assert_false(screen_open(&shape, memory));
	make(160, 63, 4, 0);
	assert_false(screen_open(&shape, memory));
	assert_false(screen_is_open());
	write("nothing");
	screen_step(100);
	screen_defer(false);
	screen_set_top(1);
	assert_int_equal(screen_rows(), 0);
	assert_null(screen_framebuffer());
	make(160, 64, 4, 0);
	assert_false(screen_open(&shape, NULL));
	assert_int_equal(memory[0], GUARD);
	assert_true(screen_open(&shape, memory));
	shape.kind = SCREEN_NONE;
	screen_move(NULL);
	assert_false(screen_open(&shape, memory));
}

static void test_text_mode(void **state)
{
	(void)state;
	make_text(80, 25);
	unsigned before = cursors_hidden;
	assert_true(screen_open(&shape, memory));
	assert_int_equal(cursors_hidden, before + 1);
	assert_null(screen_framebuffer());
	write("ab\x1b[1mc\x1b[m\r\nd");
	const uint16_t *cells = (const uint16_t *)memory;
	assert_int_equal(cells[0], 0x0700 | 'a');
	assert_int_equal(cells[2], 0x0f00 | 'c');
	assert_int_equal(cells[80], 0x0700 | 'd');
	assert_int_equal(cells[81], 0x7000 | ' '); /* the cursor */
	assert_int_equal(cells[25 * 80 - 1], 0x0700 | ' ');
	for (unsigned i = 0; i < 30; i++) {
		write("\r\nline");
	}
	assert_int_equal(cells[0], 0x0700 | 'l');
}

/* ---- When ------------------------------------------------------------------------------------ */

static void test_deferred_letters_wait_for_steps(void **state)
{
	(void)state;
	make(640, 480, 4, 0);
	assert_true(screen_open(&shape, memory));
	screen_defer(true);
	write("abcdefgh");
	assert_int_equal(letter_at(0, 0, 1, 0), 0); /* the cursor is still there */
	assert_int_equal(letter_at(0, 1, 1, 0), ' ');
	screen_step(2 * SCREEN_LETTER_WORK);
	expect_text(0, "ab ", 1);
	/* Changed while it is drawn: drawn again. */
	write("\rA");
	for (unsigned i = 0; i < 40; i++) {
		screen_step(2 * SCREEN_LETTER_WORK);
	}
	expect_text(0, "A", 1);
	expect_text(0, "A", 1);
	assert_int_equal(letter_at(0, 3, 1, 0), 'd');
	write("\r\nrest");
	screen_defer(false);
	expect_text(1, "rest", 1);
	write("!");
	expect_text(1, "rest!", 1);
}

/* A step does no more than it may, however much waits. */
static void test_a_step_is_bounded(void **state)
{
	(void)state;
	make(1280, 1024, 4, 0);
	assert_true(screen_open(&shape, memory));
	screen_defer(true);
	for (unsigned i = 0; i < 64; i++) {
		write("................................................................\r\n");
	}
	unsigned steps = 0;
	unsigned drawn = 0;
	while (drawn < 63 * 64) {
		screen_step(4 * SCREEN_LETTER_WORK);
		unsigned now = 0;
		for (unsigned row = 0; row < 63; row++) {
			for (unsigned column = 0; column < 64; column++) {
				/* A point of the full stop, which is in no blank. */
				now += pixel_at(column * 8 + 3, row * 16 + 11) != 0 ? 1 : 0;
			}
		}
		assert_true(now - drawn <= 4);
		drawn = now;
		assert_true(++steps < 10000);
	}
}

static void test_moved_and_gone(void **state)
{
	(void)state;
	make(640, 480, 4, 0);
	assert_true(screen_open(&shape, memory));
	write("before");
	uint8_t *other = malloc(shape.bytes);
	memcpy(other, memory, shape.bytes);
	free(memory);
	memory = other;
	screen_move(memory);
	write(" after");
	expect_text(0, "before after", 1);
	screen_move(NULL);
	assert_false(screen_is_open());
	write("lost");
	expect_text(0, "before after", 1);
	assert_int_equal(letter_at(0, 12, 1, 0), 0); /* the cursor */
}

static void test_rows_above_the_console(void **state)
{
	(void)state;
	make(640, 480, 4, 0);
	assert_true(screen_open(&shape, memory));
	write("log");
	screen_set_top(20);
	screen_set_top(30); /* not all rows */
	screen_put_row(0, "title", SCREEN_BRIGHT);
	screen_put_row(20, "not ours", SCREEN_BRIGHT);
	screen_put_letter(1, 0, SCREEN_BOX, SCREEN_OWNER);
	screen_put_letter(1, 80, 'x', SCREEN_PLAIN);
	screen_put_letter(1, 2, 'x', SCREEN_COLOURS);
	screen_defer(false);
	expect_text(0, "title", 1);
	expect_text(20, "log", 1);
	assert_int_equal(pixel_at(1, 16), screen_pixel(SCREEN_OWNER));
	assert_int_equal(letter_at(1, 2, 1, 0), ' ');
	/* What is drawn above goes away, and letters come again. */
	framebuffer_fill(screen_framebuffer(), 0, 0, 640, 100, 0xffffff);
	screen_redraw_top(20);
	screen_defer(false);
	expect_text(0, "title", 1);
	assert_int_equal(pixel_at(639, 50), 0);
}

/* ---- Pixels ---------------------------------------------------------------------------------- */

static void test_colours_in_all_depths(void **state)
{
	(void)state;
	make(640, 480, 4, 0);
	assert_int_equal(framebuffer_pixel(&shape, 0x123456), 0x123456);
	shape.red.at = 0;
	shape.blue.at = 16;
	assert_int_equal(framebuffer_pixel(&shape, 0x123456), 0x563412);
	make(640, 480, 2, 0);
	assert_int_equal(framebuffer_pixel(&shape, 0xffffff), 0xffff);
	assert_int_equal(framebuffer_pixel(&shape, 0x080408), 1 << 11 | 1 << 5 | 1);
	shape.red = (struct screen_channel){20, 10};
	shape.green = (struct screen_channel){10, 10};
	shape.blue = (struct screen_channel){0, 10};
	assert_int_equal(framebuffer_pixel(&shape, 0x010203), 4 << 20 | 8 << 10 | 12);
}

/* No two owners are as light as each other, which is what the colour-blind see (Rec. 709). */
static void test_owners_differ(void **state)
{
	(void)state;
	make(640, 480, 4, 0);
	assert_true(screen_open(&shape, memory));
	for (unsigned a = SCREEN_HYPERVISOR; a < SCREEN_COLOURS; a++) {
		for (unsigned b = SCREEN_HYPERVISOR; b < a; b++) {
			uint32_t x = screen_pixel(a);
			uint32_t y = screen_pixel(b);
			unsigned distance = 0;
			for (unsigned at = 0; at < 24; at += 8) {
				int difference = (int)(x >> at & 0xff) - (int)(y >> at & 0xff);
				distance += (unsigned)abs(difference);
			}
			int blue = abs((int)(x & 0xff) - (int)(y & 0xff));
			int light = abs((int)((x >> 16 & 0xff) * 2 + (x >> 8 & 0xff) * 7) -
					(int)((y >> 16 & 0xff) * 2 + (y >> 8 & 0xff) * 7));
			assert_true(distance >= 80);
			assert_true(blue >= 48 || light >= 9 * 24);
		}
	}
}

static void test_rectangles_are_cut(void **state)
{
	struct framebuffer at;
	(void)state;
	make(320, 64, 3, 0);
	framebuffer_init(&at, &shape, memory, TERMINAL_COLUMNS_MAX, TERMINAL_ROWS_MAX);
	framebuffer_fill(&at, 318, 62, 100, 100, 0x030201);
	assert_int_equal(pixel_at(319, 63), 0x030201);
	assert_int_equal(pixel_at(317, 63), 0xa5a5a5);
	assert_int_equal(pixel_at(319, 61), 0xa5a5a5);
	framebuffer_fill(&at, 320, 0, 1, 1, 0);
	framebuffer_fill(&at, 0, 64, 1, 1, 0);
	framebuffer_letter(&at, 313, 0, 'x', 1, 2);
	framebuffer_letter(&at, 0, 49, 'x', 1, 2);
	assert_int_equal(pixel_at(0, 0), 0xa5a5a5);
	assert_int_equal(pixel_at(313, 0), 0xa5a5a5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_two_letters_are_alike),
		cmocka_unit_test_teardown(test_depths, stop_screen),
		cmocka_unit_test_teardown(test_large_screens_have_large_letters, stop_screen),
		cmocka_unit_test_teardown(test_what_is_too_small_stays_closed, stop_screen),
		cmocka_unit_test_teardown(test_text_mode, stop_screen),
		cmocka_unit_test_teardown(test_deferred_letters_wait_for_steps, stop_screen),
		cmocka_unit_test_teardown(test_a_step_is_bounded, stop_screen),
		cmocka_unit_test_teardown(test_moved_and_gone, stop_screen),
		cmocka_unit_test_teardown(test_rows_above_the_console, stop_screen),
		cmocka_unit_test_teardown(test_colours_in_all_depths, stop_screen),
		cmocka_unit_test_teardown(test_owners_differ, stop_screen),
		cmocka_unit_test_teardown(test_rectangles_are_cut, stop_screen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
