/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/stage2/sample.c: estimates against guests that use a known part of their memory, through a TLB
 * that tells of an access only when it has to walk; and that all that the processor has written to
 * the tables stays there, and disturbs nobody.
 */
#include "fake/world.h"

#include "base/bits.h"
#include "mm/stage2/sample.h"
#include "mm/stage2/table.h"

static struct s2 *s2;
static struct s2_sample sample;

static void start(uint64_t limit_pages)
{
	world_start(512, 9000, 1);
	s2 = world_create(3, limit_pages, 0);
	assert_non_null(s2);
	s2_sample_init(&sample, 7);
}

static void stop(void)
{
	world_destroy_all();
	world_stop();
}

static void begin(void)
{
	struct s2_locked locked = s2_lock(s2);
	s2_sample_begin(locked, &sample);
	s2_unlock(locked);
	world_check();
	for (unsigned cpu = 0; cpu < FAKE_CPUS; cpu++) {
		fake_tlb_enter(s2, cpu);
	}
}

static uint64_t end(void)
{
	struct s2_locked locked = s2_lock(s2);
	uint64_t pages = s2_sample_end(locked, &sample);
	s2_unlock(locked);
	world_check();
	return pages;
}

static void populate(uint64_t first, uint64_t count)
{
	for (uint64_t gfn = first; gfn < first + count; gfn++) {
		assert_int_equal(world_populate(s2, gfn, ORDER_4K), STATUS_OK);
	}
}

static void touch(uint64_t first, uint64_t count)
{
	for (uint64_t gfn = first; gfn < first + count; gfn++) {
		assert_non_null(fake_tlb_access(s2, gfn % FAKE_CPUS, (gfn_t){gfn}));
	}
}

static uint64_t leaf(uint64_t gfn)
{
	struct s2_path path;
	return entry_read(s2_walk(s2, (gfn_t){gfn}, &path));
}

static bool is_accessed(uint64_t gfn)
{
	return (leaf(gfn) & fake_format.accessed_flag) != 0;
}

/* The processor may keep it as long as it likes: only a flush makes it tell of the next access. */
static void test_the_next_access_is_told(void **state)
{
	(void)state;
	start(4);
	populate(0, 4);
	for (unsigned round = 0; round < 3; round++) {
		touch(0, 4);
		assert_true(is_accessed(0) && is_accessed(1) && is_accessed(2) && is_accessed(3));
		begin();
		assert_int_equal(sample.count, S2_SAMPLE_PAGES);
		assert_false(is_accessed(0) || is_accessed(1) || is_accessed(2) || is_accessed(3));
	}
	touch(1, 2);
	assert_false(is_accessed(0) || is_accessed(3));
	assert_true(is_accessed(1) && is_accessed(2));
	stop();
}

/* Nobody waits for the flush, and none is asked for when nothing was cleared. */
static void test_flush_is_asked_for_and_not_waited_for(void **state)
{
	(void)state;
	start(4);
	populate(0, 4);
	uint64_t requested = s2->tlb.requested;
	uint64_t flushes = fake_tlb_flush_count;
	begin();
	assert_int_equal(s2->tlb.requested, requested);
	touch(0, 4);
	begin();
	assert_int_equal(s2->tlb.requested, requested + 1);
	assert_int_equal(fake_tlb_flush_count, flushes);
	stop();
}

static void test_nothing_but_the_flag_changes(void **state)
{
	(void)state;
	start(600);
	assert_int_equal(world_populate(s2, 0, ORDER_2M), STATUS_OK);
	populate(512, 88);
	assert_int_equal(world_pin(s2, 513), STATUS_OK);
	touch(0, 600);
	uint64_t before[3] = {leaf(0), leaf(512), leaf(513)};
	const uint64_t told = FAKE_TLB_DIRTY | fake_format.accessed_flag;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(before[i] & told, told);
	}
	for (unsigned round = 0; round < 40; round++) { /* until each was drawn */
		begin();
	}
	assert_int_equal(leaf(0), before[0] & ~fake_format.accessed_flag);
	assert_int_equal(leaf(512), before[1] & ~fake_format.accessed_flag);
	assert_int_equal(leaf(513), before[2] & ~fake_format.accessed_flag);
	world_unpin(s2, 513);
	assert_int_equal(leaf(513) & FAKE_TLB_DIRTY, FAKE_TLB_DIRTY);
	stop();
}

static uint64_t estimate_average(uint64_t first, uint64_t count)
{
	uint64_t sum = 0;
	for (unsigned round = 0; round < 20; round++) {
		begin();
		touch(first, count);
		uint64_t pages = end();
		/* One estimate: four times the deviation of a sample of 128. */
		uint64_t error = s2->mapped_pages / 5;
		assert_in_range(pages, sub_floor_u64(count, error), count + error);
		sum += pages;
	}
	return sum / 20;
}

static void test_estimates(void **state)
{
	static const uint64_t used[] = {0, 100, 500, 1000, 1500, 2000};
	(void)state;
	start(8000);
	populate(3000, 2000); /* a quarter of its guest frames */
	for (unsigned i = 0; i < ARRAY_COUNT(used); i++) {
		uint64_t average = estimate_average(3000, used[i]);
		assert_in_range(average, sub_floor_u64(used[i], 100), used[i] + 100);
	}
	assert_int_equal(estimate_average(3000, 0), 0);
	assert_int_equal(estimate_average(3000, 2000), 2000);
	stop();
}

/* Half of what 32 bits can count, times the pages of a sample. */
static void test_estimate_beyond_32_bits(void **state)
{
	(void)state;
	start(4096);
	populate(0, 4096);
	begin();
	touch(0, 4096);
	struct s2_locked locked = s2_lock(s2);
	uint64_t pages = s2->mapped_pages;
	s2->mapped_pages = BIT(31);
	uint64_t estimate = s2_sample_end(locked, &sample);
	s2->mapped_pages = pages;
	s2_unlock(locked);
	assert_int_equal(estimate, BIT(31));
	stop();
}

/* Of a large page that was used anywhere, each sampled page counts, for itself. */
static void test_large_pages(void **state)
{
	(void)state;
	start(4096);
	for (uint64_t gfn = 0; gfn < 4096; gfn += 512) {
		assert_int_equal(world_populate(s2, gfn, ORDER_2M), STATUS_OK);
	}
	touch(0, 4096);
	begin();
	assert_int_equal(end(), 0);
	touch(77, 1);
	touch(2048 + 100, 1);
	assert_in_range(end(), 512, 1536); /* two of eight */
	stop();
}

/* What has left meanwhile stands for nothing; without any other, all counts as used. */
static void test_pages_that_leave(void **state)
{
	(void)state;
	start(2048);
	populate(0, 1024);
	begin();
	touch(512, 512);
	assert_int_equal(world_surrender(s2, 0, ORDER_2M), STATUS_OK);
	assert_int_equal(end(), 512);
	assert_int_equal(world_report(s2, 512, ORDER_2M), STATUS_OK);
	populate(1500, 3);
	assert_int_equal(end(), 3);
	stop();
}

static void test_empty_and_nearly_empty(void **state)
{
	(void)state;
	start(1 << 20);
	begin();
	assert_int_equal(sample.count, 0);
	assert_int_equal(end(), 0);
	populate(12345, 1); /* one in a million: not found, so it counts as used */
	begin();
	assert_int_equal(sample.count, 0);
	assert_int_equal(end(), 1);
	stop();
}

/* The pieces of a page that was used count as used, and so does what they are joined to. */
static void test_split_and_join_keep_it(void **state)
{
	(void)state;
	start(1024);
	assert_int_equal(world_populate(s2, 0, ORDER_2M), STATUS_OK);
	assert_int_equal(world_pin(s2, 9), STATUS_OK); /* split, never used */
	assert_false(is_accessed(8) || is_accessed(9) || is_accessed(511));
	world_unpin(s2, 9);
	assert_int_equal(world_join(s2, 0), STATUS_OK);
	assert_false(is_accessed(8));
	world_flush(s2);
	touch(300, 1);
	assert_int_equal(world_pin(s2, 9), STATUS_OK);
	assert_true(is_accessed(8) && is_accessed(9) && is_accessed(511));
	world_unpin(s2, 9);
	for (unsigned round = 0; round < 80; round++) {
		begin();
	}
	touch(301, 1);
	assert_int_equal(world_join(s2, 0), STATUS_OK);
	assert_true(is_accessed(0));
	stop();
}

/* Two runs of one seed are the same; other seeds draw other pages. */
static void test_seeds(void **state)
{
	struct s2_sample first;
	(void)state;
	start(4096);
	populate(0, 4096);
	begin();
	first = sample;
	s2_sample_init(&sample, 7);
	begin();
	assert_memory_equal(first.gfns, sample.gfns, sizeof(first.gfns));
	s2_sample_init(&sample, 8);
	begin();
	assert_memory_not_equal(first.gfns, sample.gfns, sizeof(first.gfns));
	unsigned in_half = 0;
	for (unsigned i = 0; i < S2_SAMPLE_PAGES; i++) {
		assert_true(sample.gfns[i] < 4096);
		in_half += sample.gfns[i] < 2048 ? 1 : 0;
	}
	assert_in_range(in_half, 40, 88);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_the_next_access_is_told, world_teardown),
		cmocka_unit_test_teardown(test_flush_is_asked_for_and_not_waited_for,
					  world_teardown),
		cmocka_unit_test_teardown(test_nothing_but_the_flag_changes, world_teardown),
		cmocka_unit_test_teardown(test_estimates, world_teardown),
		cmocka_unit_test_teardown(test_estimate_beyond_32_bits, world_teardown),
		cmocka_unit_test_teardown(test_large_pages, world_teardown),
		cmocka_unit_test_teardown(test_pages_that_leave, world_teardown),
		cmocka_unit_test_teardown(test_empty_and_nearly_empty, world_teardown),
		cmocka_unit_test_teardown(test_split_and_join_keep_it, world_teardown),
		cmocka_unit_test_teardown(test_seeds, world_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
