/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/monitor/frame_map.c and display.c: the map of a world of VMs on a screen in memory of the
 * test. Cells follow the frames as these change hands, and each look does a bounded amount.
 */
#include "fake/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "drivers/phys/font.h"
#include "drivers/phys/screen.h"
#include "drivers/phys/vga_text.h"
#include "kernel/log/log.h"
#include "kernel/monitor/commands_vm.h"
#include "kernel/monitor/display.h"
#include "kernel/monitor/frame_cells.h"
#include "kernel/monitor/frame_map.h"
#include "kernel/monitor/table.h"
#include "mm/frame.h"

#define FRAMES 6000
#define WIDTH 640
#define HEIGHT 480
#define MS 1000 /* ticks of the fake clock */
#define TOP 48	/* of the cells: three rows of letters */

static uint32_t *pixels;
static unsigned height;
static unsigned locked;
static struct options options;

void vga_text_hide_cursor(void)
{
}

void log_while_locked(void (*change)(void))
{
	locked++;
	change();
}

const char *commands_vm_size(uint64_t count, char *text)
{
	snprintf(text, SIZE_TEXT_BYTES, "%lluP", (unsigned long long)count);
	return text;
}

const char *table_state(const struct vm *vm)
{
	(void)vm;
	return "running";
}

static void open_screen(unsigned lines)
{
	height = lines;
	free(pixels);
	pixels = malloc((size_t)WIDTH * lines * 4);
	memset(pixels, 0xa5, (size_t)WIDTH * lines * 4);
	struct screen screen = {
		.kind = SCREEN_PIXELS,
		.place = 0xfd000000,
		.bytes = (size_t)WIDTH * lines * 4,
		.pitch = WIDTH * 4,
		.width = WIDTH,
		.height = lines,
		.pixel_bytes = 4,
		.red = {16, 8},
		.green = {8, 8},
		.blue = {0, 8},
	};
	assert_true(screen_open(&screen, pixels));
}

static int setup(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	memset(&options, 0, sizeof(options));
	locked = 0;
	open_screen(HEIGHT);
	return 0;
}

static int teardown(void **state)
{
	(void)frame_map_set(false);
	screen_move(NULL);
	return kernel_teardown(state);
}

/* What the map must have chosen: the same question, asked here. */
static struct frame_cells cells(void)
{
	struct frame_cells found;
	unsigned rows = height / FONT_HEIGHT;
	unsigned table_row = rows - rows / 4 - (unsigned)min_u64(vm_count, rows / 6) - 1;
	assert_true(
		frame_cells_fit(frame_table_count, WIDTH, table_row * FONT_HEIGHT - TOP, &found));
	return found;
}

/* The pixel in the cell of a frame, beside the hole and the lines. */
static uint32_t cell_of(uint64_t pfn)
{
	struct frame_cells found = cells();
	uint64_t cell = pfn >> found.order;
	uint64_t x = cell % found.columns * found.side + 2;
	uint64_t y = TOP + cell / found.columns * found.side + 2;
	return pixels[y * WIDTH + x];
}

static void go_round(void)
{
	for (unsigned i = 0; i < 2000; i++) {
		frame_map_step();
	}
}

/* How many cells have a colour; only whole ones of small pages are counted. */
static unsigned count(unsigned colour)
{
	struct frame_cells found = cells();
	unsigned seen = 0;
	for (uint64_t cell = 0; cell < found.count; cell++) {
		seen += cell_of(cell << found.order) == screen_pixel(colour) ? 1 : 0;
	}
	return seen;
}

static void test_cells_follow_frames(void **state)
{
	(void)state;
	struct vm *one = kernel_vm("one", 3000, 2000, 500);
	(void)kernel_vm("two", 3000, 2000, 500);
	assert_null(frame_map_set(true));
	assert_true(frame_map_is_on());
	assert_int_equal(locked, 1);
	go_round();
	assert_int_equal(count(SCREEN_OWNER), 0);
	unsigned free_before = count(SCREEN_ZEROED);
	assert_true(free_before > 0);
	assert_int_equal(kernel_touch_pages(one, 0, 1500), 1500);
	go_round();
	unsigned held = count(SCREEN_OWNER);
	/* Pages lie side by side, so nearly all of them fill whole cells. */
	assert_true(held >= (1400u >> cells().order));
	assert_true(count(SCREEN_ZEROED) + held <= free_before + 2);
	kernel_vm_end(one);
	go_round();
	assert_int_equal(count(SCREEN_OWNER), 0);
	assert_true(count(SCREEN_DIRTY) >= held - 2);
}

static void test_nothing_is_drawn_twice(void **state)
{
	(void)state;
	struct vm *one = kernel_vm("one", 3000, 2000, 500);
	assert_null(frame_map_set(true));
	(void)kernel_touch_pages(one, 0, 500);
	go_round();
	/* What has not changed is not drawn: a spot on the screen stays. */
	for (unsigned y = TOP; y < TOP + 64; y++) {
		for (unsigned x = 0; x < WIDTH; x++) {
			pixels[y * WIDTH + x] = 0x123456;
		}
	}
	go_round();
	assert_int_equal(pixels[(TOP + 2) * WIDTH + 2], 0x123456);
	assert_int_equal(pixels[(TOP + 60) * WIDTH + 300], 0x123456);
}

/* Cells that change in one step, and no more than a few of them. */
static void test_a_step_draws_few_cells(void **state)
{
	(void)state;
	(void)kernel_vm("one", 3000, 2000, 500);
	assert_null(frame_map_set(true));
	unsigned drawn = 0;
	for (unsigned i = 0; i < 300; i++) {
		frame_map_step();
		unsigned now = count(SCREEN_ZEROED) + count(SCREEN_HYPERVISOR);
		assert_true(now - drawn <= 8);
		drawn = now;
	}
	assert_true(drawn > 100);
}

static bool row_is_blank(unsigned row)
{
	for (unsigned y = row * FONT_HEIGHT; y < (row + 1) * FONT_HEIGHT; y++) {
		for (unsigned x = 0; x < WIDTH; x++) {
			if (pixels[y * WIDTH + x] != 0) {
				return false;
			}
		}
	}
	return true;
}

static void test_text_around_it(void **state)
{
	(void)state;
	(void)kernel_vm("one", 3000, 2000, 500);
	(void)kernel_vm("two", 3000, 2000, 500);
	screen_write("a line of the log\r\n", 19);
	screen_defer(true);
	assert_null(frame_map_set(true));
	screen_defer(false);
	unsigned console = 30 - 30 / 4;
	for (unsigned row = 0; row < 3; row++) {
		assert_false(row_is_blank(row));
	}
	for (unsigned row = console - 3; row <= console; row++) {
		assert_false(row_is_blank(row));
	}
	/* The boxes of the legend have the colours of the cells. */
	assert_int_equal(pixels[20 * WIDTH + 1], screen_pixel(SCREEN_HYPERVISOR));
	assert_int_equal(pixels[36 * WIDTH + 1], screen_pixel(SCREEN_OWNER));
	assert_int_equal(pixels[36 * WIDTH + (2 + 3 + 2) * FONT_WIDTH + 1],
			 screen_pixel(SCREEN_OWNER + 1));
	/* Off: all rows are the console's again. */
	assert_null(frame_map_set(false));
	screen_defer(false);
	assert_false(frame_map_is_on());
	for (unsigned row = 0; row < console; row++) {
		assert_true(row_is_blank(row));
	}
	assert_false(row_is_blank(console));
	go_round();
	assert_true(row_is_blank(4));
}

/* Does the row look as if this text stood there? It does from here on. */
static bool row_is(unsigned row, const char *text, enum screen_colour colour)
{
	static uint32_t before[FONT_HEIGHT * WIDTH];
	const uint32_t *at = pixels + (size_t)row * FONT_HEIGHT * WIDTH;
	memcpy(before, at, sizeof(before));
	screen_put_row(row, text, colour);
	screen_defer(false);
	screen_defer(true);
	return memcmp(before, at, sizeof(before)) == 0;
}

static void refresh(void)
{
	assert_null(frame_map_follow());
	frame_map_table();
	screen_defer(false);
	screen_defer(true);
}

static bool vm_is_in(unsigned row, const struct vm *vm, unsigned target)
{
	char line[TERMINAL_COLUMNS_MAX];
	char sizes[4][SIZE_TEXT_BYTES];
	snprintf(line, sizeof(line), "%-16s %-9s %9s %9s %9s %9s", vm_name(vm), "running",
		 commands_vm_size(vm->s2_exists ? vm->s2.mapped_pages : 0, sizes[0]), "0P",
		 commands_vm_size(target, sizes[1]),
		 commands_vm_size(vm->config.mem_pages, sizes[2]));
	return row_is(row, line, SCREEN_PLAIN);
}

/* Regression: a VM that was started while the map was shown had no line in the table. */
static void test_the_table_follows_the_vms(void **state)
{
	unsigned console = 30 - 30 / 4;
	(void)state;
	(void)kernel_vm("one", 400, 200, 100);
	screen_defer(true);
	assert_null(frame_map_set(true));
	refresh();
	assert_true(vm_is_in(console - 1, &vms[0], 0));
	(void)kernel_vm("two", 400, 200, 100);
	unsigned before = locked;
	refresh();
	assert_int_equal(locked, before + 2); /* off, and on again */
	assert_true(vm_is_in(console - 2, &vms[0], 0));
	assert_true(vm_is_in(console - 1, &vms[1], 0));
	before = locked;
	refresh(); /* nothing has begun */
	assert_int_equal(locked, before);
	/* Of more VMs than there is room for the rest is counted. */
	for (unsigned i = 0; i < 6; i++) {
		char name[8];
		snprintf(name, sizeof(name), "vm%u", i);
		(void)kernel_vm(name, 40, 20, 10);
	}
	refresh();
	assert_true(row_is(console - 1, "and 4 more: vms lists all", SCREEN_DIM));
	assert_false(row_is_blank(console - 2));
	before = locked;
	(void)kernel_vm("last", 40, 20, 10);
	refresh(); /* there is room for no more lines */
	assert_int_equal(locked, before);
	assert_true(row_is(console - 1, "and 5 more: vms lists all", SCREEN_DIM));
	screen_defer(false);
}

/* Regression: the table kept the last target of one that had ended. */
static void test_a_vm_that_has_ended_has_no_target(void **state)
{
	(void)state;
	struct vm *vm = kernel_vm("one", 400, 200, 100);
	screen_defer(true);
	assert_null(frame_map_set(true));
	vm->balloon.target_pages = 77;
	refresh();
	assert_true(vm_is_in(30 - 30 / 4 - 1, vm, 77));
	kernel_vm_end(vm);
	vm->balloon.target_pages = 77;
	refresh();
	assert_true(vm_is_in(30 - 30 / 4 - 1, vm, 0));
	screen_defer(false);
}

static void test_screens_without_room(void **state)
{
	(void)state;
	open_screen(23 * FONT_HEIGHT);
	assert_string_equal(frame_map_set(true), "the screen is too small for the map");
	assert_false(frame_map_is_on());
	assert_null(frame_map_set(false));
	screen_move(NULL);
	assert_non_null(strstr(frame_map_set(true), "not in use"));
	static uint16_t letters[80 * 25];
	const struct screen text = {
		.kind = SCREEN_TEXT, .pitch = 160, .width = 80, .height = 25, .pixel_bytes = 2};
	assert_true(screen_open(&text, letters));
	assert_non_null(strstr(frame_map_set(true), "no pixels"));
	frame_map_step();
	frame_map_table();
}

/* Of large pages the bar has an edge; the eighth VM has a hole where the first has none. */
static void test_shades(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		char name[8];
		snprintf(name, sizeof(name), "vm%u", i);
		(void)kernel_vm(name, 200, 100, 50);
	}
	(void)kernel_touch_pages(&vms[0], 0, 60);
	(void)kernel_touch_pages(&vms[7], 0, 60);
	assert_null(frame_map_set(true));
	go_round();
	struct frame_cells found = cells();
	unsigned whole = 0;
	unsigned holes = 0;
	for (uint64_t cell = 0; cell < found.count; cell++) {
		uint64_t x = cell % found.columns * found.side;
		uint64_t y = TOP + cell / found.columns * found.side;
		if (pixels[(y + 1) * WIDTH + x + 1] == screen_pixel(SCREEN_OWNER)) {
			uint64_t middle = found.side / 2;
			bool hole = pixels[(y + middle) * WIDTH + x + middle] == 0;
			holes += hole ? 1 : 0;
			whole += hole ? 0 : 1;
			/* The gap between two cells. */
			assert_int_equal(pixels[y * WIDTH + x + found.side - 1], 0);
		}
	}
	assert_true(whole > 10 && holes > 10);
}

static void test_the_display_draws_now_and_then(void **state)
{
	(void)state;
	(void)kernel_vm("one", 3000, 2000, 500);
	options.screen = SCREEN_USE_MAP;
	fake_tsc += 1000 * MS;
	display_poll(&options, fake_tsc);
	assert_true(frame_map_is_on());
	assert_int_equal(locked, 2); /* letters begin to wait, and the map takes rows */
	/* No second look before its time. */
	pixels[0] = 0x123456;
	screen_write("x", 1);
	unsigned before = count(SCREEN_ZEROED);
	display_poll(&options, fake_tsc + 5 * MS - 1);
	assert_int_equal(count(SCREEN_ZEROED), before);
	for (unsigned i = 0; i < 400; i++) {
		fake_tsc += 5 * MS;
		display_poll(&options, fake_tsc);
	}
	assert_true(count(SCREEN_ZEROED) > before);
	/* Once a second the table follows the VMs. */
	(void)kernel_vm("two", 300, 200, 50);
	unsigned changes = locked;
	for (unsigned i = 0; i < 201; i++) {
		fake_tsc += 5 * MS;
		display_poll(&options, fake_tsc);
	}
	assert_int_equal(locked, changes + 2);
	/* Closed: nothing, whoever asks. */
	screen_move(NULL);
	display_poll(&options, fake_tsc + 5 * MS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_cells_follow_frames),
		TEST(test_nothing_is_drawn_twice),
		TEST(test_a_step_draws_few_cells),
		TEST(test_text_around_it),
		TEST(test_the_table_follows_the_vms),
		TEST(test_a_vm_that_has_ended_has_no_target),
		TEST(test_screens_without_room),
		TEST(test_shades),
		TEST(test_the_display_draws_now_and_then),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
