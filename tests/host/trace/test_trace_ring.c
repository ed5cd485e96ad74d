/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/trace/ring.c and block.c: the ring comes round, loses its oldest records and says how
 * many, a reader that runs at the same time as the writer never gets half a record, and the bytes
 * of a block are those that tests/boot/test_recording.py decodes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "kernel/trace/block.h"
#include "kernel/trace/ring.h"

#define MOST 100

static struct trace_record places[TRACE_RING_RECORDS];
static struct trace_ring ring;
static struct trace_block block;
static struct trace_record got[MOST];

static int setup(void **state)
{
	(void)state;
	memset(places, 0, sizeof(places));
	memset(&block, 0, sizeof(block));
	ring = (struct trace_ring){.records = places};
	return 0;
}

static void put(uint64_t number)
{
	trace_ring_put(&ring, 1000 + number, 0x20107, number, ~number);
}

static void expect_record(const struct trace_record *record, uint64_t number)
{
	assert_int_equal(record->words[0], 1000 + number);
	assert_int_equal(record->words[1], 0x20107 | number << 32);
	assert_int_equal(record->words[2], number);
	assert_int_equal(record->words[3], ~number);
}

static void test_oldest_first(void **state)
{
	(void)state;
	assert_int_equal(trace_ring_take(&ring, got, MOST), 0);
	for (uint64_t i = 0; i < 5; i++) {
		put(i);
	}
	assert_int_equal(trace_ring_take(&ring, got, 3), 3);
	expect_record(&got[0], 0);
	expect_record(&got[2], 2);
	assert_int_equal(trace_ring_take(&ring, got, MOST), 2);
	expect_record(&got[1], 4);
	assert_int_equal(trace_ring_take(&ring, got, MOST), 0);
	assert_int_equal(ring.lost, 0);
}

/* One place is the writer's own: what it is about to replace is not there any more. */
static void test_a_full_ring_loses_the_oldest(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < TRACE_RING_RECORDS - 1; i++) {
		put(i);
	}
	assert_int_equal(trace_ring_take(&ring, got, 1), 1);
	assert_int_equal(ring.lost, 0);
	expect_record(&got[0], 0);
	for (uint64_t i = TRACE_RING_RECORDS - 1; i < TRACE_RING_RECORDS + 10; i++) {
		put(i);
	}
	assert_int_equal(trace_ring_take(&ring, got, 1), 1);
	assert_int_equal(ring.lost, 10);
	expect_record(&got[0], 11);
	unsigned rest = 0;
	for (unsigned count; (count = trace_ring_take(&ring, got, MOST)) > 0; rest += count) {
		expect_record(&got[0], 12 + rest);
	}
	assert_int_equal(rest, TRACE_RING_RECORDS - 2);
}

static void test_looking_takes_nothing(void **state)
{
	(void)state;
	assert_false(trace_ring_look(&ring, 0, got));
	put(0);
	put(1);
	assert_int_equal(trace_ring_written(&ring), 2);
	assert_true(trace_ring_look(&ring, 1, got));
	expect_record(&got[0], 1);
	assert_true(trace_ring_look(&ring, 0, got));
	expect_record(&got[0], 0);
	assert_false(trace_ring_look(&ring, 2, got));
	for (uint64_t i = 2; i < TRACE_RING_RECORDS; i++) {
		put(i);
	}
	/* Each stays what it is while others are written, until it is gone. */
	assert_false(trace_ring_look(&ring, 0, got));
	assert_true(trace_ring_look(&ring, 1, got));
	expect_record(&got[0], 1);
	put(TRACE_RING_RECORDS);
	assert_false(trace_ring_look(&ring, 1, got));
	assert_true(trace_ring_look(&ring, 2, got));
	expect_record(&got[0], 2);
	assert_int_equal(ring.read, 0);
}

#define WRITTEN 400000u

static void *write_all(void *argument)
{
	(void)argument;
	for (uint64_t i = 0; i < WRITTEN; i++) {
		put(i);
	}
	return NULL;
}

static void test_reader_beside_the_writer(void **state)
{
	pthread_t writer;
	uint64_t taken = 0;
	uint64_t last = 0;
	(void)state;
	assert_int_equal(pthread_create(&writer, NULL, write_all, NULL), 0);
	while (ring.read < WRITTEN) {
		unsigned count = trace_ring_take(&ring, got, MOST);
		for (unsigned i = 0; i < count; i++) {
			uint64_t number = got[i].words[2];
			expect_record(&got[i], number);
			assert_true(taken + i == 0 || number > last);
			last = number;
		}
		taken += count;
	}
	assert_int_equal(pthread_join(writer, NULL), 0);
	assert_int_equal(taken + ring.lost, WRITTEN);
	assert_int_equal(last, WRITTEN - 1);
}

/* ---- Blocks ---- */

static const uint8_t sample[] = {
#include "sample.inc"
};

static void write_block(uint8_t *to, size_t *used)
{
	memcpy(to + *used, block.out.bytes, block.used);
	*used += block.used;
}

/* A text, and two records of CPU 3 behind eleven that were lost. */
static void test_bytes(void **state)
{
	static const char text[] = "version=1\ntsc_khz=1000\norigin_tsc=1000\nend=1\n"
				   "cpu=3 records=13 lost=11\nvm=2 name=two\n"
				   "event=7 name=seven group=some first=a second=b\n";
	uint8_t bytes[1024];
	size_t used = 0;
	(void)state;
	memcpy(trace_block_text_place(&block), text, sizeof(text) - 1);
	trace_block_text(&block, sizeof(text) - 1);
	write_block(bytes, &used);
	ring.written = ring.read = ring.lost = 11;
	put(11);
	put(12);
	assert_true(trace_block_fill(&block, &ring, 3));
	write_block(bytes, &used);
	assert_false(trace_block_fill(&block, &ring, 3));
	assert_int_equal(block.used, 0);
	assert_int_equal(used, sizeof(sample));
	assert_memory_equal(bytes, sample, sizeof(sample));
}

static void test_a_block_has_room_for_so_many(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < TRACE_BLOCK_RECORDS_MOST + 1; i++) {
		put(i);
	}
	assert_true(trace_block_fill(&block, &ring, 0));
	assert_int_equal(block.out.head.bytes, TRACE_BLOCK_RECORDS_MOST * 32);
	assert_int_equal(block.out.head.number, 0);
	assert_true(trace_block_fill(&block, &ring, 0));
	assert_int_equal(block.out.head.bytes, 32);
	assert_int_equal(block.out.head.number, 1);
	assert_false(trace_block_fill(&block, &ring, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_oldest_first, setup),
		cmocka_unit_test_setup(test_a_full_ring_loses_the_oldest, setup),
		cmocka_unit_test_setup(test_looking_takes_nothing, setup),
		cmocka_unit_test_setup(test_reader_beside_the_writer, setup),
		cmocka_unit_test_setup(test_bytes, setup),
		cmocka_unit_test_setup(test_a_block_has_room_for_so_many, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
