/* SPDX-License-Identifier: BSD-2-Clause */
/* See page_list.h. */
#include "kernel/balloon/page_list.h"

#include "base/bits.h"
#include "mm/stage2/map.h"

#define RUNS_MAX 32u  /* that one call of the core gets */
#define ROUNDS_MAX 8u /* calls of the core in one of ours: each refusal costs one */

struct page_list {
	const uint64_t *gfns;
	uint8_t *statuses;
	unsigned count;
	unsigned order;
};

/* Neighbours in the list: one extent up or down from each to the next, from `first` on. */
struct run {
	unsigned first;
	unsigned count;
	bool down;
};

static bool is_next(const struct page_list *list, unsigned i, bool down)
{
	uint64_t step = order_pages(list->order);

	return i < list->count && list->statuses[i] == AEROSTAT_RANGE_PENDING &&
	       (down ? list->gfns[i] + step == list->gfns[i - 1]
		     : list->gfns[i] == list->gfns[i - 1] + step);
}

static struct run run_find(const struct page_list *list, unsigned first)
{
	struct run run = {first, 1, is_next(list, first + 1, true)};

	while (is_next(list, first + run.count, run.down)) {
		run.count++;
	}
	return run;
}

/* Where in the list the extent is that is number `i` of the run in memory. */
static unsigned run_place(const struct run *run, unsigned i)
{
	return run->down ? run->first + run->count - 1 - i : run->first + i;
}

/* What can be said of each extent by itself, so that a run is refused for none of them. */
static void judge(const struct page_list *list, uint64_t limit_pages)
{
	uint64_t pages = order_pages(list->order);

	for (unsigned i = 0; i < list->count; i++) {
		uint64_t gfn = list->gfns[i];
		if (list->statuses[i] != AEROSTAT_RANGE_PENDING) {
			continue;
		}
		if (!is_aligned_u64(gfn, pages)) {
			list->statuses[i] = AEROSTAT_RANGE_MISALIGNED;
		} else if (gfn >= limit_pages || pages > limit_pages - gfn) {
			list->statuses[i] = AEROSTAT_RANGE_OUTSIDE;
		}
	}
}

/* The first runs of what is PENDING; answers how many. */
static unsigned gather(const struct page_list *list, struct run *runs,
		       struct aerostat_range *ranges)
{
	unsigned found = 0;

	for (unsigned i = 0; i < list->count && found < RUNS_MAX;) {
		if (list->statuses[i] != AEROSTAT_RANGE_PENDING) {
			i++;
			continue;
		}
		runs[found] = run_find(list, i);
		ranges[found] = (struct aerostat_range){
			.gfn = list->gfns[run_place(&runs[found], 0)],
			.count = runs[found].count,
			.order = (uint8_t)list->order,
		};
		i += runs[found].count;
		found++;
	}
	return found;
}

/* The extents before `done` are done; the one there has the status of the range. */
static void spread(const struct page_list *list, const struct run *run,
		   const struct aerostat_range *range)
{
	for (unsigned i = 0; i < run->count && i < range->done; i++) {
		list->statuses[run_place(run, i)] = AEROSTAT_RANGE_OK;
	}
	if (range->done < run->count) {
		list->statuses[run_place(run, range->done)] = range->status;
	}
}

bool balloon_run_pages(struct s2_locked locked, struct vm *vm, enum balloon_operation operation,
		       const uint64_t *gfns, unsigned count, unsigned order, gfn_t array_gfn,
		       uint8_t *statuses)
{
	const struct page_list list = {gfns, statuses, count, order};
	struct aerostat_range ranges[RUNS_MAX];
	struct run runs[RUNS_MAX];

	judge(&list, vm->s2.limit_pages);
	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		unsigned found = gather(&list, runs, ranges);
		if (found == 0) {
			return true;
		}
		unsigned finished =
			balloon_run_ranges(locked, vm, operation, ranges, found, array_gfn);
		for (unsigned i = 0; i < found; i++) {
			spread(&list, &runs[i], &ranges[i]);
		}
		if (finished < found) {
			return false;
		}
	}
	return gather(&list, runs, ranges) == 0;
}
