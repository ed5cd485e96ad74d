/* SPDX-License-Identifier: BSD-2-Clause */
/* A balloon whose driver speaks to a device: attaching, targets, and emptying it after a reset. */
#include <string.h>

#include "fake/driver.h"
#include "fake/devices.h"

#include "base/bits.h"
#include "kernel/balloon/balloon.h"
#include "kernel/balloon/release.h"

static struct aerostat_balloon_page page;

static void start(void)
{
	driver_start();
	fake_devices_reset();
	memset(&page, 0xa5, sizeof(page));
	page.total_pages = page.free_pages = page.idle_pages = 0;
	page.wanted_pages = page.refault_count = 0;
	assert_int_equal(balloon_attach_device(driver_vm, &page), STATUS_OK);
}

static void test_target_goes_to_the_device(void **state)
{
	(void)state;
	start();
	assert_int_equal(page.target_pages, 0);
	assert_int_equal(balloon_attach_device(driver_vm, &page), STATUS_EXISTS);
	driver_vcpu->event = false;
	balloon_set_target(driver_vm, 77, AEROSTAT_PRESSURE_LOW);
	assert_int_equal(page.target_pages, 77);
	assert_int_equal(page.pressure, AEROSTAT_PRESSURE_LOW);
	assert_int_equal(fake_devices.targets_told, 1);
	assert_false(driver_vcpu->event); /* that is for native drivers */
	balloon_set_target(driver_vm, 77, AEROSTAT_PRESSURE_LOW);
	assert_int_equal(fake_devices.targets_told, 1);
	page.free_pages = 10;
	page.idle_pages = 9;
	assert_int_equal(balloon_read_statistics(driver_vm).idle_pages, 9);
	/* A native driver finds its place taken, and cannot take the device's away. */
	assert_int_equal(balloon_attach(driver_vcpu, (gfn_t){5}, 0), STATUS_EXISTS);
	assert_int_equal(balloon_detach(driver_vcpu), STATUS_NOT_FOUND);
	balloon_detach_device(driver_vm);
	assert_false(driver_vm->balloon.attached);
	assert_int_equal(driver_vm->balloon.target_pages, 0);
	balloon_set_target(driver_vm, 5, AEROSTAT_PRESSURE_LOW);
	assert_int_equal(fake_devices.targets_told, 1);
	balloon_detach_device(driver_vm); /* there is none: nothing happens */
	assert_int_equal(balloon_attach(driver_vcpu, (gfn_t){5}, 0), STATUS_OK);
	balloon_detach_device(driver_vm); /* it is no device's */
	assert_true(driver_vm->balloon.attached);
}

/* Calls until it is done; answers how many. */
static unsigned release_all(void)
{
	unsigned calls = 0;
	uint64_t next = 0;
	bool done = false;

	while (!done) {
		struct s2_locked locked = s2_lock(&driver_vm->s2);
		done = balloon_release_step(locked, driver_vm, &next);
		s2_unlock(locked);
		world_check();
		assert_in_range(++calls, 1, 100);
	}
	assert_int_equal(next, 0);
	return calls;
}

static void test_release_empties_it(void **state)
{
	(void)state;
	start();
	assert_int_equal(release_all(), 1); /* it is empty: one look */
	driver_write(7, 1);
	struct aerostat_range ranges[] = {driver_range(512, 9, 2), driver_range(7, 0, 1),
					  driver_range(1537, 0, 511), driver_range(2049, 0, 511),
					  driver_range(2561, 0, 400)};
	driver_work_off(BALLOON_SURRENDER, ranges, 5, DRIVER_NO_ARRAY);
	assert_int_equal(driver_vm->s2.ballooned_pages, 1024 + 1 + 1422);
	assert_in_range(release_all(), 2, 5); /* more than the work of one call */
	assert_int_equal(driver_vm->s2.ballooned_pages, 0);
	assert_int_equal(driver_vm->balloon.returned_pages, 2447);
	assert_int_equal(page.size_pages, 0);
	assert_int_equal(driver_read(7), 0); /* it was scrubbed */
}

#define TEST(name) cmocka_unit_test_teardown(name, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_target_goes_to_the_device),
		TEST(test_release_empties_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
