/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/x86/cpu/console_screen.c: when the screen is opened, where it is mapped then, and how much
 * of it there is when there is little room for mappings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "arch/x86/cpu/console_screen.h"
#include "drivers/phys/physical.h"
#include "drivers/phys/screen.h"
#include "drivers/phys/vga_text.h"

#define WIDTH 640
#define HEIGHT 480
#define PITCH (WIDTH * 4)

static uint8_t *memory;
static struct screen shape;
static size_t room; /* for mappings of devices */
static size_t mapped;

void vga_text_hide_cursor(void)
{
}

volatile void *physical_map_device(uint64_t place, size_t bytes)
{
	assert_int_equal(place, shape.place);
	if (bytes > room) {
		return NULL;
	}
	mapped = bytes;
	return memory;
}

static int start(void **state)
{
	(void)state;
	memory = aligned_alloc(64, PITCH * HEIGHT);
	memset(memory, 0xa5, PITCH * HEIGHT);
	shape = (struct screen){
		.kind = SCREEN_PIXELS,
		.place = (uintptr_t)memory,
		.bytes = PITCH * HEIGHT,
		.pitch = PITCH,
		.width = WIDTH,
		.height = HEIGHT,
		.pixel_bytes = 4,
		.red = {16, 8},
		.green = {8, 8},
		.blue = {0, 8},
	};
	room = mapped = 0;
	return 0;
}

static int stop_test(void **state)
{
	(void)state;
	screen_move(NULL);
	free(memory);
	return 0;
}

static bool drawn(unsigned row)
{
	return memory[(size_t)row * PITCH] != 0xa5;
}

static void test_it_is_the_console_where_there_is_no_other(void **state)
{
	(void)state;
	console_screen_choose(&shape, SCREEN_USE_AUTO, true, UINT64_MAX);
	assert_true(console_screen_is_on());
	assert_ptr_equal(console_screen_wanted(), &shape);
	assert_true(drawn(HEIGHT - 1));
	console_screen_mapped(memory);
	assert_true(console_screen_is_on());
}

static void test_it_is_opened_late_where_there_is_another(void **state)
{
	(void)state;
	console_screen_choose(&shape, SCREEN_USE_AUTO, false, UINT64_MAX);
	assert_false(console_screen_is_on());
	assert_null(console_screen_wanted());
	console_screen_open_late(); /* by the identity map */
	assert_true(console_screen_is_on());
	assert_int_equal(mapped, 0);
	screen_move(NULL);
	console_screen_mapped(NULL);
	assert_false(console_screen_is_on());
	room = PITCH * HEIGHT;
	console_screen_open_late();
	assert_true(console_screen_is_on());
	assert_int_equal(mapped, PITCH * HEIGHT);
	mapped = 0;
	console_screen_open_late(); /* once */
	assert_int_equal(mapped, 0);
}

static void test_what_is_asked_for(void **state)
{
	(void)state;
	console_screen_choose(&shape, SCREEN_USE_NO, true, UINT64_MAX);
	assert_null(console_screen_wanted());
	room = PITCH * HEIGHT;
	console_screen_open_late();
	console_screen_mapped(NULL);
	console_screen_open_late();
	assert_false(console_screen_is_on());
	assert_int_equal(mapped, 0);
	console_screen_choose(&shape, SCREEN_USE_TEXT, false, UINT64_MAX);
	assert_true(console_screen_is_on());
	screen_move(NULL);
	console_screen_choose(&shape, SCREEN_USE_MAP, false, UINT64_MAX);
	assert_true(console_screen_is_on());
	screen_move(NULL);
	shape.kind = SCREEN_NONE;
	console_screen_choose(&shape, SCREEN_USE_MAP, true, UINT64_MAX);
	assert_false(console_screen_is_on());
	assert_null(console_screen_wanted());
}

/* Beyond the first page tables it waits for the others. */
static void test_above_the_identity_map(void **state)
{
	(void)state;
	console_screen_choose(&shape, SCREEN_USE_MAP, false, shape.place + shape.bytes - 1);
	assert_false(console_screen_is_on());
	console_screen_open_late();
	assert_false(console_screen_is_on());
	assert_false(drawn(0));
	assert_ptr_equal(console_screen_wanted(), &shape);
	console_screen_mapped(memory);
	assert_true(console_screen_is_on());
}

static void test_no_tables_for_what_is_wanted(void **state)
{
	(void)state;
	console_screen_choose(&shape, SCREEN_USE_MAP, false, UINT64_MAX);
	console_screen_mapped(NULL);
	assert_false(console_screen_is_on());
}

static void test_the_upper_part_will_do(void **state)
{
	(void)state;
	console_screen_choose(&shape, SCREEN_USE_AUTO, false, UINT64_MAX);
	console_screen_mapped(NULL);
	room = PITCH * HEIGHT / 3;
	console_screen_open_late();
	assert_true(console_screen_is_on());
	assert_true(mapped <= room && mapped > room / 2);
	assert_int_equal(mapped % PITCH, 0);
	assert_true(drawn((unsigned)(mapped / PITCH) - 1));
	assert_false(drawn((unsigned)(mapped / PITCH)));
	screen_move(NULL);
	room = PITCH;
	console_screen_open_late();
	assert_false(console_screen_is_on());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_it_is_the_console_where_there_is_no_other,
						start, stop_test),
		cmocka_unit_test_setup_teardown(test_it_is_opened_late_where_there_is_another,
						start, stop_test),
		cmocka_unit_test_setup_teardown(test_what_is_asked_for, start, stop_test),
		cmocka_unit_test_setup_teardown(test_above_the_identity_map, start, stop_test),
		cmocka_unit_test_setup_teardown(test_no_tables_for_what_is_wanted, start,
						stop_test),
		cmocka_unit_test_setup_teardown(test_the_upper_part_will_do, start, stop_test),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
