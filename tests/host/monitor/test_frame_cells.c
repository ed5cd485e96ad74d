/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/monitor/frame_cells.c: cells for machines of all sizes on screens of all sizes; what a
 * cell looks like, against a count of every frame.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "kernel/monitor/frame_cells.h"

#define FRAMES 4096

static struct frame table[FRAMES];

static int start(void **state)
{
	(void)state;
	memset(table, 0, sizeof(table));
	frame_table = table;
	frame_table_count = FRAMES;
	return 0;
}

/* ---- Geometry -------------------------------------------------------------------------------- */

static void check_fit(uint64_t frames, unsigned width, unsigned height)
{
	struct frame_cells cells;
	assert_true(frame_cells_fit(frames, width, height, &cells));
	assert_true(cells.count >= 1 && cells.count <= FRAME_CELLS_MAX);
	assert_true((uint64_t)cells.count << cells.order >= frames);
	assert_true((uint64_t)(cells.count - 1) << cells.order < frames);
	assert_true(cells.columns * cells.side <= width && cells.rows * cells.side <= height);
	assert_true(cells.columns * cells.rows >= cells.count);
	assert_true(cells.side >= FRAME_CELL_SIDE_LEAST && cells.side <= FRAME_CELL_SIDE_MOST);
	/* Half as many frames in a cell would not fit. */
	if (cells.order > 0) {
		uint64_t more = (frames + (1ull << (cells.order - 1)) - 1) >> (cells.order - 1);
		uint64_t room = (uint64_t)(width / FRAME_CELL_SIDE_LEAST) *
				(height / FRAME_CELL_SIDE_LEAST);
		assert_true(more > room || more > FRAME_CELLS_MAX);
	}
}

static void test_cells_fit(void **state)
{
	static const unsigned sizes[][2] = {{1024, 400}, {640, 200}, {1280, 700}, {8, 8}, {17, 9}};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(sizes); i++) {
		for (uint64_t frames = 1; frames < 1ull << 34; frames = frames * 3 + 1) {
			check_fit(frames, sizes[i][0], sizes[i][1]);
		}
	}
	struct frame_cells cells;
	assert_false(frame_cells_fit(100, 7, 400, &cells));
	assert_false(frame_cells_fit(100, 1024, 7, &cells));
	assert_false(frame_cells_fit(0, 1024, 400, &cells));
	assert_true(frame_cells_fit(16384, 1024, 400, &cells)); /* 64 MiB */
	assert_int_equal(cells.order, 2);
	assert_int_equal(cells.count, 4096);
}

/* ---- Looks ----------------------------------------------------------------------------------- */

static void test_looks(void **state)
{
	(void)state;
	assert_int_equal(frame_look((struct frame_tag){FRAME_RESERVED, 0, 0}), LOOK_RESERVED);
	assert_int_equal(frame_look((struct frame_tag){FRAME_HYPERVISOR, 0, 3}), LOOK_HYPERVISOR);
	assert_int_equal(frame_look((struct frame_tag){FRAME_DIRTY, 9, 0}), LOOK_DIRTY);
	/* Lent to a VM's cache, and still free. */
	assert_int_equal(frame_look((struct frame_tag){FRAME_ZEROED, 0, 2}), LOOK_ZEROED);
	assert_int_equal(frame_look((struct frame_tag){FRAME_GUEST, 0, 1}), LOOK_OWNED);
	assert_int_equal(frame_look((struct frame_tag){FRAME_GUEST, 8, 2}), LOOK_OWNED | 1);
	assert_int_equal(frame_look((struct frame_tag){FRAME_GUEST, 9, 14}),
			 LOOK_OWNED | LOOK_LARGE | 13);
	assert_int_equal(frame_look((struct frame_tag){FRAME_GUEST, 18, 15}),
			 LOOK_OWNED | LOOK_LARGE);
	assert_int_equal(frame_look((struct frame_tag){FRAME_REVOKING, 9, 3}),
			 LOOK_OWNED | LOOK_QUARANTINE | 2);
	assert_int_equal(frame_look((struct frame_tag){FRAME_REVOKING, 0, VM_ID_HOST}), LOOK_DIRTY);
	assert_int_equal(frame_look((struct frame_tag){FRAME_STATE_COUNT, 0, 1}), LOOK_RESERVED);
}

static void put(uint64_t pfn, enum frame_state state, unsigned order, vm_id_t owner)
{
	memset(&table[pfn], 0, sizeof(table[0]) << order);
	table[pfn].tag = (struct frame_tag){(uint8_t)state, (uint8_t)order, owner};
}

static struct frame_scan scan;

/* In steps of one record; answers how many it took. */
static unsigned look_at(uint64_t first, uint64_t end, uint8_t *look)
{
	unsigned steps = 0;
	unsigned work = 0;
	frame_scan_begin(&scan, first, end);
	while (!frame_scan_step(&scan, &work, look)) {
		assert_int_equal(work, 0);
		work = 1;
		assert_true(++steps <= end - first);
	}
	return steps;
}

static void expect(uint64_t first, uint64_t end, unsigned look)
{
	uint8_t found;
	(void)look_at(first, end, &found);
	assert_int_equal(found, look);
}

static void test_most_frames_decide(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 16; i++) {
		put(i, FRAME_DIRTY, 0, VM_ID_HOST);
	}
	expect(0, 8, LOOK_DIRTY);
	put(0, FRAME_GUEST, 2, 1);
	put(4, FRAME_GUEST, 0, 2);
	expect(0, 8, LOOK_OWNED);
	put(4, FRAME_GUEST, 2, 2);
	put(0, FRAME_GUEST, 1, 1);
	put(2, FRAME_ZEROED, 1, 0);
	expect(0, 8, LOOK_OWNED | 1);
	/* More looks than there is room for: one of the first. */
	for (unsigned i = 0; i < 16; i++) {
		put(i, FRAME_GUEST, 0, (vm_id_t)(i + 1));
	}
	put(0, FRAME_GUEST, 0, 2);
	expect(0, 16, LOOK_OWNED | 1);
}

static void test_large_extents_across_cells(void **state)
{
	uint8_t look;
	(void)state;
	put(0, FRAME_GUEST, 9, 1);
	put(512, FRAME_GUEST, 9, 1);
	put(1024, FRAME_DIRTY, 10, VM_ID_HOST);
	/* Cells of 64 frames: eight of a page, and it begins in the first. */
	for (uint64_t first = 0; first < 1024; first += 64) {
		unsigned begin = first % 512 == 0 ? LOOK_BEGIN : 0;
		assert_int_equal(look_at(first, first + 64, &look), 1);
		assert_int_equal(look, LOOK_OWNED | LOOK_LARGE | begin);
	}
	expect(1024, 1088, LOOK_DIRTY);
	/* Out of turn: the head is found from the middle. */
	expect(700, 764, LOOK_OWNED | LOOK_LARGE);
	expect(1500, 1564, LOOK_DIRTY);
	/* Two pages in a cell. */
	assert_int_equal(look_at(0, 1024, &look), 2);
	assert_int_equal(look, LOOK_OWNED | LOOK_LARGE | LOOK_BEGIN);
	/* Split while the scan is in the middle of it. */
	expect(0, 64, LOOK_OWNED | LOOK_LARGE | LOOK_BEGIN);
	for (unsigned i = 0; i < 512; i++) {
		put(i, FRAME_ZEROED, 0, VM_ID_HOST);
	}
	expect(64, 128, LOOK_OWNED | LOOK_LARGE); /* as it was; the next round sees it */
	expect(0, 64, LOOK_ZEROED);
}

/* Tails without a head are what a CPU leaves for a moment while it joins pages. */
static void test_tails_alone(void **state)
{
	(void)state;
	expect(5, 9, LOOK_RESERVED);
	put(8, FRAME_GUEST, 0, 1);
	expect(9, 10, LOOK_RESERVED);
	table[0].tag = (struct frame_tag){FRAME_GUEST, 200, 1}; /* no order */
	expect(1, 2, LOOK_RESERVED);
}

static void test_random_tables(void **state)
{
	(void)state;
	srand(3);
	for (unsigned round = 0; round < 50; round++) {
		static uint8_t looks[FRAMES];
		start(state);
		for (uint64_t at = 0; at < FRAMES;) {
			unsigned order = (unsigned)rand() % 11;
			while (!is_aligned_u64(at, 1ull << order) ||
			       at + (1ull << order) > FRAMES) {
				order--;
			}
			put(at, (enum frame_state)(FRAME_RESERVED + rand() % 6), order,
			    (vm_id_t)(1 + rand() % 2));
			for (uint64_t i = 0; i < 1ull << order; i++) {
				looks[at + i] = frame_look(table[at].tag);
			}
			at += 1ull << order;
		}
		unsigned size = 1u << rand() % 8;
		for (uint64_t first = 0; first < FRAMES; first += size) {
			unsigned counts[256] = {0};
			unsigned best = 0;
			uint8_t look;
			for (unsigned i = 0; i < size; i++) {
				unsigned now = ++counts[looks[first + i]];
				best = now > best ? now : best;
			}
			(void)look_at(first, first + size, &look);
			/* Pages that begin here and others are counted apart. */
			unsigned seen = counts[look & ~LOOK_BEGIN];
			assert_true(seen * 2 >= best);
			assert_true(size > 64 || seen == best);
		}
	}
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_cells_fit),	       TEST(test_looks),
		TEST(test_most_frames_decide), TEST(test_large_extents_across_cells),
		TEST(test_tails_alone),	       TEST(test_random_tables),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
