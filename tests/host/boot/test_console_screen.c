/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/x86/cpu/console_screen.c: when the screen is opened, where it is mapped then, and what of a
 * failed run stays on it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "arch/arch.h"
#include "arch/x86/cpu/console_screen.h"
#include "base/bits.h"
#include "base/log.h"
#include "drivers/phys/screen.h"
#include "drivers/phys/vga_text.h"

#define WIDTH 640
#define HEIGHT 480
#define PITCH (WIDTH * 4)

static uint8_t *memory;
static struct screen shape;
static unsigned said;
static unsigned cpu;
static sigjmp_buf faulted;

unsigned arch_cpu_index(void)
{
	return cpu;
}

void vga_text_hide_cursor(void)
{
}

void log_event(const char *vm, const char *format, ...)
{
	assert_null(vm);
	assert_non_null(strstr(format, "beyond"));
	said++;
}

static void make(unsigned width, unsigned height)
{
	size_t bytes = (size_t)width * 4 * height;
	free(memory);
	memory = aligned_alloc(64, bytes);
	memset(memory, 0xa5, bytes);
	shape.place = (uintptr_t)memory;
	shape.bytes = bytes;
	shape.pitch = width * 4;
	shape.width = width;
	shape.height = height;
}

static int start(void **state)
{
	(void)state;
	shape = (struct screen){
		.kind = SCREEN_PIXELS,
		.pixel_bytes = 4,
		.red = {16, 8},
		.green = {8, 8},
		.blue = {0, 8},
	};
	make(WIDTH, HEIGHT);
	said = cpu = 0;
	return 0;
}

static int stop_test(void **state)
{
	(void)state;
	screen_move(NULL);
	free(memory);
	memory = NULL;
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
	assert_ptr_equal(console_screen_to_map(64), &shape);
	assert_true(drawn(HEIGHT - 1));
	console_screen_mapped(memory);
	assert_true(console_screen_is_on());
}

static void test_it_is_opened_late_where_there_is_another(void **state)
{
	(void)state;
	console_screen_choose(&shape, SCREEN_USE_AUTO, false, UINT64_MAX);
	assert_false(console_screen_is_on());
	console_screen_open_late(); /* by the identity map */
	assert_true(console_screen_is_on());
	screen_move(NULL);
	memset(memory, 0xa5, shape.bytes);
	assert_ptr_equal(console_screen_to_map(64), &shape);
	console_screen_mapped(memory);
	assert_false(console_screen_is_on());
	assert_false(drawn(0)); /* mapped, not touched */
	console_screen_open_late();
	assert_true(console_screen_is_on());
	assert_true(drawn(HEIGHT - 1));
	screen_write("once", 4);
	uint32_t before[WIDTH];
	memcpy(before, memory + 8 * PITCH, PITCH);
	console_screen_open_late();
	assert_memory_equal(memory + 8 * PITCH, before, PITCH);
}

static void test_what_is_asked_for(void **state)
{
	(void)state;
	console_screen_choose(&shape, SCREEN_USE_NO, true, UINT64_MAX);
	assert_null(console_screen_to_map(64));
	console_screen_open_late();
	console_screen_mapped(NULL);
	console_screen_open_late();
	assert_false(console_screen_is_on());
	console_screen_choose(&shape, SCREEN_USE_TEXT, false, UINT64_MAX);
	assert_true(console_screen_is_on());
	screen_move(NULL);
	console_screen_choose(&shape, SCREEN_USE_MAP, false, UINT64_MAX);
	assert_true(console_screen_is_on());
	screen_move(NULL);
	shape.kind = SCREEN_NONE;
	console_screen_choose(&shape, SCREEN_USE_MAP, true, UINT64_MAX);
	assert_false(console_screen_is_on());
	assert_null(console_screen_to_map(64));
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
	assert_ptr_equal(console_screen_to_map(64), &shape);
	console_screen_mapped(memory);
	assert_true(console_screen_is_on());
}

static void test_no_tables_for_what_is_wanted(void **state)
{
	(void)state;
	console_screen_choose(&shape, SCREEN_USE_MAP, false, UINT64_MAX);
	console_screen_mapped(NULL);
	assert_false(console_screen_is_on());
	console_screen_open_late();
	assert_false(console_screen_is_on());
}

/* Its last byte decides. What is beyond is neither mapped nor opened later. */
static void test_beyond_the_addresses(void **state)
{
	(void)state;
	shape.place = (1ull << 36) - shape.bytes;
	console_screen_choose(&shape, SCREEN_USE_MAP, false, 1ull << 32);
	assert_ptr_equal(console_screen_to_map(36), &shape);
	assert_int_equal(said, 0);
	shape.place += 8;
	assert_null(console_screen_to_map(36));
	assert_int_equal(said, 1);
	assert_null(console_screen_to_map(36));
	assert_int_equal(said, 1);
	console_screen_mapped(memory);
	console_screen_open_late();
	assert_false(console_screen_is_on());
	assert_false(drawn(0));
}

/* All of it, and the first lines stay however many follow: they say why. */
static void test_the_first_lines_stay_on_large_screens(void **state)
{
	static const unsigned sizes[][2] = {{1920, 1080}, {3840, 2160}, {640, 480}};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(sizes); i++) {
		make(sizes[i][0], sizes[i][1]);
		console_screen_choose(&shape, SCREEN_USE_AUTO, false, 0);
		assert_ptr_equal(console_screen_to_map(64), &shape);
		console_screen_mapped(memory);
		console_screen_open_late();
		assert_true(screen_rows() >= 25 && screen_columns() >= 80);
		screen_write("panic: why\r\n", 12);
		size_t letters = shape.bytes / 64; /* less than a row of them */
		uint8_t *first = malloc(letters);
		memcpy(first, memory, letters);
		size_t row = shape.bytes / shape.height * (shape.height / screen_rows());
		uint8_t *last = memory + row * (screen_rows() - 1);
		bool used = false;
		for (unsigned line = 0; line < screen_rows() - 1; line++) {
			screen_write("from here\r\n", 11);
		}
		for (size_t at = 0; at < row; at++) {
			used |= last[at] != 0;
		}
		assert_true(used);
		for (unsigned line = 0; line < 200; line++) {
			screen_write("and there, and so on", 20);
		}
		assert_memory_equal(memory, first, letters);
		free(first);
		screen_move(NULL);
	}
}

static void catch_fault(int number)
{
	(void)number;
	siglongjmp(faulted, 1);
}

/* The report of a fault while letters are drawn is not drawn: it would fault again. */
static void test_a_fault_while_it_draws_closes_it(void **state)
{
	struct sigaction action = {.sa_handler = catch_fault};
	struct sigaction before;
	(void)state;
	volatile void *bad =
		mmap(NULL, shape.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(bad, MAP_FAILED);
	console_screen_choose(&shape, SCREEN_USE_TEXT, false, 0);
	console_screen_mapped(bad);
	assert_true(console_screen_is_on());
	assert_false(screen_is_drawing());
	sigaction(SIGSEGV, &action, &before);
	assert_int_equal(mprotect((void *)bad, shape.bytes, PROT_NONE), 0);
	if (sigsetjmp(faulted, 1) == 0) {
		screen_write("x", 1);
		fail_msg("no fault");
	}
	cpu = 1; /* another one may report, and draw */
	assert_false(screen_is_drawing());
	cpu = 0;
	assert_true(screen_is_drawing());
	if (sigsetjmp(faulted, 1) != 0) {
		fail_msg("the report has faulted again");
	}
	console_screen_urgent();
	assert_false(console_screen_is_on());
	screen_write("panic: why", 10);
	console_screen_open_late();
	screen_defer(false);
	assert_false(console_screen_is_on());
	sigaction(SIGSEGV, &before, NULL);
	munmap((void *)bad, shape.bytes);
}

/* Of another failure everything is drawn, until it is given up for good. */
static void test_urgent_and_given_up(void **state)
{
	(void)state;
	console_screen_choose(&shape, SCREEN_USE_AUTO, false, 0);
	console_screen_mapped(memory);
	console_screen_urgent();
	assert_true(console_screen_is_on());
	screen_defer(true);
	screen_write("why", 3);
	uint8_t waits[8 * PITCH];
	memcpy(waits, memory + 4 * PITCH, sizeof(waits));
	console_screen_urgent();
	assert_memory_not_equal(memory + 4 * PITCH, waits, sizeof(waits));
	console_screen_give_up();
	assert_false(console_screen_is_on());
	console_screen_urgent();
	assert_false(console_screen_is_on());
	assert_null(console_screen_to_map(64));
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
		cmocka_unit_test_setup_teardown(test_a_fault_while_it_draws_closes_it, start,
						stop_test),
		cmocka_unit_test_setup_teardown(test_urgent_and_given_up, start, stop_test),
		cmocka_unit_test_setup_teardown(test_beyond_the_addresses, start, stop_test),
		cmocka_unit_test_setup_teardown(test_the_first_lines_stay_on_large_screens, start,
						stop_test),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
