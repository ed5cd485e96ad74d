/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lists of page numbers that foreign drivers give. Real: kernel/balloon/page_list.c. Stubbed: the
 * core that takes the ranges, which is proved in ranges.c.
 */
#include "tests/proofs/proof.h"

#include "kernel/balloon/page_list.c"

#define PAGES 4u

static uint64_t gfns[PAGES];
static uint8_t statuses[PAGES];
static struct page_list list = {gfns, statuses, PAGES, 0};

static void any_list(void)
{
	HAVOC(gfns);
	HAVOC(statuses);
	list.count = (unsigned)any_below(PAGES + 1);
	list.order = any_bool() ? 0 : 9;
}

/*
 * PROOF pages_judged_good_are_inside
 * Shows: a page that stays in the list is aligned and inside RAM; what was decided before stays so
 * Bound: lists of up to 4 pages of any numbers, RAM of any size
 * Assumes: nothing
 * Classes: F4 F5
 * Sources: kernel/balloon/page_list.c
 * Options: --unwind 6
 * Fault: kernel/balloon/page_list.c | } else if (gfn >= limit_pages || pages > limit_pages - gfn)
 * { | } else if (gfn + pages > limit_pages) {
 */
void pages_judged_good_are_inside(void)
{
	any_list();
	uint64_t limit = any_u64();
	unsigned i = (unsigned)any_below(PAGES);
	ASSUME(i < list.count);
	uint8_t before = statuses[i];
	judge(&list, limit);
	if (statuses[i] == AEROSTAT_RANGE_PENDING) {
		PROVE(gfns[i] % order_pages(list.order) == 0);
		PROVE(gfns[i] < limit && order_pages(list.order) <= limit - gfns[i]);
	}
	PROVE(before == AEROSTAT_RANGE_PENDING || statuses[i] == before);
}

/*
 * PROOF pages_run_is_what_the_list_says
 * Shows: a run found in the list is consecutive in memory from its range's first page on, each of
 * its pages is PENDING in the list, and none lies beyond it
 * Bound: lists of up to 4 pages of any numbers
 * Assumes: pages are inside RAM of fewer than 2^32 pages, as pages_judged_good_are_inside shows
 * Classes: H1
 * Sources: kernel/balloon/page_list.c
 * Options: --unwind 6
 * Fault: kernel/balloon/page_list.c | return run->down ? run->first + run->count - 1 - i :
 * run->first + i; | return run->first + i;
 */
void pages_run_is_what_the_list_says(void)
{
	any_list();
	for (unsigned i = 0; i < PAGES; i++) {
		ASSUME(gfns[i] < UINT32_MAX);
	}
	unsigned first = (unsigned)any_below(PAGES);
	ASSUME(first < list.count && statuses[first] == AEROSTAT_RANGE_PENDING);
	struct run run = run_find(&list, first);
	PROVE(run.first == first && run.count >= 1 && run.count <= list.count - first);
	unsigned i = (unsigned)any_below(PAGES);
	ASSUME(i < run.count);
	unsigned place = run_place(&run, i);
	PROVE(place >= first && place < first + run.count);
	PROVE(statuses[place] == AEROSTAT_RANGE_PENDING);
	PROVE(gfns[place] == gfns[run_place(&run, 0)] + i * order_pages(list.order));
}

/*
 * PROOF pages_gather_takes_each_once
 * Shows: the runs of a list cover each PENDING page exactly once and nothing else
 * Bound: lists of up to 4 pages of any numbers
 * Assumes: pages are inside RAM of fewer than 2^32 pages
 * Classes: H1 H2
 * Sources: kernel/balloon/page_list.c
 * Options: --unwind 6
 * Fault: kernel/balloon/page_list.c | i += runs[found].count; | i++;
 */
void pages_gather_takes_each_once(void)
{
	static struct run runs[RUNS_MAX];
	static struct aerostat_range ranges[RUNS_MAX];
	any_list();
	for (unsigned i = 0; i < PAGES; i++) {
		ASSUME(gfns[i] < UINT32_MAX);
	}
	unsigned found = gather(&list, runs, ranges);
	PROVE(found <= PAGES);
	unsigned at = (unsigned)any_below(PAGES);
	ASSUME(at < list.count);
	unsigned times = 0;
	for (unsigned i = 0; i < found; i++) {
		times += at >= runs[i].first && at - runs[i].first < runs[i].count ? 1 : 0;
		PROVE(ranges[i].count == runs[i].count && ranges[i].done == 0);
		PROVE(ranges[i].reserved == 0 && ranges[i].flags == 0);
	}
	PROVE(times == (statuses[at] == AEROSTAT_RANGE_PENDING ? 1 : 0));
}

/*
 * PROOF pages_spread_says_what_was_done
 * Shows: exactly the pages before `done` become OK, the one there gets the status of the range,
 * and no other status in the list changes
 * Bound: runs of up to 4 pages, up or down
 * Assumes: the run lies in the list
 * Classes: F3
 * Sources: kernel/balloon/page_list.c
 * Options: --unwind 6
 * Fault: kernel/balloon/page_list.c | if (range->done < run->count) { | if (range->done <=
 * run->count) {
 */
void pages_spread_says_what_was_done(void)
{
	any_list();
	struct run run = {(unsigned)any_below(PAGES), (unsigned)any_below(PAGES + 1), any_bool()};
	ASSUME(run.first + run.count <= list.count);
	struct aerostat_range range = {.done = any_u32(), .status = any_u8()};
	unsigned at = (unsigned)any_below(PAGES);
	uint8_t before = statuses[at];
	spread(&list, &run, &range);
	bool inside = at >= run.first && at - run.first < run.count;
	if (!inside) {
		PROVE(statuses[at] == before);
		return;
	}
	unsigned i = run.down ? run.first + run.count - 1 - at : at - run.first;
	PROVE(i >= range.done || statuses[at] == AEROSTAT_RANGE_OK);
	PROVE(i != range.done || statuses[at] == range.status);
	PROVE(i <= range.done || statuses[at] == before);
}
