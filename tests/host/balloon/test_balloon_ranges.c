/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/balloon/ranges.c: judging of ranges (H1, H2, H5, F3, F4, F8), partial progress, reports,
 * and the reserve.
 */
#include "fake/driver.h"

#include "base/bits.h"
#include "kernel/balloon/balloon.h"
#include "kernel/balloon/ranges.h"
#include "kernel/overcommit/governor.h"
#include "mm/alloc.h"
#include "mm/cache.h"

/* ---- Ranges that are refused ---- */

static void test_malformed_ranges_change_nothing(void **state)
{
	static const struct {
		struct aerostat_range range;
		uint8_t status;
	} cases[] = {
		{{.gfn = 0, .count = 1, .order = 1}, AEROSTAT_RANGE_BAD_ORDER},
		{{.gfn = 0, .count = 1, .order = 8}, AEROSTAT_RANGE_BAD_ORDER},
		{{.gfn = 0, .count = 1, .order = 27}, AEROSTAT_RANGE_BAD_ORDER},
		{{.gfn = 0, .count = 1, .order = 64}, AEROSTAT_RANGE_BAD_ORDER},
		{{.gfn = 0, .count = 1, .order = 255}, AEROSTAT_RANGE_BAD_ORDER},
		{{.gfn = 0, .count = 0, .order = 0}, AEROSTAT_RANGE_BAD_COUNT},
		{{.gfn = 0, .count = 1, .done = 2}, AEROSTAT_RANGE_BAD_COUNT},
		{{.gfn = 0, .count = 1, .done = UINT32_MAX}, AEROSTAT_RANGE_BAD_COUNT},
		{{.gfn = 1, .count = 1, .order = 9}, AEROSTAT_RANGE_MISALIGNED},
		{{.gfn = 511, .count = 1, .order = 9}, AEROSTAT_RANGE_MISALIGNED},
		{{.gfn = 512, .count = 1, .order = 18}, AEROSTAT_RANGE_MISALIGNED},
		{{.gfn = DRIVER_PAGES, .count = 1}, AEROSTAT_RANGE_OUTSIDE},
		{{.gfn = DRIVER_PAGES - 1, .count = 2}, AEROSTAT_RANGE_OUTSIDE},
		{{.gfn = 0, .count = DRIVER_PAGES + 1}, AEROSTAT_RANGE_OUTSIDE},
		{{.gfn = 0, .count = UINT32_MAX}, AEROSTAT_RANGE_OUTSIDE},
		{{.gfn = 0, .count = UINT32_MAX, .order = 18}, AEROSTAT_RANGE_OUTSIDE},
		{{.gfn = 2560, .count = 1, .order = 9}, AEROSTAT_RANGE_OUTSIDE},
		{{.gfn = 0, .count = 1, .order = 18}, AEROSTAT_RANGE_OUTSIDE},
		{{.gfn = BIT(52) - 1, .count = 1}, AEROSTAT_RANGE_OUTSIDE},
		{{.gfn = UINT64_MAX, .count = 1}, AEROSTAT_RANGE_OUTSIDE},
		{{.gfn = UINT64_MAX, .count = UINT32_MAX}, AEROSTAT_RANGE_OUTSIDE},
		{{.gfn = -512ull, .count = 2, .order = 9}, AEROSTAT_RANGE_OUTSIDE},
		{{.gfn = 0xfee00, .count = 1}, AEROSTAT_RANGE_OUTSIDE},
		{{.gfn = 0, .count = 1, .reserved = 1}, AEROSTAT_RANGE_RESERVED},
		{{.gfn = 0, .count = 1, .flags = 1}, AEROSTAT_RANGE_RESERVED},
	};
	(void)state;
	driver_start();
	driver_write(0, 7);
	assert_int_equal(driver_surrender(driver_range(1, 0, 1)).status, AEROSTAT_RANGE_OK);
	struct world_image before = world_image();
	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		struct aerostat_range rs[4];
		rs[0] = driver_surrender(cases[i].range);
		rs[1] = driver_return(cases[i].range);
		rs[2] = driver_report(cases[i].range);
		rs[3] = driver_emergency(cases[i].range);
		for (unsigned j = 0; j < 4; j++) {
			if (rs[j].status != cases[i].status || rs[j].done != cases[i].range.done) {
				fail_msg("case %u call %u: status %u, expected %u", i, j,
					 rs[j].status, cases[i].status);
			}
		}
	}
	struct world_image after = world_image();
	assert_true(world_image_equal(&before, &after));
	world_image_free(&before);
	world_image_free(&after);
	assert_int_equal(driver_vm->balloon.surrendered_pages, 1);
	assert_int_equal(driver_vm->balloon.returned_pages, 0);
	kernel_vm_end(driver_vm);
}

/* H1: the same page twice in one call, and a return of what was never given. */
static void test_same_page_twice(void **state)
{
	(void)state;
	driver_start();
	struct aerostat_range rs[4] = {driver_range(10, 0, 1), driver_range(10, 0, 1),
				       driver_range(9, 0, 3), driver_range(11, 0, 1)};
	driver_write(10, 1);
	driver_work_off(BALLOON_SURRENDER, rs, 4, DRIVER_NO_ARRAY);
	assert_int_equal(rs[0].status, AEROSTAT_RANGE_OK);
	assert_int_equal(rs[1].status, AEROSTAT_RANGE_SURRENDERED);
	assert_int_equal(rs[2].status, AEROSTAT_RANGE_SURRENDERED);
	assert_int_equal(rs[2].done, 1); /* page 9, then it met page 10 */
	assert_int_equal(rs[3].status, AEROSTAT_RANGE_OK);
	assert_int_equal(driver_vm->s2.ballooned_pages, 3);
	assert_int_equal(driver_vm->balloon.surrendered_pages, 3);
	assert_int_equal(driver_return(driver_range(50, 0, 1)).status,
			 AEROSTAT_RANGE_NOT_SURRENDERED);
	struct aerostat_range twice[2] = {driver_range(10, 0, 1), driver_range(10, 0, 1)};
	driver_work_off(BALLOON_RETURN, twice, 2, DRIVER_NO_ARRAY);
	assert_int_equal(twice[0].status, AEROSTAT_RANGE_OK);
	assert_int_equal(twice[1].status, AEROSTAT_RANGE_NOT_SURRENDERED);
	assert_int_equal(driver_vm->s2.ballooned_pages, 2);
	kernel_vm_end(driver_vm);
}

/* F7, F8: pages that the hypervisor uses, in single pages and within larger extents. */
static void test_pages_in_use(void **state)
{
	(void)state;
	driver_start();
	assert_int_equal(balloon_attach(driver_vcpu, (gfn_t){600}, 0), STATUS_OK);
	assert_int_equal(driver_surrender(driver_range(600, 0, 1)).status, AEROSTAT_RANGE_IN_USE);
	assert_int_equal(driver_surrender(driver_range(512, 9, 1)).status, AEROSTAT_RANGE_IN_USE);
	assert_int_equal(driver_report(driver_range(600, 0, 1)).status, AEROSTAT_RANGE_IN_USE);
	struct aerostat_range r = driver_surrender(driver_range(598, 0, 4));
	assert_int_equal(r.status, AEROSTAT_RANGE_IN_USE);
	assert_int_equal(r.done, 2);
	for (unsigned call = 0; call < 2; call++) {
		enum balloon_operation work = call == 0 ? BALLOON_SURRENDER : BALLOON_REPORT;
		struct aerostat_range rs[3] = {driver_range(1030, 0, 1), driver_range(1024, 9, 1),
					       driver_range(1026, 0, 10)};
		driver_write(1030, 3);
		driver_work_off(work, rs, 3, 1030);
		assert_int_equal(rs[0].status, AEROSTAT_RANGE_IN_USE);
		assert_int_equal(rs[1].status, AEROSTAT_RANGE_IN_USE);
		assert_int_equal(rs[2].status, AEROSTAT_RANGE_IN_USE);
		assert_int_equal(rs[2].done, 4);
		assert_int_equal(driver_read(1030), 3);
		(void)driver_return(driver_range(1026, 0, 4));
	}
	kernel_vm_end(driver_vm);
}

/* H5: 4 KiB and 2 MiB of one region, interleaved. */
static void test_interleaved_sizes(void **state)
{
	(void)state;
	driver_start();
	struct aerostat_range rs[6] = {driver_range(600, 0, 1),	 driver_range(512, 9, 1),
				       driver_range(512, 0, 88), driver_range(601, 0, 423),
				       driver_range(512, 9, 1),	 driver_range(700, 0, 1)};
	driver_write(600, 5);
	driver_work_off(BALLOON_SURRENDER, rs, 6, DRIVER_NO_ARRAY);
	static const uint8_t statuses[6] = {
		AEROSTAT_RANGE_OK, AEROSTAT_RANGE_MIXED,       AEROSTAT_RANGE_OK,
		AEROSTAT_RANGE_OK, AEROSTAT_RANGE_SURRENDERED, AEROSTAT_RANGE_SURRENDERED,
	};
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(rs[i].status, statuses[i]);
	}
	assert_int_equal(driver_vm->s2.ballooned_pages, 512);
	world_expect_slot(&driver_vm->s2, 600, S2_BALLOONED, ORDER_2M);
	assert_int_equal(driver_return(driver_range(700, 0, 1)).status, AEROSTAT_RANGE_OK);
	assert_int_equal(driver_return(driver_range(512, 9, 1)).status, AEROSTAT_RANGE_MIXED);
	assert_int_equal(driver_return(driver_range(512, 0, 188)).status, AEROSTAT_RANGE_OK);
	assert_int_equal(driver_return(driver_range(701, 0, 323)).status, AEROSTAT_RANGE_OK);
	world_expect_slot(&driver_vm->s2, 600, S2_EMPTY, ORDER_1G); /* nothing is left below */
	kernel_vm_end(driver_vm);
}

/* ---- Progress ---- */

/* F4: a call ends after a bounded amount of work and is continued where it stopped. */
static void test_partial_progress(void **state)
{
	(void)state;
	driver_start();
	for (uint64_t gfn = 0; gfn < 2900; gfn++) {
		driver_write(gfn, gfn);
	}
	struct aerostat_range rs[3] = {driver_range(0, 0, 10), driver_range(10, 0, 2500),
				       driver_range(2600, 0, 1)};
	unsigned calls = 0;
	unsigned first = 0;
	while (first < 3) {
		uint64_t before = driver_vm->s2.ballooned_pages;
		uint64_t flushes = fake_tlb_flush_count;
		first += kernel_ranges(driver_vm, BALLOON_SURRENDER, rs + first, 3 - first,
				       DRIVER_NO_ARRAY);
		world_check();
		assert_in_range(driver_vm->s2.ballooned_pages - before, 1, AEROSTAT_CALL_WORK_MAX);
		assert_int_equal(fake_tlb_flush_count, flushes + 1);
		assert_int_equal(driver_vm->s2.revoking_pages, 0);
		if (first < 3) {
			assert_int_equal(rs[first].status, AEROSTAT_RANGE_PENDING);
			assert_int_equal(rs[1].done + rs[0].done, driver_vm->s2.ballooned_pages);
		}
		assert_true(++calls < 10);
	}
	assert_in_range(calls, 3, 4);
	assert_int_equal(rs[1].status, AEROSTAT_RANGE_OK);
	assert_int_equal(rs[1].done, 2500);
	assert_int_equal(driver_vm->s2.ballooned_pages, 2511);
	assert_int_equal(driver_vm->balloon.surrendered_pages, 2511);
	assert_int_equal(driver_read(2599), 2599);
	kernel_vm_end(driver_vm);
}

/* The work ends just behind a range: what stood in the next one is no answer. */
static void test_work_ends_between_two_ranges(void **state)
{
	bool between = false;
	(void)state;
	driver_start();
	for (uint32_t count = 1000; count <= AEROSTAT_CALL_WORK_MAX; count++) {
		struct aerostat_range rs[3] = {
			{.gfn = 0, .count = count},
			{.gfn = 2000, .count = 30, .status = AEROSTAT_RANGE_OK},
			{.gfn = 2100, .count = 1, .status = AEROSTAT_RANGE_OK},
		};
		for (uint64_t gfn = 0; gfn < count; gfn++) {
			(void)driver_read(gfn);
		}
		unsigned finished =
			kernel_ranges(driver_vm, BALLOON_SURRENDER, rs, 3, DRIVER_NO_ARRAY);
		assert_in_range(finished, 0, 2);
		assert_int_equal(rs[finished].status, AEROSTAT_RANGE_PENDING);
		between = between || (finished == 1 && rs[1].done == 0);
		rs[0] = (struct aerostat_range){.gfn = 0, .count = rs[0].done};
		rs[1] = (struct aerostat_range){.gfn = 2000, .count = rs[1].done};
		for (unsigned i = 0; i < 2; i++) {
			while (rs[i].done < rs[i].count) {
				kernel_ranges(driver_vm, BALLOON_RETURN, &rs[i], 1,
					      DRIVER_NO_ARRAY);
			}
		}
		assert_int_equal(driver_vm->s2.ballooned_pages, 0);
	}
	assert_true(between);
	kernel_vm_end(driver_vm);
}

/* Tables of single pages cost their 512 entries: still bounded, still complete. */
static void test_bounded_work_on_whole_tables(void **state)
{
	(void)state;
	driver_start();
	for (uint64_t gfn = 0; gfn < 2560; gfn++) {
		assert_int_equal(world_populate(&driver_vm->s2, gfn, 0), STATUS_OK);
	}
	struct aerostat_range r = driver_range(0, 9, 5);
	unsigned calls = 0;
	while (kernel_ranges(driver_vm, BALLOON_SURRENDER, &r, 1, DRIVER_NO_ARRAY) == 0) {
		assert_int_equal(r.status, AEROSTAT_RANGE_PENDING);
		assert_in_range(r.done, calls + 1, 2 * (calls + 1));
		calls++;
		world_check();
	}
	assert_int_equal(r.status, AEROSTAT_RANGE_OK);
	assert_in_range(calls, 1, 4);
	assert_int_equal(driver_vm->s2.ballooned_pages, 2560);
	assert_int_equal(driver_vm->s2.mapped_pages, 0);
	kernel_vm_end(driver_vm);
}

/* F3: no memory for a table in the middle of a range: what was done is counted, the rest is not. */
static void test_no_memory_in_the_middle(void **state)
{
	(void)state;
	driver_start();
	frame_caches_floor_set(FRAME_CACHES_OFF); /* every allocation is one that can fail */
	/* Nothing is mapped at 510, so nothing waits in quarantine that could help out. */
	assert_int_equal(world_populate(&driver_vm->s2, 0, ORDER_4K), STATUS_OK);
	assert_int_equal(world_populate(&driver_vm->s2, 512, ORDER_2M), STATUS_OK);
	frame_alloc_fail_at = 1;
	struct aerostat_range r = driver_surrender(driver_range(510, 0, 4));
	frame_alloc_fail_at = 0;
	assert_int_equal(r.status, AEROSTAT_RANGE_NO_MEMORY);
	assert_int_equal(r.done, 2);
	assert_int_equal(driver_vm->s2.ballooned_pages, 2);
	assert_int_equal(driver_vm->balloon.surrendered_pages, 2);
	r.status = AEROSTAT_RANGE_PENDING;
	r = driver_surrender(r);
	assert_int_equal(r.status, AEROSTAT_RANGE_OK);
	assert_int_equal(driver_vm->s2.ballooned_pages, 4);
	kernel_vm_end(driver_vm);
}

static void test_donated_frames_are_free_at_once(void **state)
{
	(void)state;
	driver_start();
	for (uint64_t gfn = 0; gfn < 600; gfn++) {
		driver_write(gfn, 0x5ec + gfn);
	}
	uint64_t free_before = frame_count_free();
	assert_int_equal(driver_surrender(driver_range(0, 0, 600)).status, AEROSTAT_RANGE_OK);
	assert_in_range(frame_count_free(), free_before + 600, free_before + 602);
	struct aerostat_range r = driver_return(driver_range(0, 0, 600));
	assert_int_equal(r.status, AEROSTAT_RANGE_OK);
	assert_int_equal(r.flags, AEROSTAT_RANGE_FLAG_ZERO);
	for (uint64_t gfn = 0; gfn < 600; gfn++) {
		assert_int_equal(driver_read(gfn), 0);
	}
	kernel_vm_end(driver_vm);
}

/* ---- Reports and emergencies ---- */

static void test_report_drops_contents(void **state)
{
	(void)state;
	driver_start();
	driver_write(20, 0xabc);
	driver_write(23, 0xdef);
	struct aerostat_range r = driver_report(driver_range(20, 0, 3));
	assert_int_equal(r.status, AEROSTAT_RANGE_OK);
	assert_int_equal(r.flags, AEROSTAT_RANGE_FLAG_ZERO);
	assert_int_equal(driver_vm->s2.ballooned_pages, 0);
	assert_int_equal(driver_vm->balloon.reported_pages, 3);
	assert_int_equal(driver_vm->balloon.surrendered_pages, 0);
	assert_int_equal(driver_read(20), 0); /* without asking */
	assert_int_equal(driver_read(23), 0xdef);
	assert_int_equal(driver_vm->balloon.touched_pages, 0);
	assert_int_equal(driver_surrender(driver_range(30, 0, 1)).status, AEROSTAT_RANGE_OK);
	assert_int_equal(driver_report(driver_range(30, 0, 1)).status, AEROSTAT_RANGE_SURRENDERED);
	/* A whole region in one step, and once more: there is nothing to drop, and that is fine. */
	assert_int_equal(world_populate(&driver_vm->s2, 512, ORDER_2M), STATUS_OK);
	assert_int_equal(driver_report(driver_range(512, 9, 1)).status, AEROSTAT_RANGE_OK);
	assert_int_equal(driver_report(driver_range(512, 9, 1)).status, AEROSTAT_RANGE_OK);
	kernel_vm_end(driver_vm);
}

/*
 * The first range takes the last page out of a gigabyte, whose table goes with it; the second one
 * must not go on in that table.
 */
static void test_table_that_goes_in_the_middle(void **state)
{
	(void)state;
	kernel_start(5000, 1);
	struct vm *vm = kernel_vm("vm", 512 * 512 + 2048, 2000, 100);
	const uint64_t gfn = 512 * 512;
	assert_int_equal(world_populate(&vm->s2, gfn + 3, ORDER_4K), STATUS_OK);
	uint64_t tables = vm->s2.table_pages;
	struct aerostat_range ranges[2] = {driver_range(gfn, 9, 1), driver_range(gfn + 512, 9, 1)};
	assert_int_equal(kernel_ranges(vm, BALLOON_REPORT, ranges, 2, DRIVER_NO_ARRAY), 2);
	assert_int_equal(ranges[0].status, AEROSTAT_RANGE_OK);
	assert_int_equal(ranges[1].status, AEROSTAT_RANGE_OK);
	assert_int_equal(vm->s2.table_pages, tables - 2);
	world_check();
	kernel_vm_end(vm);
}

/* P6: a guest that is out of memory gets 2 MiB in one call, although the host has none to spare. */
static void test_emergency(void **state)
{
	(void)state;
	driver_start();
	struct vm *greedy = kernel_vm("greedy", 6000, 6000, 0);
	assert_int_equal(driver_surrender(driver_range(0, 0, 512)).status, AEROSTAT_RANGE_OK);
	(void)kernel_drain(greedy);
	assert_true(vm_waits_for_memory(greedy));
	assert_int_equal(greedy->vcpus[0].state, VCPU_ASLEEP);
	assert_int_equal(promise_spare(), 0);
	struct aerostat_range r = driver_range(0, ORDER_2M, 1);
	assert_int_equal(kernel_ranges(driver_vm, BALLOON_EMERGENCY, &r, 1, DRIVER_NO_ARRAY),
			 1); /* one call */
	world_check();
	assert_int_equal(r.status, AEROSTAT_RANGE_OK);
	assert_int_equal(r.flags, AEROSTAT_RANGE_FLAG_ZERO | AEROSTAT_RANGE_FLAG_BACKED);
	assert_int_equal(driver_vm->s2.mapped_pages, 512);
	for (uint64_t gfn = 0; gfn < 512; gfn++) {
		assert_non_null(fake_tlb_access(&driver_vm->s2, 0, (gfn_t){gfn}));
		assert_int_equal(driver_read(gfn), 0);
	}
	kernel_vm_end(driver_vm);
	kernel_vm_end(greedy);
}

/*
 * Regression: a range that was begun without frames and ended with them claimed that all of its
 * pages had one.
 */
static void test_emergency_in_two_calls(void **state)
{
	(void)state;
	driver_start();
	assert_int_equal(driver_surrender(driver_range(0, 0, 1100)).status, AEROSTAT_RANGE_OK);
	uint64_t left = driver_vm->s2.ballooned_pages;
	struct aerostat_range r = driver_range(0, 0, (uint32_t)left);
	frame_alloc_fail_at = 5;
	assert_int_equal(kernel_ranges(driver_vm, BALLOON_EMERGENCY, &r, 1, DRIVER_NO_ARRAY), 0);
	assert_int_equal(r.status, AEROSTAT_RANGE_PENDING);
	assert_true(driver_vm->s2.mapped_pages < r.done);
	while (kernel_ranges(driver_vm, BALLOON_EMERGENCY, &r, 1, DRIVER_NO_ARRAY) == 0) {
		world_check();
	}
	assert_int_equal(r.status, AEROSTAT_RANGE_OK);
	assert_true(driver_vm->s2.mapped_pages < left);
	assert_int_equal(r.flags, AEROSTAT_RANGE_FLAG_ZERO);
	kernel_vm_end(driver_vm);
}

/* A VM that has its allotment gets nothing from the reserve; its pages are out all the same. */
static void test_emergency_is_for_those_below_their_allotment(void **state)
{
	(void)state;
	driver_start();
	driver_vm->config.mem_pages = 10;
	struct vm *greedy = kernel_vm("greedy", 6000, 6000, 0);
	for (uint64_t gfn = 1000; gfn < 1100; gfn++) {
		driver_write(gfn, 1);
	}
	assert_int_equal(driver_surrender(driver_range(0, 0, 64)).status, AEROSTAT_RANGE_OK);
	(void)kernel_drain(greedy);
	struct aerostat_range r = driver_emergency(driver_range(0, 0, 64));
	assert_int_equal(r.status, AEROSTAT_RANGE_OK);
	assert_int_equal(r.flags, AEROSTAT_RANGE_FLAG_ZERO);
	assert_int_equal(driver_vm->s2.ballooned_pages, 0);
	kernel_vm_end(driver_vm);
	kernel_vm_end(greedy);
}

#define TEST(name) cmocka_unit_test_teardown(name, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_malformed_ranges_change_nothing),
		TEST(test_same_page_twice),
		TEST(test_pages_in_use),
		TEST(test_interleaved_sizes),
		TEST(test_partial_progress),
		TEST(test_work_ends_between_two_ranges),
		TEST(test_bounded_work_on_whole_tables),
		TEST(test_no_memory_in_the_middle),
		TEST(test_donated_frames_are_free_at_once),
		TEST(test_report_drops_contents),
		TEST(test_table_that_goes_in_the_middle),
		TEST(test_emergency),
		TEST(test_emergency_in_two_calls),
		TEST(test_emergency_is_for_those_below_their_allotment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
