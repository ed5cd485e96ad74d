/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/x86/boot/multiboot2_screen.c: the framebuffer tag, good ones and each kind of damage. The
 * tag is on a heap block of its own size.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "arch/x86/boot/multiboot2_screen.h"
#include "base/bits.h"

#define RGB_BYTES 38
#define TEXT_BYTES 32

struct tag {
	uint32_t type, size;
	uint64_t place;
	uint32_t pitch, width, height;
	uint8_t bits, kind;
	uint16_t reserved;
	uint8_t colours[6];
};

static const struct tag rgb = {
	8, RGB_BYTES, 0xfd000000, 4096, 1024, 768, 32, 1, 0, {16, 8, 8, 8, 0, 8},
};
static const struct tag text = {8, TEXT_BYTES, 0xb8000, 160, 80, 25, 16, 2, 0, {0}};

static struct screen screen;

static const char *read(const struct tag *tag, size_t bytes)
{
	void *copy = malloc(bytes);
	memcpy(copy, tag, bytes);
	memset(&screen, 0xa5, sizeof(screen));
	const char *message = multiboot2_read_screen(copy, bytes, &screen);
	free(copy);
	if (message != NULL) {
		static const struct screen none;
		assert_memory_equal(&screen, &none, sizeof(none));
	}
	return message;
}

static void expect(struct tag tag, size_t bytes, const char *words)
{
	const char *message = read(&tag, bytes);
	if (message == NULL || strstr(message, words) == NULL) {
		fail_msg("'%s' does not say '%s'", message == NULL ? "(good)" : message, words);
	}
}

static void test_pixels(void **state)
{
	(void)state;
	assert_null(read(&rgb, RGB_BYTES));
	assert_int_equal(screen.kind, SCREEN_PIXELS);
	assert_int_equal(screen.place, 0xfd000000);
	assert_int_equal(screen.bytes, 4096 * 768);
	assert_int_equal(screen.pitch, 4096);
	assert_int_equal(screen.width, 1024);
	assert_int_equal(screen.height, 768);
	assert_int_equal(screen.pixel_bytes, 4);
	assert_int_equal(screen.red.at, 16);
	assert_int_equal(screen.green.at, 8);
	assert_int_equal(screen.blue.at, 0);
	assert_int_equal(screen.blue.bits, 8);
	struct tag other = rgb;
	other.bits = 24;
	other.pitch = 3 * 1024 + 1;
	assert_null(read(&other, RGB_BYTES + 2));
	assert_int_equal(screen.pixel_bytes, 3);
	other = rgb;
	other.bits = 15;
	other.pitch = 2048;
	memcpy(other.colours, (uint8_t[]){10, 5, 5, 5, 0, 5}, 6);
	assert_null(read(&other, RGB_BYTES));
	assert_int_equal(screen.pixel_bytes, 2);
}

static void test_text(void **state)
{
	(void)state;
	assert_null(read(&text, TEXT_BYTES));
	assert_int_equal(screen.kind, SCREEN_TEXT);
	assert_int_equal(screen.place, 0xb8000);
	assert_int_equal(screen.bytes, 4000);
	struct tag wrong = text;
	wrong.bits = 8;
	expect(wrong, TEXT_BYTES, "another size than 16 bits");
}

static void test_length(void **state)
{
	(void)state;
	for (size_t bytes = 0; bytes < TEXT_BYTES; bytes++) {
		expect(text, bytes, "record of it is too short");
	}
	for (size_t bytes = TEXT_BYTES; bytes < RGB_BYTES; bytes++) {
		expect(rgb, bytes, "too short for its colours");
	}
}

static void test_kinds_and_depths(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 256; kind++) {
		struct tag tag = rgb;
		tag.kind = (uint8_t)kind;
		if (kind != 1 && kind != 2) {
			expect(tag, RGB_BYTES, "neither pixels");
		}
	}
	for (unsigned bits = 0; bits < 256; bits++) {
		struct tag tag = rgb;
		tag.bits = (uint8_t)bits;
		if (bits != 15 && bits != 16 && bits != 24 && bits != 32) {
			expect(tag, RGB_BYTES, "another size than 15, 16, 24 or 32");
		}
	}
}

static void test_colours(void **state)
{
	static const uint8_t outside[][6] = {
		{16, 0, 8, 8, 0, 8},   {25, 8, 8, 8, 0, 8},    {16, 8, 8, 17, 0, 8},
		{16, 8, 255, 8, 0, 8}, {16, 8, 8, 8, 31, 255}, {16, 8, 8, 8, 32, 1},
	};
	static const uint8_t overlap[][6] = {
		{16, 8, 8, 9, 0, 8},
		{16, 8, 8, 8, 1, 8},
		{16, 8, 8, 8, 22, 8},
		{0, 8, 0, 8, 0, 8},
	};
	(void)state;
	struct tag tag = rgb;
	for (unsigned i = 0; i < ARRAY_COUNT(outside); i++) {
		memcpy(tag.colours, outside[i], 6);
		expect(tag, RGB_BYTES, "not inside of a pixel");
	}
	for (unsigned i = 0; i < ARRAY_COUNT(overlap); i++) {
		memcpy(tag.colours, overlap[i], 6);
		expect(tag, RGB_BYTES, "overlap");
	}
	/* Inside of four bytes, but not of the three that a pixel has. */
	tag = rgb;
	tag.bits = 24;
	memcpy(tag.colours, (uint8_t[]){17, 8, 8, 8, 0, 8}, 6);
	expect(tag, RGB_BYTES, "not inside of a pixel");
}

static void expect_size(uint32_t width, uint32_t height, uint32_t pitch, const char *words)
{
	struct tag tag = rgb;
	tag.width = width;
	tag.height = height;
	tag.pitch = pitch;
	expect(tag, RGB_BYTES, words);
}

static void test_sizes(void **state)
{
	(void)state;
	expect_size(0, 768, 4096, "impossible size");
	expect_size(1024, 0, 4096, "impossible size");
	expect_size(SCREEN_SIDE_MOST + 1, 1, UINT32_MAX, "impossible size");
	expect_size(1, SCREEN_SIDE_MOST + 1, 4096, "impossible size");
	expect_size(UINT32_MAX, UINT32_MAX, UINT32_MAX, "impossible size");
	/* 0x40000001 pixels of four bytes are four bytes, in 32 bits. */
	expect_size(0x40000001, 1, 4, "impossible size");
	expect_size(1024, 768, 4095, "shorter than it is wide");
	expect_size(1024, 768, 4098, "no whole number of pixels");
	expect_size(1024, 768, UINT32_MAX - 3, "more than 256 MiB");
	expect_size(16384, 4097, 65536, "more than 256 MiB");
	expect_size(1024, 4, 0x40000000, "more than 256 MiB"); /* 0 in 32 bits */
	struct tag tag = rgb;
	tag.width = 16384;
	tag.height = 4096;
	tag.pitch = 65536;
	assert_null(read(&tag, RGB_BYTES));
	assert_int_equal(screen.bytes, SCREEN_BYTES_MOST);
}

static void test_places(void **state)
{
	static const uint64_t wrong[] = {0, 0xfd000004, UINT64_MAX - 7,
					 UINT64_MAX - 4096 * 768 + 1};
	(void)state;
	struct tag tag = rgb;
	for (unsigned i = 0; i < ARRAY_COUNT(wrong); i++) {
		tag.place = wrong[i];
		expect(tag, RGB_BYTES, "impossible address");
	}
	tag.place = UINT64_MAX - 4096 * 768 - 7;
	assert_null(read(&tag, RGB_BYTES));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pixels),	cmocka_unit_test(test_text),
		cmocka_unit_test(test_length),	cmocka_unit_test(test_kinds_and_depths),
		cmocka_unit_test(test_colours), cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_places),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
