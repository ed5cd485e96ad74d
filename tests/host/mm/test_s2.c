/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/s2*.c: every operation on every size of extent, in every state that a region can be in, for
 * formats that map 4 KiB only, up to 2 MiB, and up to 1 GiB.
 */
#include "fake/model.h"

#include "base/bits.h"
#include "mm/alloc.h"

#define REGION 512ull	  /* the 2 MiB region under test */
#define PAGE (REGION + 5) /* a page in its middle */
#define FRAMES 3000
#define LIMIT (2 * 262144 + 700) /* neither a multiple of 1 GiB nor of 2 MiB */

static struct model *vm;

static void prepare_empty(void)
{
}

static void prepare_empty_among_others(void)
{
	model_populate(vm, 0, 0); /* the tables above the region exist */
}

static void prepare_mapped(void)
{
	model_populate(vm, PAGE, ORDER_1G); /* as large as the format allows below 1 GiB */
	model_write(vm, 0, PAGE);
}

static void prepare_mapped_single_pages(void)
{
	for (uint64_t i = 0; i < 512; i++) {
		model_populate(vm, REGION + i, 0);
		model_write(vm, 0, REGION + i);
	}
}

static void prepare_one_page(void)
{
	model_populate(vm, PAGE, 0);
	model_write(vm, 0, PAGE);
}

static void prepare_other_page(void)
{
	model_populate(vm, PAGE + 1, 0);
	model_write(vm, 0, PAGE + 1);
}

static void prepare_ballooned(void)
{
	prepare_mapped();
	model_surrender(vm, REGION, ORDER_2M);
	world_flush(vm->s2); /* the end of the hypercall: only then does the guest run on */
}

static void prepare_ballooned_gigabyte(void)
{
	model_surrender(vm, 0, ORDER_1G);
}

static void prepare_mapped_but_one(void)
{
	prepare_mapped_single_pages();
	model_surrender(vm, PAGE, 0);
}

static void prepare_mapped_but_other(void)
{
	prepare_mapped();
	model_surrender(vm, PAGE + 1, 0);
}

static void prepare_ballooned_but_one(void)
{
	prepare_ballooned();
	model_return(vm, PAGE, 0);
}

static void prepare_ballooned_but_touched(void)
{
	prepare_ballooned();
	model_populate(vm, PAGE, ORDER_2M);
	model_write(vm, 0, PAGE);
}

static void prepare_pinned(void)
{
	prepare_mapped();
	model_pin(vm, PAGE);
}

static void prepare_pinned_and_ballooned(void)
{
	prepare_pinned();
	model_surrender(vm, PAGE + 1, 0);
}

static void prepare_neighbour_ballooned(void)
{
	prepare_mapped();
	model_surrender(vm, REGION + 512, ORDER_2M);
}

static void (*const preparations[])(void) = {
	prepare_empty,
	prepare_empty_among_others,
	prepare_mapped,
	prepare_mapped_single_pages,
	prepare_one_page,
	prepare_other_page,
	prepare_ballooned,
	prepare_ballooned_gigabyte,
	prepare_mapped_but_one,
	prepare_mapped_but_other,
	prepare_ballooned_but_one,
	prepare_ballooned_but_touched,
	prepare_pinned,
	prepare_pinned_and_ballooned,
	prepare_neighbour_ballooned,
};

enum operation {
	POPULATE_4K,
	POPULATE_LARGEST,
	SURRENDER_4K,
	SURRENDER_2M,
	SURRENDER_1G,
	RETURN_4K,
	RETURN_2M,
	RETURN_1G,
	PIN,
	JOIN,
	OPERATION_COUNT,
};

static enum status operate(enum operation operation)
{
	switch (operation) {
	case POPULATE_4K:
		return model_populate(vm, PAGE, ORDER_4K);
	case POPULATE_LARGEST:
		return model_populate(vm, PAGE, ORDER_1G);
	case SURRENDER_4K:
		return model_surrender(vm, PAGE, ORDER_4K);
	case SURRENDER_2M:
		return model_surrender(vm, REGION, ORDER_2M);
	case SURRENDER_1G:
		return model_surrender(vm, 0, ORDER_1G);
	case RETURN_4K:
		return model_return(vm, PAGE, ORDER_4K);
	case RETURN_2M:
		return model_return(vm, REGION, ORDER_2M);
	case RETURN_1G:
		return model_return(vm, 0, ORDER_1G);
	case PIN:
		return model_pin(vm, PAGE);
	default:
		return model_join(vm, PAGE);
	}
}

static void start_with(unsigned max_leaf_level, uint64_t limit)
{
	world_start(512, FRAMES, max_leaf_level);
	vm = model_create(3, limit, 100);
	assert_non_null(vm);
}

static void start(unsigned max_leaf_level)
{
	start_with(max_leaf_level, LIMIT);
}

static void stop(void)
{
	model_free(vm);
	world_destroy_all();
	assert_int_equal(frame_count_free(), FRAMES);
	world_scrub_all();
	world_check_zeroed();
	world_stop();
}

/* What the region looks like afterwards is compared in full with the reference. */
static void run_all(unsigned max_leaf_level)
{
	for (unsigned i = 0; i < ARRAY_COUNT(preparations); i++) {
		for (unsigned operation = 0; operation < OPERATION_COUNT; operation++) {
			start_with(max_leaf_level, 262144 + 700);
			preparations[i]();
			world_flush(vm->s2);
			model_verify(vm, true);
			enum status status = operate((enum operation)operation);
			assert_true(status != STATUS_NO_MEMORY);
			model_read(vm, 1, PAGE);
			world_flush(vm->s2);
			model_read(vm, 0, PAGE);
			model_verify(vm, true);
			/* And once more, in the state that came of it. */
			(void)operate((enum operation)((operation + i) % OPERATION_COUNT));
			world_flush(vm->s2);
			model_verify(vm, true);
			stop();
		}
	}
}

static void test_every_state_4k(void **state)
{
	(void)state;
	run_all(0);
}

static void test_every_state_2m(void **state)
{
	(void)state;
	run_all(1);
}

static void test_every_state_1g(void **state)
{
	(void)state;
	run_all(2);
}

/* The statuses, spelled out: what the reference predicts is what the header promises. */
static void test_statuses(void **state)
{
	(void)state;
	start(2);
	assert_int_equal(model_surrender(vm, LIMIT, 0), STATUS_OUTSIDE);
	assert_int_equal(model_surrender(vm, LIMIT - 1, 0), STATUS_OK);
	assert_int_equal(model_return(vm, LIMIT, 0), STATUS_OUTSIDE);
	assert_int_equal(model_surrender(vm, 2 * 262144 + 512, ORDER_2M), STATUS_OUTSIDE);
	assert_int_equal(model_surrender(vm, 2 * 262144, ORDER_2M), STATUS_OK);
	assert_int_equal(model_surrender(vm, 2 * 262144, ORDER_1G), STATUS_OUTSIDE);
	assert_int_equal(model_surrender(vm, 5, ORDER_2M), STATUS_MISALIGNED);
	assert_int_equal(model_return(vm, 512, ORDER_1G), STATUS_MISALIGNED);
	assert_int_equal(model_surrender(vm, UINT64_MAX, 0), STATUS_OUTSIDE);
	assert_int_equal(model_surrender(vm, UINT64_MAX - 511, ORDER_2M), STATUS_OUTSIDE);
	assert_int_equal(model_return(vm, BIT(52) - 1, 0), STATUS_OUTSIDE);
	assert_int_equal(model_return(vm, 0, ORDER_1G), STATUS_NOT_SURRENDERED);
	assert_int_equal(model_surrender(vm, 0, ORDER_1G), STATUS_OK);
	assert_int_equal(model_surrender(vm, 0, ORDER_1G), STATUS_SURRENDERED);
	assert_int_equal(model_surrender(vm, 512, ORDER_2M), STATUS_SURRENDERED);
	assert_int_equal(model_surrender(vm, 77, ORDER_4K), STATUS_SURRENDERED);
	assert_int_equal(model_return(vm, 77, ORDER_4K), STATUS_OK);
	assert_int_equal(model_return(vm, 77, ORDER_4K), STATUS_NOT_SURRENDERED);
	assert_int_equal(model_return(vm, 0, ORDER_2M), STATUS_MIXED);
	assert_int_equal(model_return(vm, 0, ORDER_1G), STATUS_MIXED);
	assert_int_equal(model_surrender(vm, 0, ORDER_2M), STATUS_MIXED);
	assert_int_equal(model_surrender(vm, 0, ORDER_1G), STATUS_MIXED);
	assert_int_equal(model_surrender(vm, 77, ORDER_4K), STATUS_OK);
	/* 512 single pages have become one gigabyte again. */
	world_expect_slot(vm->s2, 77, S2_BALLOONED, ORDER_1G);
	assert_int_equal(model_return(vm, 0, ORDER_1G), STATUS_OK);
	assert_int_equal(model_pin(vm, LIMIT), STATUS_OUTSIDE);
	assert_int_equal(model_pin(vm, 9), STATUS_OK);
	assert_int_equal(model_pin(vm, 9), STATUS_IN_USE);
	assert_int_equal(model_surrender(vm, 9, 0), STATUS_IN_USE);
	assert_int_equal(model_surrender(vm, 0, ORDER_2M), STATUS_IN_USE);
	model_unpin(vm, 9);
	assert_int_equal(model_surrender(vm, 9, 0), STATUS_OK);
	assert_int_equal(model_pin(vm, 9), STATUS_SURRENDERED);
	stop();
}

/* An order that no caller may pass on is our own bug, not the guest's. */
static void test_misuse_panics(void **state)
{
	(void)state;
	start(2);
	expect_panic("order == ORDER_4K", (void)(world_surrender(vm->s2, 0, 1) == STATUS_OK));
	expect_panic("order == ORDER_4K", (void)(world_return(vm->s2, 0, 27) == STATUS_OK));
	expect_panic("limit_pages", (void)(world_populate(vm->s2, LIMIT, 0) == STATUS_OK));
	expect_panic("limit_pages", (void)world_lookup(vm->s2, LIMIT));
	expect_panic("limit_pages", (void)(world_join(vm->s2, LIMIT) == STATUS_OK));
	expect_panic("pinned_flag", world_unpin(vm->s2, 0));
	struct s2 none;
	expect_panic("limit_pages", (void)(s2_create(&none, &fake_format, 1, 0, 0) == STATUS_OK));
	stop();
}

/* Large fills: aligned, inside RAM, whole state alike, order allowed. */
static void test_fill_sizes(void **state)
{
	(void)state;
	start(1);
	model_populate(vm, 3 * 512 + 7, ORDER_1G);
	world_expect_slot(vm->s2, 3 * 512, S2_MAPPED, ORDER_2M);
	assert_int_equal(vm->s2->large_pages, 512);
	model_populate(vm, 4 * 512, ORDER_4K);
	world_expect_slot(vm->s2, 4 * 512, S2_MAPPED, ORDER_4K);
	model_populate(vm, 4 * 512 + 1, ORDER_2M); /* not all of the region is empty */
	world_expect_slot(vm->s2, 4 * 512 + 1, S2_MAPPED, ORDER_4K);
	model_populate(vm, LIMIT - 1, ORDER_2M); /* the region reaches beyond RAM */
	world_expect_slot(vm->s2, LIMIT - 1, S2_MAPPED, ORDER_4K);
	model_populate(vm, 2 * 262144 + 511, ORDER_2M); /* the last whole one */
	world_expect_slot(vm->s2, 2 * 262144, S2_MAPPED, ORDER_2M);
	model_surrender(vm, 6 * 512, ORDER_2M);
	model_populate(vm, 6 * 512 + 1, ORDER_2M); /* out of the balloon comes one page */
	world_expect_slot(vm->s2, 6 * 512 + 1, S2_MAPPED, ORDER_4K);
	world_expect_slot(vm->s2, 6 * 512, S2_BALLOONED, ORDER_4K);
	model_verify(vm, true);
	stop();
}

/* No 2 MiB left: single pages do. */
static void test_fill_falls_back_to_single_pages(void **state)
{
	(void)state;
	world_start(5, 500, 2);
	vm = model_create(3, 1024, 0);
	model_populate(vm, 600, ORDER_2M);
	world_expect_slot(vm->s2, 600, S2_MAPPED, ORDER_4K);
	for (uint64_t gfn = 0; model_populate(vm, gfn, ORDER_2M) == STATUS_OK; gfn++) {
		assert_true(gfn < 500);
	}
	assert_int_equal(vm->mapped, 500 - s2_table_pages_worst(1024));
	model_verify(vm, true);
	model_free(vm);
	world_destroy_all();
}

/* All tables that the worst case foresees, and not one more. */
static void test_worst_case_of_tables(void **state)
{
	static const uint64_t limits[] = {1, 512, 513, 262144, 262145};
	(void)state;
	assert_int_equal(s2_table_pages_worst(1), 4);
	assert_int_equal(s2_table_pages_worst(512), 4);
	assert_int_equal(s2_table_pages_worst(513), 5);
	assert_int_equal(s2_table_pages_worst(UINT32_MAX), 1 + 32 + 16384 + 8388608);
	assert_int_equal(s2_table_pages_worst(262144), 1 + 1 + 1 + 512);
	assert_int_equal(s2_table_pages_worst(262145), 1 + 1 + 2 + 513);
	for (unsigned i = 0; i < ARRAY_COUNT(limits); i++) {
		world_start(1, 4000, 0);
		vm = model_create(1, limits[i], 0);
		for (uint64_t gfn = 0; gfn < limits[i]; gfn += 512) {
			model_populate(vm, gfn, 0);
		}
		model_populate(vm, limits[i] - 1, 0);
		assert_int_equal(vm->s2->table_pages, s2_table_pages_worst(limits[i]));
		model_free(vm);
		world_destroy_all();
		world_stop();
	}
}

/* A refused creation leaves nothing behind, whether the promise or the root is what is missing. */
static void test_creation_refused(void **state)
{
	(void)state;
	world_start(1, 20, 2);
	struct world_image before = world_image();
	assert_null(world_create(1, 512, 17));
	struct s2 s2;
	frame_alloc_fail_at = 1;
	assert_int_equal(s2_create(&s2, &fake_format, 1, 512, 16), STATUS_NO_MEMORY);
	struct world_image after = world_image();
	assert_true(world_image_equal(&before, &after));
	world_image_free(&before);
	world_image_free(&after);
	assert_non_null(world_create(1, 512, 16));
	world_destroy_all();
}

/* Destruction in small steps, whatever the space holds; audits and the TLB are checked in each. */
static void test_destroy_in_steps(void **state)
{
	(void)state;
	for (unsigned level = 0; level < 3; level++) {
		start(level);
		prepare_pinned_and_ballooned();
		model_populate(vm, 8 * 512, ORDER_2M);
		model_surrender(vm, 262144, ORDER_1G);
		model_populate(vm, 262144 + 5, 0);
		for (uint64_t gfn = 0; gfn < LIMIT; gfn += 100000) {
			model_populate(vm, gfn, 0);
			model_write(vm, 1, gfn);
		}
		model_destroy(vm, 4096);
		assert_int_equal(frame_count_free(), FRAMES);
		assert_int_equal(promise_owed(), 0);
		world_stop();
	}
}

/* A gigabyte as one leaf: mapped, cut in two steps, a page given, the rest given as 2 MiB. */
static void test_gigabyte_leaf(void **state)
{
	(void)state;
	world_start((GIB(1) - MIB(8)) >> PAGE_SHIFT, (GIB(1) + MIB(8)) >> PAGE_SHIFT, 2);
	world_scrub_all(); /* a fill does not wait for a gigabyte to be zeroed */
	vm = model_create(5, 2 * 262144, 0);
	assert_int_equal(model_populate(vm, 300000, ORDER_1G), STATUS_OK);
	assert_int_equal(world_pages, 262144);
	assert_int_equal(vm->s2->large_pages, 262144);
	model_write(vm, 0, 262144);
	model_write(vm, 0, 2 * 262144 - 1);
	model_write(vm, 1, 300000);
	assert_int_equal(model_surrender(vm, 300000, 0), STATUS_OK);
	assert_int_equal(vm->s2->large_pages, 262144 - 512);
	world_expect_slot(vm->s2, 300001, S2_MAPPED, ORDER_4K);
	world_expect_slot(vm->s2, 262144, S2_MAPPED, ORDER_2M);
	model_read(vm, 1, 300000);
	world_flush(vm->s2);
	model_read(vm, 1, 300000);
	assert_int_equal(model_surrender(vm, 262144, ORDER_1G), STATUS_MIXED);
	assert_int_equal(model_return(vm, 300000, 0), STATUS_OK);
	model_verify(vm, true);
	/* All of it in 2 MiB extents becomes one ballooned gigabyte. */
	for (uint64_t gfn = 262144; gfn < 2 * 262144; gfn += 512) {
		struct s2_locked locked = s2_lock(vm->s2);
		assert_int_equal(
			s2_surrender(locked, (gfn_t){gfn}, ORDER_2M, &world_freed, &world_work),
			STATUS_OK);
		s2_unlock(locked);
	}
	world_expect_slot(vm->s2, 262144, S2_BALLOONED, ORDER_1G);
	assert_int_equal(vm->s2->ballooned_pages, 262144);
	assert_int_equal(vm->s2->table_pages, 2);
	world_flush(vm->s2);
	model_free(vm);
	world_destroy_all();
}

/*
 * Nothing of a gigabyte is in the balloon, after a page was and came back. Untouched, it is one
 * entry again; backed by a table of single pages somewhere, it is not of one piece: docs/abi.md
 * says so.
 */
static void test_gigabyte_after_a_return(void **state)
{
	(void)state;
	start(2);
	assert_int_equal(model_surrender(vm, 262144 + 700, 0), STATUS_OK);
	assert_int_equal(model_return(vm, 262144 + 700, 0), STATUS_OK);
	assert_int_equal(model_surrender(vm, 262144, ORDER_1G), STATUS_OK);
	assert_int_equal(model_return(vm, 262144, ORDER_1G), STATUS_OK);
	assert_int_equal(model_populate(vm, 262144 + 512, ORDER_2M), STATUS_OK);
	assert_int_equal(model_surrender(vm, 262144 + 700, 0), STATUS_OK);
	assert_int_equal(model_return(vm, 262144 + 700, 0), STATUS_OK);
	assert_int_equal(vm->s2->ballooned_pages, 0);
	assert_int_equal(model_surrender(vm, 262144, ORDER_1G), STATUS_MIXED);
	/* In pieces of 2 MiB all of it can be given. */
	assert_int_equal(model_surrender(vm, 262144 + 512, ORDER_2M), STATUS_OK);
	assert_int_equal(model_return(vm, 262144 + 512, ORDER_2M), STATUS_OK);
	assert_int_equal(model_surrender(vm, 262144, ORDER_1G), STATUS_OK);
	model_verify(vm, true);
	model_free(vm);
	world_stop();
}

#define TEST(name) cmocka_unit_test_teardown(name, model_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_statuses),
		TEST(test_misuse_panics),
		TEST(test_fill_sizes),
		TEST(test_fill_falls_back_to_single_pages),
		TEST(test_worst_case_of_tables),
		TEST(test_creation_refused),
		TEST(test_destroy_in_steps),
		TEST(test_every_state_4k),
		TEST(test_every_state_2m),
		TEST(test_every_state_1g),
		TEST(test_gigabyte_leaf),
		TEST(test_gigabyte_after_a_return),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
