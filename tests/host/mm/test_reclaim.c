/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/reclaim.c and the fake TLB: nothing is free before everybody has let go of it (F1), one flush
 * serves a whole batch, and the checks notice when a flush is missing.
 */
#include "fake/world.h"

#include "base/bits.h"
#include "mm/alloc.h"
#include "mm/reclaim.h"
#include "mm/tlb.h"

static struct s2 *vm;

static void start(void)
{
	world_start(512, 2000, 1);
	vm = world_create(1, 1500, 0);
	assert_non_null(vm);
}

static void test_waits_for_the_flush(void **state)
{
	(void)state;
	start();
	world_write(vm, 3, 0x33);
	world_write(vm, 4, 0x44);
	uint64_t free_before = frame_count_free();
	assert_int_equal(world_surrender(vm, 3, 0), STATUS_OK);
	assert_true(fake_tlb_holds(vm, 0, (gfn_t){3}));
	assert_int_equal(frame_count_free(), free_before);
	assert_int_equal(frame_count(FRAME_REVOKING), 1);
	assert_int_equal(vm->revoking_pages, 1);
	world_flush(vm);
	assert_false(fake_tlb_holds(vm, 0, (gfn_t){3}));
	assert_true(fake_tlb_holds(vm, 0, (gfn_t){4})); /* this TLB keeps what is right */
	assert_int_equal(frame_count_free(), free_before + 1);
	assert_int_equal(frame_count(FRAME_REVOKING), 0);
	world_destroy_all();
}

/* Until the flush the guest itself may still see its old page; nobody else can have it. */
static void test_stale_translation_is_harmless_until_then(void **state)
{
	(void)state;
	world_start(512, 200, 1);
	vm = world_create(1, 1500, 0);
	struct s2 *other = world_create(2, 1500, 0);
	world_write(vm, 3, 0x33);
	assert_int_equal(world_surrender(vm, 3, 0), STATUS_OK);
	const uint64_t *old = (const uint64_t *)fake_tlb_access(vm, 0, (gfn_t){3});
	assert_non_null(old);
	uint64_t gfn = 0;
	while (world_populate(other, gfn, 0) == STATUS_OK) {
		gfn++; /* takes every frame that is not promised */
		assert_true(gfn < 1500);
	}
	assert_int_equal(old[0], 0x33);
	world_flush(vm);
	assert_null(fake_tlb_access(vm, 0, (gfn_t){3}));
	world_destroy(vm, 4096); /* now its promise is withdrawn, too */
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(world_populate(other, gfn + i, 0), STATUS_OK);
		world_expect(other, gfn + i, 0);
	}
	world_destroy_all();
}

static void test_one_flush_per_batch(void **state)
{
	(void)state;
	start();
	for (uint64_t gfn = 0; gfn < 1024; gfn += gfn < 512 ? 1 : 512) {
		assert_int_equal(world_populate(vm, gfn, gfn < 512 ? 0 : ORDER_2M), STATUS_OK);
	}
	uint64_t free_before = frame_count_free();
	for (uint64_t gfn = 0; gfn < 512; gfn++) {
		assert_int_equal(world_surrender(vm, gfn, 0), STATUS_OK);
	}
	assert_int_equal(world_surrender(vm, 512, ORDER_2M), STATUS_OK);
	assert_int_equal(fake_tlb_flush_count, 0);
	world_flush(vm);
	assert_int_equal(fake_tlb_flush_count, 1);
	assert_int_equal(frame_count_free(), free_before + 1024 + 1);
	world_flush(vm); /* nothing is waiting: no flush */
	assert_int_equal(fake_tlb_flush_count, 1);
	world_destroy_all();
}

/* A table page is as dangerous as memory: a stale walk of it would translate by foreign bytes. */
static void test_table_pages_wait_too(void **state)
{
	(void)state;
	start();
	world_write(vm, 600, 0x66);
	assert_int_equal(world_surrender(vm, 600, 0), STATUS_OK);
	assert_int_equal(world_return(vm, 600, 0), STATUS_OK); /* its table is empty: it goes */
	assert_int_equal(frame_count(FRAME_REVOKING), 3);      /* the page, its table, the next */
	world_check();
	world_flush(vm);
	assert_int_equal(frame_count(FRAME_REVOKING), 0);
	assert_int_equal(vm->table_pages, 2);
	world_destroy_all();
}

/* Short of frames for a table, the space flushes its own quarantine rather than fail. */
static void test_quarantine_serves_table_pages(void **state)
{
	(void)state;
	world_start(512, 517, 1);
	vm = world_create(1, 1024, 0); /* promised: 5 tables; 1 taken */
	assert_int_equal(world_populate(vm, 0, ORDER_2M), STATUS_OK);
	world_write(vm, 3, 0x33);
	assert_int_equal(frame_count_free(), 2);
	assert_int_equal(world_surrender(vm, 3, 0), STATUS_OK);
	assert_int_equal(frame_count_free(), 1);
	assert_int_equal(world_surrender(vm, 600, 0), STATUS_OK);
	assert_int_equal(frame_count_free(), 0);
	assert_int_equal(fake_tlb_flush_count, 0);
	assert_int_equal(world_return(vm, 600, 0), STATUS_OK);
	assert_int_equal(frame_count_free(), 0);
	assert_int_equal(frame_count(FRAME_REVOKING), 2);
	assert_int_equal(world_surrender(vm, 601, 0), STATUS_OK); /* needs the table again */
	assert_int_equal(fake_tlb_flush_count, 1);
	world_destroy_all();
}

static void test_wrong_tag_panics(void **state)
{
	(void)state;
	start();
	world_write(vm, 3, 0x33);
	pfn_t pfn = world_lookup(vm, 3).pfn;
	struct frame_tag wrong = {FRAME_GUEST, 0, 2};
	expect_panic("owner=1", reclaim_push(vm, pfn, wrong));
	wrong = (struct frame_tag){FRAME_HYPERVISOR, 0, 1};
	expect_panic("state=5", reclaim_push(vm, pfn, wrong));
	world_check();
}

/* ---- Do the checks see anything?
 * ---------------------------------------------------------------*/

static void fails(void (*act)(void), const char *what)
{
	expect_panic(what, act());
}

static void flush_that_does_nothing(void)
{
	fake_tlb_broken = true;
	struct s2_locked locked = s2_lock(vm);
	reclaim_flush(locked);
	s2_unlock(locked);
	fake_tlb_check();
}

static void test_missing_flush_is_noticed_for_memory(void **state)
{
	(void)state;
	start();
	world_write(vm, 3, 0x33);
	assert_int_equal(world_surrender(vm, 3, 0), STATUS_OK);
	fails(flush_that_does_nothing, "can still reach");
}

static void test_missing_flush_is_noticed_for_tables(void **state)
{
	(void)state;
	start();
	assert_int_equal(world_surrender(vm, 600, 0), STATUS_OK);
	assert_null(fake_tlb_access(vm, 1, (gfn_t){601})); /* walks, and caches the tables */
	assert_int_equal(world_return(vm, 600, 0), STATUS_OK);
	fails(flush_that_does_nothing, "as a page table");
}

/* An epoch that was asked for before the page was taken out proves nothing about it. */
static void early_request(void)
{
	uint64_t epoch = tlb_epoch_request(vm);
	assert_int_equal(world_surrender(vm, 3, 0), STATUS_OK);
	tlb_epoch_enforce(vm, epoch);
	assert_true(tlb_epoch_reached(vm, epoch));
	struct frame_tag revoking = {FRAME_REVOKING, 0, 1};
	frame_transition((pfn_t){vm->revoking_head}, revoking,
			 (struct frame_tag){FRAME_DIRTY, 0, VM_ID_HOST});
	fake_tlb_check();
}

static void test_early_epoch_is_noticed(void **state)
{
	(void)state;
	start();
	world_write(vm, 3, 0x33);
	fails(early_request, "can still reach");
}

static void read_page_3(void)
{
	(void)fake_tlb_access(vm, 0, (gfn_t){3});
}

static void test_hidden_page_is_noticed(void **state)
{
	(void)state;
	start();
	world_write(vm, 3, 0x33);
	assert_int_equal(world_surrender(vm, 3, 0), STATUS_OK);
	assert_int_equal(world_populate(vm, 3, 0), STATUS_OK); /* before the flush */
	fails(read_page_3, "hides");
}

static int teardown(void **state)
{
	fake_tlb_broken = false;
	return world_teardown(state);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_waits_for_the_flush),
		TEST(test_stale_translation_is_harmless_until_then),
		TEST(test_one_flush_per_batch),
		TEST(test_table_pages_wait_too),
		TEST(test_quarantine_serves_table_pages),
		TEST(test_wrong_tag_panics),
		TEST(test_missing_flush_is_noticed_for_memory),
		TEST(test_missing_flush_is_noticed_for_tables),
		TEST(test_early_epoch_is_noticed),
		TEST(test_hidden_page_is_noticed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
