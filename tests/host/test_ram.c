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

static struct boot_info info;
static struct memmap ram;

static void set_regions(const struct boot_region *regions, unsigned count)
{
	memset(&info, 0, sizeof(info));
	memcpy(info.regions, regions, count * sizeof(*regions));
	info.region_count = count;
}

/* ---- Maps of real machines ---- */

static void find_ram(const struct boot_region *regions, unsigned count, unsigned physical_bits)
{
	set_regions(regions, count);
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

/* ---- Where processors start ---- */

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
