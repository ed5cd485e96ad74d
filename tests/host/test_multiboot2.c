/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/x86/boot/multiboot2.c: good boot information, and each kind of damage. Every parse runs on a
 * heap block of exactly the right size, so that the address sanitizer sees a read beyond the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "arch/x86/boot/multiboot2.h"
#include "base/bits.h"

#define PLACE 0x10000

static uint8_t blob[256 * 1024];
static size_t blob_bytes;
static size_t tag_start;

static struct boot_info info;
static char sentence[MULTIBOOT2_SENTENCE_BYTES];

static void put_32(uint32_t value)
{
	memcpy(blob + blob_bytes, &value, 4);
	blob_bytes += 4;
}

static void put_64(uint64_t value)
{
	memcpy(blob + blob_bytes, &value, 8);
	blob_bytes += 8;
}

static void put_bytes(const void *from, size_t bytes)
{
	memcpy(blob + blob_bytes, from, bytes);
	blob_bytes += bytes;
}

static void patch_32(size_t at, uint32_t value)
{
	memcpy(blob + at, &value, 4);
}

static void begin_tag(uint32_t type)
{
	tag_start = blob_bytes;
	put_32(type);
	put_32(0);
}

static void end_tag(void)
{
	patch_32(tag_start + 4, (uint32_t)(blob_bytes - tag_start));
	while (blob_bytes % 8 != 0) {
		blob[blob_bytes++] = 0xee; /* padding may hold anything */
	}
}

static void begin(void)
{
	blob_bytes = 0;
	put_32(0);
	put_32(0);
}

static void put_text_tag(uint32_t type, const char *text)
{
	begin_tag(type);
	put_bytes(text, strlen(text) + 1);
	end_tag();
}

static void put_module(uint32_t start, uint32_t end, const char *text)
{
	begin_tag(3);
	put_32(start);
	put_32(end);
	put_bytes(text, strlen(text) + 1);
	end_tag();
}

static void begin_map(uint32_t entry_size)
{
	begin_tag(6);
	put_32(entry_size);
	put_32(0);
}

static void put_region(uint64_t base, uint64_t length, uint32_t type)
{
	put_64(base);
	put_64(length);
	put_32(type);
	put_32(0);
}

static void put_simple_map(void)
{
	begin_map(24);
	put_region(0, 0x9fc00, 1);
	put_region(0xf0000, 0x10000, 2);
	put_region(0x100000, 0x3ef0000, 1);
	end_tag();
}

static void finish(void)
{
	begin_tag(0);
	end_tag();
	patch_32(0, (uint32_t)blob_bytes);
}

static enum status parse_bytes(size_t bytes)
{
	void *exact = malloc(bytes); /* aligned to 16 */
	assert_non_null(exact);
	memcpy(exact, blob, bytes);
	memset(&info, 0xa5, sizeof(info));
	memset(sentence, 0xa5, sizeof(sentence));
	enum status status = multiboot2_parse(exact, bytes, (hpa_t){PLACE}, &info, sentence);
	free(exact);
	assert_non_null(memchr(sentence, '\0', sizeof(sentence)));
	assert_int_equal(status == STATUS_OK, sentence[0] == '\0');
	return status;
}

static void expect_refusal(const char *words)
{
	assert_int_equal(parse_bytes(blob_bytes), STATUS_INVALID);
	if (strstr(sentence, words) == NULL) {
		fail_msg("'%s' does not say '%s'", sentence, words);
	}
}

static void put_good(void)
{
	begin();
	put_text_tag(1, "batch console=e9");
	put_text_tag(2, "GRUB 2.06");
	begin_tag(4); /* basic memory: not ours to read */
	put_32(639);
	put_32(64448);
	end_tag();
	put_module(0x800000, 0x812345, "name=one mem=8M -- hello");
	put_module(0x900000, 0x900000, "");
	put_simple_map();
	begin_tag(14);
	put_bytes("RSD PTR \0OEMID \0\x44\x33\x22\x11", 20);
	end_tag();
	finish();
}

static void test_good(void **state)
{
	(void)state;
	put_good();
	assert_int_equal(parse_bytes(blob_bytes), STATUS_OK);
	assert_string_equal(info.command_line, "batch console=e9");
	assert_string_equal(info.loader_name, "GRUB 2.06");
	assert_int_equal(info.module_count, 2);
	assert_int_equal(info.modules[0].start, 0x800000);
	assert_int_equal(info.modules[0].end, 0x812345);
	assert_string_equal(info.modules[0].text, "name=one mem=8M -- hello");
	assert_false(info.modules[0].text_truncated);
	assert_string_equal(info.modules[1].text, "");
	assert_int_equal(info.region_count, 3);
	assert_int_equal(info.regions[2].start, 0x100000);
	assert_int_equal(info.regions[2].end, 0x3ff0000);
	assert_true(info.regions[2].available);
	assert_false(info.regions[1].available);
	assert_int_equal(info.acpi_rsdp % 8, 0);
	assert_true(info.acpi_rsdp > PLACE && info.acpi_rsdp < PLACE + blob_bytes);
	assert_memory_equal(blob + (info.acpi_rsdp - PLACE), "RSD PTR ", 8);
}

static void test_newer_acpi_pointer_wins(void **state)
{
	(void)state;
	for (unsigned order = 0; order < 2; order++) {
		begin();
		put_simple_map();
		size_t newer = 0;
		for (unsigned i = 0; i < 2; i++) {
			uint32_t type = i == order ? 15 : 14;
			newer = type == 15 ? blob_bytes + 8 : newer;
			begin_tag(type);
			put_bytes("RSD PTR 0123456789ab0123456789abcdef", 36);
			end_tag();
		}
		finish();
		assert_int_equal(parse_bytes(blob_bytes), STATUS_OK);
		assert_int_equal(info.acpi_rsdp, PLACE + newer);
	}
}

static void test_sizes_of_the_whole(void **state)
{
	(void)state;
	put_good();
	patch_32(0, 7);
	expect_refusal("impossible size");
	put_good();
	patch_32(0, (uint32_t)blob_bytes + 1);
	expect_refusal("impossible size");
	put_good();
	patch_32(0, UINT32_MAX);
	expect_refusal("impossible size");
	assert_int_equal(parse_bytes(4), STATUS_INVALID);
	begin();
	patch_32(0, 8);
	expect_refusal("no end");
	put_good();
	patch_32(0, (uint32_t)blob_bytes - 8); /* without its end tag */
	expect_refusal("no end");
}

static void test_sizes_of_tags(void **state)
{
	static const uint32_t sizes[] = {0, 7, 0x10000, 0x7fffffff, 0xfffffff8, UINT32_MAX};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(sizes); i++) {
		put_good();
		patch_32(8 + 4, sizes[i]);
		expect_refusal("type 1 has the impossible size");
	}
}

static void test_texts_must_end(void **state)
{
	(void)state;
	begin();
	begin_tag(1);
	put_bytes("batch", 5);
	end_tag();
	put_simple_map();
	finish();
	expect_refusal("command line does not end");
	assert_string_equal(info.command_line, "");

	begin();
	begin_tag(1);
	end_tag();
	put_simple_map();
	finish();
	expect_refusal("command line does not end");

	begin();
	begin_tag(2);
	put_bytes("GRUB", 4);
	end_tag();
	put_simple_map();
	finish();
	expect_refusal("name does not end");

	begin();
	put_module(0x1000, 0x2000, "fine");
	begin_tag(3);
	put_32(0x3000);
	put_32(0x4000);
	put_bytes("name=x", 6);
	end_tag();
	put_simple_map();
	finish();
	expect_refusal("text of module 1 does not end");
	assert_int_equal(info.module_count, 1);
}

static void test_long_texts(void **state)
{
	static char text[BOOT_TEXT_BYTES + 100];
	(void)state;
	memset(text, 'x', BOOT_TEXT_BYTES - 1);
	begin();
	put_text_tag(1, text);
	put_module(0x1000, 0x2000, text);
	put_simple_map();
	finish();
	assert_int_equal(parse_bytes(blob_bytes), STATUS_OK);
	assert_string_equal(info.command_line, text);
	assert_string_equal(info.modules[0].text, text);
	assert_false(info.modules[0].text_truncated);

	text[BOOT_TEXT_BYTES - 1] = 'y';
	begin();
	put_module(0x1000, 0x2000, text);
	put_text_tag(2, text);
	put_simple_map();
	finish();
	assert_int_equal(parse_bytes(blob_bytes), STATUS_OK);
	assert_true(info.modules[0].text_truncated);
	assert_int_equal(strlen(info.modules[0].text), BOOT_TEXT_BYTES - 1);
	assert_int_equal(strlen(info.loader_name), sizeof(info.loader_name) - 1);

	begin();
	put_text_tag(1, text);
	put_simple_map();
	finish();
	expect_refusal("longer than 1023");
}

static void test_modules(void **state)
{
	(void)state;
	begin();
	put_module(0x2000, 0x1fff, "backwards");
	put_simple_map();
	finish();
	expect_refusal("module 0 ends at 0x1fff, before its start at 0x2000");

	begin();
	begin_tag(3);
	put_32(0x2000);
	end_tag();
	put_simple_map();
	finish();
	expect_refusal("record of module 0 is too short");

	for (unsigned count = BOOT_MODULES_MAX; count <= BOOT_MODULES_MAX + 1; count++) {
		begin();
		for (unsigned i = 0; i < count; i++) {
			put_module(0x100000 + i * 0x1000, 0x101000 + i * 0x1000, "name=m");
		}
		put_simple_map();
		finish();
		if (count == BOOT_MODULES_MAX) {
			assert_int_equal(parse_bytes(blob_bytes), STATUS_OK);
			assert_int_equal(info.module_count, BOOT_MODULES_MAX);
		} else {
			expect_refusal("more than 64 modules");
		}
	}
}

static void test_command_line_twice(void **state)
{
	(void)state;
	begin();
	put_text_tag(1, "batch");
	put_text_tag(1, "");
	put_simple_map();
	finish();
	expect_refusal("two command lines");
	assert_string_equal(info.command_line, "batch");
}

static void test_map_entry_sizes(void **state)
{
	static const uint32_t bad[] = {0, 8, 23, 25, UINT32_MAX};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
		begin();
		begin_map(bad[i]);
		put_region(0x100000, 0x100000, 1);
		end_tag();
		finish();
		expect_refusal("has entries of");
	}
	/* A later version of the specification may append fields. */
	begin();
	begin_map(32);
	put_region(0x100000, 0x100000, 1);
	put_64(UINT64_MAX);
	put_region(0x300000, 0x100000, 1);
	put_64(UINT64_MAX);
	end_tag();
	finish();
	assert_int_equal(parse_bytes(blob_bytes), STATUS_OK);
	assert_int_equal(info.region_count, 2);
	assert_int_equal(info.regions[1].start, 0x300000);

	begin();
	begin_map(0xfffffff8);
	put_region(0x100000, 0x100000, 1);
	end_tag();
	finish();
	assert_int_equal(parse_bytes(blob_bytes), STATUS_OK);
	assert_int_equal(info.region_count, 1);
}

static void test_map_damage(void **state)
{
	(void)state;
	begin();
	finish();
	expect_refusal("no memory map");

	begin();
	begin_map(24);
	end_tag();
	finish();
	expect_refusal("no memory map");

	begin();
	begin_tag(6);
	put_32(24);
	end_tag();
	finish();
	expect_refusal("memory map is too short");

	begin();
	put_simple_map();
	put_simple_map();
	finish();
	expect_refusal("two memory maps");

	begin();
	begin_map(24);
	put_region(0xfffffffffffff000, 0x1001, 1);
	end_tag();
	finish();
	expect_refusal("wraps around");

	begin();
	begin_tag(14);
	put_bytes("RSD PTR ", 8);
	end_tag();
	put_simple_map();
	finish();
	expect_refusal("ACPI root pointer is too short");
}

static void test_map_length(void **state)
{
	(void)state;
	for (unsigned count = BOOT_REGIONS_MAX; count <= BOOT_REGIONS_MAX + 1; count++) {
		begin();
		begin_map(24);
		put_region(0, 0, 1); /* empty ones do not count */
		for (unsigned i = 0; i < count; i++) {
			put_region(0x100000 + i * 0x2000ull, 0x1000, 1);
		}
		end_tag();
		finish();
		if (count == BOOT_REGIONS_MAX) {
			assert_int_equal(parse_bytes(blob_bytes), STATUS_OK);
			assert_int_equal(info.region_count, BOOT_REGIONS_MAX);
		} else {
			expect_refusal("more than 256 regions");
		}
	}
}

/* Whatever happens to the bytes, the outcome is well-formed and nothing outside them is read. */
static void check_outcome(enum status status)
{
	assert_true(info.module_count <= BOOT_MODULES_MAX);
	assert_true(info.region_count <= BOOT_REGIONS_MAX);
	assert_non_null(memchr(info.command_line, '\0', sizeof(info.command_line)));
	assert_non_null(memchr(info.loader_name, '\0', sizeof(info.loader_name)));
	for (unsigned i = 0; i < info.module_count; i++) {
		assert_true(info.modules[i].start <= info.modules[i].end);
		assert_non_null(memchr(info.modules[i].text, '\0', BOOT_TEXT_BYTES));
	}
	for (unsigned i = 0; i < info.region_count; i++) {
		assert_true(info.regions[i].start < info.regions[i].end);
	}
	assert_true(status == STATUS_OK || status == STATUS_INVALID);
}

static void test_every_truncation(void **state)
{
	(void)state;
	put_good();
	size_t whole = blob_bytes;
	for (size_t bytes = 0; bytes < whole; bytes++) {
		put_good();
		enum status status = parse_bytes(bytes);
		assert_int_equal(status, STATUS_INVALID);
		check_outcome(status);
		if (bytes >= 8) {
			patch_32(0, (uint32_t)bytes); /* and the total agrees */
			assert_int_equal(parse_bytes(bytes), STATUS_INVALID);
			check_outcome(STATUS_INVALID);
		}
	}
}

static void test_random_damage(void **state)
{
	(void)state;
	srandom(2);
	for (unsigned round = 0; round < 30000; round++) {
		put_good();
		for (long i = random() % 4; i >= 0; i--) {
			blob[(size_t)random() % blob_bytes] = (uint8_t)random();
		}
		check_outcome(parse_bytes(blob_bytes));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_newer_acpi_pointer_wins),
		cmocka_unit_test(test_sizes_of_the_whole),
		cmocka_unit_test(test_sizes_of_tags),
		cmocka_unit_test(test_texts_must_end),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_modules),
		cmocka_unit_test(test_command_line_twice),
		cmocka_unit_test(test_map_entry_sizes),
		cmocka_unit_test(test_map_damage),
		cmocka_unit_test(test_map_length),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_random_damage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
