/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/balloon/balloon.c: attaching, the three answers to a touched page, targets, and how far a
 * guest's statistics are believed.
 */
#include "fake/driver.h"

#include <string.h>

#include "base/bits.h"
#include "kernel/balloon/balloon.h"
#include "kernel/sched/wake.h"
#include "mm/alloc.h"
#include "mm/cache.h"

/* ---- Attach and detach ---- */

static void test_attach_and_detach(void **state)
{
	(void)state;
	driver_start();
	assert_int_equal(driver_surrender(driver_range(100, 0, 3)).status, AEROSTAT_RANGE_OK);
	assert_int_equal(balloon_attach(driver_vcpu, (gfn_t){DRIVER_PAGES}, 0), STATUS_OUTSIDE);
	assert_int_equal(balloon_attach(driver_vcpu, (gfn_t){BIT(52) - 1}, 0), STATUS_OUTSIDE);
	assert_int_equal(balloon_attach(driver_vcpu, (gfn_t){101}, 0), STATUS_SURRENDERED);
	frame_alloc_fail_at = 1;
	assert_int_equal(balloon_attach(driver_vcpu, (gfn_t){5}, 0x40), STATUS_NO_MEMORY);
	assert_false(driver_vm->balloon.attached);
	assert_int_equal(balloon_detach(driver_vcpu), STATUS_NOT_FOUND);
	assert_int_equal(balloon_attach(driver_vcpu, (gfn_t){5}, 0x40), STATUS_OK);
	assert_int_equal(balloon_attach(driver_vcpu, (gfn_t){6}, 0x40), STATUS_EXISTS);
	const struct aerostat_balloon_page *page = kernel_guest_page(driver_vm, 5);
	assert_int_equal(page->magic, AEROSTAT_BALLOON_MAGIC);
	assert_int_equal(page->version, AEROSTAT_ABI_VERSION);
	assert_int_equal(page->size_pages, 3);
	assert_int_equal(page->target_pages, 0);
	assert_int_equal(driver_surrender(driver_range(200, 0, 4)).status, AEROSTAT_RANGE_OK);
	assert_int_equal(page->size_pages, 7);
	balloon_set_target(driver_vm, 50, AEROSTAT_PRESSURE_LOW);
	assert_int_equal(balloon_detach(driver_vcpu), STATUS_OK);
	assert_int_equal(driver_vm->balloon.target_pages, 0);
	assert_false(driver_vcpu->doorbell_pending);
	assert_int_equal(driver_vm->s2.ballooned_pages, 7);
	assert_int_equal(driver_surrender(driver_range(5, 0, 1)).status,
			 AEROSTAT_RANGE_OK); /* let go */
	kernel_vm_end(driver_vm);
}

/* H7: attaches a thousand times. */
static void test_attach_storm(void **state)
{
	(void)state;
	driver_start();
	uint64_t free_before = frame_count_free();
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(balloon_attach(driver_vcpu, (gfn_t){i % 7}, 0), STATUS_OK);
		assert_int_equal(balloon_attach(driver_vcpu, (gfn_t){i % 5}, 0), STATUS_EXISTS);
		assert_int_equal(balloon_detach(driver_vcpu), STATUS_OK);
	}
	world_check();
	assert_int_equal(frame_count_free(), free_before - 7 - 3);
	kernel_vm_end(driver_vm);
	world_destroy_all();
}

/* ---- Touches ---- */

static void test_touch_zero(void **state)
{
	(void)state;
	driver_start();
	assert_int_equal(balloon_attach(driver_vcpu, (gfn_t){5}, 0x40), STATUS_OK);
	driver_write(7, 77);
	assert_int_equal(driver_surrender(driver_range(7, 0, 1)).status, AEROSTAT_RANGE_OK);
	frame_caches_empty();
	frame_caches_floor_set(FRAME_CACHES_OFF);
	uint64_t held = driver_vm->s2.promise.held_pages;
	assert_int_equal(kernel_touch(driver_vm, 7), EXIT_RESUME);
	world_check();
	assert_int_equal(driver_vm->s2.promise.held_pages, held + 1); /* charged */
	assert_int_equal(driver_vm->balloon.touched_pages, 1);
	assert_int_equal(driver_vm->balloon.page->size_pages, 0);
	assert_int_equal(driver_read(7), 0);
	assert_int_equal(kernel_touch(driver_vm, 7), EXIT_RESUME); /* was faster */
	assert_int_equal(driver_vm->balloon.touched_pages, 1);
	kernel_vm_end(driver_vm);
}

/* It needs no frame, so it waits for none, though others do that come first. */
static void test_touch_fault_in_a_shortage(void **state)
{
	(void)state;
	driver_start();
	driver_vm->config.on_touch = ON_TOUCH_FAULT;
	driver_vm->config.mem_pages = 100;
	assert_int_equal(driver_surrender(driver_range(7, 0, 1)).status, AEROSTAT_RANGE_OK);
	assert_int_equal(kernel_touch_pages(driver_vm, 100, 150), 150);
	struct vm *other = kernel_vm("other", 6000, 6000, 0);
	kernel_exhaust(other);
	assert_int_equal(kernel_touch(driver_vm, 7), EXIT_INJECT);
	assert_int_equal(kernel_touch(driver_vm, 100), EXIT_RESUME); /* is there already */
	assert_int_equal(driver_vm->balloon.driver_debt_pages, 0);
	assert_int_equal(kernel_touch(driver_vm, 8), EXIT_BLOCK);
	kernel_vm_end(other);
	kernel_vm_end(driver_vm);
}

static void test_touch_fault(void **state)
{
	(void)state;
	driver_start();
	driver_vm->config.on_touch = ON_TOUCH_FAULT;
	assert_int_equal(driver_surrender(driver_range(7, 0, 1)).status, AEROSTAT_RANGE_OK);
	assert_int_equal(kernel_touch(driver_vm, 7), EXIT_INJECT);
	assert_int_equal(driver_vcpu->inject.vector, 13);
	assert_true(driver_vcpu->inject.has_error);
	world_expect_slot(&driver_vm->s2, 7, S2_BALLOONED, 0);
	assert_int_equal(kernel_touch(driver_vm, 8), EXIT_RESUME); /* merely empty */
	/* In the middle of an extent that was surrendered whole. */
	assert_int_equal(world_populate(&driver_vm->s2, 512, ORDER_2M), STATUS_OK);
	assert_int_equal(driver_surrender(driver_range(512, 9, 1)).status, AEROSTAT_RANGE_OK);
	assert_int_equal(kernel_touch(driver_vm, 515), EXIT_INJECT);
	assert_int_equal(driver_vm->s2.ballooned_pages, 513);
	assert_int_equal(driver_vm->state, VM_RUNNING);
	kernel_vm_end(driver_vm);
}

static void test_touch_stop(void **state)
{
	(void)state;
	driver_start();
	driver_vm->config.on_touch = ON_TOUCH_STOP;
	assert_int_equal(driver_surrender(driver_range(7, 0, 1)).status, AEROSTAT_RANGE_OK);
	assert_int_equal(kernel_touch(driver_vm, 8), EXIT_RESUME);
	assert_int_equal(kernel_touch(driver_vm, 7), EXIT_KILL);
	assert_int_equal(driver_vm->state, VM_KILLED);
	assert_int_equal(driver_vcpu->state, VCPU_ENDED);
	assert_non_null(strstr(fake_log_text, "surrendered"));
	kernel_vm_end(driver_vm);
	assert_int_equal(frame_count_free(), 5000);
}

/* H8: touches everything it gave away; the others still get what they were promised. */
static void test_touching_everything_breaks_no_promise(void **state)
{
	(void)state;
	kernel_start(5000, 0);
	struct vm *promised = kernel_vm("promised", 2000, 2000, 1500);
	driver_vm = kernel_vm("rogue", 5000, 2000, 100);
	driver_vcpu = &driver_vm->vcpus[0];
	assert_int_equal(driver_surrender(driver_range(0, 0, 2900)).status, AEROSTAT_RANGE_OK);
	(void)kernel_drain(driver_vm);
	assert_int_equal(driver_vcpu->state, VCPU_ASLEEP);
	assert_int_equal(vm_blocked_since(driver_vm), fake_tsc);
	for (uint64_t gfn = 0; gfn < 1500; gfn++) {
		assert_int_equal(kernel_touch(promised, gfn), EXIT_RESUME);
	}
	world_check();
	kernel_vm_end(driver_vm);
	kernel_vm_end(promised);
}

/* ---- Target and statistics ---- */

static void test_target_and_doorbell(void **state)
{
	(void)state;
	driver_start();
	balloon_set_target(driver_vm, 40, AEROSTAT_PRESSURE_LOW); /* nobody listens */
	assert_int_equal(driver_vm->balloon.target_pages, 0);
	assert_int_equal(balloon_attach(driver_vcpu, (gfn_t){5}, 0x40), STATUS_OK);
	driver_vcpu->wait = WAIT_DOORBELL;
	kernel_settle(driver_vcpu);
	assert_int_equal(driver_vcpu->state, VCPU_ASLEEP);
	balloon_set_target(driver_vm, 40, AEROSTAT_PRESSURE_LOW);
	assert_int_equal(driver_vm->balloon.page->target_pages, 40);
	assert_int_equal(driver_vm->balloon.page->pressure, AEROSTAT_PRESSURE_LOW);
	assert_int_equal(driver_vm->balloon.page->doorbells, 1);
	assert_true(driver_vcpu->doorbell_pending);
	assert_int_equal(driver_vcpu->state, VCPU_QUEUED);
	driver_vcpu->doorbell_pending = false;
	balloon_set_target(driver_vm, 40, AEROSTAT_PRESSURE_HIGH); /* only the pressure */
	assert_int_equal(driver_vm->balloon.page->doorbells, 1);
	assert_false(driver_vcpu->doorbell_pending);
	kernel_pick(driver_vcpu);
	driver_vcpu->wait = WAIT_MEMORY;
	kernel_settle(driver_vcpu);
	balloon_set_target(driver_vm, 30, AEROSTAT_PRESSURE_NONE);
	assert_int_equal(driver_vcpu->state, VCPU_ASLEEP); /* a doorbell brings no frame */
	vcpu_wake_for_memory(driver_vcpu);
	assert_int_equal(driver_vcpu->state, VCPU_QUEUED);
	assert_int_equal(driver_vm->balloon.target_peak_pages, 40);
	kernel_vm_end(driver_vm);
}

/* H7: lies. */
static void test_statistics_are_clamped(void **state)
{
	(void)state;
	driver_start();
	struct balloon_statistics none = balloon_read_statistics(driver_vm);
	assert_int_equal(none.idle_pages, 0);
	assert_int_equal(balloon_attach(driver_vcpu, (gfn_t){5}, 0), STATUS_OK);
	struct aerostat_balloon_page *page = kernel_guest_page(driver_vm, 5);
	page->total_pages = UINT64_MAX;
	page->free_pages = UINT64_MAX;
	page->idle_pages = UINT64_MAX;
	page->wanted_pages = UINT64_MAX;
	page->refault_count = UINT64_MAX;
	struct balloon_statistics statistics = balloon_read_statistics(driver_vm);
	assert_int_equal(statistics.total_pages, DRIVER_PAGES);
	assert_int_equal(statistics.free_pages, DRIVER_PAGES);
	assert_int_equal(statistics.idle_pages, DRIVER_PAGES);
	assert_int_equal(statistics.wanted_pages, DRIVER_PAGES);
	page->free_pages = 10;
	assert_int_equal(balloon_read_statistics(driver_vm).idle_pages, 10);
	/* What the hypervisor wrote there, the guest may overwrite; only its own page suffers. */
	page->magic = 0;
	page->size_pages = UINT64_MAX;
	page->doorbells = UINT32_MAX;
	balloon_set_target(driver_vm, 3, AEROSTAT_PRESSURE_NONE);
	assert_int_equal(driver_surrender(driver_range(100, 0, 1)).status, AEROSTAT_RANGE_OK);
	assert_int_equal(page->size_pages, 1);
	kernel_vm_end(driver_vm);
}

#define TEST(name) cmocka_unit_test_teardown(name, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_attach_and_detach),
		TEST(test_attach_storm),
		TEST(test_touch_zero),
		TEST(test_touch_fault),
		TEST(test_touch_fault_in_a_shortage),
		TEST(test_touch_stop),
		TEST(test_touching_everything_breaks_no_promise),
		TEST(test_target_and_doorbell),
		TEST(test_statistics_are_clamped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
