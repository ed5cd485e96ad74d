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

static uint8_t blob[4 * BOOT_TEXTS_BYTES];
static size_t blob_bytes;
static size_t tag_start;

static struct boot_info info;
static struct error error;

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

static void *exact; /* what was parsed last: the map of memory is still in there */

static enum status parse_bytes(size_t bytes)
{
	free(exact);
	exact = malloc(bytes); /* aligned to 16 */
	assert_non_null(exact);
	memcpy(exact, blob, bytes);
	memset(&info, 0xa5, sizeof(info));
	memset(&error, 0xa5, sizeof(error));
	enum status status = multiboot2_parse(exact, bytes, &info, &error);
	assert_non_null(memchr(error.text, '\0', sizeof(error.text)));
	assert_int_equal(status == STATUS_OK, error.text[0] == '\0');
	return status;
}

static void expect_refusal(const char *words)
{
	assert_int_equal(parse_bytes(blob_bytes), STATUS_INVALID);
	if (strstr(error.text, words) == NULL) {
		fail_msg("'%s' does not say '%s'", error.text, words);
	}
}

/* Region `index` of the map that was parsed last; it must make sense. */
static struct boot_region region_of(unsigned index)
{
	struct boot_region region;
	assert_true(index < info.map.count);
	assert_true(multiboot2_region(&info.map, index, &region));
	assert_true(region.start < region.end);
	return region;
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
	assert_int_equal(info.map.count, 3);
	assert_int_equal(region_of(2).start, 0x100000);
	assert_int_equal(region_of(2).end, 0x3ff0000);
	assert_true(region_of(2).available);
	assert_false(region_of(1).available);
	assert_int_equal(info.rsdp_bytes, 20);
	assert_memory_equal(info.rsdp, "RSD PTR \0OEMID \0\x44\x33\x22\x11", 20);
	assert_int_equal(info.acpi_rsdp, 0); /* who knows where *out is sets it */
}

static void test_newer_acpi_pointer_wins(void **state)
{
	(void)state;
	for (unsigned order = 0; order < 2; order++) {
		begin();
		put_simple_map();
		for (unsigned i = 0; i < 2; i++) {
			uint32_t type = i == order ? 15 : 14;
			begin_tag(type);
			put_bytes(type == 15 ? "RSD PTR 0123456789ab0123456789abcdef"
					     : "RSD PTR older 789ab0123456789abcdefg",
				  type == 15 ? 36 : 20);
			end_tag();
		}
		finish();
		assert_int_equal(parse_bytes(blob_bytes), STATUS_OK);
		assert_int_equal(info.rsdp_bytes, 36);
		assert_memory_equal(info.rsdp, "RSD PTR 0123456789ab0123456789abcdef", 36);
	}
	/* One that is longer than anybody's is cut, and nothing of it remains behind a shorter one.
	 */
	static const uint8_t long_rsdp[BOOT_RSDP_BYTES + 40] = {[BOOT_RSDP_BYTES - 1] = 7, 9};
	begin();
	put_simple_map();
	begin_tag(14);
	put_bytes(long_rsdp, sizeof(long_rsdp));
	end_tag();
	begin_tag(15);
	put_bytes("RSD PTR 0123456789ab", 20);
	end_tag();
	finish();
	assert_int_equal(parse_bytes(blob_bytes), STATUS_OK);
	assert_int_equal(info.rsdp_bytes, 20);
	for (unsigned i = 20; i < BOOT_RSDP_BYTES; i++) {
		assert_int_equal(info.rsdp[i], 0);
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

/* GRUB passes 28 KiB. Regression: 1024 bytes were the most, and a longer command line halted. */
static void test_long_texts(void **state)
{
	static char text[BOOT_TEXTS_BYTES];
	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	for (unsigned i = 60; i < sizeof(text) - 1; i += 60) {
		text[i] = ' ';
	}
	text[28892] = '\0';
	begin();
	put_text_tag(1, text);
	put_module(0x1000, 0x2000, text);
	put_module(0x2000, 0x3000, "name=small");
	put_simple_map();
	finish();
	assert_int_equal(parse_bytes(blob_bytes), STATUS_OK);
	assert_string_equal(info.command_line, text);
	assert_false(info.command_line_truncated);
	assert_string_equal(info.modules[0].text, text);
	assert_false(info.modules[0].text_truncated);
	assert_string_equal(info.modules[1].text, "name=small");

	/* The third of them has no room. It is cut behind a word; a short one behind it fits. */
	begin();
	put_text_tag(2, text);
	put_text_tag(1, "batch");
	for (unsigned i = 0; i < 3; i++) {
		put_module(0x1000, 0x2000, text);
	}
	put_module(0x2000, 0x3000, "name=small");
	put_simple_map();
	finish();
	assert_int_equal(parse_bytes(blob_bytes), STATUS_OK);
	assert_string_equal(info.modules[1].text, text);
	assert_true(info.modules[2].text_truncated);
	assert_int_equal(strlen(info.modules[2].text), 241);
	assert_memory_equal(info.modules[2].text, text, 241);
	assert_string_equal(info.modules[3].text, "name=small");
	assert_false(info.modules[3].text_truncated);
	assert_string_equal(info.command_line, "batch");
	assert_int_equal(strlen(info.loader_name), sizeof(info.loader_name) - 1);
}

/* Around the last byte of the place for texts. */
static void test_texts_fill_their_place(void **state)
{
	static char text[BOOT_TEXTS_BYTES + 16];
	(void)state;
	for (unsigned less = 0; less < 6; less++) {
		memset(text, 'x', sizeof(text));
		text[sizeof(info.texts) - less] = '\0';
		begin();
		put_text_tag(1, text);
		put_module(0x1000, 0x2000, "");
		put_module(0x1000, 0x2000, "n");
		put_simple_map();
		finish();
		assert_int_equal(parse_bytes(blob_bytes), STATUS_OK);
		/* A zero at the start, which all empty texts share, and one at the end. */
		assert_int_equal(info.command_line_truncated, less < 2);
		assert_string_equal(info.command_line, less < 2 ? "" : text);
		assert_string_equal(info.modules[0].text, "");
		assert_false(info.modules[0].text_truncated);
		assert_int_equal(info.modules[1].text_truncated, less >= 2 && less < 5);
		assert_string_equal(info.modules[1].text, less >= 2 && less < 5 ? "" : "n");
	}
}

/* What GRUB makes of words, as it was seen to, and what it was given. */
static void test_loader_quotes_are_undone(void **state)
{
	static const struct {
		const char *given;
		const char *meant;
	} texts[] = {
		{"name=a", "name=a"},
		{"\"name=a\"", "name=a"},
		{"\"name=a b\" mem=8M", "name=a b mem=8M"},
		{"\"name=a\" \"mem=8M\" -- \"x\"", "name=a mem=8M -- x"},
		{"say=\\\"hi\\\"", "say=\"hi\""},
		{"\\\"", "\""},
		{"it\\'s", "it's"},
		{"a\\\\b", "a\\b"},
		{"\"a \\\\\"", "a \\"},
		{"\"a \\\"b\\\" c\" d", "a \"b\" c d"},
		{"\"\\\"a b\\\"\"", "\"a b\""},
		{"a  b", "a  b"}, /* an empty word between two */
		{"\"\" a", " a"},
		{"tab\ttab \"a\tb c\"", "tab\ttab a\tb c"},
		/* Nothing that GRUB writes: copied as it is. */
		{"a\\b \\", "a\\b \\"},
		{"\"open", "\"open"},
		{"\"open \\\"", "\"open \""},
		{"a\"b c\"", "a\"b c\""},
		{"\"a\"b", "\"a\"b"},
		{"\"a\"b \"c d\"", "\"a\"b c d"},
		{"\"", "\""},
		{"\"\"", ""},
		{"", ""},
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(texts); i++) {
		begin();
		put_text_tag(1, texts[i].given);
		put_module(0x1000, 0x2000, texts[i].given);
		put_simple_map();
		finish();
		assert_int_equal(parse_bytes(blob_bytes), STATUS_OK);
		assert_string_equal(info.command_line, texts[i].meant);
		assert_string_equal(info.modules[0].text, texts[i].meant);
	}
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

	/* An empty one, as GRUB hands it over. */
	begin();
	put_module(0, 0, "name=empty");
	put_simple_map();
	finish();
	assert_int_equal(parse_bytes(blob_bytes), STATUS_OK);
	assert_int_equal(info.module_count, 1);
	assert_int_equal(info.modules[0].start, 0);
	assert_int_equal(info.modules[0].end, 0);
}

/* Regression: one more than the table holds halted the machine. */
static void test_more_modules_than_places(void **state)
{
	(void)state;
	for (unsigned more = 0; more < 3; more++) {
		begin();
		for (unsigned i = 0; i < BOOT_MODULES_MAX + more; i++) {
			put_module(0x100000 + i * 0x1000, 0x101000 + i * 0x1000, "name=m");
		}
		put_text_tag(1, "batch");
		put_simple_map();
		finish();
		assert_int_equal(parse_bytes(blob_bytes), STATUS_OK);
		assert_int_equal(info.module_count, BOOT_MODULES_MAX);
		assert_int_equal(info.modules_left_out, more);
		assert_string_equal(info.command_line, "batch");
		assert_int_equal(info.map.count, 3);
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
	assert_int_equal(info.map.count, 2);
	assert_int_equal(region_of(1).start, 0x300000);

	begin();
	begin_map(0xfffffff8);
	put_region(0x100000, 0x100000, 1);
	end_tag();
	finish();
	assert_int_equal(parse_bytes(blob_bytes), STATUS_OK);
	assert_int_equal(info.map.count, 1);
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
	begin_tag(14);
	put_bytes("RSD PTR ", 8);
	end_tag();
	put_simple_map();
	finish();
	expect_refusal("ACPI root pointer is too short");
}

/* Regression: a region that ends with the last of all addresses was refused as one that wraps. */
static void test_map_ends_with_the_last_address(void **state)
{
	(void)state;
	begin();
	begin_map(24);
	put_region(0x100000, 0x100000, 1);
	put_region(0xfffffffffffff000, 0x1000, 2);
	put_region(0xfffffffffffff000, 0xfff, 2);
	put_region(0, UINT64_MAX, 2);
	put_region(UINT64_MAX, 1, 2); /* nothing of it is kept */
	put_region(0xfffffffffffff000, 0x1001, 2);
	put_region(0xfd00000000, UINT64_MAX, 2);
	put_region(0x200000, UINT64_MAX, 1); /* RAM that wraps is not believed */
	put_region(0xff00000000000000, 0x100000000000000, 1);
	end_tag();
	finish();
	assert_int_equal(parse_bytes(blob_bytes), STATUS_OK);
	static const struct boot_region expected[] = {
		{0x100000, 0x200000, true},
		{0xfffffffffffff000, UINT64_MAX, false},
		{0xfffffffffffff000, UINT64_MAX, false},
		{0, UINT64_MAX, false},
		{0},
		{0xfffffffffffff000, UINT64_MAX, false},
		{0xfd00000000, UINT64_MAX, false},
		{0},
		{0xff00000000000000, UINT64_MAX, true},
	};
	assert_int_equal(info.map.count, ARRAY_COUNT(expected));
	for (unsigned i = 0; i < ARRAY_COUNT(expected); i++) {
		struct boot_region region = {0};
		bool sensible = multiboot2_region(&info.map, i, &region);
		assert_int_equal(sensible, expected[i].end != 0);
		if (sensible) {
			assert_int_equal(region.start, expected[i].start);
			assert_int_equal(region.end, expected[i].end);
			assert_int_equal(region.available, expected[i].available);
		}
	}
	assert_int_equal(info.map.senseless, 2);
}

/* Types of firmware's own, such as 20 on UEFI machines, are not RAM. */
static void test_unknown_types_of_memory(void **state)
{
	static const uint32_t types[] = {0, 2, 3, 4, 5, 7, 12, 20, 0xffffffff};
	(void)state;
	begin();
	begin_map(24);
	for (unsigned i = 0; i < ARRAY_COUNT(types); i++) {
		put_region(0x100000 * (i + 1ull), 0x100000, types[i]);
	}
	put_region(0x10000000, 0x100000, 1);
	end_tag();
	finish();
	assert_int_equal(parse_bytes(blob_bytes), STATUS_OK);
	for (unsigned i = 0; i < ARRAY_COUNT(types); i++) {
		assert_false(region_of(i).available);
	}
	assert_true(region_of(ARRAY_COUNT(types)).available);
}

/* Regression: 257 regions halted the machine. There is no table of them, so there is no limit. */
static void test_map_length(void **state)
{
	(void)state;
	begin();
	begin_map(24);
	put_region(0, 0, 1); /* an empty one */
	for (unsigned i = 1; i < 9000; i++) {
		put_region(MIB(1) + i * 0x100000ull, 0x1000 * i, i % 2 == 0 ? 2 : 1);
	}
	end_tag();
	finish();
	assert_int_equal(parse_bytes(blob_bytes), STATUS_OK);
	assert_int_equal(info.map.count, 9000);
	assert_int_equal(info.map.senseless, 0);
	struct boot_region region;
	assert_false(multiboot2_region(&info.map, 0, &region));
	for (unsigned i = 1; i < 9000; i++) {
		assert_int_equal(region_of(i).start, MIB(1) + i * 0x100000ull);
		assert_int_equal(region_of(i).available, i % 2);
	}
}

/*
 * A header may require a tag that the loader knows and has not: it starts the image without. All
 * that is needed besides the map of memory may be missing; without that one there is one error
 * message.
 */
static void put_screen(uint64_t place, uint8_t kind)
{
	begin_tag(8);
	put_64(place);
	put_32(4096);
	put_32(1024);
	put_32(768);
	put_bytes((const uint8_t[]){32, kind, 0, 0, 16, 8, 8, 8, 0, 8}, 10);
	end_tag();
}

/* Its fields have a test of their own: test_multiboot2_screen. */
static void test_screens(void **state)
{
	(void)state;
	begin();
	put_screen(0xfd000000, 1);
	put_simple_map();
	finish();
	assert_int_equal(parse_bytes(blob_bytes), STATUS_OK);
	assert_int_equal(info.screen.kind, SCREEN_PIXELS);
	assert_null(info.screen_message);
	/* What is wrong with it is no error. */
	begin();
	put_simple_map();
	put_screen(0xfd000000, 7);
	finish();
	assert_int_equal(parse_bytes(blob_bytes), STATUS_OK);
	assert_int_equal(info.screen.kind, SCREEN_NONE);
	assert_non_null(strstr(info.screen_message, "neither pixels"));
	/* RAM is from 1 MiB to 0x3ff0000: one that begins where it ends is good. */
	static const uint64_t in_ram[] = {0x100000, 0x3feff00, 0x3fefff8, 0x8};
	for (unsigned i = 0; i < ARRAY_COUNT(in_ram); i++) {
		begin();
		put_screen(in_ram[i], 1);
		put_simple_map();
		finish();
		assert_int_equal(parse_bytes(blob_bytes), STATUS_OK);
		assert_int_equal(info.screen.kind, SCREEN_NONE);
		assert_string_equal(info.screen_message, "it lies in RAM");
	}
	begin();
	put_screen(0x3ff0000, 1);
	put_simple_map();
	finish();
	assert_int_equal(parse_bytes(blob_bytes), STATUS_OK);
	assert_int_equal(info.screen.kind, SCREEN_PIXELS);
}

/* Without the whole map it may lie in RAM: nothing is drawn there, not even why we halt. */
static void test_no_screen_without_a_map(void **state)
{
	(void)state;
	begin();
	put_screen(0xfd000000, 1);
	finish();
	assert_int_equal(parse_bytes(blob_bytes), STATUS_INVALID);
	assert_int_equal(info.screen.kind, SCREEN_NONE);
	assert_non_null(strstr(info.screen_message, "memory map"));
	begin();
	put_screen(0xfd000000, 1);
	put_simple_map();
	put_simple_map();
	finish();
	assert_int_equal(parse_bytes(blob_bytes), STATUS_INVALID);
	assert_int_equal(info.screen.kind, SCREEN_NONE);
	begin();
	put_simple_map();
	put_screen(0x100000, 1);
	finish();
	for (size_t bytes = 0; bytes < blob_bytes; bytes++) {
		patch_32(0, (uint32_t)bytes);
		if (parse_bytes(bytes) != STATUS_OK) {
			assert_int_equal(info.screen.kind, SCREEN_NONE);
		}
	}
}

static void test_every_tag_may_be_missing(void **state)
{
	(void)state;
	begin();
	put_simple_map();
	finish();
	assert_int_equal(parse_bytes(blob_bytes), STATUS_OK);
	assert_string_equal(info.command_line, "");
	assert_false(info.command_line_truncated);
	assert_string_equal(info.loader_name, "");
	assert_int_equal(info.module_count, 0);
	assert_int_equal(info.rsdp_bytes, 0);
	begin();
	put_text_tag(1, "batch");
	begin_tag(4); /* basic memory says too little on UEFI machines */
	put_32(639);
	put_32(7192);
	end_tag();
	begin_tag(17); /* the map of UEFI is in firmware's terms */
	put_32(48);
	put_32(1);
	end_tag();
	finish();
	expect_refusal("no memory map");
	assert_string_equal(info.command_line, "batch"); /* where to say so */
}

static void check_text(const char *text)
{
	assert_true(text >= info.texts && text < info.texts + sizeof(info.texts));
	assert_non_null(memchr(text, '\0', (size_t)(info.texts + sizeof(info.texts) - text)));
}

/* Whatever happens to the bytes, the outcome is well-formed and nothing outside them is read. */
static void check_outcome(enum status status)
{
	assert_true(info.module_count <= BOOT_MODULES_MAX);
	assert_true(info.text_bytes >= 1 && info.text_bytes < sizeof(info.texts));
	check_text(info.command_line);
	assert_true(info.rsdp_bytes <= sizeof(info.rsdp));
	assert_non_null(memchr(info.loader_name, '\0', sizeof(info.loader_name)));
	for (unsigned i = 0; i < info.module_count; i++) {
		assert_true(info.modules[i].start <= info.modules[i].end);
		check_text(info.modules[i].text);
	}
	for (unsigned i = 0; i < info.map.count; i++) {
		struct boot_region region;
		assert_true(!multiboot2_region(&info.map, i, &region) || region.start < region.end);
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
		cmocka_unit_test(test_texts_fill_their_place),
		cmocka_unit_test(test_loader_quotes_are_undone),
		cmocka_unit_test(test_modules),
		cmocka_unit_test(test_more_modules_than_places),
		cmocka_unit_test(test_command_line_twice),
		cmocka_unit_test(test_map_entry_sizes),
		cmocka_unit_test(test_map_damage),
		cmocka_unit_test(test_map_ends_with_the_last_address),
		cmocka_unit_test(test_unknown_types_of_memory),
		cmocka_unit_test(test_map_length),
		cmocka_unit_test(test_screens),
		cmocka_unit_test(test_no_screen_without_a_map),
		cmocka_unit_test(test_every_tag_may_be_missing),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_random_damage),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(exact);
	return failed;
}
