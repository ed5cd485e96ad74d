/* SPDX-License-Identifier: BSD-2-Clause */
/* After DETACH the balloon page is an ordinary page again, and nobody holds on to its frame. */
#include "fake/kernel.h"

#include <string.h>

#include "kernel/balloon.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_detached_page_is_not_read, kernel_teardown),
		cmocka_unit_test_teardown(test_detached_page_can_go, kernel_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
