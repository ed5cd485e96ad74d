/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/guest_copy.c: borders of pages and of RAM, holes, the balloon, short memory. */
#include "fake/world.h"

#include <string.h>

#include "base/bits.h"
#include "mm/alloc.h"
#include "mm/guest_copy.h"

#define LIMIT 1500ull
#define END (LIMIT * PAGE_BYTES)

static struct s2 *vm;

static void start(uint64_t frames)
{
	world_start(512, frames, 1);
	vm = world_create(1, LIMIT, 0);
	assert_non_null(vm);
}

static enum status copy_in(uint64_t from, void *to, size_t bytes)
{
	struct s2_locked locked = s2_lock(vm);
	enum status status = guest_copy_in(locked, (gpa_t){from}, to, bytes);
	s2_unlock(locked);
	world_check();
	return status;
}

static enum status copy_out(uint64_t to, const void *from, size_t bytes)
{
	struct s2_locked locked = s2_lock(vm);
	enum status status = guest_copy_out(locked, (gpa_t){to}, from, bytes);
	s2_unlock(locked);
	world_check();
	return status;
}

static void test_round_trip_across_pages(void **state)
{
	static uint8_t out[3 * 4096];
	static uint8_t in[3 * 4096];
	(void)state;
	start(2000);
	for (unsigned i = 0; i < sizeof(out); i++) {
		out[i] = (uint8_t)(i * 7 + 1);
	}
	assert_int_equal(copy_out(0x1ff1, out, sizeof(out)), STATUS_OK);
	assert_int_equal(vm->mapped_pages, 4);
	assert_int_equal(copy_in(0x1ff1, in, sizeof(in)), STATUS_OK);
	assert_memory_equal(in, out, sizeof(in));
	/* Not a byte beside it. */
	assert_int_equal(copy_in(0x1000, in, 0xff1), STATUS_OK);
	for (unsigned i = 0; i < 0xff1; i++) {
		assert_int_equal(in[i], 0);
	}
	assert_int_equal(copy_in(0x4ff1, in, 0xf), STATUS_OK);
	for (unsigned i = 0; i < 0xf; i++) {
		assert_int_equal(in[i], 0);
	}
	world_destroy_all();
}

/* The frames behind neighbouring pages are anywhere; and a large leaf is one run. */
static void test_through_every_kind_of_mapping(void **state)
{
	static uint8_t in[2 * 4096];
	(void)state;
	start(2000);
	assert_int_equal(world_populate(vm, 512, ORDER_2M), STATUS_OK);
	world_write(vm, 511, 0x1111111111111111);
	world_write(vm, 512, 0x2222222222222222);
	world_write(vm, 1023, 0x3333333333333333);
	assert_int_equal(copy_in(512 * PAGE_BYTES - 8, in, 16), STATUS_OK);
	assert_int_equal(in[7], 0x11);
	assert_int_equal(in[8], 0x22);
	assert_int_equal(copy_in(1024 * PAGE_BYTES - 8, in, 16), STATUS_OK);
	assert_int_equal(in[7], 0x33);
	assert_int_equal(in[8], 0);
	world_destroy_all();
}

static void test_reading_a_hole_leaves_it(void **state)
{
	uint8_t in[64];
	(void)state;
	start(2000);
	memset(in, 0xa5, sizeof(in));
	assert_int_equal(copy_in(0x7fe0, in, sizeof(in)), STATUS_OK);
	for (unsigned i = 0; i < sizeof(in); i++) {
		assert_int_equal(in[i], 0);
	}
	assert_int_equal(vm->mapped_pages, 0);
	world_destroy_all();
}

static void test_borders_of_ram(void **state)
{
	static uint8_t bytes[8192];
	(void)state;
	start(2000);
	assert_int_equal(copy_out(END - 16, bytes, 16), STATUS_OK);
	assert_int_equal(copy_in(END - 1, bytes, 1), STATUS_OK);
	assert_int_equal(copy_in(END, bytes, 0), STATUS_OK);
	assert_int_equal(copy_in(END, bytes, 1), STATUS_OUTSIDE);
	assert_int_equal(copy_in(END + 1, bytes, 0), STATUS_OUTSIDE);
	assert_int_equal(copy_out(END - 16, bytes, 17), STATUS_OUTSIDE);
	assert_int_equal(copy_out(END - 4096, bytes, 8192), STATUS_OUTSIDE);
	assert_int_equal(copy_in(UINT64_MAX, bytes, 1), STATUS_OUTSIDE);
	assert_int_equal(copy_in(UINT64_MAX - 7, bytes, 16), STATUS_OUTSIDE);
	assert_int_equal(copy_in(16, bytes, SIZE_MAX), STATUS_OUTSIDE);
	assert_int_equal(copy_out(BIT(63), bytes, 8), STATUS_OUTSIDE);
	assert_int_equal(copy_out(0xfee00000, bytes, 8), STATUS_OUTSIDE); /* the APIC's page */
	assert_int_equal(vm->mapped_pages, 1);
	world_destroy_all();
}

/* A window is in one page of RAM, which it populates, and shows what is there at each look. */
static void test_window(void **state)
{
	uint8_t bytes[16];
	struct guest_window window;
	(void)state;
	start(2000);
	struct s2_locked locked = s2_lock(vm);
	assert_int_equal(guest_window_open(locked, (gpa_t){0x3ff0}, 16, &window), STATUS_OK);
	guest_window_read(window, bytes);
	for (unsigned i = 0; i < sizeof(bytes); i++) {
		assert_int_equal(bytes[i], 0);
	}
	memset(bytes, 0x5a, sizeof(bytes));
	guest_window_write(window, bytes);
	assert_int_equal(guest_window_open(locked, (gpa_t){0x3ff1}, 16, &window), STATUS_OUTSIDE);
	assert_int_equal(guest_window_open(locked, (gpa_t){END - 16}, 17, &window), STATUS_OUTSIDE);
	assert_int_equal(guest_window_open(locked, (gpa_t){END}, 16, &window), STATUS_OUTSIDE);
	assert_int_equal(guest_window_open(locked, (gpa_t){UINT64_MAX - 7}, 16, &window),
			 STATUS_OUTSIDE);
	s2_unlock(locked);
	assert_int_equal(vm->mapped_pages, 1);
	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(copy_in(0x3ff0, bytes, 16), STATUS_OK);
	assert_int_equal(bytes[0] & bytes[15], 0x5a);
	assert_int_equal(world_surrender(vm, 3, ORDER_4K), STATUS_OK);
	locked = s2_lock(vm);
	assert_int_equal(guest_window_open(locked, (gpa_t){0x3ff0}, 16, &window),
			 STATUS_SURRENDERED);
	s2_unlock(locked);
	world_check();
	world_destroy_all();
}

static void test_window_without_memory(void **state)
{
	struct guest_window window;
	(void)state;
	start(8);
	while (world_populate(vm, vm->mapped_pages, ORDER_4K) == STATUS_OK) {
	}
	struct s2_locked locked = s2_lock(vm);
	assert_int_equal(guest_window_open(locked, (gpa_t){END - 16}, 16, &window),
			 STATUS_NO_MEMORY);
	s2_unlock(locked);
	world_check();
	world_destroy_all();
}

static void test_the_balloon_is_out_of_reach(void **state)
{
	static uint8_t bytes[8192];
	(void)state;
	start(2000);
	world_write(vm, 4, 0x44);
	assert_int_equal(world_surrender(vm, 5, 0), STATUS_OK);
	memset(bytes, 0x77, sizeof(bytes));
	assert_int_equal(copy_in(5 * PAGE_BYTES, bytes, 1), STATUS_SURRENDERED);
	assert_int_equal(copy_in(4 * PAGE_BYTES, bytes, PAGE_BYTES + 1), STATUS_SURRENDERED);
	memset(bytes, 0x77, sizeof(bytes));
	assert_int_equal(copy_out(5 * PAGE_BYTES + 9, bytes, 1), STATUS_SURRENDERED);
	assert_int_equal(copy_out(4 * PAGE_BYTES, bytes, 2 * PAGE_BYTES), STATUS_SURRENDERED);
	world_expect_slot(vm, 5, S2_BALLOONED, 0);
	world_expect(vm, 4, 0x7777777777777777); /* the page before it has been written */
	world_destroy_all();
}

static void test_no_memory_to_write_to(void **state)
{
	static uint8_t bytes[8192];
	(void)state;
	start(2000);
	world_write(vm, 0, 1);
	frame_alloc_fail_at = 1;
	assert_int_equal(copy_out(PAGE_BYTES, bytes, 8), STATUS_NO_MEMORY);
	frame_alloc_fail_at = 1;
	assert_int_equal(copy_out(0, bytes, 8192), STATUS_NO_MEMORY);
	world_expect(vm, 0, 0);
	world_expect_slot(vm, 1, S2_EMPTY, 0);
	assert_int_equal(copy_out(0, bytes, 8192), STATUS_OK);
	world_destroy_all();
}

/* What another VM left in a frame is not in the rest of a page that is only partly written. */
static void test_partial_write_to_fresh_page(void **state)
{
	uint8_t in[4096];
	(void)state;
	start(2000);
	assert_int_equal(copy_out(0x3100, "secret", 6), STATUS_OK);
	assert_int_equal(copy_in(0x3000, in, 4096), STATUS_OK);
	for (unsigned i = 0; i < 4096; i++) {
		assert_int_equal(in[i], i >= 0x100 && i < 0x106 ? "secret"[i - 0x100] : 0);
	}
	world_destroy_all();
}

#define TEST(name) cmocka_unit_test_teardown(name, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip_across_pages),
		TEST(test_through_every_kind_of_mapping),
		TEST(test_reading_a_hole_leaves_it),
		TEST(test_borders_of_ram),
		TEST(test_window),
		TEST(test_window_without_memory),
		TEST(test_the_balloon_is_out_of_reach),
		TEST(test_no_memory_to_write_to),
		TEST(test_partial_write_to_fresh_page),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
