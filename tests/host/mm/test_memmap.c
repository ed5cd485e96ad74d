/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/memmap.c: merging, holes, overlaps, the top of the address space, maps of real machines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "mm/memmap.h"

static struct memmap map;

/* The map is exactly these regions: pairs of start and end, closed by 0, 0. */
static void expect_map(const uint64_t *pairs)
{
	unsigned count = 0;
	for (; pairs[2 * count + 1] != 0; count++) {
		assert_true(count < map.count);
		assert_int_equal(map.regions[count].start, pairs[2 * count]);
		assert_int_equal(map.regions[count].end, pairs[2 * count + 1]);
	}
	assert_int_equal(map.count, count);
}

#define EXPECT_MAP(...) expect_map((const uint64_t[]){__VA_ARGS__, 0, 0})

static void add(uint64_t start, uint64_t end)
{
	assert_int_equal(memmap_add(&map, start, end), STATUS_OK);
}

static void remove_bytes(uint64_t start, uint64_t end)
{
	assert_int_equal(memmap_remove(&map, start, end), STATUS_OK);
}

static int start_empty(void **state)
{
	(void)state;
	memset(&map, 0xa5, sizeof(map));
	memmap_init(&map);
	return 0;
}

static void test_empty(void **state)
{
	hpa_t place;
	(void)state;
	assert_int_equal(memmap_bytes(&map), 0);
	assert_int_equal(memmap_end(&map), 0);
	assert_int_equal(memmap_drop_remote(&map, 16), 0);
	assert_int_equal(memmap_take(&map, 4096, 4096, 0, UINT64_MAX, &place), STATUS_NO_MEMORY);
	remove_bytes(0, UINT64_MAX);
	assert_int_equal(map.count, 0);
}

static void test_add_rounds_inwards(void **state)
{
	(void)state;
	add(0x1001, 0x3fff);
	EXPECT_MAP(0x2000, 0x3000);
	add(0x10001, 0x11fff); /* less than a frame is left: nothing */
	add(0x20fff, 0x21001);
	add(0x30000, 0x30000);
	add(0x50000, 0x40000); /* backwards: nothing */
	EXPECT_MAP(0x2000, 0x3000);
}

static void test_add_unsorted(void **state)
{
	(void)state;
	add(0x9000, 0xa000);
	add(0x1000, 0x2000);
	add(0x5000, 0x6000);
	EXPECT_MAP(0x1000, 0x2000, 0x5000, 0x6000, 0x9000, 0xa000);
	assert_int_equal(memmap_bytes(&map), 0x3000);
	assert_int_equal(memmap_end(&map), 0xa000);
}

static void test_add_merges_neighbours_and_overlaps(void **state)
{
	(void)state;
	add(0x1000, 0x2000);
	add(0x3000, 0x4000);
	add(0x2000, 0x3000); /* fills the gap exactly */
	EXPECT_MAP(0x1000, 0x4000);
	add(0x8000, 0x9000);
	add(0xa000, 0xb000);
	add(0xc000, 0xd000);
	add(0x8000, 0xcfff); /* swallows two, touches the third from within: rounded to 0xc000 */
	EXPECT_MAP(0x1000, 0x4000, 0x8000, 0xd000);
	add(0x2000, 0x3000); /* inside */
	add(0x0, 0x1000);    /* below */
	add(0x3000, 0x9000); /* across */
	EXPECT_MAP(0x0, 0xd000);
	add(0x0, 0xd000); /* twice the same */
	EXPECT_MAP(0x0, 0xd000);
}

static void test_top_of_address_space(void **state)
{
	(void)state;
	add(UINT64_MAX - 0x1fff, UINT64_MAX);
	EXPECT_MAP(UINT64_MAX - 0x1fff, UINT64_MAX - 0xfff);
	add(UINT64_MAX - 1, UINT64_MAX);
	EXPECT_MAP(UINT64_MAX - 0x1fff, UINT64_MAX - 0xfff);
	hpa_t place;
	assert_int_equal(memmap_take(&map, 0x1000, BIT(63), 0, UINT64_MAX, &place),
			 STATUS_NO_MEMORY);
	assert_int_equal(memmap_take(&map, 0x2000, 0x1000, 0, UINT64_MAX, &place),
			 STATUS_NO_MEMORY);
	assert_int_equal(memmap_take(&map, 0x1000, 0x1000, 0, UINT64_MAX, &place), STATUS_OK);
	assert_int_equal(place.v, UINT64_MAX - 0x1fff);
	assert_int_equal(map.count, 0);
	add(0, UINT64_MAX);
	remove_bytes(UINT64_MAX - 1, UINT64_MAX);
	EXPECT_MAP(0, UINT64_MAX - 0xfff);
	remove_bytes(0x1000, UINT64_MAX);
	EXPECT_MAP(0, 0x1000);
}

static void test_remove(void **state)
{
	(void)state;
	add(0x10000, 0x20000);
	remove_bytes(0x14001, 0x15fff); /* rounded outwards */
	EXPECT_MAP(0x10000, 0x14000, 0x16000, 0x20000);
	remove_bytes(0x10000, 0x11000);
	remove_bytes(0x1f000, 0x21000);
	EXPECT_MAP(0x11000, 0x14000, 0x16000, 0x1f000);
	remove_bytes(0x13000, 0x17000); /* the end of one and the beginning of the next */
	EXPECT_MAP(0x11000, 0x13000, 0x17000, 0x1f000);
	remove_bytes(0x13000, 0x17000); /* exactly the gap: nothing */
	remove_bytes(0x15000, 0x15000);
	remove_bytes(0x18000, 0x17000);
	EXPECT_MAP(0x11000, 0x13000, 0x17000, 0x1f000);
	remove_bytes(0x17000, 0x1f000); /* exactly one */
	EXPECT_MAP(0x11000, 0x13000);
	remove_bytes(0x0, 0x100000);
	assert_int_equal(map.count, 0);
}

/* Regression: an empty range in the middle of a frame took that frame out. */
static void test_remove_of_nothing(void **state)
{
	(void)state;
	add(0x1000, 0x8000);
	remove_bytes(0x2800, 0x2800);
	remove_bytes(0x2801, 0x2800);
	EXPECT_MAP(0x1000, 0x8000);
	remove_bytes(0x2800, 0x2801);
	EXPECT_MAP(0x1000, 0x2000, 0x3000, 0x8000);
}

static void test_remove_spans_several(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 8; i++) {
		add(i * 0x10000, i * 0x10000 + 0x4000);
	}
	remove_bytes(0x12000, 0x61000);
	EXPECT_MAP(0x0, 0x4000, 0x10000, 0x12000, 0x61000, 0x64000, 0x70000, 0x74000);
}

static void fill_up(void)
{
	for (uint64_t i = 0; i < MEMMAP_REGIONS_MAX; i++) {
		add(i * 0x10000, i * 0x10000 + 0x3000);
	}
}

static void test_full_map_is_unchanged(void **state)
{
	hpa_t place = {1};
	(void)state;
	fill_up();
	static struct memmap before;
	before = map;
	assert_int_equal(memmap_add(&map, 0x8000, 0x9000), STATUS_NO_MEMORY);
	assert_int_equal(memmap_add(&map, 0x10000000, 0x10001000), STATUS_NO_MEMORY);
	assert_int_equal(memmap_remove(&map, 0x1000, 0x2000), STATUS_NO_MEMORY);
	assert_int_equal(memmap_take(&map, 0x1000, 0x2000, 0x20001, UINT64_MAX, &place),
			 STATUS_OK); /* at the end of a region: needs no new one */
	assert_int_equal(place.v, 0x22000);
	assert_int_equal(memmap_add(&map, place.v, place.v + 0x1000), STATUS_OK);
	assert_int_equal(memmap_take(&map, 0x1000, 0x1000, 0x21000, 0x22000, &place),
			 STATUS_NO_MEMORY);
	assert_memory_equal(&map, &before, sizeof(map));
	add(0x3000, 0x10000); /* merging works in a full map */
	assert_int_equal(map.count, MEMMAP_REGIONS_MAX - 1);
}

static void test_keep(void **state)
{
	static struct memmap other;
	(void)state;
	add(0x1000, 0x9000);
	add(0x10000, 0x20000);
	add(0x40000, 0x50000);
	memmap_init(&other);
	assert_int_equal(memmap_add(&other, 0x0, 0x2000), STATUS_OK);
	assert_int_equal(memmap_add(&other, 0x3000, 0x4000), STATUS_OK);
	assert_int_equal(memmap_add(&other, 0x8000, 0x12000), STATUS_OK);
	assert_int_equal(memmap_add(&other, 0x18000, 0x30000), STATUS_OK);
	assert_int_equal(memmap_keep(&map, &other), STATUS_OK);
	EXPECT_MAP(0x1000, 0x2000, 0x3000, 0x4000, 0x8000, 0x9000, 0x10000, 0x12000, 0x18000,
		   0x20000);
	memmap_init(&other);
	assert_int_equal(memmap_keep(&map, &other), STATUS_OK);
	assert_int_equal(map.count, 0);
	fill_up(); /* two pieces of one are one too many */
	assert_int_equal(memmap_add(&other, 0x0, 0x1000), STATUS_OK);
	assert_int_equal(memmap_add(&other, 0x2000, UINT64_MAX), STATUS_OK);
	assert_int_equal(memmap_keep(&map, &other), STATUS_NO_MEMORY);
}

static void test_drop_smallest(void **state)
{
	(void)state;
	assert_int_equal(memmap_drop_smallest(&map), 0);
	add(0x1000, 0x5000);
	add(0x10000, 0x13000);
	add(0x20000, 0x22000);
	add(0x30000, 0x36000);
	assert_int_equal(memmap_drop_smallest(&map), 0x2000);
	EXPECT_MAP(0x1000, 0x5000, 0x10000, 0x13000, 0x30000, 0x36000);
	assert_int_equal(memmap_drop_smallest(&map), 0x3000);
	assert_int_equal(memmap_drop_smallest(&map), 0x4000);
	assert_int_equal(memmap_drop_smallest(&map), 0x6000);
	assert_int_equal(map.count, 0);
}

static void test_take(void **state)
{
	hpa_t place;
	(void)state;
	add(0x1000, 0x8000);
	add(0x200000, 0x600000);
	add(0x40000000, 0x80000000);
	assert_int_equal(memmap_take(&map, 0x2000, 0x1000, 0, UINT64_MAX, &place), STATUS_OK);
	assert_int_equal(place.v, 0x1000);
	assert_int_equal(memmap_take(&map, 0x2000, 0x4000, 0, UINT64_MAX, &place), STATUS_OK);
	assert_int_equal(place.v, 0x4000);
	EXPECT_MAP(0x3000, 0x4000, 0x6000, 0x8000, 0x200000, 0x600000, 0x40000000, 0x80000000);
	assert_int_equal(memmap_take(&map, 0x200000, 0x200000, 0x200001, UINT64_MAX, &place),
			 STATUS_OK);
	assert_int_equal(place.v, 0x400000);
	assert_int_equal(memmap_take(&map, 0x1000, 0x1000, 0x300000, 0x300fff, &place),
			 STATUS_NO_MEMORY); /* one byte too low a ceiling */
	assert_int_equal(memmap_take(&map, 0x1000, 0x1000, 0x300000, 0x301000, &place), STATUS_OK);
	assert_int_equal(place.v, 0x300000);
	assert_int_equal(memmap_take(&map, 0x40000000, 0x40000000, 0, UINT64_MAX, &place),
			 STATUS_OK); /* exactly all of a region */
	assert_int_equal(place.v, 0x40000000);
	assert_int_equal(memmap_take(&map, 0x1000000, 0x1000, 0, UINT64_MAX, &place),
			 STATUS_NO_MEMORY);
	assert_int_equal(memmap_take(&map, 0x1000, 0x1000, 0x7000, 0x7000, &place),
			 STATUS_NO_MEMORY);
}

static void test_take_skips_what_alignment_spoils(void **state)
{
	hpa_t place;
	(void)state;
	add(0x1ff000, 0x3fe000); /* nearly 2 MiB, but not one that is aligned */
	add(0x7ff000, 0xa01000);
	assert_int_equal(memmap_take(&map, 0x200000, 0x200000, 0, UINT64_MAX, &place), STATUS_OK);
	assert_int_equal(place.v, 0x800000);
	EXPECT_MAP(0x1ff000, 0x3fe000, 0x7ff000, 0x800000, 0xa00000, 0xa01000);
}

/* QEMU's PC with 512 MiB, as SeaBIOS reports it. */
static void test_qemu_pc(void **state)
{
	(void)state;
	add(0x0, 0x9fc00);
	add(0x100000, 0x1ffe0000);
	remove_bytes(0, MIB(1));
	EXPECT_MAP(0x100000, 0x1ffe0000);
	assert_int_equal(memmap_bytes(&map), 0x1fee0000);
	assert_int_equal(memmap_drop_remote(&map, 16), 0);
}

/* A laptop with 16 GiB: UEFI's many pieces, unsorted, overlapped by what is reserved. */
static void test_laptop_16_gib(void **state)
{
	(void)state;
	add(0x100000000, 0x46e800000);
	add(0x0, 0x58000);
	add(0x59000, 0x9f000);
	add(0x100000, 0x5bca5000);
	add(0x5bca7000, 0x60a40000);
	add(0x60a41000, 0x6a2e5000);
	add(0x6aabd000, 0x6ab0e000);
	add(0x100000000, 0x200000000); /* said twice */
	remove_bytes(0x0, MIB(1));
	remove_bytes(0x5bca5123, 0x5bca6123); /* firmware says two things: reserved wins */
	assert_int_equal(memmap_end(&map), 0x46e800000);
	assert_int_equal(memmap_bytes(&map),
			 0x36e800000 + (0x5bca5000 - 0x100000) + (0x60a40000 - 0x5bca7000) +
				 (0x6a2e5000 - 0x60a41000) + (0x6ab0e000 - 0x6aabd000));
	assert_int_equal(memmap_drop_remote(&map, 16), 0);
	assert_int_equal(map.count, 5);
}

/* A server with two nodes, 64 GiB and 192 GiB, the second far above. */
static void test_server_with_two_nodes(void **state)
{
	hpa_t place;
	(void)state;
	add(GIB(4), GIB(64) + GIB(2));
	add(GIB(512), GIB(704));
	add(MIB(1), GIB(2));
	assert_int_equal(memmap_bytes(&map), GIB(62) + GIB(192) + GIB(2) - MIB(1));
	assert_int_equal(memmap_drop_remote(&map, 16), 0); /* 450 GiB of distance cost 2.5 GiB */
	uint64_t table_bytes = memmap_end(&map) / PAGE_BYTES * 16;
	assert_int_equal(memmap_take(&map, table_bytes, PAGE_BYTES, MIB(16), UINT64_MAX, &place),
			 STATUS_OK);
	assert_int_equal(place.v, GIB(4)); /* 2.75 GiB do not fit below */
}

/* A sliver of RAM at 1 TiB would need 4 GiB of frame table: it is dropped, and only it. */
static void test_drop_remote_sliver(void **state)
{
	(void)state;
	add(MIB(1), GIB(2));
	add(GIB(4), GIB(70));
	add(GIB(1024), GIB(1024) + MIB(2));
	assert_int_equal(memmap_drop_remote(&map, 16), MIB(2));
	assert_int_equal(memmap_end(&map), GIB(70));
	assert_int_equal(memmap_drop_remote(&map, 16), 0);
}

static void test_drop_remote_several(void **state)
{
	(void)state;
	add(MIB(1), MIB(64));
	add(GIB(1000), GIB(1000) + MIB(1));
	add(GIB(2000), GIB(2000) + MIB(1));
	assert_int_equal(memmap_drop_remote(&map, 16), MIB(2));
	EXPECT_MAP(MIB(1), MIB(64));
	/* The only region stays whatever it costs. */
	memmap_init(&map);
	add(GIB(1000), GIB(1000) + MIB(1));
	assert_int_equal(memmap_drop_remote(&map, 16), 0);
}

/*
 * Regression: two neighbouring regions far away are worth their distance together; dropping the
 * upper one because it alone is small must not be decided by the whole distance.
 */
static void test_drop_remote_counts_distance_to_neighbour(void **state)
{
	(void)state;
	add(MIB(1), GIB(2));
	add(GIB(64), GIB(96));
	add(GIB(96) + MIB(1), GIB(96) + MIB(2)); /* a step further than its neighbour */
	assert_int_equal(memmap_drop_remote(&map, 16), 0);
	assert_int_equal(map.count, 3);
}

/* Random additions and removals against an array of flags. */
static void test_random_against_bitmap(void **state)
{
	enum { FRAMES = 400 };
	static bool flags[FRAMES];
	(void)state;
	srand(20260101);
	memset(flags, 0, sizeof(flags));
	for (unsigned step = 0; step < 20000; step++) {
		uint64_t start = (uint64_t)rand() % (FRAMES * 4);
		uint64_t end = start + (uint64_t)rand() % 48; /* in quarters of a frame */
		bool adding = rand() % 2 == 0;
		uint64_t first = adding ? (start + 3) / 4 : start / 4;
		uint64_t last = adding ? end / 4 : (end + 3) / 4;
		enum status status = adding ? memmap_add(&map, start * 1024, end * 1024)
					    : memmap_remove(&map, start * 1024, end * 1024);
		assert_int_equal(status, STATUS_OK);
		for (uint64_t i = first; start < end && i < last && i < FRAMES; i++) {
			flags[i] = adding;
		}
		uint64_t pages = 0;
		for (unsigned i = 0; i < map.count; i++) {
			assert_true(map.regions[i].start < map.regions[i].end);
			assert_true(i == 0 || map.regions[i - 1].end < map.regions[i].start);
			for (uint64_t at = map.regions[i].start; at < map.regions[i].end;
			     at += PAGE_BYTES) {
				assert_true(at / PAGE_BYTES >= FRAMES || flags[at / PAGE_BYTES]);
				pages += at / PAGE_BYTES < FRAMES;
			}
		}
		for (unsigned i = 0; i < FRAMES; i++) {
			pages -= flags[i];
		}
		assert_int_equal(pages, 0);
	}
}

static void test_touches(void **state)
{
	(void)state;
	assert_false(memmap_touches(&map, 0, UINT64_MAX));
	assert_int_equal(memmap_add(&map, 0x1000, 0x3000), STATUS_OK);
	assert_int_equal(memmap_add(&map, 0x5000, 0x6000), STATUS_OK);
	assert_false(memmap_touches(&map, 0, 0x1000));
	assert_true(memmap_touches(&map, 0, 0x1001));
	assert_true(memmap_touches(&map, 0x2fff, 0x3000));
	assert_false(memmap_touches(&map, 0x3000, 0x5000));
	assert_true(memmap_touches(&map, 0x3000, 0x5001));
	assert_true(memmap_touches(&map, 0x5800, 0x5801));
	assert_false(memmap_touches(&map, 0x6000, UINT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_empty, start_empty),
		cmocka_unit_test_setup(test_add_rounds_inwards, start_empty),
		cmocka_unit_test_setup(test_add_unsorted, start_empty),
		cmocka_unit_test_setup(test_add_merges_neighbours_and_overlaps, start_empty),
		cmocka_unit_test_setup(test_top_of_address_space, start_empty),
		cmocka_unit_test_setup(test_remove, start_empty),
		cmocka_unit_test_setup(test_remove_of_nothing, start_empty),
		cmocka_unit_test_setup(test_remove_spans_several, start_empty),
		cmocka_unit_test_setup(test_full_map_is_unchanged, start_empty),
		cmocka_unit_test_setup(test_keep, start_empty),
		cmocka_unit_test_setup(test_drop_smallest, start_empty),
		cmocka_unit_test_setup(test_take, start_empty),
		cmocka_unit_test_setup(test_take_skips_what_alignment_spoils, start_empty),
		cmocka_unit_test_setup(test_qemu_pc, start_empty),
		cmocka_unit_test_setup(test_laptop_16_gib, start_empty),
		cmocka_unit_test_setup(test_server_with_two_nodes, start_empty),
		cmocka_unit_test_setup(test_drop_remote_sliver, start_empty),
		cmocka_unit_test_setup(test_drop_remote_several, start_empty),
		cmocka_unit_test_setup(test_drop_remote_counts_distance_to_neighbour, start_empty),
		cmocka_unit_test_setup(test_random_against_bitmap, start_empty),
		cmocka_unit_test_setup(test_touches, start_empty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
