/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls with one range of one extent, which go past the array (balloon_run_single), against the
 * same ranges as parts of longer calls: two VMs do the same at random, one call by call, the other
 * several ranges at once, and are told and are the same. ROUNDS in the environment: how many calls.
 */
#include "fake/environment.h"
#include "fake/kernel.h"

#include <string.h>

#include "base/bits.h"

#define LIMIT 1700ull
#define ARRAY_GFN 40ull
#define ARRAY (ARRAY_GFN * PAGE_BYTES)
#define RANGES 6
#define VMS 2

static struct vm *machines[VMS];
static uint64_t random_state = 1;

static uint64_t draw(uint64_t below)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (random_state >> 33) % below;
}

static void start_with(unsigned max_leaf_level)
{
	kernel_start(9000, max_leaf_level);
	for (unsigned i = 0; i < VMS; i++) {
		machines[i] = kernel_vm(i == 0 ? "a" : "b", LIMIT, 1700, 100);
		kernel_attach(machines[i]);
		(void)kernel_guest_page(machines[i], ARRAY_GFN);
	}
}

static void start(void)
{
	start_with(1);
}

/* Mostly plain, now and then of every other kind. */
static struct aerostat_range random_range(void)
{
	struct aerostat_range range = {
		.gfn = draw(3) ? draw(6) * 300 + draw(4) : draw(LIMIT + 50),
		.count = draw(20) ? 1 : (uint32_t)draw(4),
		.order = draw(4) ? 0 : 9,
		.status = (uint8_t)draw(256),
	};
	if (range.order == 9 && draw(8)) {
		range.gfn = align_down_u64(range.gfn, 512);
	}
	range.order = draw(40) ? range.order : (uint8_t)draw(256);
	range.reserved = draw(40) ? 0 : (uint16_t)draw(3);
	range.done = draw(40) ? 0 : (uint32_t)draw(3);
	range.flags = draw(40) ? 0 : (uint32_t)draw(3);
	return range;
}

static void one_by_one(uint64_t number, struct aerostat_range *ranges, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		/* At any place in the page. */
		uint64_t offset = draw(2) ? 0 : 8 * draw((PAGE_BYTES - sizeof(*ranges)) / 8 + 1);
		uint8_t *page = kernel_guest_page(machines[0], ARRAY_GFN);
		memcpy(page + offset, &ranges[i], sizeof(ranges[i]));
		while (kernel_call(machines[0], number, ARRAY + offset, 1) == 0) {
		}
		memcpy(&ranges[i], page + offset, sizeof(ranges[i]));
	}
}

/* A call may stop where its work is used up. */
static void at_once(uint64_t number, struct aerostat_range *ranges, unsigned count)
{
	uint8_t *page = kernel_guest_page(machines[1], ARRAY_GFN);
	memcpy(page, ranges, count * sizeof(ranges[0]));
	for (uint64_t first = 0; first < count;) {
		int64_t finished = kernel_call(machines[1], number,
					       ARRAY + first * sizeof(ranges[0]), count - first);
		assert_true(finished >= 0);
		first += (uint64_t)finished;
	}
	memcpy(ranges, page, count * sizeof(ranges[0]));
}

static void expect_same(void)
{
	const struct balloon *a = &machines[0]->balloon, *b = &machines[1]->balloon;
	const struct s2 *one = &machines[0]->s2, *other = &machines[1]->s2;
	assert_int_equal(a->surrendered_pages, b->surrendered_pages);
	assert_int_equal(a->reported_pages, b->reported_pages);
	assert_int_equal(a->returned_pages, b->returned_pages);
	assert_int_equal(a->driver_debt_pages, b->driver_debt_pages);
	assert_int_equal(a->given_pages, b->given_pages);
	assert_int_equal(a->page->size_pages, b->page->size_pages);
	assert_int_equal(a->page->size_pages, one->ballooned_pages);
	assert_int_equal(one->mapped_pages, other->mapped_pages);
	assert_int_equal(one->large_pages, other->large_pages);
	assert_int_equal(one->ballooned_pages, other->ballooned_pages);
	assert_int_equal(one->table_pages, other->table_pages);
	/* Within a longer call they may have been higher for a moment, never lower. */
	assert_int_equal(machines[0]->held_peak_pages, machines[1]->held_peak_pages);
	for (uint64_t gfn = 0; gfn < LIMIT; gfn++) {
		assert_int_equal(world_lookup(&machines[0]->s2, gfn).kind,
				 world_lookup(&machines[1]->s2, gfn).kind);
	}
}

static void touch(uint64_t gfn)
{
	for (unsigned i = 0; i < VMS; i++) {
		(void)kernel_guest_page(machines[i], gfn);
	}
}

static void test_single_calls_and_long_ones(void **state)
{
	static const uint64_t numbers[] = {
		AEROSTAT_CALL_BALLOON_SURRENDER,
		AEROSTAT_CALL_BALLOON_RETURN,
		AEROSTAT_CALL_BALLOON_REPORT,
		AEROSTAT_CALL_BALLOON_EMERGENCY,
	};
	uint64_t rounds = environment_number("ROUNDS", 1500);
	(void)state;
	start();
	for (uint64_t round = 0; round < rounds; round++) {
		struct aerostat_range first[RANGES], second[RANGES];
		unsigned count = 1 + (unsigned)draw(RANGES);
		uint64_t number = numbers[draw(16) ? draw(3) : 3];
		for (unsigned i = 0; i < 4; i++) {
			touch(draw(6) * 300 + draw(4));
		}
		for (unsigned i = 0; i < count; i++) {
			first[i] = random_range();
		}
		memcpy(second, first, sizeof(first));
		one_by_one(number, first, count);
		at_once(number, second, count);
		assert_memory_equal(first, second, count * sizeof(first[0]));
		expect_same();
	}
	for (unsigned i = 0; i < VMS; i++) {
		assert_true(machines[i]->balloon.surrendered_pages > rounds / 8);
		kernel_vm_end(machines[i]);
	}
}

/* The page that holds the range is IN_USE, whichever extent it lies in. */
static void test_range_in_its_own_extent(void **state)
{
	(void)state;
	start();
	struct vm *vm = machines[0];
	struct aerostat_range *range = kernel_guest_page(vm, ARRAY_GFN);
	*range = (struct aerostat_range){.gfn = ARRAY_GFN, .count = 1};
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_SURRENDER, ARRAY, 1), 1);
	assert_int_equal(range->status, AEROSTAT_RANGE_IN_USE);
	*range = (struct aerostat_range){.gfn = ARRAY_GFN, .count = 1};
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_REPORT, ARRAY, 1), 1);
	assert_int_equal(range->status, AEROSTAT_RANGE_IN_USE);
	*range = (struct aerostat_range){.gfn = 0, .count = 1, .order = 9};
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_SURRENDER, ARRAY, 1), 1);
	assert_int_equal(range->status, AEROSTAT_RANGE_IN_USE);
	/* In a page that is mapped large, too. */
	uint64_t at = 600 * PAGE_BYTES;
	range = kernel_guest_page(vm, 600);
	*range = (struct aerostat_range){.gfn = 512, .count = 1, .order = 9};
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_SURRENDER, at, 1), 1);
	assert_int_equal(range->status, AEROSTAT_RANGE_IN_USE);
	for (unsigned i = 0; i < VMS; i++) {
		kernel_vm_end(machines[i]);
	}
}

/* Errors of the call itself come before any look at the range. */
static void test_call_errors(void **state)
{
	(void)state;
	start();
	struct vm *vm = machines[0];
	struct aerostat_range *range = kernel_guest_page(vm, ARRAY_GFN);
	*range = (struct aerostat_range){.gfn = 100, .count = 1};
	uint64_t number = AEROSTAT_CALL_BALLOON_SURRENDER;
	assert_int_equal(kernel_call(vm, number, ARRAY + 4, 1), AEROSTAT_ERROR_ADDRESS);
	assert_int_equal(kernel_call(vm, number, ARRAY + PAGE_BYTES - 16, 1),
			 AEROSTAT_ERROR_ADDRESS);
	assert_int_equal(kernel_call(vm, number, LIMIT * PAGE_BYTES, 1), AEROSTAT_ERROR_ADDRESS);
	assert_int_equal(kernel_call(vm, number, -PAGE_BYTES, 1), AEROSTAT_ERROR_ADDRESS);
	assert_int_equal(vm->balloon.surrendered_pages, 0);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_DETACH, 0, 0), 0);
	assert_int_equal(kernel_call(vm, number, ARRAY, 1), AEROSTAT_ERROR_STATE);
	for (unsigned i = 0; i < VMS; i++) {
		kernel_vm_end(machines[i]);
	}
}

/* A range and its extent are two units of work, also on the short way: with one left it waits. */
static void test_work_of_a_call(void **state)
{
	const uint64_t first = 100, pages = AEROSTAT_CALL_WORK_MAX - 2;
	(void)state;
	start_with(0);
	struct vm *vm = machines[0];
	assert_int_equal(kernel_touch_pages(vm, first, pages), pages);
	(void)kernel_guest_page(vm, 1300);
	struct aerostat_range *ranges = kernel_guest_page(vm, ARRAY_GFN);
	ranges[0] = (struct aerostat_range){.gfn = first, .count = (uint32_t)pages};
	ranges[1] = (struct aerostat_range){.gfn = 1300, .count = 1};
	ranges[2] = ranges[1];
	uint64_t number = AEROSTAT_CALL_BALLOON_SURRENDER;
	assert_int_equal(kernel_call(vm, number, ARRAY, 3), 1);
	assert_int_equal(ranges[1].status, AEROSTAT_RANGE_PENDING);
	assert_int_equal(ranges[1].done, 0);
	assert_int_equal(vm->balloon.surrendered_pages, pages);
	for (unsigned i = 0; i < VMS; i++) {
		kernel_vm_end(machines[i]);
	}
}

#define TEST(name) cmocka_unit_test_teardown(name, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_single_calls_and_long_ones),
		TEST(test_range_in_its_own_extent),
		TEST(test_call_errors),
		TEST(test_work_of_a_call),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
