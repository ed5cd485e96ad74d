/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/x86/boot/ram.c: what of maps of real machines is RAM for us, and the page below 640 KiB in
 * which the other processors start.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "arch/x86/boot/ram.h"
#include "base/bits.h"
#include "fake/boot_map.h"

static struct boot_info info;
static struct memmap ram;

static void set_regions(const struct boot_region *regions, unsigned count)
{
	memset(&info, 0, sizeof(info));
	fake_boot_map(&info.map, regions, count);
}

/* ---- Maps of real machines ---- */

static void find_ram(const struct boot_region *regions, unsigned count, unsigned physical_bits)
{
	set_regions(regions, count);
	assert_int_equal(ram_find(&info.map, physical_bits, RAM_FLOOR, &ram), 0);
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
	find_ram(regions, ARRAY_COUNT(regions), 64);
	assert_int_equal(memmap_end(&ram), 0x10100000000);
}

static void test_all_below_one_mib(void **state)
{
	static const struct boot_region regions[] = {{0, 0x9fc00, true}};
	(void)state;
	find_ram(regions, ARRAY_COUNT(regions), 36);
	assert_int_equal(ram.count, 0);
}

/* Regression: 257 pieces of RAM halted the machine. Firmware of large servers makes 500. */
static void test_many_holes(void **state)
{
	static struct boot_region regions[601] = {{0, GIB(16), true}};
	(void)state;
	for (unsigned i = 1; i <= 600; i++) {
		uint64_t start = GIB(1) + i * 0x200000ull;
		regions[i] = (struct boot_region){start, start + 0x1000, false};
	}
	find_ram(regions, ARRAY_COUNT(regions), 40);
	assert_int_equal(ram.count, 601);
	assert_int_equal(memmap_bytes(&ram), GIB(16) - MIB(1) - 600 * PAGE_BYTES);
}

#define MANY 3000u
static struct boot_region many[MANY];

/* No byte that something forbids, and nothing is missing that was not said to be. */
static uint64_t find_what_fits(uint64_t all_bytes)
{
	set_regions(many, MANY);
	uint64_t lost = ram_find(&info.map, 40, RAM_FLOOR, &ram);
	assert_int_equal(ram.count, RAM_PIECES_MAX);
	assert_true(memmap_bytes(&ram) + lost >= all_bytes);
	for (unsigned i = 0; i < ram.count; i++) {
		for (unsigned j = 0; j < MANY; j++) {
			assert_true(many[j].available || many[j].end <= ram.regions[i].start ||
				    many[j].start >= ram.regions[i].end);
		}
	}
	return lost;
}

/* Beyond what there is place for, the smallest pieces are left alone, not the machine. */
static void test_more_pieces_than_places(void **state)
{
	(void)state;
	/* Holes in one piece of RAM. */
	many[0] = (struct boot_region){0, GIB(16), true};
	for (unsigned i = 1; i < MANY; i++) {
		uint64_t start = GIB(1) + i * 0x10000ull;
		many[i] = (struct boot_region){start, start + 0x1000, false};
	}
	uint64_t lost = find_what_fits(GIB(16) - MIB(1) - (MANY - 1) * PAGE_BYTES);
	assert_in_range(lost, 0xf000 * 2000, 0xf000 * 2999);
	/* The largest are all there. */
	assert_int_equal(ram.regions[0].start, MIB(1));
	assert_int_equal(memmap_end(&ram), GIB(16));

	/* Pieces of RAM, each larger than the one before. */
	for (unsigned i = 0; i < MANY; i++) {
		uint64_t start = GIB(1) + i * MIB(16);
		many[i] = (struct boot_region){start, start + 0x1000 * (i + 1ull), true};
	}
	(void)find_what_fits(0);
	for (unsigned i = 0; i < RAM_PIECES_MAX; i++) {
		assert_int_equal(ram.regions[i].start, many[MANY - RAM_PIECES_MAX + i].start);
	}
	/* And from the other end. */
	for (unsigned i = 0; i < MANY / 2; i++) {
		struct boot_region swapped = many[i];
		many[i] = many[MANY - 1 - i];
		many[MANY - 1 - i] = swapped;
	}
	(void)find_what_fits(0);
	for (unsigned i = 0; i < RAM_PIECES_MAX; i++) {
		assert_int_equal(ram.regions[i].start, many[RAM_PIECES_MAX - 1 - i].start);
	}
}

/* A region that ends with the last of all addresses, as boot/multiboot2.c hands it over. */
static void test_reserved_to_the_end(void **state)
{
	static const struct boot_region regions[] = {
		{0x100000, 0x40000000, true},
		{0xfd00000000, UINT64_MAX, false},
		{0xfffffffffffff000, UINT64_MAX, false},
		{0x30000000, UINT64_MAX, false},
	};
	(void)state;
	find_ram(regions, 3, 52);
	assert_int_equal(memmap_bytes(&ram), 0x3ff00000);
	find_ram(regions, 4, 52);
	assert_int_equal(memmap_end(&ram), 0x30000000);
}

/* ---- Where processors start ---- */

static void add_module(uint64_t start, uint64_t end)
{
	info.modules[info.module_count].start = start;
	info.modules[info.module_count++].end = end;
}

/* What ram_find_low_page() says of a page that nobody uses; 0 also where it would be borrowed. */
static uint64_t low_page(uint64_t start, uint64_t end)
{
	bool borrowed = true;
	uint64_t page = ram_find_low_page(&info, start, end, &borrowed);
	return borrowed ? 0 : page;
}

static void test_low_page(void **state)
{
	static const struct boot_region pc[] = {{0, 0x9fc00, true}, {0x9fc00, 0xa0000, false}};
	(void)state;
	set_regions(pc, ARRAY_COUNT(pc));
	/* Not the first: the BIOS data area is there. */
	assert_int_equal(low_page(0x200000, 0x201000), 0x1000);
	/* What the loader put there stays: boot information, modules, even a byte of them. */
	assert_int_equal(low_page(0x800, 0x1001), 0x2000);
	assert_int_equal(low_page(0x1800, 0x1801), 0x2000);
	add_module(0x1fff, 0x3000);
	add_module(0x4000, 0x4001);
	assert_int_equal(low_page(0x3000, 0x3008), 0x5000);
	assert_int_equal(low_page(0x8000, 0x9000), 0x3000);
	add_module(0x100000, 0x200000);
	add_module(0x3000, 0x9fc00);
	assert_int_equal(low_page(0x200000, 0x201000), 0);
}

/* What is reserved up to 4 GiB is so below 640 KiB as well. */
static void test_low_page_under_a_long_region(void **state)
{
	static const struct boot_region map[] = {{0, 0xa0000, true}, {0x1800, 0x100000000, false}};
	(void)state;
	set_regions(map, ARRAY_COUNT(map));
	assert_int_equal(low_page(0x200000, 0x201000), 0);
}

/*
 * On UEFI machines GRUB loads small modules and the boot information from 0x4000 up, as many as
 * there is place for. Then their lowest page is borrowed; a module that is gone needs none.
 */
static void test_low_page_is_borrowed(void **state)
{
	static const struct boot_region pc[] = {{0x4000, 0xa0000, true}};
	bool borrowed;
	(void)state;
	set_regions(pc, 1);
	for (uint64_t at = 0x5000; at < 0xa0000; at += 0x1000) {
		if (info.module_count < BOOT_MODULES_MAX - 1) {
			add_module(at, at + 0xfff);
		}
	}
	add_module(info.modules[BOOT_MODULES_MAX - 2].end, 0xa0000);
	assert_int_equal(ram_find_low_page(&info, 0x4000, 0x4800, &borrowed), 0x4000);
	assert_true(borrowed);
	assert_int_equal(ram_find_low_page(&info, 0x200000, 0x4800, &borrowed), 0x4000);
	assert_false(borrowed);
	info.modules[7].released = true;
	assert_int_equal(ram_find_low_page(&info, 0x4000, 0x4800, &borrowed), 0xc000);
	assert_false(borrowed);
	/* An empty module has no page. */
	set_regions(pc, 1);
	add_module(0, 0);
	add_module(0x4800, 0x4800);
	assert_int_equal(low_page(0x200000, 0x201000), 0x4000);
	/* What is not available is not borrowed either. */
	set_regions(pc, 0);
	assert_int_equal(ram_find_low_page(&info, 0x4000, 0x4800, &borrowed), 0);
	assert_false(borrowed);
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
	assert_int_equal(low_page(0, 0), 0x7000);
	assert_int_equal(low_page(0x7000, 0x7008), 0);
	set_regions(pieces, 4);
	assert_int_equal(low_page(0, 0), 0);
	set_regions(&pieces[5], 1);
	assert_int_equal(low_page(0, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server_64_gib),
		cmocka_unit_test(test_unsorted_and_contradicting),
		cmocka_unit_test(test_ceilings),
		cmocka_unit_test(test_all_below_one_mib),
		cmocka_unit_test(test_many_holes),
		cmocka_unit_test(test_more_pieces_than_places),
		cmocka_unit_test(test_reserved_to_the_end),
		cmocka_unit_test(test_low_page),
		cmocka_unit_test(test_low_page_under_a_long_region),
		cmocka_unit_test(test_low_page_is_borrowed),
		cmocka_unit_test(test_low_page_must_be_available),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
