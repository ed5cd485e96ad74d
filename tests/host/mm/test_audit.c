/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/audit.c finds what it is there to find in frames' records and in tables: each test damages one
 * thing in a sound world (fake/audited.h) and reads the complaint. The auditor never panics and
 * changes nothing, whatever it is shown.
 */
#include "fake/audited.h"

#include <string.h>

#include "base/bits.h"
#include "mm/alloc.h"
#include "mm/pool.h"

/* ---- Frames ---- */

static void test_wrong_owner(void **state)
{
	(void)state;
	audited_record(audited_vm, 3)->tag.owner = 2;
	expect_complaint("mapped frame is not this VM's");
}

static void test_impossible_owner(void **state)
{
	(void)state;
	audited_record(audited_vm, 3)->tag.owner = 0xffff;
	expect_complaint("impossible owner");
}

static void test_wrong_gfn(void **state)
{
	(void)state;
	audited_record(audited_vm, 3)->gfn = 4;
	expect_complaint("gfn of a mapped frame");
}

static void test_wrong_gfn_of_large_leaf(void **state)
{
	(void)state;
	audited_record(audited_vm, 1024)->gfn += 512;
	expect_complaint("gfn of a mapped frame");
}

static void test_wrong_state(void **state)
{
	(void)state;
	audited_record(audited_vm, 3)->tag.state = FRAME_REVOKING;
	expect_complaint("count of frames in a state");
}

static void test_state_that_does_not_exist(void **state)
{
	(void)state;
	audited_record(audited_vm, 3)->tag.state = 200;
	expect_complaint("without a head");
}

static void test_wrong_order(void **state)
{
	(void)state;
	audited_record(audited_vm, 1024)->tag.order = 3;
	expect_complaint("without a head");
}

static void test_order_beyond_the_table(void **state)
{
	(void)state;
	audited_record(audited_vm, 3)->tag.order = 63;
	expect_complaint("impossible order");
	audited_record(audited_vm, 3)->tag.order = 17;
	expect_complaint("impossible order");
}

static void test_head_inside_an_extent(void **state)
{
	(void)state;
	pfn_t pfn = world_lookup(audited_vm, 1024 + 77).pfn;
	frame_of(pfn)->tag = (struct frame_tag){FRAME_DIRTY, 0, 0};
	expect_complaint("frame inside an extent");
}

static void test_lost_frame(void **state)
{
	struct s2_path path;
	(void)state;
	/* Out of the tables and of every counter, but not given back: the frame belongs to nobody.
	 */
	*audited_entry(audited_vm, 3, &path) = 0;
	table_set_counts(path.table[0], 0, table_present(path.table[0]) - 1,
			 table_ballooned(path.table[0]));
	audited_vm->mapped_pages--;
	promise_held_remove(&audited_vm->promise, 1);
	expect_complaint("frames owned by a VM");
}

static void test_frame_of_no_vm(void **state)
{
	(void)state;
	struct s2 *rest[] = {audited_vm};
	audit_run(rest, 1, &audited_report); /* the other VM is forgotten, its frames are not */
	assert_true(audited_report.error_count >= 2);
	assert_non_null(strstr(audited_report.first_error, "guest frames of no VM"));
}

static void test_lost_table_of_no_vm(void **state)
{
	(void)state;
	pfn_t pfn;
	assert_int_equal(frame_alloc_table(&audited_vm->promise, 1, &pfn), STATUS_OK);
	expect_complaint("promised tables");
	audited_vm->promise.table_pages--;
	audited_vm->promise.table_pages_worst--;
	expect_complaint("page tables in the frame table");
}

static void test_counter_of_states(void **state)
{
	(void)state;
	frame_counts[FRAME_RESERVED]++;
	expect_complaint("count of frames in a state");
}

/* ---- Tables ---- */

static void test_double_mapping_in_one_vm(void **state)
{
	struct s2_path path;
	(void)state;
	*audited_entry(audited_vm, 4, &path) = *audited_entry(audited_vm, 3, &path);
	expect_complaint("gfn of a mapped frame");
}

static void test_double_mapping_in_two_vms(void **state)
{
	struct s2_path path;
	(void)state;
	*audited_entry(audited_other, 3, &path) = *audited_entry(audited_vm, 3, &path);
	expect_complaint("mapped frame is not this VM's");
}

static void test_mapped_frame_is_free(void **state)
{
	struct s2_path path;
	(void)state;
	pfn_t frame = {(uint64_t)(audited_listed(FRAME_DIRTY) - frame_table)};
	*audited_entry(audited_vm, 3, &path) = leaf_value(&fake_format, frame, 0);
	expect_complaint("mapped frame is not this VM's");
}

static void test_mapped_frame_is_the_hosts(void **state)
{
	struct s2_path path;
	(void)state;
	*audited_entry(audited_vm, 3, &path) =
		leaf_value(&fake_format, audited_vm->root, 0); /* its own page table! */
	expect_complaint("mapped frame is not this VM's");
}

static void test_mapped_frame_beyond_memory(void **state)
{
	struct s2_path path;
	(void)state;
	*audited_entry(audited_vm, 3, &path) = leaf_value(&fake_format, (pfn_t){BIT(40)}, 0);
	expect_complaint("mapped frame is not this VM's");
}

static void test_piece_of_an_extent_mapped_alone(void **state)
{
	struct s2_path path;
	(void)state;
	pfn_t piece = {world_lookup(audited_vm, 1024).pfn.n + 5};
	*audited_entry(audited_vm, 3, &path) = leaf_value(&fake_format, piece, 0);
	expect_complaint("mapped frame is not this VM's");
}

static void test_entry_dropped(void **state)
{
	struct s2_path path;
	(void)state;
	*audited_entry(audited_vm, 3, &path) = 0;
	expect_complaint("present entries of a page table");
}

static void test_ballooned_entry_dropped(void **state)
{
	struct s2_path path;
	(void)state;
	*audited_entry(audited_vm, 100, &path) = 0;
	expect_complaint("ballooned entries of a page table");
}

static void test_entry_that_means_nothing(void **state)
{
	struct s2_path path;
	(void)state;
	*audited_entry(audited_vm, 100, &path) = fake_format.ballooned_entry ^ BIT(20);
	expect_complaint("not-present entry");
}

static void test_entry_beyond_ram(void **state)
{
	struct s2_path path;
	(void)state;
	(void)audited_entry(audited_other, 3, &path);
	*table_entry(path.table[1], 2) = fake_format.ballooned_entry; /* [1024, 1536) of 1000 */
	expect_complaint("beyond the VM's RAM");
}

static void test_table_of_another_vm(void **state)
{
	struct s2_path mine;
	struct s2_path theirs;
	(void)state;
	(void)audited_entry(audited_vm, 3, &mine);
	(void)audited_entry(audited_other, 3, &theirs);
	*table_entry(mine.table[1], 0) = *table_entry(theirs.table[1], 0);
	expect_complaint("page table is not this VM's");
}

static void test_table_linked_twice(void **state)
{
	struct s2_path path;
	(void)state;
	(void)audited_entry(audited_vm, 3, &path);
	*table_entry(path.table[1], 1) = *table_entry(path.table[1], 0);
	expect_complaint("first gfn of a page table");
}

static void test_table_loop(void **state)
{
	struct s2_path path;
	(void)state;
	(void)audited_entry(audited_vm, 3, &path);
	*table_entry(path.table[1], 0) = pfn_to_hpa(audited_vm->root).v | fake_format.table_flags;
	expect_complaint("level of a page table");
}

static void test_table_beyond_memory(void **state)
{
	struct s2_path path;
	(void)state;
	(void)audited_entry(audited_vm, 3, &path);
	*table_entry(path.table[1], 0) = pfn_to_hpa((pfn_t){BIT(38)}).v | fake_format.table_flags;
	expect_complaint("page table is not this VM's");
}

static void test_root_lost(void **state)
{
	(void)state;
	frame_of(audited_vm->root)->tag.owner = 0;
	expect_complaint("page table is not this VM's");
}

static void test_lost_table(void **state)
{
	struct s2_path path;
	(void)state;
	/* The link is gone, and the table's pages with it, from every counter but the frame's own.
	 */
	assert_int_equal(world_populate(audited_other, 600, 0), STATUS_OK);
	(void)audited_entry(audited_other, 600, &path);
	pfn_t leaf = world_lookup(audited_other, 600).pfn;
	pfn_t upper = path.table[1];
	*table_entry(upper, 1) = 0;
	table_set_counts(upper, 1, table_present(upper) - 1, table_ballooned(upper));
	frame_transition(leaf, frame_of(leaf)->tag, (struct frame_tag){FRAME_REVOKING, 0, 2});
	frame_transition(leaf, frame_of(leaf)->tag, (struct frame_tag){FRAME_DIRTY, 0, 0});
	pool_put_dirty(leaf);
	promise_held_remove(&audited_other->promise, 1);
	promise_table_remove(&audited_other->promise);
	audited_other->mapped_pages--;
	audited_other->table_pages--;
	expect_complaint("page tables in the frame table");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_wrong_owner),
		TEST(test_impossible_owner),
		TEST(test_wrong_gfn),
		TEST(test_wrong_gfn_of_large_leaf),
		TEST(test_wrong_state),
		TEST(test_state_that_does_not_exist),
		TEST(test_wrong_order),
		TEST(test_order_beyond_the_table),
		TEST(test_head_inside_an_extent),
		TEST(test_lost_frame),
		TEST(test_frame_of_no_vm),
		TEST(test_lost_table_of_no_vm),
		TEST(test_counter_of_states),
		TEST(test_double_mapping_in_one_vm),
		TEST(test_double_mapping_in_two_vms),
		TEST(test_mapped_frame_is_free),
		TEST(test_mapped_frame_is_the_hosts),
		TEST(test_mapped_frame_beyond_memory),
		TEST(test_piece_of_an_extent_mapped_alone),
		TEST(test_entry_dropped),
		TEST(test_ballooned_entry_dropped),
		TEST(test_entry_that_means_nothing),
		TEST(test_entry_beyond_ram),
		TEST(test_table_of_another_vm),
		TEST(test_table_linked_twice),
		TEST(test_table_loop),
		TEST(test_table_beyond_memory),
		TEST(test_root_lost),
		TEST(test_lost_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
