/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/x86/boot/multiboot2.c and ram.c: good boot information, each kind of damage, and maps of
 * real machines. Every parse runs on a heap block of exactly the right size, so that the address
 * sanitizer sees a read beyond the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "arch/x86/boot/multiboot2.h"
#include "arch/x86/boot/ram.h"
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

/* ---- Maps of real machines --------------------------------------------------------------------*/

static struct memmap ram;

static void find_ram(const struct boot_region *regions, unsigned count, unsigned physical_bits)
{
	memset(&info, 0, sizeof(info));
	memcpy(info.regions, regions, count * sizeof(*regions));
	info.region_count = count;
	assert_int_equal(ram_find(&info, physical_bits, &ram), STATUS_OK);
	for (unsigned i = 0; i < ram.count; i++) {
		assert_true(ram.regions[i].start >= RAM_FLOOR);
		assert_true(ram.regions[i].start < ram.regions[i].end);
		assert_true(i == 0 || ram.regions[i - 1].end < ram.regions[i].start);
	}
}

/* A server with 64 GiB: low RAM with firmware's holes, the rest above 4 GiB. */
static void test_server_64_gib(void **state)
{
	static const struct boot_region regions[] = {
		{0x0, 0x9d000, true},
		{0x9d000, 0xa0000, false},
		{0xe0000, 0x100000, false},
		{0x100000, 0x6ffbb000, true},
		{0x6ffbb000, 0x706bb000, false},
		{0x706bb000, 0x73cfd000, true},
		{0x73cfd000, 0x90000000, false},
		{0xfd000000, 0xfe800000, false},
		{0x100000000, 0x1080000000, true},
	};
	(void)state;
	find_ram(regions, ARRAY_COUNT(regions), 46);
	assert_int_equal(ram.count, 3);
	assert_int_equal(memmap_end(&ram), 0x1080000000);
	assert_int_equal(memmap_bytes(&ram), 0x6febb000ull + 0x3642000 + 0xf80000000);
	/* 264 MiB of frame table, less than half a percent of what there is. */
	assert_int_equal(memmap_end(&ram) / PAGE_BYTES * 16, MIB(264));
}

static void test_unsorted_and_contradicting(void **state)
{
	static const struct boot_region regions[] = {
		{0x100000000, 0x180000000, true}, /* above 4 GiB first */
		{0x100800, 0x4000900, true},	  /* not whole frames */
		{0x2000000, 0x2000001, false},	  /* one byte spoils its frame */
		{0x3ff0000, 0x8000000, true},	  /* overlaps the second */
		{0x7f00000, 0x8000000, false},	  /* overlaps the one before */
		{0x140000000, 0x140200000, false},
	};
	(void)state;
	find_ram(regions, ARRAY_COUNT(regions), 39);
	assert_int_equal(ram.count, 4);
	assert_int_equal(ram.regions[0].start, 0x101000);
	assert_int_equal(ram.regions[0].end, 0x2000000);
	assert_int_equal(ram.regions[1].start, 0x2001000);
	assert_int_equal(ram.regions[1].end, 0x7f00000);
	assert_int_equal(ram.regions[2].end, 0x140000000);
	assert_int_equal(ram.regions[3].start, 0x140200000);
	assert_int_equal(ram.regions[3].end, 0x180000000);
}

/* What the processor cannot address, or a frame number cannot name, is not RAM for us. */
static void test_ceilings(void **state)
{
	static const struct boot_region regions[] = {
		{0x100000, 0x40000000, true},
		{0xff00000000, 0x10100000000, true},
		{0x100000000000, 0x100100000000, true},
		{0xfffffffffff00000, UINT64_MAX, true},
	};
	(void)state;
	find_ram(regions, ARRAY_COUNT(regions), 40);
	assert_int_equal(memmap_end(&ram), 0x10000000000);
	find_ram(regions, ARRAY_COUNT(regions), 52);
	assert_int_equal(memmap_end(&ram), 0x10100000000);
}

static void test_all_below_one_mib(void **state)
{
	static const struct boot_region regions[] = {{0, 0x9fc00, true}};
	(void)state;
	find_ram(regions, ARRAY_COUNT(regions), 36);
	assert_int_equal(ram.count, 0);
}

static void test_as_many_pieces_as_there_can_be(void **state)
{
	(void)state;
	memset(&info, 0, sizeof(info));
	info.regions[0] = (struct boot_region){0, GIB(16), true};
	for (unsigned i = 1; i < BOOT_REGIONS_MAX; i++) {
		uint64_t start = GIB(1) + i * 0x2000ull;
		info.regions[i] = (struct boot_region){start, start + 0x1000, false};
	}
	info.region_count = BOOT_REGIONS_MAX;
	assert_int_equal(ram_find(&info, 40, &ram), STATUS_OK);
	assert_int_equal(ram.count, MEMMAP_REGIONS_MAX);
}

/* ---- Where processors start -------------------------------------------------------------------
 */

static void set_regions(const struct boot_region *regions, unsigned count)
{
	memset(&info, 0, sizeof(info));
	memcpy(info.regions, regions, count * sizeof(*regions));
	info.region_count = count;
}

static void add_module(uint64_t start, uint64_t end)
{
	info.modules[info.module_count].start = start;
	info.modules[info.module_count++].end = end;
}

static void test_low_page(void **state)
{
	static const struct boot_region pc[] = {{0, 0x9fc00, true}, {0x9fc00, 0xa0000, false}};
	(void)state;
	set_regions(pc, ARRAY_COUNT(pc));
	/* Not the first: the BIOS data area is there. */
	assert_int_equal(ram_find_low_page(&info, 0x200000, 0x201000), 0x1000);
	/* What the loader put there stays: boot information, modules, even a byte of them. */
	assert_int_equal(ram_find_low_page(&info, 0x800, 0x1001), 0x2000);
	assert_int_equal(ram_find_low_page(&info, 0x1800, 0x1801), 0x2000);
	add_module(0x1fff, 0x3000);
	add_module(0x4000, 0x4001);
	assert_int_equal(ram_find_low_page(&info, 0x3000, 0x3008), 0x5000);
	assert_int_equal(ram_find_low_page(&info, 0x8000, 0x9000), 0x3000);
	add_module(0x100000, 0x200000);
	add_module(0x3000, 0x9fc00);
	assert_int_equal(ram_find_low_page(&info, 0x200000, 0x201000), 0);
}

static void test_low_page_must_be_available(void **state)
{
	static const struct boot_region pieces[] = {
		{0x1800, 0x2800, true}, /* no whole page */
		{0x3000, 0x6000, true}, /* contradicted */
		{0x4fff, 0x5001, false},   {0x3000, 0x4000, false}, {0x7000, 0x8000, true},
		{0xa0000, 0x200000, true}, /* no start-up command can name it */
	};
	(void)state;
	set_regions(pieces, ARRAY_COUNT(pieces));
	assert_int_equal(ram_find_low_page(&info, 0, 0), 0x7000);
	assert_int_equal(ram_find_low_page(&info, 0x7000, 0x7008), 0);
	set_regions(pieces, 4);
	assert_int_equal(ram_find_low_page(&info, 0, 0), 0);
	set_regions(&pieces[5], 1);
	assert_int_equal(ram_find_low_page(&info, 0, 0), 0);
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
		cmocka_unit_test(test_server_64_gib),
		cmocka_unit_test(test_unsorted_and_contradicting),
		cmocka_unit_test(test_ceilings),
		cmocka_unit_test(test_all_below_one_mib),
		cmocka_unit_test(test_as_many_pieces_as_there_can_be),
		cmocka_unit_test(test_low_page),
		cmocka_unit_test(test_low_page_must_be_available),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
