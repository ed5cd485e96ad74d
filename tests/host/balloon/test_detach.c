/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Edges of the balloon. After DETACH its page is an ordinary page again, and nobody holds on to the
 * frame. An emergency return of a gigabyte is a return: frames are not waited for.
 */
#include "fake/kernel.h"

#include <string.h>

#include "base/bits.h"
#include "kernel/balloon/balloon.h"
#include "kernel/balloon/ranges.h"

#define LIMIT 1500ull

static struct vm *vm;

static void start(void)
{
	kernel_start(4000, 1);
	vm = kernel_vm("vm", LIMIT, 1000, 100);
}

/* The frame behind the page belongs to somebody else soon. */
static void test_detached_page_is_not_read(void **state)
{
	(void)state;
	start();
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_ATTACH, 4, 0), 0);
	struct aerostat_balloon_page *page = kernel_guest_page(vm, 4);
	page->free_pages = 77;
	assert_int_equal(balloon_read_statistics(vm).free_pages, 77);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_DETACH, 0, 0), 0);
	assert_int_equal(balloon_read_statistics(vm).free_pages, 0);
	balloon_set_target(vm, 5, AEROSTAT_PRESSURE_HIGH);
	assert_int_equal(page->target_pages, 0);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_DETACH, 0, 0), AEROSTAT_ERROR_STATE);
}

/* It can be surrendered then, and is, frame and all. */
static void test_detached_page_can_go(void **state)
{
	(void)state;
	start();
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_ATTACH, 4, 0), 0);
	struct aerostat_range *ranges = kernel_guest_page(vm, 5);
	ranges[0] = (struct aerostat_range){.gfn = 4, .count = 1};
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_SURRENDER, 0x5000, 1), 1);
	assert_int_equal(ranges[0].status, AEROSTAT_RANGE_IN_USE);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_DETACH, 0, 0), 0);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_ATTACH, 6, 0), 0);
	ranges[0] = (struct aerostat_range){.gfn = 4, .count = 1};
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_SURRENDER, 0x5000, 1), 1);
	assert_int_equal(ranges[0].status, AEROSTAT_RANGE_OK);
	struct aerostat_balloon_page *page = kernel_guest_page(vm, 6);
	assert_int_equal(page->size_pages, 1);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_ATTACH, 4, 0), AEROSTAT_ERROR_STATE);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_DETACH, 0, 0), 0);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_ATTACH, 4, 0),
			 AEROSTAT_ERROR_ADDRESS);
}

static void test_emergency_of_a_gigabyte(void **state)
{
	(void)state;
	kernel_start(4000, 1);
	vm = kernel_vm("vm", 2 * order_pages(ORDER_1G), 1000, 100);
	struct aerostat_range range = {.gfn = order_pages(ORDER_1G), .count = 1, .order = ORDER_1G};
	assert_int_equal(kernel_ranges(vm, BALLOON_SURRENDER, &range, 1, 5), 1);
	assert_int_equal(range.status, AEROSTAT_RANGE_OK);
	assert_int_equal(vm->s2.ballooned_pages, order_pages(ORDER_1G));
	range.status = AEROSTAT_RANGE_PENDING;
	range.done = 0;
	assert_int_equal(kernel_ranges(vm, BALLOON_EMERGENCY, &range, 1, 5), 1);
	assert_int_equal(range.status, AEROSTAT_RANGE_OK);
	assert_int_equal(range.flags, AEROSTAT_RANGE_FLAG_ZERO);
	assert_int_equal(vm->s2.ballooned_pages, 0);
	assert_int_equal(vm->s2.mapped_pages, 0);
	world_check();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_detached_page_is_not_read, kernel_teardown),
		cmocka_unit_test_teardown(test_detached_page_can_go, kernel_teardown),
		cmocka_unit_test_teardown(test_emergency_of_a_gigabyte, kernel_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
