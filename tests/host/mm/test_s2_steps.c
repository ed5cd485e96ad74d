/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/s2*.c, step by step: large extents move by one table entry; live entries change by single
 * stores, and what they point to is complete by then; when any allocation fails, nothing happened.
 */
#include "fake/model.h"

#include "base/bits.h"
#include "mm/alloc.h"
#include "mm/phys.h"
#include "mm/stage2/table.h"

static struct model *vm;

static void start(unsigned max_leaf_level)
{
	world_start(512, 2200, max_leaf_level);
	vm = model_create(3, 262144 + 100, 0);
	assert_non_null(vm);
}

static void stop(void)
{
	model_free(vm);
	world_destroy_all();
	world_stop();
}

/* ---- One entry written
 * -------------------------------------------------------------------------*/

/* Runs the statement and answers how many words of tables that were there before it changed. */
#define WORDS_CHANGED(statement)                                                                   \
	({                                                                                         \
		struct world_tables *saved = world_tables_save(vm->s2);                            \
		statement;                                                                         \
		world_tables_changed(saved);                                                       \
	})

static void test_2m_is_one_entry(void **state)
{
	(void)state;
	start(1);
	model_populate(vm, 0, ORDER_2M);
	assert_int_equal(WORDS_CHANGED(model_populate(vm, 600, ORDER_2M)), 1);
	model_write(vm, 0, 700);
	assert_int_equal(WORDS_CHANGED(model_surrender(vm, 512, ORDER_2M)), 1);
	assert_int_equal(world_work, 1);
	assert_int_equal(world_freed, 512);
	assert_int_equal(WORDS_CHANGED(model_return(vm, 512, ORDER_2M)), 1);
	assert_int_equal(world_work, 1);
	assert_int_equal(WORDS_CHANGED(model_surrender(vm, 512, ORDER_2M)), 1);
	assert_int_equal(world_freed, 0);
	assert_int_equal(vm->s2->table_pages, 3);
	world_flush(vm->s2);
	assert_int_equal(fake_tlb_flush_count, 1);
	stop();
}

/* 512 single pages under one table: the entry above it is all that changes. */
static void test_table_of_single_pages_is_one_entry(void **state)
{
	(void)state;
	start(1);
	model_populate(vm, 0, ORDER_2M);
	for (uint64_t gfn = 512; gfn < 1024; gfn++) {
		model_populate(vm, gfn, 0);
	}
	assert_int_equal(WORDS_CHANGED(model_surrender(vm, 512, ORDER_2M)), 1);
	assert_int_equal(world_freed, 512);
	assert_int_equal(vm->s2->revoking_pages, 513); /* and the table */
	stop();
}

static void test_1g_is_one_entry(void **state)
{
	(void)state;
	world_start((GIB(1) - MIB(8)) >> PAGE_SHIFT, (GIB(1) + MIB(8)) >> PAGE_SHIFT, 2);
	world_scrub_all(); /* a fill does not wait for a gigabyte to be zeroed */
	vm = model_create(5, 2 * 262144, 0);
	model_populate(vm, 0, ORDER_4K);
	assert_int_equal(WORDS_CHANGED(model_populate(vm, 262144, ORDER_1G)), 1);
	assert_int_equal(world_pages, 262144);
	assert_int_equal(WORDS_CHANGED(model_surrender(vm, 262144, ORDER_1G)), 1);
	assert_int_equal(world_freed, 262144);
	assert_int_equal(world_work, 1);
	assert_int_equal(WORDS_CHANGED(model_return(vm, 262144, ORDER_1G)), 1);
	world_flush(vm->s2);
	assert_int_equal(fake_tlb_flush_count, 1);
	stop();
}

/* ---- Every store watched
 * -----------------------------------------------------------------------*/

static uint64_t probes[8]; /* gfns that an operation must not disturb */
static uint64_t probe_pfns[8];
static unsigned probe_count;
static uint64_t watched_stores;	   /* to tables that were linked when it happened */
static uint64_t changed_words[64]; /* which words those were */
static bool disturbed;
static bool torn;
static uint64_t live_tables[64];
static unsigned live_count;

static bool is_live(uint64_t pfn)
{
	for (unsigned i = 0; i < live_count; i++) {
		if (live_tables[i] == pfn) {
			return true;
		}
	}
	return false;
}

static void collect_live(uint64_t table, unsigned level)
{
	const uint64_t *entries = pfn_to_virt((pfn_t){table});
	assert_true(live_count < ARRAY_COUNT(live_tables));
	live_tables[live_count++] = table;
	for (unsigned i = 0; level > 0 && i < S2_ENTRIES; i++) {
		if (entry_kind(&fake_format, entries[i], level) == ENTRY_TABLE) {
			collect_live(entry_pfn(&fake_format, entries[i]).n, level - 1);
		}
	}
}

static uint64_t translate(uint64_t gfn)
{
	struct s2_path path;
	uint64_t value = *s2_walk(vm->s2, (gfn_t){gfn}, &path);
	if (entry_kind(&fake_format, value, path.level) != ENTRY_LEAF) {
		return value;
	}
	return entry_pfn(&fake_format, value).n + gfn % order_pages(level_order(path.level));
}

/* After each store: pages that are not concerned still are where they were, for any walker. */
static void on_store(pfn_t pfn, unsigned index, uint64_t before, uint64_t after)
{
	(void)before;
	(void)after;
	if (!is_live(pfn.n)) {
		return;
	}
	uint64_t word = pfn.n << 9 | index;
	for (uint64_t i = 0; i < watched_stores && i < ARRAY_COUNT(changed_words); i++) {
		torn |= changed_words[i] == word;
	}
	if (watched_stores < ARRAY_COUNT(changed_words)) {
		changed_words[watched_stores] = word;
	}
	watched_stores++;
	for (unsigned i = 0; i < probe_count; i++) {
		disturbed |= translate(probes[i]) != probe_pfns[i];
	}
	live_count = 0;
	collect_live(vm->s2->root.n, S2_LEVELS - 1);
}

static void watch(const uint64_t *gfns, unsigned count)
{
	probe_count = count;
	for (unsigned i = 0; i < count; i++) {
		probes[i] = gfns[i];
		probe_pfns[i] = translate(gfns[i]);
	}
	watched_stores = 0;
	disturbed = false;
	torn = false;
	live_count = 0;
	collect_live(vm->s2->root.n, S2_LEVELS - 1);
	fake_writes_record(on_store);
}

/* How many stores to linked tables there were; none twice to one word, none that disturbed. */
static uint64_t watched(void)
{
	fake_writes_stop();
	assert_false(disturbed);
	assert_false(torn);
	world_check();
	return watched_stores;
}

/* F10: a leaf is cut while the guest runs: the new table is complete before it is linked. */
static void test_split_of_a_leaf(void **state)
{
	static const uint64_t others[] = {512, 513, 599, 601, 1023};
	uint64_t freed;
	uint64_t work;
	(void)state;
	start(1);
	model_populate(vm, 600, ORDER_2M);
	watch(others, ARRAY_COUNT(others));
	struct s2_locked locked = s2_lock(vm->s2);
	enum status status = s2_surrender(locked, (gfn_t){600}, 0, &freed, &work);
	s2_unlock(locked);
	assert_int_equal(watched(), 2); /* the link, the page */
	assert_int_equal(status, STATUS_OK);
	stop();
}

static void test_split_of_a_ballooned_gigabyte(void **state)
{
	static const uint64_t others[] = {0, 599, 601, 1024, 262143};
	uint64_t work;
	(void)state;
	start(1);
	model_surrender(vm, 0, ORDER_1G);
	watch(others, ARRAY_COUNT(others));
	struct s2_locked locked = s2_lock(vm->s2);
	enum status status = s2_return(locked, (gfn_t){600}, 0, &work);
	s2_unlock(locked);
	/* The upper table is linked when it is full; then the lower; then the page. */
	assert_int_equal(watched(), 3);
	assert_int_equal(status, STATUS_OK);
	stop();
}

static void test_touch_in_a_ballooned_region(void **state)
{
	static const uint64_t others[] = {512, 599, 601, 1023};
	uint64_t pages;
	(void)state;
	start(1);
	model_surrender(vm, 512, ORDER_2M);
	watch(others, ARRAY_COUNT(others));
	struct s2_locked locked = s2_lock(vm->s2);
	enum status status = s2_populate(locked, (gfn_t){600}, 0, &pages);
	s2_unlock(locked);
	assert_int_equal(watched(), 2);
	assert_int_equal(status, STATUS_OK);
	stop();
}

/* The last of 512: the table is replaced by one ballooned entry, in one store. */
static void test_collapse(void **state)
{
	uint64_t freed;
	uint64_t work;
	(void)state;
	start(1);
	model_surrender(vm, 512, ORDER_2M);
	model_populate(vm, 1023, 0);
	model_populate(vm, 2000, 0);
	static const uint64_t others[] = {512, 1022, 2000};
	watch(others, ARRAY_COUNT(others));
	struct s2_locked locked = s2_lock(vm->s2);
	enum status status = s2_surrender(locked, (gfn_t){1023}, 0, &freed, &work);
	s2_unlock(locked);
	/* A walker sees the page ballooned in the table, then the table's entry ballooned. */
	fake_writes_stop();
	assert_int_equal(watched_stores, 2);
	assert_int_equal(status, STATUS_OK);
	assert_false(torn);
	world_check();
	world_expect_slot(vm->s2, 600, S2_BALLOONED, ORDER_2M);
	stop();
}

static void test_join_in_place(void **state)
{
	static const uint64_t others[] = {512, 600, 1023};
	(void)state;
	start(1);
	model_populate(vm, 512, ORDER_2M);
	model_pin(vm, 600); /* cuts it */
	model_unpin(vm, 600);
	watch(others, ARRAY_COUNT(others));
	struct s2_locked locked = s2_lock(vm->s2);
	enum status status = s2_merge(locked, (gfn_t){600});
	s2_unlock(locked);
	assert_int_equal(watched(), 1);
	assert_int_equal(status, STATUS_OK);
	stop();
}

/* ---- Fail the Nth
 * ------------------------------------------------------------------------------*/

static void page_in_empty_space(void)
{
}

static void page_in_leaf(void)
{
	model_populate(vm, 600, ORDER_2M);
	model_write(vm, 0, 600);
}

static void page_in_ballooned_region(void)
{
	model_surrender(vm, 512, ORDER_2M);
}

static void page_in_ballooned_gigabyte(void)
{
	model_surrender(vm, 0, ORDER_1G);
}

static void page_in_whole_table(void)
{
	for (uint64_t gfn = 1023; gfn >= 512; gfn--) {
		model_populate(vm, gfn, 0);
	}
	model_write(vm, 0, 600);
}

static void (*const situations[])(void) = {
	page_in_empty_space,	    page_in_leaf,	 page_in_ballooned_region,
	page_in_ballooned_gigabyte, page_in_whole_table,
};

static enum status do_populate(void)
{
	return model_populate(vm, 600, 0);
}

static enum status do_populate_2m(void)
{
	return model_populate(vm, 600, ORDER_2M);
}

static enum status do_surrender(void)
{
	return model_surrender(vm, 600, 0);
}

static enum status do_surrender_2m(void)
{
	return model_surrender(vm, 512, ORDER_2M);
}

static enum status do_return(void)
{
	return model_return(vm, 600, 0);
}

static enum status do_return_2m(void)
{
	return model_return(vm, 512, ORDER_2M);
}

static enum status do_pin(void)
{
	return model_pin(vm, 600);
}

static enum status do_join(void)
{
	return model_join(vm, 600);
}

static enum status do_create(void)
{
	struct model *second = model_create(9, 700, 3);
	if (second == NULL) {
		return STATUS_NO_MEMORY;
	}
	model_destroy(second, 4096);
	return STATUS_OK;
}

/* Answers how many allocations could be made to fail, so that a test sees that it did something. */
static unsigned fail_each_allocation(void (*prepare)(void), enum status (*operation)(void))
{
	for (unsigned n = 1;; n++) {
		start(2);
		prepare();
		world_flush(vm->s2);
		struct world_image before = world_image();
		model_failures_injected = true;
		frame_alloc_fail_at = n;
		enum status status = operation();
		bool used_up = frame_alloc_fail_at == 0;
		frame_alloc_fail_at = 0;
		model_failures_injected = false;
		if (status == STATUS_NO_MEMORY) {
			struct world_image after = world_image();
			assert_true(used_up);
			assert_true(world_image_equal(&before, &after));
			world_image_free(&after);
			/* And the next attempt succeeds. */
			status = operation();
			assert_true(status != STATUS_NO_MEMORY);
		}
		world_image_free(&before);
		model_verify(vm, true);
		stop();
		if (!used_up) {
			return n - 1;
		}
		assert_true(n < 100);
	}
}

static void test_fail_every_allocation(void **state)
{
	static enum status (*const operations[])(void) = {
		do_populate,  do_populate_2m, do_surrender, do_surrender_2m, do_return,
		do_return_2m, do_pin,	      do_join,	    do_create,
	};
	/* Allocations in each operation and situation; populate_2m counts its second attempt. */
	static const unsigned counts[ARRAY_COUNT(situations)][ARRAY_COUNT(operations)] = {
		{4, 3, 3, 2, 0, 0, 4, 0, 1}, {0, 0, 1, 0, 0, 0, 1, 0, 1},
		{2, 2, 0, 0, 1, 0, 0, 0, 1}, {3, 3, 0, 0, 2, 1, 0, 0, 1},
		{0, 0, 0, 0, 0, 0, 0, 1, 1},
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(situations); i++) {
		for (unsigned j = 0; j < ARRAY_COUNT(operations); j++) {
			unsigned count = fail_each_allocation(situations[i], operations[j]);
			if (count != counts[i][j]) {
				fail_msg("situation %u operation %u: %u allocations, expected %u",
					 i, j, count, counts[i][j]);
			}
		}
	}
}

#define TEST(name) cmocka_unit_test_teardown(name, model_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_2m_is_one_entry),
		TEST(test_table_of_single_pages_is_one_entry),
		TEST(test_1g_is_one_entry),
		TEST(test_split_of_a_leaf),
		TEST(test_split_of_a_ballooned_gigabyte),
		TEST(test_touch_in_a_ballooned_region),
		TEST(test_collapse),
		TEST(test_join_in_place),
		TEST(test_fail_every_allocation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
