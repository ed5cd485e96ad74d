/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/audit.c finds what it is there to find in counters, promises and lists: see test_audit.c.
 */
#include "fake/audited.h"

#include <string.h>

#include "base/bits.h"
#include "mm/alloc.h"
#include "mm/pool.h"

/* ---- Counters ---- */

static void test_counters_of_a_space(void **state)
{
	static const struct {
		size_t offset;
		const char *text;
	} counters[] = {
		{offsetof(struct s2, mapped_pages), "mapped pages"},
		{offsetof(struct s2, large_pages), "large pages"},
		{offsetof(struct s2, ballooned_pages), "ballooned pages"},
		{offsetof(struct s2, table_pages), "table pages"},
		{offsetof(struct s2, revoking_pages), "quarantine counter"},
		{offsetof(struct s2, promise.held_pages), "pages charged"},
		{offsetof(struct s2, promise.table_pages), "promised tables"},
		{offsetof(struct s2, promise.min_pages), "frames owed"},
		{offsetof(struct s2, promise.table_pages_worst), "frames owed"},
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(counters); i++) {
		uint64_t *counter = (uint64_t *)((char *)audited_vm + counters[i].offset);
		*counter += 1;
		expect_complaint(counters[i].text);
		*counter -= 2;
		expect_complaint(counters[i].text);
		*counter += 1;
		audited_run();
		assert_int_equal(audited_report.error_count, 0);
	}
}

static void test_counters_of_a_table(void **state)
{
	struct s2_path path;
	(void)state;
	(void)audited_entry(audited_vm, 3, &path);
	frame_of(path.table[0])->next++;
	expect_complaint("present entries");
	frame_of(path.table[0])->next--;
	frame_of(path.table[0])->prev++;
	expect_complaint("ballooned entries");
	frame_of(path.table[0])->prev--;
	frame_of(path.table[0])->next += 1u << 16;
	expect_complaint("level of a page table");
}

static void test_more_promised_than_there_is(void **state)
{
	(void)state;
	uint64_t too_many = frame_count_free() + frame_count(FRAME_REVOKING) + 1 - promise_owed();
	/* A minimum that admission would have refused. */
	promise_held_add(&audited_vm->promise, 1000000);
	audited_vm->promise.min_pages += too_many;
	promise_held_remove(&audited_vm->promise, 1000000);
	expect_complaint("promises beyond what is free");
	assert_int_equal(audited_report.error_count, 1);
}

/* ---- Lists ---- */

static void test_pool_list_cut_short(void **state)
{
	(void)state;
	audited_listed(FRAME_DIRTY)->next = FRAME_NONE;
	expect_complaint("frames in the dirty pool");
}

static void test_pool_list_runs_away(void **state)
{
	(void)state;
	audited_listed(FRAME_DIRTY)->next = (uint32_t)frame_table_count + 5;
	expect_complaint("damaged list");
}

static void test_pool_list_is_a_ring(void **state)
{
	(void)state;
	struct frame *frame = audited_listed(FRAME_DIRTY);
	frame->next = (uint32_t)(frame - frame_table);
	expect_complaint("damaged list");
}

static void test_pool_list_back_link(void **state)
{
	(void)state;
	struct frame *frame = audited_listed(FRAME_DIRTY);
	frame_table[frame->next].prev ^= 1;
	expect_complaint("damaged list");
}

static void test_pool_holds_a_guests_frame(void **state)
{
	(void)state;
	audited_listed(FRAME_DIRTY)->next = (uint32_t)world_lookup(audited_vm, 3).pfn.n;
	expect_complaint("damaged list");
}

static void test_zeroed_frame_in_the_dirty_pool(void **state)
{
	(void)state;
	struct frame *frame = audited_listed(FRAME_DIRTY);
	frame->tag.state = FRAME_ZEROED;
	frame_counts[FRAME_DIRTY] -= order_pages(frame->tag.order);
	frame_counts[FRAME_ZEROED] += order_pages(frame->tag.order);
	expect_complaint("damaged list");
}

static void test_quarantine_cut_short(void **state)
{
	(void)state;
	frame_table[audited_vm->revoking_head].next = FRAME_NONE;
	expect_complaint("quarantine");
}

static void test_quarantine_is_a_ring(void **state)
{
	(void)state;
	frame_table[audited_vm->revoking_head].next = audited_vm->revoking_head;
	expect_complaint("quarantine");
}

static void test_quarantine_holds_a_free_frame(void **state)
{
	(void)state;
	frame_table[audited_vm->revoking_head].next =
		(uint32_t)(audited_listed(FRAME_DIRTY) - frame_table);
	expect_complaint("quarantine");
}

/* Two VMs' quarantines exchanged: the sums are right, the owners are not. */
static void test_quarantines_exchanged(void **state)
{
	(void)state;
	assert_int_equal(world_surrender(audited_other, 5, 0), STATUS_OK);
	assert_int_equal(world_surrender(audited_other, 4, 0), STATUS_OK);
	uint32_t head = audited_vm->revoking_head;
	audited_vm->revoking_head = audited_other->revoking_head;
	audited_other->revoking_head = head;
	expect_complaint("quarantine");
}

static void test_counts_every_error(void **state)
{
	(void)state;
	audited_record(audited_vm, 2)->gfn = 77;
	audited_record(audited_vm, 3)->gfn = 78;
	audited_record(audited_vm, 4)->gfn = 79;
	audited_run();
	assert_int_equal(audited_report.error_count, 3);
	assert_non_null(strstr(audited_report.first_error, "found 77, expected 2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_counters_of_a_space),
		TEST(test_counters_of_a_table),
		TEST(test_more_promised_than_there_is),
		TEST(test_pool_list_cut_short),
		TEST(test_pool_list_runs_away),
		TEST(test_pool_list_is_a_ring),
		TEST(test_pool_list_back_link),
		TEST(test_pool_holds_a_guests_frame),
		TEST(test_zeroed_frame_in_the_dirty_pool),
		TEST(test_quarantine_cut_short),
		TEST(test_quarantine_is_a_ring),
		TEST(test_quarantine_holds_a_free_frame),
		TEST(test_quarantines_exchanged),
		TEST(test_counts_every_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
