/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/audit.c finds what it is there to find: each test damages one thing in a sound world and reads
 * the complaint. The auditor never panics and changes nothing, whatever it is shown.
 */
#include "fake/world.h"

#include <string.h>

#include "base/bits.h"
#include "mm/alloc.h"
#include "mm/pool.h"
#include "mm/s2_walk.h"

static struct s2 *vm;	 /* has everything: small and large leaves, a balloon, a quarantine */
static struct s2 *other; /* another, with some pages */
static struct audit_report report;

static void audit(void)
{
	audit_run(world_spaces, world_space_count, &report);
}

static int setup(void **state)
{
	(void)state;
	world_start(512, 2600, 2);
	pfn_t host_page;
	assert_int_equal(frame_alloc(0, (struct frame_tag){FRAME_HYPERVISOR, 0, 0}, &host_page),
			 STATUS_OK);
	vm = world_create(1, 4000, 1000); /* holds less than it was promised */
	other = world_create(2, 1000, 50);
	for (uint64_t gfn = 0; gfn < 8; gfn++) {
		world_write(vm, gfn, gfn + 1);
		world_write(other, gfn, gfn + 1);
	}
	assert_int_equal(world_populate(vm, 1024, ORDER_2M), STATUS_OK);
	assert_int_equal(world_surrender(vm, 2048, ORDER_2M), STATUS_OK);
	assert_int_equal(world_surrender(vm, 100, 0), STATUS_OK);
	assert_int_equal(world_surrender(other, 7, 0), STATUS_OK);
	world_flush(other);
	(void)scrub_step(0);
	assert_int_equal(world_surrender(vm, 7, 0), STATUS_OK); /* waits for the flush */
	assert_int_equal(world_surrender(vm, 6, 0), STATUS_OK);
	audit();
	assert_int_equal(report.error_count, 0);
	assert_string_equal(report.first_error, "");
	return 0;
}

/* The damage is done: the auditor complains, and the first complaint contains `text`. */
static void expect_complaint(const char *text)
{
	audit();
	if (report.error_count == 0 || strstr(report.first_error, text) == NULL) {
		fail_msg("%u errors, first \"%s\", expected \"%s\"", (unsigned)report.error_count,
			 report.first_error, text);
	}
}

static uint64_t *entry_of(const struct s2 *s2, uint64_t gfn, struct s2_path *path)
{
	return s2_walk(s2, (gfn_t){gfn}, path);
}

static struct frame *record_of(struct s2 *s2, uint64_t gfn)
{
	return frame_of(world_lookup(s2, gfn).pfn);
}

/* The first frame in `state` that is in a list; of DIRTY ones, one that has another behind it. */
static struct frame *listed(enum frame_state state)
{
	for (uint64_t pfn = 0; pfn < frame_table_count;) {
		struct frame *frame = &frame_table[pfn];
		if (frame->tag.state == state &&
		    (state == FRAME_ZEROED || frame->next != FRAME_NONE)) {
			return frame;
		}
		pfn += order_pages(frame->tag.order);
	}
	fail_msg("no such frame");
	return NULL;
}

/* ---- Frames
 * ------------------------------------------------------------------------------------*/

static void test_wrong_owner(void **state)
{
	(void)state;
	record_of(vm, 3)->tag.owner = 2;
	expect_complaint("mapped frame is not this VM's");
}

static void test_impossible_owner(void **state)
{
	(void)state;
	record_of(vm, 3)->tag.owner = 0xffff;
	expect_complaint("impossible owner");
}

static void test_wrong_gfn(void **state)
{
	(void)state;
	record_of(vm, 3)->gfn = 4;
	expect_complaint("gfn of a mapped frame");
}

static void test_wrong_gfn_of_large_leaf(void **state)
{
	(void)state;
	record_of(vm, 1024)->gfn += 512;
	expect_complaint("gfn of a mapped frame");
}

static void test_wrong_state(void **state)
{
	(void)state;
	record_of(vm, 3)->tag.state = FRAME_REVOKING;
	expect_complaint("count of frames in a state");
}

static void test_state_that_does_not_exist(void **state)
{
	(void)state;
	record_of(vm, 3)->tag.state = 200;
	expect_complaint("without a head");
}

static void test_wrong_order(void **state)
{
	(void)state;
	record_of(vm, 1024)->tag.order = 3;
	expect_complaint("without a head");
}

static void test_order_beyond_the_table(void **state)
{
	(void)state;
	record_of(vm, 3)->tag.order = 63;
	expect_complaint("impossible order");
	record_of(vm, 3)->tag.order = 17;
	expect_complaint("impossible order");
}

static void test_head_inside_an_extent(void **state)
{
	(void)state;
	pfn_t pfn = world_lookup(vm, 1024 + 77).pfn;
	frame_of(pfn)->tag = (struct frame_tag){FRAME_DIRTY, 0, 0};
	expect_complaint("frame inside an extent");
}

static void test_lost_frame(void **state)
{
	struct s2_path path;
	(void)state;
	/* Out of the tables and of every counter, but not given back: the frame belongs to nobody.
	 */
	*entry_of(vm, 3, &path) = 0;
	table_set_counts(path.table[0], 0, table_present(path.table[0]) - 1,
			 table_ballooned(path.table[0]));
	vm->mapped_pages--;
	promise_held_remove(&vm->promise, 1);
	expect_complaint("frames owned by a VM");
}

static void test_frame_of_no_vm(void **state)
{
	(void)state;
	struct s2 *rest[] = {vm};
	audit_run(rest, 1, &report); /* the other VM is forgotten, its frames are not */
	assert_true(report.error_count >= 2);
	assert_non_null(strstr(report.first_error, "guest frames of no VM"));
}

static void test_lost_table_of_no_vm(void **state)
{
	(void)state;
	pfn_t pfn;
	assert_int_equal(frame_alloc_table(&vm->promise, 1, &pfn), STATUS_OK);
	expect_complaint("promised tables");
	vm->promise.table_pages--;
	vm->promise.table_pages_worst--;
	expect_complaint("page tables in the frame table");
}

static void test_counter_of_states(void **state)
{
	(void)state;
	frame_counts[FRAME_RESERVED]++;
	expect_complaint("count of frames in a state");
}

/* ---- Tables
 * ------------------------------------------------------------------------------------*/

static void test_double_mapping_in_one_vm(void **state)
{
	struct s2_path path;
	(void)state;
	*entry_of(vm, 4, &path) = *entry_of(vm, 3, &path);
	expect_complaint("gfn of a mapped frame");
}

static void test_double_mapping_in_two_vms(void **state)
{
	struct s2_path path;
	(void)state;
	*entry_of(other, 3, &path) = *entry_of(vm, 3, &path);
	expect_complaint("mapped frame is not this VM's");
}

static void test_mapped_frame_is_free(void **state)
{
	struct s2_path path;
	(void)state;
	pfn_t frame = {(uint64_t)(listed(FRAME_DIRTY) - frame_table)};
	*entry_of(vm, 3, &path) = leaf_value(&fake_format, frame, 0);
	expect_complaint("mapped frame is not this VM's");
}

static void test_mapped_frame_is_the_hosts(void **state)
{
	struct s2_path path;
	(void)state;
	*entry_of(vm, 3, &path) = leaf_value(&fake_format, vm->root, 0); /* its own page table! */
	expect_complaint("mapped frame is not this VM's");
}

static void test_mapped_frame_beyond_memory(void **state)
{
	struct s2_path path;
	(void)state;
	*entry_of(vm, 3, &path) = leaf_value(&fake_format, (pfn_t){BIT(40)}, 0);
	expect_complaint("mapped frame is not this VM's");
}

static void test_piece_of_an_extent_mapped_alone(void **state)
{
	struct s2_path path;
	(void)state;
	pfn_t piece = {world_lookup(vm, 1024).pfn.n + 5};
	*entry_of(vm, 3, &path) = leaf_value(&fake_format, piece, 0);
	expect_complaint("mapped frame is not this VM's");
}

static void test_entry_dropped(void **state)
{
	struct s2_path path;
	(void)state;
	*entry_of(vm, 3, &path) = 0;
	expect_complaint("present entries of a page table");
}

static void test_ballooned_entry_dropped(void **state)
{
	struct s2_path path;
	(void)state;
	*entry_of(vm, 100, &path) = 0;
	expect_complaint("ballooned entries of a page table");
}

static void test_entry_that_means_nothing(void **state)
{
	struct s2_path path;
	(void)state;
	*entry_of(vm, 100, &path) = fake_format.ballooned_entry ^ BIT(20);
	expect_complaint("not-present entry");
}

static void test_entry_beyond_ram(void **state)
{
	struct s2_path path;
	(void)state;
	(void)entry_of(other, 3, &path);
	*table_entry(path.table[1], 2) = fake_format.ballooned_entry; /* [1024, 1536) of 1000 */
	expect_complaint("beyond the VM's RAM");
}

static void test_table_of_another_vm(void **state)
{
	struct s2_path mine;
	struct s2_path theirs;
	(void)state;
	(void)entry_of(vm, 3, &mine);
	(void)entry_of(other, 3, &theirs);
	*table_entry(mine.table[1], 0) = *table_entry(theirs.table[1], 0);
	expect_complaint("page table is not this VM's");
}

static void test_table_linked_twice(void **state)
{
	struct s2_path path;
	(void)state;
	(void)entry_of(vm, 3, &path);
	*table_entry(path.table[1], 1) = *table_entry(path.table[1], 0);
	expect_complaint("first gfn of a page table");
}

static void test_table_loop(void **state)
{
	struct s2_path path;
	(void)state;
	(void)entry_of(vm, 3, &path);
	*table_entry(path.table[1], 0) = pfn_to_hpa(vm->root).v | fake_format.table_flags;
	expect_complaint("level of a page table");
}

static void test_table_beyond_memory(void **state)
{
	struct s2_path path;
	(void)state;
	(void)entry_of(vm, 3, &path);
	*table_entry(path.table[1], 0) = pfn_to_hpa((pfn_t){BIT(38)}).v | fake_format.table_flags;
	expect_complaint("page table is not this VM's");
}

static void test_root_lost(void **state)
{
	(void)state;
	frame_of(vm->root)->tag.owner = 0;
	expect_complaint("page table is not this VM's");
}

static void test_lost_table(void **state)
{
	struct s2_path path;
	(void)state;
	/* The link is gone, and the table's pages with it, from every counter but the frame's own.
	 */
	assert_int_equal(world_populate(other, 600, 0), STATUS_OK);
	(void)entry_of(other, 600, &path);
	pfn_t leaf = world_lookup(other, 600).pfn;
	pfn_t upper = path.table[1];
	*table_entry(upper, 1) = 0;
	table_set_counts(upper, 1, table_present(upper) - 1, table_ballooned(upper));
	frame_transition(leaf, frame_of(leaf)->tag, (struct frame_tag){FRAME_REVOKING, 0, 2});
	frame_transition(leaf, frame_of(leaf)->tag, (struct frame_tag){FRAME_DIRTY, 0, 0});
	pool_put_dirty(leaf);
	promise_held_remove(&other->promise, 1);
	promise_table_remove(&other->promise);
	other->mapped_pages--;
	other->table_pages--;
	expect_complaint("page tables in the frame table");
}

/* ---- Counters
 * ----------------------------------------------------------------------------------*/

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
		uint64_t *counter = (uint64_t *)((char *)vm + counters[i].offset);
		*counter += 1;
		expect_complaint(counters[i].text);
		*counter -= 2;
		expect_complaint(counters[i].text);
		*counter += 1;
		audit();
		assert_int_equal(report.error_count, 0);
	}
}

static void test_counters_of_a_table(void **state)
{
	struct s2_path path;
	(void)state;
	(void)entry_of(vm, 3, &path);
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
	promise_held_add(&vm->promise, 1000000);
	vm->promise.min_pages += too_many;
	promise_held_remove(&vm->promise, 1000000);
	expect_complaint("promises beyond what is free");
	assert_int_equal(report.error_count, 1);
}

/* ---- Lists
 * -------------------------------------------------------------------------------------*/

static void test_pool_list_cut_short(void **state)
{
	(void)state;
	listed(FRAME_DIRTY)->next = FRAME_NONE;
	expect_complaint("frames in the dirty pool");
}

static void test_pool_list_runs_away(void **state)
{
	(void)state;
	listed(FRAME_DIRTY)->next = (uint32_t)frame_table_count + 5;
	expect_complaint("damaged list");
}

static void test_pool_list_is_a_ring(void **state)
{
	(void)state;
	struct frame *frame = listed(FRAME_DIRTY);
	frame->next = (uint32_t)(frame - frame_table);
	expect_complaint("damaged list");
}

static void test_pool_list_back_link(void **state)
{
	(void)state;
	struct frame *frame = listed(FRAME_DIRTY);
	frame_table[frame->next].prev ^= 1;
	expect_complaint("damaged list");
}

static void test_pool_holds_a_guests_frame(void **state)
{
	(void)state;
	listed(FRAME_DIRTY)->next = (uint32_t)world_lookup(vm, 3).pfn.n;
	expect_complaint("damaged list");
}

static void test_zeroed_frame_in_the_dirty_pool(void **state)
{
	(void)state;
	struct frame *frame = listed(FRAME_DIRTY);
	frame->tag.state = FRAME_ZEROED;
	frame_counts[FRAME_DIRTY] -= order_pages(frame->tag.order);
	frame_counts[FRAME_ZEROED] += order_pages(frame->tag.order);
	expect_complaint("damaged list");
}

static void test_quarantine_cut_short(void **state)
{
	(void)state;
	frame_table[vm->revoking_head].next = FRAME_NONE;
	expect_complaint("quarantine");
}

static void test_quarantine_is_a_ring(void **state)
{
	(void)state;
	frame_table[vm->revoking_head].next = vm->revoking_head;
	expect_complaint("quarantine");
}

static void test_quarantine_holds_a_free_frame(void **state)
{
	(void)state;
	frame_table[vm->revoking_head].next = (uint32_t)(listed(FRAME_DIRTY) - frame_table);
	expect_complaint("quarantine");
}

/* Two VMs' quarantines exchanged: the sums are right, the owners are not. */
static void test_quarantines_exchanged(void **state)
{
	(void)state;
	assert_int_equal(world_surrender(other, 5, 0), STATUS_OK);
	assert_int_equal(world_surrender(other, 4, 0), STATUS_OK);
	uint32_t head = vm->revoking_head;
	vm->revoking_head = other->revoking_head;
	other->revoking_head = head;
	expect_complaint("quarantine");
}

static void test_counts_every_error(void **state)
{
	(void)state;
	record_of(vm, 2)->gfn = 77;
	record_of(vm, 3)->gfn = 78;
	record_of(vm, 4)->gfn = 79;
	audit();
	assert_int_equal(report.error_count, 3);
	assert_non_null(strstr(report.first_error, "found 77, expected 2"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

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
