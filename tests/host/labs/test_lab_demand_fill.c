/* SPDX-License-Identifier: BSD-2-Clause */
/* Lab 3: the first touch of a page, in mm/stage2/map.c. */
#include "labs/check.h"

#include "fake/world.h"

#include "mm/alloc.h"
#include "mm/stage2/table.h"

static struct s2 *vm;
static enum s2_kind was;
static uint64_t pages;

static void start_with(uint64_t frames, uint64_t limit, uint64_t min)
{
	world_start(512, frames, 1);
	world_scrub_all();
	vm = world_create(1, limit, min);
	want(vm != NULL, "the model has no memory for a VM");
}

static void start(void)
{
	start_with(4000, 4096, 0);
}

/* A touch; the auditor looks at the world behind it, the lock is free. */
static enum status touch(uint64_t gfn, unsigned order_max, bool fill_ballooned)
{
	struct s2_locked locked = s2_lock(vm);
	pages = 77;
	enum status status =
		s2_fault(locked, (gfn_t){gfn}, order_max, fill_ballooned, &was, &pages);
	s2_unlock(locked);
	world_check();
	return status;
}

static const char *status_name(enum status status)
{
	static const char *const names[] = {
		[STATUS_OK] = "STATUS_OK",
		[STATUS_NO_MEMORY] = "STATUS_NO_MEMORY",
		[STATUS_OUTSIDE] = "STATUS_OUTSIDE",
		[STATUS_MISALIGNED] = "STATUS_MISALIGNED",
		[STATUS_INVALID] = "STATUS_INVALID",
		[STATUS_SURRENDERED] = "STATUS_SURRENDERED",
		[STATUS_NOT_SURRENDERED] = "STATUS_NOT_SURRENDERED",
		[STATUS_MIXED] = "STATUS_MIXED",
		[STATUS_IN_USE] = "STATUS_IN_USE",
		[STATUS_UNSUPPORTED] = "STATUS_UNSUPPORTED",
		[STATUS_EXISTS] = "STATUS_EXISTS",
		[STATUS_NOT_FOUND] = "STATUS_NOT_FOUND",
	};
	return (unsigned)status < LABS_COUNT(names) ? names[status] : "no status that exists";
}

static void want_status(enum status found, enum status right)
{
	want(found == right, "s2_fault() answers %s, should be %s", status_name(found),
	     status_name(right));
}

static void want_slot(uint64_t gfn, enum s2_kind kind, unsigned order)
{
	static const char *const names[] = {"EMPTY", "MAPPED", "BALLOONED"};
	struct s2_slot slot = world_lookup(vm, gfn);
	want(slot.kind == kind, "page %llu is %s, should be %s", (unsigned long long)gfn,
	     names[slot.kind % 3], names[kind]);
	want_number("the order of the entry", slot.order, order);
}

/* ---- Single pages ------------------------------------------------------------------------------
 */

static void first_touch_maps(void)
{
	start();
	want_status(touch(5, ORDER_4K, true), STATUS_OK);
	want_slot(5, S2_MAPPED, 0);
	want_number("*pages", pages, 1);
	want(was == S2_EMPTY, "*was does not say that nothing was there");
}

static void it_reads_as_zero(void)
{
	start();
	want_status(touch(5, ORDER_4K, true), STATUS_OK);
	world_expect(vm, 5, 0);
}

static void neighbours_stay_empty(void)
{
	start();
	want_status(touch(5, ORDER_4K, true), STATUS_OK);
	want_slot(4, S2_EMPTY, 0);
	want_slot(6, S2_EMPTY, 0);
}

static void counts_are_right(void)
{
	start();
	want_status(touch(5, ORDER_4K, true), STATUS_OK);
	want_status(touch(600, ORDER_4K, true), STATUS_OK);
	want_number("mapped_pages", vm->mapped_pages, 2);
	want_number("large_pages", vm->large_pages, 0);
	want_number("table_pages", vm->table_pages, 5);
}

static void touched_already(void)
{
	start();
	want_status(touch(5, ORDER_4K, true), STATUS_OK);
	pfn_t frame = world_lookup(vm, 5).pfn;
	want_status(touch(5, ORDER_4K, true), STATUS_OK);
	want(was == S2_MAPPED, "*was does not say that another vCPU was faster");
	want_number("*pages of a page that is there", pages, 0);
	want_number("the frame of the page", world_lookup(vm, 5).pfn.n, frame.n);
}

/* ---- The balloon -------------------------------------------------------------------------------
 */

static void surrendered_page_comes_back(void)
{
	start();
	want_status(touch(5, ORDER_4K, true), STATUS_OK);
	want(world_surrender(vm, 5, 0) == STATUS_OK, "the model refuses");
	world_flush(vm);
	want_status(touch(5, ORDER_4K, true), STATUS_OK);
	want(was == S2_BALLOONED, "*was does not say that the page was in the balloon");
	want_slot(5, S2_MAPPED, 0);
	want_number("ballooned_pages", vm->ballooned_pages, 0);
}

static void surrendered_page_stays(void)
{
	start();
	want(world_surrender(vm, 5, 0) == STATUS_OK, "the model refuses");
	want_status(touch(5, ORDER_4K, false), STATUS_SURRENDERED);
	want(was == S2_BALLOONED, "*was does not say that the page was in the balloon");
	want_slot(5, S2_BALLOONED, 0);
}

static void surrendered_extent_gives_one_page(void)
{
	start();
	want(world_surrender(vm, 1024, ORDER_2M) == STATUS_OK, "the model refuses");
	want_status(touch(1030, ORDER_2M, true), STATUS_OK);
	want_number("*pages: the others are in the balloon still", pages, 1);
	want_slot(1030, S2_MAPPED, 0);
	want_slot(1031, S2_BALLOONED, 0);
	want_number("ballooned_pages", vm->ballooned_pages, 511);
}

/* ---- Large pages -------------------------------------------------------------------------------
 */

static void large_touch(void)
{
	start();
	want_status(touch(1030, ORDER_2M, true), STATUS_OK);
	want_number("*pages", pages, 512);
	want_slot(1024, S2_MAPPED, ORDER_2M);
	want_slot(1535, S2_MAPPED, ORDER_2M);
	want_number("large_pages", vm->large_pages, 512);
	want_number("mapped_pages", vm->mapped_pages, 512);
}

static void no_larger_than_allowed(void)
{
	start();
	want_status(touch(1030, ORDER_4K, true), STATUS_OK);
	want_number("*pages with order_max 0", pages, 1);
}

static void not_beyond_ram(void)
{
	start_with(4000, 1024 + 100, 0);
	want_status(touch(1030, ORDER_2M, true), STATUS_OK);
	want_number("*pages where RAM ends within the 2 MiB", pages, 1);
	want_status(touch(600, ORDER_2M, true), STATUS_OK);
	want_number("*pages where it does not", pages, 512);
}

static void not_over_other_pages(void)
{
	start();
	want_status(touch(1025, ORDER_4K, true), STATUS_OK);
	want_status(touch(1030, ORDER_2M, true), STATUS_OK);
	want_number("*pages beside a page that is there", pages, 1);
	want_slot(1025, S2_MAPPED, 0);
}

static void smaller_where_no_large_frame_is(void)
{
	start_with(900, 4096, 0);
	want_status(touch(5, ORDER_2M, true), STATUS_OK);
	want_status(touch(600, ORDER_2M, true), STATUS_OK);
	want_status(touch(1100, ORDER_2M, true), STATUS_OK);
	want_number("*pages when no frame of 2 MiB is free", pages, 1);
}

/* ---- When there is nothing ---------------------------------------------------------------------
 */

/* Touches page after page until there is none; no page is lost on the way. */
static uint64_t drain(void)
{
	for (uint64_t gfn = 0; gfn < 4096; gfn++) {
		enum status status = touch(gfn, ORDER_4K, true);
		if (status != STATUS_OK) {
			want_status(status, STATUS_NO_MEMORY);
			want_number("*pages of a touch that failed", pages, 0);
			return gfn;
		}
	}
	lost("4096 pages of a machine with far fewer were given");
}

static void no_memory_is_an_answer(void)
{
	start_with(300, 4096, 0);
	want(drain() > 200, "most of the frames could not be had");
}

static void failure_changes_nothing(void)
{
	start_with(300, 4096, 0);
	want(drain() > 200, "most of the frames could not be had");
	struct world_image before = world_image();
	want_status(touch(3000, ORDER_2M, true), STATUS_NO_MEMORY);
	struct world_image after = world_image();
	want(world_image_equal(&before, &after), "a touch that failed has changed something");
}

/* Each allocation on the way of a touch that needs two tables and a frame fails once. */
static void every_allocation_may_fail(void)
{
	start();
	for (unsigned at = 1; at <= 5; at++) {
		struct world_image before = world_image();
		frame_alloc_fail_at = at;
		enum status status = touch(5, ORDER_4K, true);
		frame_alloc_fail_at = 0;
		if (status == STATUS_OK) {
			want(at == 5, "allocation %u failed, and the touch says OK", at);
			return;
		}
		want_status(status, STATUS_NO_MEMORY);
		struct world_image after = world_image();
		want(world_image_equal(&before, &after),
		     "allocation %u failed, and the touch has changed something (are spare tables"
		     " put back?)",
		     at);
	}
	lost("a touch fails with every allocation: it needs three tables and a frame");
}

static void promises_are_kept(void)
{
	start_with(400, 4096, 0);
	struct s2 *other = world_create(2, 1000, 100);
	want(other != NULL, "the model has no memory for a VM");
	(void)drain();
	for (uint64_t gfn = 0; gfn < 100; gfn++) {
		want(world_populate(other, gfn, 0) == STATUS_OK,
		     "a VM does not get page %llu of the 100 that it was promised",
		     (unsigned long long)gfn);
	}
}

static void many_touches(void)
{
	uint64_t seed = 1;
	start();
	want_status(touch(0, ORDER_4K, true), STATUS_OK);
	for (unsigned i = 0; i < 600; i++) {
		seed = seed * 6364136223846793005 + 1442695040888963407;
		uint64_t gfn = seed >> 33 & 4095;
		if (i % 4 == 3) {
			(void)world_surrender(vm, gfn, 0);
			world_flush(vm);
		} else if (touch(gfn, i % 4 == 0 ? ORDER_2M : ORDER_4K, true) == STATUS_OK) {
			want(world_lookup(vm, gfn).kind == S2_MAPPED, "a touch said OK, and there"
								      " is no page");
		}
	}
}

/* ---- Questions ---------------------------------------------------------------------------------
 */

static const char *frames_of_the_first_touch(void)
{
	start();
	uint64_t free = frame_count_free();
	(void)touch(5, ORDER_4K, true);
	return text_of(free - frame_count_free());
}

static const char *frames_of_the_neighbour(void)
{
	start();
	(void)touch(5, ORDER_4K, true);
	uint64_t free = frame_count_free();
	(void)touch(6, ORDER_4K, true);
	return text_of(free - frame_count_free());
}

/* One byte in every 2 MiB of 8 MiB, with large pages; all frames with its tables. */
static const char *frames_of_four_touches(void)
{
	start();
	uint64_t free = frame_count_free();
	for (uint64_t gfn = 0; gfn < 2048; gfn += 512) {
		(void)touch(gfn, ORDER_2M, true);
	}
	return text_of(free - frame_count_free());
}

static const char *status_of_a_surrendered_page(void)
{
	start();
	(void)world_surrender(vm, 5, 0);
	return status_name(touch(5, ORDER_4K, false));
}

int main(void)
{
	const struct check checks[] = {
		{"first_touch_maps", 3, first_touch_maps},
		{"it_reads_as_zero", 1, it_reads_as_zero},
		{"neighbours_stay_empty", 1, neighbours_stay_empty},
		{"counts_are_right", 2, counts_are_right},
		{"touched_already", 2, touched_already},
		{"surrendered_page_comes_back", 2, surrendered_page_comes_back},
		{"surrendered_page_stays", 2, surrendered_page_stays},
		{"surrendered_extent_gives_one_page", 2, surrendered_extent_gives_one_page},
		{"large_touch", 3, large_touch},
		{"no_larger_than_allowed", 1, no_larger_than_allowed},
		{"not_beyond_ram", 2, not_beyond_ram},
		{"not_over_other_pages", 2, not_over_other_pages},
		{"smaller_where_no_large_frame_is", 2, smaller_where_no_large_frame_is},
		{"no_memory_is_an_answer", 1, no_memory_is_an_answer},
		{"failure_changes_nothing", 2, failure_changes_nothing},
		{"every_allocation_may_fail", 3, every_allocation_may_fail},
		{"promises_are_kept", 2, promises_are_kept},
		{"many_touches", 2, many_touches},
	};
	const struct question questions[] = {
		{"q1", 1, frames_of_the_first_touch, "the root is there; which tables are not?"},
		{"q2", 1, frames_of_the_neighbour, "which tables are there by now?"},
		{"q3", 2, frames_of_four_touches,
		 "four leaves of 2 MiB need no tables of the last level"},
		{"q4", 1, status_of_a_surrendered_page, "include/base/status.h"},
	};
	return labs_run(checks, LABS_COUNT(checks), questions, LABS_COUNT(questions));
}
