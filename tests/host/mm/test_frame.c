/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/frame.c: laying out the table, every edge of the state machine, cutting and joining. */
#include "fake/world.h"

#include <string.h>

#include "base/bits.h"
#include "mm/alloc.h"

static const struct frame_tag dirty0 = {FRAME_DIRTY, 0, VM_ID_HOST};
static const struct frame_tag zeroed0 = {FRAME_ZEROED, 0, VM_ID_HOST};
static const struct frame_tag guest0 = {FRAME_GUEST, 0, 7};

static struct frame_tag tag_of(uint64_t pfn)
{
	return frame_table[pfn].tag;
}

static void expect_tag(uint64_t pfn, enum frame_state state, unsigned order, vm_id_t owner)
{
	assert_int_equal(tag_of(pfn).state, state);
	assert_int_equal(tag_of(pfn).order, order);
	assert_int_equal(tag_of(pfn).owner, owner);
}

static uint64_t sum_of_states(void)
{
	uint64_t sum = 0;
	for (unsigned state = 0; state < FRAME_STATE_COUNT; state++) {
		sum += frame_count((enum frame_state)state);
	}
	return sum;
}

/* A map with holes becomes the fewest aligned extents; nothing is left out. */
static void test_init_layout(void **state)
{
	static struct memmap available = {
		2, {{0x3000, 0x9000}, {0x10000, 0x15000}}}; /* frames 3..8 and 16..20 */
	static struct memmap hypervisor = {2, {{0x9000, 0xb000}, {0x15000, 0x16000}}};
	(void)state;
	world_start_map(&available, &hypervisor, 24, 2);
	world_check();
	expect_tag(0, FRAME_RESERVED, 1, 0);
	expect_tag(2, FRAME_RESERVED, 0, 0);
	expect_tag(3, FRAME_DIRTY, 0, 0);
	expect_tag(4, FRAME_DIRTY, 2, 0);
	expect_tag(5, FRAME_TAIL, 0, 0);
	expect_tag(8, FRAME_DIRTY, 0, 0);
	expect_tag(9, FRAME_HYPERVISOR, 0, 0);
	expect_tag(10, FRAME_HYPERVISOR, 0, 0);
	expect_tag(11, FRAME_RESERVED, 0, 0);
	expect_tag(12, FRAME_RESERVED, 2, 0);
	expect_tag(16, FRAME_DIRTY, 2, 0);
	expect_tag(20, FRAME_DIRTY, 0, 0);
	expect_tag(21, FRAME_HYPERVISOR, 0, 0);
	expect_tag(22, FRAME_RESERVED, 1, 0);
	assert_int_equal(frame_count(FRAME_DIRTY), 11);
	assert_int_equal(frame_count(FRAME_HYPERVISOR), 3);
	assert_int_equal(frame_count(FRAME_RESERVED), 10);
	assert_int_equal(frame_count_free(), 11);
	assert_int_equal(sum_of_states(), 24);
}

/* The map may reach beyond the table (RAM that was dropped): what is beyond does not exist. */
static void test_init_map_beyond_the_table(void **state)
{
	static struct memmap available = {2, {{0x1000, 0x20000}, {0x100000, 0x200000}}};
	static struct memmap hypervisor = {1, {{0x300000, 0x301000}}};
	(void)state;
	world_start_map(&available, &hypervisor, 20, 2);
	world_check();
	assert_int_equal(frame_count(FRAME_DIRTY), 19);
	assert_int_equal(frame_count(FRAME_RESERVED), 1);
}

static void test_init_nothing_available(void **state)
{
	static struct memmap nothing;
	(void)state;
	world_start_map(&nothing, &nothing, 100, 2);
	world_check();
	assert_int_equal(frame_count(FRAME_RESERVED), 100);
	assert_int_equal(scrub_step(18), 0);
}

/* A machine of 256 GiB with a hole below 4 GiB; only the table is real here. */
static void test_init_large_machine(void **state)
{
	static struct memmap available = {2, {{MIB(1), GIB(3)}, {GIB(4), GIB(257)}}};
	static struct memmap hypervisor = {0, {{0, 0}}};
	(void)state;
	world_start_map(&available, &hypervisor, GIB(257) >> PAGE_SHIFT, 2);
	world_check();
	assert_int_equal(frame_count(FRAME_DIRTY), (GIB(256) - MIB(1)) >> PAGE_SHIFT);
	expect_tag(GIB(256) >> PAGE_SHIFT, FRAME_DIRTY, ORDER_1G, 0);
	expect_tag(MIB(1) >> PAGE_SHIFT, FRAME_DIRTY, 8, 0);
	expect_tag(GIB(3) >> PAGE_SHIFT, FRAME_RESERVED, ORDER_1G, 0);
}

/*
 * Puts frame `pfn` of a fresh world into `state`, by force: the pools are of no interest here, and
 * the counts are brought along by way of the legal path.
 */
static struct frame_tag bring_to(uint64_t pfn, enum frame_state state)
{
	static const enum frame_state paths[FRAME_STATE_COUNT][5] = {
		[FRAME_DIRTY] = {FRAME_STATE_COUNT},
		[FRAME_ZEROED] = {FRAME_ZEROED, FRAME_STATE_COUNT},
		[FRAME_GUEST] = {FRAME_ZEROED, FRAME_GUEST, FRAME_STATE_COUNT},
		[FRAME_HYPERVISOR] = {FRAME_ZEROED, FRAME_HYPERVISOR, FRAME_STATE_COUNT},
		[FRAME_REVOKING] = {FRAME_ZEROED, FRAME_GUEST, FRAME_REVOKING, FRAME_STATE_COUNT},
	};
	struct frame_tag tag = tag_of(pfn);
	for (const enum frame_state *at = paths[state]; *at != FRAME_STATE_COUNT; at++) {
		struct frame_tag next = {(uint8_t)*at, tag.order, VM_ID_HOST};
		frame_transition((pfn_t){pfn}, tag, next);
		tag = next;
	}
	return tag;
}

static void test_every_edge(void **state)
{
	static const bool legal[FRAME_STATE_COUNT][FRAME_STATE_COUNT] = {
		[FRAME_HYPERVISOR] = {[FRAME_DIRTY] = true, [FRAME_REVOKING] = true},
		[FRAME_DIRTY] = {[FRAME_ZEROED] = true},
		[FRAME_ZEROED] = {[FRAME_HYPERVISOR] = true,
				  [FRAME_GUEST] = true,
				  [FRAME_ZEROED] = true}, /* from a pool to a cache and back */
		[FRAME_GUEST] = {[FRAME_REVOKING] = true},
		[FRAME_REVOKING] = {[FRAME_DIRTY] = true},
	};
	(void)state;
	for (unsigned from = FRAME_HYPERVISOR; from < FRAME_STATE_COUNT; from++) {
		for (unsigned to = 0; to < FRAME_STATE_COUNT; to++) {
			world_start(1, 1, 2);
			struct frame_tag tag = bring_to(1, (enum frame_state)from);
			struct frame_tag next = {(uint8_t)to, 0, 3};
			uint64_t before = frame_count((enum frame_state)to);
			if (legal[from][to]) {
				frame_transition((pfn_t){1}, tag, next);
				expect_tag(1, (enum frame_state)to, 0, 3);
				assert_int_equal(frame_count((enum frame_state)to),
						 before + (from == to ? 0 : 1));
			} else {
				expect_panic("edges", frame_transition((pfn_t){1}, tag, next));
				expect_tag(1, (enum frame_state)from, 0, tag.owner);
				assert_int_equal(frame_count((enum frame_state)to), before);
			}
			assert_int_equal(sum_of_states(), 2);
			world_stop();
		}
	}
}

static void test_reserved_and_tails_never_move(void **state)
{
	(void)state;
	world_start(2, 6, 2);
	struct frame_tag reserved = tag_of(0);
	assert_int_equal(reserved.state, FRAME_RESERVED);
	for (unsigned to = 0; to < FRAME_STATE_COUNT; to++) {
		struct frame_tag next = {(uint8_t)to, reserved.order, VM_ID_HOST};
		expect_panic("edges", frame_transition((pfn_t){0}, reserved, next));
		next.order = 0;
		assert_int_equal(tag_of(5).state, FRAME_TAIL);
		expect_panic("edges", frame_transition((pfn_t){5}, tag_of(5), next));
	}
}

static void test_wrong_expectations_panic(void **state)
{
	(void)state;
	world_start(1, 1, 2);
	expect_panic("expected state=4", frame_transition((pfn_t){1}, zeroed0, guest0));
	expect_panic("owner=5",
		     frame_transition((pfn_t){1}, (struct frame_tag){FRAME_DIRTY, 0, 5}, zeroed0));
	expect_panic("order=1", frame_transition((pfn_t){1}, (struct frame_tag){FRAME_DIRTY, 1, 0},
						 (struct frame_tag){FRAME_ZEROED, 1, 0}));
	expect_panic("next.order",
		     frame_transition((pfn_t){1}, dirty0, (struct frame_tag){FRAME_ZEROED, 1, 0}));
	expect_panic("next.order", frame_transition((pfn_t){1}, dirty0,
						    (struct frame_tag){FRAME_STATE_COUNT, 0, 0}));
	expect_panic("frame_table_count", frame_transition((pfn_t){2}, dirty0, zeroed0));
	expect_panic("frame_table_count", frame_transition((pfn_t){~0ull}, dirty0, zeroed0));
	world_check();
}

static void test_split_and_join(void **state)
{
	(void)state;
	world_start(8, 8, 2);
	struct frame_tag tag = bring_to(8, FRAME_GUEST);
	assert_int_equal(tag.order, 3);
	frame_of((pfn_t){8})->gfn = 0x100;
	frame_split((pfn_t){8}, tag);
	expect_tag(8, FRAME_GUEST, 2, 0);
	expect_tag(12, FRAME_GUEST, 2, 0);
	expect_tag(9, FRAME_TAIL, 0, 0);
	assert_int_equal(frame_of((pfn_t){12})->gfn, 0x104);
	assert_int_equal(frame_count(FRAME_GUEST), 8);
	struct frame_tag half = {FRAME_GUEST, 2, 0};
	frame_merge((pfn_t){8}, half);
	expect_tag(8, FRAME_GUEST, 3, 0);
	expect_tag(12, FRAME_TAIL, 0, 0);
	expect_panic("expected", frame_split((pfn_t){12}, half));
	expect_panic("expected", frame_split((pfn_t){8}, half));
	frame_split((pfn_t){8}, tag);
	expect_panic("is_aligned", frame_merge((pfn_t){12}, half)); /* 12 is an upper half */
	assert_int_equal(sum_of_states(), 16);
}

/* A world with two GUEST extents of four frames each, halves of one; `half` is their tag. */
static struct frame_tag two_halves(void)
{
	world_start(8, 8, 2);
	frame_split((pfn_t){8}, bring_to(8, FRAME_GUEST));
	return (struct frame_tag){FRAME_GUEST, 2, VM_ID_HOST};
}

static void test_halves_that_do_not_fit(void **state)
{
	(void)state;
	struct frame_tag half = two_halves();
	frame_table[12].gfn++;
	expect_panic("gfn", frame_merge((pfn_t){8}, half));
	world_stop();
	half = two_halves();
	frame_table[12].tag.owner = 9;
	expect_panic("owner=9", frame_merge((pfn_t){8}, half));
	world_stop();
	half = two_halves();
	frame_transition((pfn_t){12}, half, (struct frame_tag){FRAME_REVOKING, 2, VM_ID_HOST});
	expect_panic("state=6", frame_merge((pfn_t){8}, half));
}

static void test_single_frames_cannot_be_split(void **state)
{
	(void)state;
	world_start(1, 1, 2);
	expect_panic("order > 0", frame_split((pfn_t){1}, dirty0));
}

static void test_shatter_and_unite(void **state)
{
	(void)state;
	world_start(512, 512, 2);
	struct frame_tag tag = bring_to(512, FRAME_GUEST);
	frame_of((pfn_t){512})->gfn = 0x4000;
	expect_panic("piece_order", frame_shatter((pfn_t){512}, tag, ORDER_2M));
	frame_shatter((pfn_t){512}, tag, ORDER_4K);
	for (uint64_t i = 0; i < 512; i++) {
		expect_tag(512 + i, FRAME_GUEST, 0, 0);
		assert_int_equal(frame_of((pfn_t){512 + i})->gfn, 0x4000 + i);
	}
	assert_int_equal(frame_count(FRAME_GUEST), 512);
	struct frame_tag piece = {FRAME_GUEST, 0, VM_ID_HOST};
	expect_panic("is_aligned", frame_unite((pfn_t){513}, piece, ORDER_2M));
	expect_panic("order > piece", frame_unite((pfn_t){512}, piece, ORDER_4K));
	frame_unite((pfn_t){512}, piece, ORDER_2M);
	expect_tag(512, FRAME_GUEST, ORDER_2M, 0);
	for (uint64_t i = 1; i < 512; i++) {
		expect_tag(512 + i, FRAME_TAIL, 0, 0);
	}
	assert_int_equal(sum_of_states(), 1024);
}

static void test_shatter_1g_into_2m(void **state)
{
	(void)state;
	static struct memmap available = {1, {{GIB(1), GIB(2)}}};
	static struct memmap nothing;
	world_start_map(&available, &nothing, GIB(2) >> PAGE_SHIFT, 2);
	uint64_t first = GIB(1) >> PAGE_SHIFT;
	struct frame_tag tag = bring_to(first, FRAME_GUEST);
	assert_int_equal(tag.order, ORDER_1G);
	frame_shatter((pfn_t){first}, tag, ORDER_2M);
	struct frame_tag piece = {FRAME_GUEST, ORDER_2M, VM_ID_HOST};
	expect_tag(first + 511 * 512, FRAME_GUEST, ORDER_2M, 0);
	assert_int_equal(frame_of((pfn_t){first + 511 * 512})->gfn, 511 * 512);
	frame_unite((pfn_t){first}, piece, ORDER_1G);
	expect_tag(first, FRAME_GUEST, ORDER_1G, 0);
	expect_tag(first + 511 * 512, FRAME_TAIL, 0, 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_init_layout),
		TEST(test_init_map_beyond_the_table),
		TEST(test_init_nothing_available),
		TEST(test_init_large_machine),
		TEST(test_every_edge),
		TEST(test_reserved_and_tails_never_move),
		TEST(test_wrong_expectations_panic),
		TEST(test_split_and_join),
		TEST(test_halves_that_do_not_fit),
		TEST(test_single_frames_cannot_be_split),
		TEST(test_shatter_and_unite),
		TEST(test_shatter_1g_into_2m),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
