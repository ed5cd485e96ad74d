/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guests' balloon driver against a fake hypervisor (fake/hypervisor.c): what it gives and takes
 * when, batches, refusals, errors, and that no page is ever lost or used while it is away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guest_fixture.h"
#include "guests/lib/balloon.h"
#include "guests/lib/page_set.h"

static void gives_idle_extents_first(void **state)
{
	(void)state;
	guest_start(8 * EXTENT, 0);
	palloc_free(guest_take(3 * EXTENT), 3 * EXTENT);
	guest_take(1);
	fake_hypervisor_set_target(2 * EXTENT);
	balloon_work();
	assert_int_equal(hv->size_pages, 2 * EXTENT);
	assert_int_equal(hv->extents[0][9], 2);
	assert_int_equal(hv->extents[0][0], 0);
	assert_int_equal(hv->calls[AEROSTAT_CALL_BALLOON_SURRENDER], 1);
	assert_true(fake_hypervisor_holds(hv->first_page + EXTENT));
	assert_true(fake_hypervisor_holds(hv->first_page + 2 * EXTENT));
	/* Then the single IDLE pages next to the used one, then what was never touched. */
	fake_hypervisor_set_target(2 * EXTENT + 100);
	balloon_work();
	assert_int_equal(hv->extents[0][0], 100);
	assert_int_equal(guest_count(PAGE_IDLE), EXTENT - 1 - 100);
	fake_hypervisor_set_target(4 * EXTENT);
	balloon_work();
	assert_int_equal(guest_count(PAGE_IDLE), 0);
	assert_int_equal(hv->size_pages, 4 * EXTENT);
	guest_check_sum();
}

static void follows_the_target_down_again(void **state)
{
	(void)state;
	guest_start(8 * EXTENT, 5);
	assert_false(balloon_has_come_back());
	fake_hypervisor_set_target(3 * EXTENT + 17);
	balloon_work();
	assert_int_equal(hv->size_pages, 3 * EXTENT + 17);
	fake_hypervisor_set_target(EXTENT);
	balloon_work();
	assert_int_equal(hv->size_pages, EXTENT);
	assert_false(balloon_has_come_back());
	fake_hypervisor_set_target(0);
	balloon_work();
	assert_int_equal(hv->size_pages, 0);
	assert_int_equal(guest_count(PAGE_SURRENDERED), 0);
	assert_true(balloon_has_come_back());
	guest_check_sum();
}

/* A slow guest may be asked and released before it looks: that is over, too, not yet to come. */
static void withdrawn_request_has_come_back(void **state)
{
	(void)state;
	guest_start(8 * EXTENT, 5);
	assert_false(balloon_has_come_back());
	fake_hypervisor_set_target(100);
	assert_false(balloon_has_come_back());
	fake_hypervisor_set_target(0);
	assert_true(balloon_has_come_back());
}

static void returns_part_of_an_extent(void **state)
{
	(void)state;
	guest_start(4 * EXTENT, 0);
	fake_hypervisor_set_target(2 * EXTENT);
	balloon_work();
	fake_hypervisor_set_target(EXTENT + 200);
	balloon_work();
	assert_int_equal(hv->size_pages, EXTENT + 200);
	assert_int_equal(guest_count(PAGE_SURRENDERED), EXTENT + 200);
	/* A whole extent and a part of the other in one go: no page is asked for twice. */
	fake_hypervisor_set_target(2 * EXTENT);
	balloon_work();
	fake_hypervisor_set_target(212);
	balloon_work();
	assert_int_equal(hv->size_pages, 212);
	assert_int_equal(hv->refusals, 0);
}

static void spares_whole_extents(void **state)
{
	uint64_t page;

	(void)state;
	guest_start(3 * EXTENT, 0);
	page = guest_take(3 * EXTENT);
	palloc_free(page, EXTENT / 2);
	palloc_free(page + EXTENT, 2 * EXTENT);
	fake_hypervisor_set_target(100);
	balloon_work();
	/* From the part that is broken already, although it lies lower. */
	for (uint64_t i = EXTENT; i < 3 * EXTENT; i++) {
		assert_false(fake_hypervisor_holds(page + i));
	}
	fake_hypervisor_set_target(600);
	balloon_work();
	assert_int_equal(hv->extents[0][9], 0);
	fake_hypervisor_set_target(600 + EXTENT);
	balloon_work();
	assert_int_equal(hv->extents[0][9], 1);
}

static void keeps_a_reserve(void **state)
{
	(void)state;
	guest_start(2 * EXTENT, 0);
	guest_take(EXTENT);
	fake_hypervisor_set_target(100 * EXTENT);
	balloon_work();
	assert_int_equal(palloc_free_pages(), BALLOON_RESERVE_PAGES);
	assert_int_equal(hv->size_pages, EXTENT - BALLOON_RESERVE_PAGES);
	balloon_work();
	assert_int_equal(palloc_free_pages(), BALLOON_RESERVE_PAGES);
	fake_hypervisor_set_target(0);
	balloon_work();
	fake_hypervisor_set_target(EXTENT - 1);
	balloon_work();
	assert_int_equal(palloc_free_pages(), BALLOON_RESERVE_PAGES);
}

static void gives_up_without_progress(void **state)
{
	(void)state;
	guest_start(2 * EXTENT, 0);
	hv->work_max = 0;
	fake_hypervisor_set_target(EXTENT);
	balloon_work();
	assert_int_equal(palloc_free_pages(), 2 * EXTENT);
	assert_int_equal(hv->calls[AEROSTAT_CALL_BALLOON_SURRENDER], 1);
	hv->work_max = 1;
	balloon_work();
	assert_int_equal(hv->size_pages, EXTENT);
}

static void continues_after_partial_progress(void **state)
{
	(void)state;
	guest_start(8 * EXTENT, 0);
	hv->work_max = 3;
	fake_hypervisor_set_target(7 * EXTENT + 11);
	balloon_work();
	assert_int_equal(hv->size_pages, 7 * EXTENT + 11);
	assert_int_equal(hv->calls[AEROSTAT_CALL_BALLOON_SURRENDER], (7 + 11 + 2) / 3);
	fake_hypervisor_set_target(0);
	balloon_work();
	assert_int_equal(hv->size_pages, 0);
	guest_check_sum();
}

static void gives_a_gigabyte_in_one_call(void **state)
{
	(void)state;
	guest_start(513 * EXTENT, 0);
	fake_hypervisor_set_target(512 * EXTENT);
	balloon_work();
	assert_int_equal(hv->size_pages, 512 * EXTENT);
	assert_int_equal(hv->calls[AEROSTAT_CALL_BALLOON_SURRENDER], 1);
}

static void fills_batches_of_scattered_pages(void **state)
{
	uint64_t page;

	(void)state;
	guest_start(2 * EXTENT, 0);
	page = guest_take(2 * EXTENT);
	for (uint64_t i = 0; i < 2 * EXTENT; i += 2) {
		palloc_free(page + i, 1);
	}
	fake_hypervisor_set_target(400);
	balloon_work();
	assert_int_equal(hv->size_pages, 400);
	assert_int_equal(hv->calls[AEROSTAT_CALL_BALLOON_SURRENDER], 3);
	guest_check_sum();
}

static void refused_pages_stay_with_the_guest(void **state)
{
	(void)state;
	guest_start(2 * EXTENT, 0);
	hv->refused_page = hv->first_page + EXTENT + 5;
	hv->refused_status = AEROSTAT_RANGE_NO_MEMORY;
	fake_hypervisor_set_target(EXTENT);
	balloon_work();
	assert_int_equal(guest_count(PAGE_SURRENDERED), hv->size_pages);
	guest_check_sum();
	/* Later it works. */
	hv->refused_page = UINT64_MAX;
	balloon_work();
	assert_int_equal(hv->size_pages, EXTENT);
}

static void a_refused_return_is_tried_again(void **state)
{
	(void)state;
	guest_start(4 * EXTENT, 0);
	fake_hypervisor_set_target(2 * EXTENT);
	balloon_work();
	hv->refused_page = hv->first_page + 3 * EXTENT;
	hv->refused_status = AEROSTAT_RANGE_NO_MEMORY;
	fake_hypervisor_set_target(0);
	balloon_work();
	assert_int_equal(guest_count(PAGE_SURRENDERED), hv->size_pages);
	hv->refused_page = UINT64_MAX;
	balloon_work();
	assert_int_equal(hv->size_pages, 0);
	guest_check_sum();
}

static void pages_that_came_back_by_a_touch_are_found(void **state)
{
	(void)state;
	guest_start(4 * EXTENT, 0);
	fake_hypervisor_set_target(2 * EXTENT + 3);
	balloon_work();
	fake_hypervisor_touch(hv->first_page + 3 * EXTENT + 17);
	fake_hypervisor_set_target(0);
	balloon_work();
	assert_int_equal(hv->size_pages, 0);
	assert_int_equal(guest_count(PAGE_SURRENDERED), 0);
	guest_check_sum();
}

static void an_error_loses_nothing(void **state)
{
	(void)state;
	guest_start(4 * EXTENT, 0);
	hv->error = AEROSTAT_ERROR_ADDRESS;
	fake_hypervisor_set_target(EXTENT);
	balloon_work();
	assert_int_equal(palloc_free_pages(), 4 * EXTENT);
	hv->error = 0;
	balloon_work();
	assert_int_equal(hv->size_pages, EXTENT);
	hv->error = AEROSTAT_ERROR_ADDRESS;
	fake_hypervisor_set_target(0);
	balloon_work();
	assert_int_equal(guest_count(PAGE_SURRENDERED), EXTENT);
	guest_check_sum();
}

static void deflates_on_demand(void **state)
{
	uint64_t calls;
	uint64_t page;

	(void)state;
	guest_start(4 * EXTENT, 0);
	fake_hypervisor_set_target(4 * EXTENT);
	balloon_work();
	page = guest_take(BALLOON_RESERVE_PAGES + 1);
	assert_int_equal(hv->returned_pages, EXTENT);
	assert_int_equal(hv->page->refault_count, EXTENT);
	assert_int_equal(hv->page->wanted_pages, 0);
	/* The target is as high as before, but what was needed is not given away at once. */
	calls = hv->calls[AEROSTAT_CALL_BALLOON_SURRENDER];
	balloon_work();
	assert_int_equal(hv->calls[AEROSTAT_CALL_BALLOON_SURRENDER], calls);
	/* Something was freed: the need is over. */
	palloc_free(page, 1);
	balloon_work();
	assert_int_equal(palloc_free_pages(), BALLOON_RESERVE_PAGES);
	guest_check_sum();
}

static void a_new_target_ends_the_holding_back(void **state)
{
	(void)state;
	guest_start(4 * EXTENT, 0);
	fake_hypervisor_set_target(4 * EXTENT);
	balloon_work();
	guest_take(BALLOON_RESERVE_PAGES + 1);
	fake_hypervisor_set_target(4 * EXTENT + 1);
	balloon_work();
	assert_int_equal(palloc_free_pages(), BALLOON_RESERVE_PAGES);
}

static void says_what_is_wanted(void **state)
{
	(void)state;
	guest_start(EXTENT, 0);
	assert_false(page_set_grow(&(struct page_set){0}, EXTENT + 88));
	balloon_work();
	/* One page went into the set's own list. */
	assert_int_equal(hv->page->wanted_pages, 89);
	assert_int_equal(hv->page->free_pages, 0);
	assert_int_equal(hv->page->total_pages, EXTENT);
}

static void does_not_give_what_is_claimed(void **state)
{
	(void)state;
	guest_start(4 * EXTENT, 0);
	palloc_free(guest_take(EXTENT), EXTENT);
	palloc_claim(100);
	fake_hypervisor_set_target(4 * EXTENT);
	balloon_work();
	assert_int_equal(palloc_free_pages(), 100 + BALLOON_RESERVE_PAGES);
	assert_int_equal(hv->page->free_pages, BALLOON_RESERVE_PAGES);
	assert_int_equal(hv->page->idle_pages, 0);
	assert_int_equal(hv->page->wanted_pages, 0);
	palloc_claim(200);
	balloon_work();
	assert_int_equal(hv->page->free_pages, 0);
	assert_int_equal(hv->page->wanted_pages, 200 - 100 - BALLOON_RESERVE_PAGES);
	guest_take(100);
	palloc_claim(0);
	balloon_work();
	assert_int_equal(palloc_free_pages(), BALLOON_RESERVE_PAGES);
	assert_int_equal(hv->page->wanted_pages, 0);
}

static void writes_statistics(void **state)
{
	(void)state;
	guest_start(4 * EXTENT, 0);
	palloc_free(guest_take(10), 10);
	guest_take(1);
	balloon_work();
	assert_int_equal(hv->page->total_pages, 4 * EXTENT);
	assert_int_equal(hv->page->free_pages, 4 * EXTENT - 1);
	assert_int_equal(hv->page->idle_pages, EXTENT - 1);
	/* Idle pages that the driver would not give are none of the hypervisor's business. */
	guest_take(4 * EXTENT - 1 - 40);
	balloon_work();
	assert_int_equal(hv->page->free_pages, 40);
	assert_int_equal(hv->page->idle_pages, 40 - BALLOON_RESERVE_PAGES);
	assert_int_equal(hv->page->wanted_pages, 0);
}

static void asks_for_frames_at_once_under_high_pressure(void **state)
{
	uint64_t page;

	(void)state;
	guest_start(3 * EXTENT, 0);
	hv->backed = true;
	fake_hypervisor_set_target(2 * EXTENT);
	balloon_work();
	guest_take(palloc_free_pages());
	hv->page->pressure = AEROSTAT_PRESSURE_LOW;
	guest_take(1);
	assert_int_equal(hv->calls[AEROSTAT_CALL_BALLOON_EMERGENCY], 0);
	guest_take(palloc_free_pages());
	hv->page->pressure = AEROSTAT_PRESSURE_HIGH;
	page = guest_take(1);
	assert_int_equal(hv->calls[AEROSTAT_CALL_BALLOON_EMERGENCY], 1);
	assert_int_equal(hv->size_pages, 0);
	assert_false(fake_hypervisor_holds(page));
	/* They have their frames, so giving them again would free some. */
	assert_int_equal(guest_count(PAGE_IDLE), EXTENT - 1);
	assert_int_equal(hv->page->refault_count, 2 * EXTENT);
	guest_check_sum();
}

static void an_emergency_without_frames_is_a_return(void **state)
{
	bool zero = false;

	(void)state;
	guest_start(2 * EXTENT, 0);
	fake_hypervisor_set_target(EXTENT);
	balloon_work();
	guest_take(palloc_free_pages());
	hv->page->pressure = AEROSTAT_PRESSURE_HIGH;
	assert_int_not_equal(palloc_page(&zero), PALLOC_NONE);
	assert_true(zero);
	assert_int_equal(hv->extents[FAKE_EMERGENCY][9], 1);
	assert_int_equal(hv->size_pages, 0);
	guest_check_sum();
}

static void an_old_hypervisor_gets_a_plain_return(void **state)
{
	(void)state;
	guest_start(2 * EXTENT, 0);
	hv->old = true;
	fake_hypervisor_set_target(EXTENT);
	balloon_work();
	guest_take(palloc_free_pages());
	hv->page->pressure = AEROSTAT_PRESSURE_HIGH;
	guest_take(1);
	assert_int_equal(hv->calls[AEROSTAT_CALL_BALLOON_EMERGENCY], 1);
	assert_int_equal(hv->extents[FAKE_RETURN][9], 1);
	palloc_free(guest_take(100), 100);
	assert_int_equal(balloon_report(), 0);
	assert_int_equal(guest_count(PAGE_IDLE), EXTENT - 1);
	guest_check_sum();
}

static void reports_what_is_idle(void **state)
{
	uint64_t page;
	bool zero = false;

	(void)state;
	guest_start(4 * EXTENT, 0);
	page = guest_take(2 * EXTENT + 100);
	memset((void *)(page * 4096), 0x5a, (2 * EXTENT + 100) * 4096);
	palloc_free(page + 10, 2 * EXTENT + 90);
	assert_int_equal(balloon_report(), palloc_free_pages() - EXTENT);
	assert_int_equal(hv->extents[FAKE_REPORT][9], 2);
	assert_int_equal(hv->extents[FAKE_REPORT][0], EXTENT - 10);
	assert_int_equal(hv->size_pages, 0);
	assert_int_equal(guest_count(PAGE_IDLE), 0);
	assert_int_equal(hv->page->idle_pages, 0);
	guest_check_sum();
	/* They may be used at once, and read as zero. */
	page = palloc_page(&zero);
	assert_true(zero);
	assert_int_equal(*(uint64_t *)(page * 4096), 0);
	/* Nothing more to report; what is refused stays what it was. */
	palloc_free(page, 1);
	hv->refused_page = page;
	hv->refused_status = AEROSTAT_RANGE_IN_USE;
	balloon_report();
	assert_true(guest_count(PAGE_IDLE) > 0);
	guest_check_sum();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(gives_idle_extents_first),
		TEST(follows_the_target_down_again),
		TEST(withdrawn_request_has_come_back),
		TEST(returns_part_of_an_extent),
		TEST(spares_whole_extents),
		TEST(keeps_a_reserve),
		TEST(gives_up_without_progress),
		TEST(continues_after_partial_progress),
		TEST(gives_a_gigabyte_in_one_call),
		TEST(fills_batches_of_scattered_pages),
		TEST(refused_pages_stay_with_the_guest),
		TEST(a_refused_return_is_tried_again),
		TEST(pages_that_came_back_by_a_touch_are_found),
		TEST(an_error_loses_nothing),
		TEST(deflates_on_demand),
		TEST(a_new_target_ends_the_holding_back),
		TEST(says_what_is_wanted),
		TEST(does_not_give_what_is_claimed),
		TEST(writes_statistics),
		TEST(asks_for_frames_at_once_under_high_pressure),
		TEST(an_emergency_without_frames_is_a_return),
		TEST(an_old_hypervisor_gets_a_plain_return),
		TEST(reports_what_is_idle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
