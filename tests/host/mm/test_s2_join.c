/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/stage2/merge.c: regions that become large again, in place or by copying, and when they must
 * not. */
#include "fake/model.h"

#include "base/bits.h"
#include "mm/alloc.h"

static struct model *vm;

static void start(uint64_t frames, unsigned max_leaf_level)
{
	world_start(512, frames, max_leaf_level);
	vm = model_create(3, 2048 + 100, 0);
	assert_non_null(vm);
}

static void stop(void)
{
	model_free(vm);
	world_destroy_all();
	world_stop();
}

static void fill_backwards(uint64_t region)
{
	for (uint64_t i = 512; i-- > 0;) {
		model_populate(vm, region + i, 0);
		model_write(vm, (unsigned)i % FAKE_CPUS, region + i);
	}
}

static void test_in_place(void **state)
{
	(void)state;
	start(1600, 2);
	model_populate(vm, 600, ORDER_2M);
	model_write(vm, 0, 600);
	model_pin(vm, 600);
	world_expect_slot(vm->s2, 601, S2_MAPPED, ORDER_4K);
	assert_int_equal(vm->s2->large_pages, 0);
	assert_int_equal(model_join(vm, 601), STATUS_NOT_FOUND);
	model_unpin(vm, 600);
	uint64_t free_before = frame_count_free();
	assert_int_equal(model_join(vm, 601), STATUS_OK);
	assert_int_equal(vm->s2->large_pages, 512);
	world_flush(vm->s2);
	assert_int_equal(frame_count_free(), free_before + 1); /* the table */
	model_verify(vm, true);
	assert_int_equal(model_join(vm, 601), STATUS_NOT_FOUND); /* large already */
	stop();
}

/* The guest runs on right after the flush: nothing that it writes may go to the old frames. */
static void test_by_copying(void **state)
{
	(void)state;
	start(2000, 2);
	model_populate(vm, 0, 0);
	fill_backwards(512);
	uint64_t free_before = frame_count_free();
	assert_int_equal(model_join(vm, 700), STATUS_OK);
	for (uint64_t gfn = 512; gfn < 1024; gfn++) {
		model_write(vm, gfn % FAKE_CPUS, gfn);
		model_read(vm, (gfn + 1) % FAKE_CPUS, gfn);
	}
	world_flush(vm->s2);
	assert_int_equal(frame_count_free(), free_before + 1);
	assert_int_equal(vm->s2->large_pages, 512);
	model_verify(vm, true);
	stop();
}

static void test_after_a_balloon(void **state)
{
	(void)state;
	start(2000, 1);
	model_populate(vm, 512, ORDER_2M);
	model_write(vm, 0, 512);
	model_surrender(vm, 600, 0);
	assert_int_equal(model_join(vm, 601), STATUS_NOT_FOUND);
	world_flush(vm->s2);
	model_return(vm, 600, 0);
	assert_int_equal(model_join(vm, 601), STATUS_NOT_FOUND); /* one page is still empty */
	model_populate(vm, 600, 0);
	assert_int_equal(model_join(vm, 601), STATUS_OK);
	model_verify(vm, true);
	stop();
}

static void test_no_extent_to_be_had(void **state)
{
	(void)state;
	start(1000, 2); /* 512 scattered pages leave no 2 MiB together */
	model_populate(vm, 0, 0);
	fill_backwards(512);
	struct world_image before = world_image();
	assert_int_equal(model_join(vm, 700), STATUS_NO_MEMORY);
	struct world_image after = world_image();
	assert_true(world_image_equal(&before, &after));
	world_image_free(&before);
	world_image_free(&after);
	model_verify(vm, true);
	stop();
}

/* An extent that is free, but promised to another VM, is not used for tidying up. */
static void test_promised_extent_is_left_alone(void **state)
{
	(void)state;
	start(1700, 2);
	fill_backwards(512);
	struct s2 *other = world_create(4, 1000, 700);
	assert_non_null(other);
	assert_int_equal(model_join(vm, 700), STATUS_NO_MEMORY);
	world_destroy(other, 4096);
	assert_int_equal(model_join(vm, 700), STATUS_OK);
	stop();
}

static void test_not_where_the_format_has_none(void **state)
{
	(void)state;
	start(2000, 0);
	fill_backwards(512);
	assert_int_equal(model_join(vm, 700), STATUS_NOT_FOUND);
	stop();
}

static void test_not_where_nothing_is_mapped(void **state)
{
	(void)state;
	start(2000, 2);
	assert_int_equal(model_join(vm, 700), STATUS_NOT_FOUND);
	model_surrender(vm, 512, ORDER_2M);
	assert_int_equal(model_join(vm, 700), STATUS_NOT_FOUND);
	for (uint64_t gfn = 2048; gfn < 2148; gfn++) { /* the region that RAM ends in */
		model_populate(vm, gfn, 0);
	}
	assert_int_equal(model_join(vm, 2100), STATUS_NOT_FOUND);
	stop();
}

#define TEST(name) cmocka_unit_test_teardown(name, model_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_in_place),
		TEST(test_by_copying),
		TEST(test_after_a_balloon),
		TEST(test_no_extent_to_be_had),
		TEST(test_promised_extent_is_left_alone),
		TEST(test_not_where_the_format_has_none),
		TEST(test_not_where_nothing_is_mapped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
