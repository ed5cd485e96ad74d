/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/cache.c: frames that a VM is lent are counted, promised, merged and given back rightly. With
 * one thread; several CPUs are tests/threads.
 */
#include "fake/world.h"

#include <string.h>

#include "base/bits.h"
#include "mm/alloc.h"
#include "mm/cache.h"
#include "mm/pool.h"

static const struct frame_tag host_page = {FRAME_HYPERVISOR, 0, VM_ID_HOST};

static uint64_t ready_of(const struct s2 *s2)
{
	return s2->promise.cache.count;
}

static void start(uint64_t frames, uint64_t floor)
{
	world_start(512, frames, 2);
	world_scrub_all();
	frame_caches_floor_set(floor);
}

static void test_off_after_boot(void **state)
{
	(void)state;
	world_start(512, 512, 2);
	struct s2 *s2 = world_create(1, 200, 0);
	assert_int_equal(world_populate(s2, 5, 0), STATUS_OK);
	assert_int_equal(ready_of(s2), 0);
	assert_int_equal(s2->promise.held_pages, 1);
}

/* All numbers are as if nothing were lent, but for what is charged to the VM. */
static void test_numbers_do_not_show_it(void **state)
{
	(void)state;
	start(512, 0);
	struct s2 *s2 = world_create(1, 200, 10);
	uint64_t tables = frame_count(FRAME_HYPERVISOR);
	uint64_t spare = promise_spare();
	for (uint64_t gfn = 0; gfn < 100; gfn++) {
		assert_int_equal(world_populate(s2, gfn, 0), STATUS_OK);
		if (gfn == 0) {
			tables = frame_count(FRAME_HYPERVISOR);
			assert_int_equal(ready_of(s2), FRAME_CACHE_SIZE);
		}
		assert_int_equal(s2->promise.held_pages, gfn + 1 + ready_of(s2));
		assert_int_equal(frame_count(FRAME_GUEST), gfn + 1);
		assert_int_equal(frame_count_free(), 512 - tables - gfn - 1);
		assert_int_equal(frame_count(FRAME_ZEROED), 512 - tables - gfn - 1);
		assert_int_equal(promise_spare(), spare - sub_floor_u64(gfn + 1, 10));
	}
	assert_true(ready_of(s2) > 0);
	world_check_zeroed();
	frame_caches_empty();
	world_check();
	assert_int_equal(ready_of(s2), 0);
	assert_int_equal(s2->promise.held_pages, 100);
	assert_int_equal(frame_count(FRAME_GUEST), 100);
	assert_int_equal(promise_spare(), spare - 90);
	world_destroy_all();
}

static void test_floor(void **state)
{
	(void)state;
	start(512, 300);
	struct s2 *s2 = world_create(1, 200, 0);
	pfn_t pfn;
	while (promise_spare() > 300 + FRAME_CACHE_SIZE) {
		assert_int_equal(frame_alloc(0, host_page, &pfn), STATUS_OK);
	}
	assert_int_equal(world_populate(s2, 0, 0), STATUS_OK);
	assert_int_equal(ready_of(s2), 0); /* 331 are left for others: one too few */
	frame_free(pfn, host_page);
	world_scrub_all();
	assert_int_equal(world_populate(s2, 1, 0), STATUS_OK);
	assert_int_equal(ready_of(s2), 0);
	frame_caches_floor_set(299);
	assert_int_equal(world_populate(s2, 2, 0), STATUS_OK);
	assert_int_equal(ready_of(s2), 0);
	frame_caches_floor_set(298);
	assert_int_equal(world_populate(s2, 3, 0), STATUS_OK);
	assert_int_equal(ready_of(s2), 0);
	frame_caches_floor_set(296);
	assert_int_equal(world_populate(s2, 4, 0), STATUS_OK);
	assert_int_equal(ready_of(s2), FRAME_CACHE_SIZE);
}

/* Whoever finds nothing gets what others were lent, to the last frame. */
static void test_every_frame_counts(void **state)
{
	(void)state;
	start(400, 0);
	struct s2 *first = world_create(1, 300, 0);
	struct s2 *second = world_create(2, 400, 0);
	assert_int_equal(world_populate(first, 0, 0), STATUS_OK);
	assert_int_equal(ready_of(first), FRAME_CACHE_SIZE);
	uint64_t gfn = 0;
	while (world_populate(second, gfn, 0) == STATUS_OK) {
		gfn++;
	}
	assert_int_equal(ready_of(first), 0);
	assert_int_equal(ready_of(second), 0);
	assert_int_equal(promise_spare(), 0);
	assert_int_equal(gfn, 400 - first->table_pages - second->table_pages - 1 - promise_owed());
}

static void test_host_and_tables_take_back_too(void **state)
{
	(void)state;
	start(100, 0);
	struct s2 *s2 = world_create(1, 50, 0);
	assert_int_equal(world_populate(s2, 0, 0), STATUS_OK);
	assert_int_equal(ready_of(s2), FRAME_CACHE_SIZE);
	pfn_t pfn;
	uint64_t taken = 0;
	while (frame_alloc(0, host_page, &pfn) == STATUS_OK) {
		taken++;
		world_check();
	}
	assert_int_equal(taken, 100 - 1 - s2->table_pages - promise_owed());
	assert_int_equal(ready_of(s2), 0);
}

/* A promise is not kept with frames that somebody else was lent. */
static void test_promises_come_first(void **state)
{
	(void)state;
	start(200, 0);
	struct s2 *greedy = world_create(1, 190, 0);
	struct s2 *entitled = world_create(2, 120, 90);
	uint64_t gfn = 0;
	while (world_populate(greedy, gfn, 0) == STATUS_OK) {
		gfn++;
	}
	for (uint64_t i = 0; i < 90; i++) {
		assert_int_equal(world_populate(entitled, i, 0), STATUS_OK);
	}
	assert_int_equal(world_populate(entitled, 90, 0), STATUS_NO_MEMORY);
}

/* The buddy of a frame that comes back may be ZEROED and of its size, but lent. */
static void test_lent_frames_are_not_merged(void **state)
{
	(void)state;
	start(128, 0);
	struct s2 *s2 = world_create(1, 40, 0);
	pfn_t pages[128];
	unsigned count = 0;
	while (count < 128 && frame_alloc(0, host_page, &pages[count]) == STATUS_OK) {
		count++;
	}
	/* Every other one comes back and is lent; then their neighbours come back. */
	for (unsigned i = 0; i < count; i++) {
		if (pages[i].n % 2 == 0) {
			frame_free(pages[i], host_page);
		}
	}
	world_scrub_all();
	assert_int_equal(world_populate(s2, 0, 0), STATUS_OK);
	uint64_t lent = ready_of(s2);
	assert_true(lent > 16);
	for (unsigned i = 0; i < count; i++) {
		if (pages[i].n % 2 != 0) {
			frame_free(pages[i], host_page);
			(void)scrub_step(0);
			world_check();
		}
	}
	assert_int_equal(ready_of(s2), lent);
	world_check_zeroed();
	world_destroy_all();
	world_scrub_all();
	assert_int_equal(frame_table[512].tag.order, 7);
}

static void test_end_of_a_vm(void **state)
{
	(void)state;
	start(512, 0);
	struct s2 *s2 = world_create(1, 200, 64);
	assert_int_equal(world_populate(s2, 7, 0), STATUS_OK);
	assert_int_equal(ready_of(s2), FRAME_CACHE_SIZE);
	world_destroy(s2, 4096);
	world_scrub_all();
	assert_int_equal(frame_table[512].tag.order, ORDER_2M);
}

/* A surrender while frames are ready: what is charged is what is mapped and what is ready. */
static void test_surrender_between(void **state)
{
	(void)state;
	start(512, 0);
	struct s2 *s2 = world_create(1, 200, 8);
	for (uint64_t gfn = 0; gfn < 20; gfn++) {
		assert_int_equal(world_populate(s2, gfn, 0), STATUS_OK);
	}
	for (uint64_t gfn = 0; gfn < 20; gfn++) {
		assert_int_equal(world_surrender(s2, gfn, 0), STATUS_OK);
	}
	world_flush(s2);
	assert_int_equal(frame_count(FRAME_GUEST), 0);
	assert_int_equal(s2->promise.held_pages, ready_of(s2));
	frame_caches_empty();
	world_check();
	assert_int_equal(s2->promise.held_pages, 0);
}

static void expect_complaint(struct s2 *s2, const char *text)
{
	struct audit_report report;
	struct s2 *spaces[] = {s2};
	audit_run(spaces, 1, &report);
	assert_true(report.error_count > 0);
	if (strstr(report.first_error, text) == NULL) {
		fail_msg("audit says \"%s\", expected \"%s\"", report.first_error, text);
	}
}

static void test_auditor_knows(void **state)
{
	(void)state;
	start(512, 0);
	struct s2 *s2 = world_create(1, 200, 0);
	assert_int_equal(world_populate(s2, 0, 0), STATUS_OK);
	struct frame_cache *cache = &s2->promise.cache;
	struct frame_cache before = *cache;
	cache->pfns[3] = cache->pfns[4];
	expect_complaint(s2, "place of a ready frame");
	*cache = before;
	cache->pfns[3] = (uint32_t)frame_table_count;
	expect_complaint(s2, "ready frame is not this VM's");
	*cache = before;
	cache->count--;
	expect_complaint(s2, "count of frames in a state");
	*cache = before;
	cache->count = FRAME_CACHE_SIZE + 1;
	expect_complaint(s2, "count of frames in a state");
	*cache = before;
	struct frame_tag *tag = &frame_table[cache->pfns[0]].tag;
	tag->owner = 9;
	expect_complaint(s2, "ready frame is not this VM's");
	tag->owner = 1;
	world_check();
}

#define TEST(name) cmocka_unit_test_teardown(name, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_off_after_boot),
		TEST(test_numbers_do_not_show_it),
		TEST(test_floor),
		TEST(test_every_frame_counts),
		TEST(test_host_and_tables_take_back_too),
		TEST(test_promises_come_first),
		TEST(test_lent_frames_are_not_merged),
		TEST(test_end_of_a_vm),
		TEST(test_surrender_between),
		TEST(test_auditor_knows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
