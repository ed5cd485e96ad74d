/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many extents at once: neighbours in one page table share the walk, the locks and the sums, so
 * that a page costs little more than its entry and its record. What is not plain (a table or a
 * pinned page in the way, an entry that has to be cut first) is left to the functions for one
 * extent in s2.c. All under s2->lock.
 */
#include "mm/alloc.h"
#include "mm/reclaim.h"
#include "mm/s2_shape.h"

/* Neighbouring entries of one table, and what happened to them. */
struct run {
	struct s2 *s2;
	struct s2_path path;
	uint64_t *entry;
	uint64_t count; /* entries from `entry` on that may be changed */
	uint64_t leaves;
	uint64_t done;
};

/* The entries for up to `count` extents from gfn on; false: the first one needs other treatment. */
static bool run_find(struct run *run, struct s2 *s2, gfn_t gfn, unsigned order, uint64_t count)
{
	unsigned level = order / 9;
	if (gfn.n >= s2->limit_pages || !is_aligned_u64(gfn.n, order_pages(order))) {
		return false;
	}
	*run = (struct run){.s2 = s2};
	run->entry = s2_walk(s2, gfn, &run->path);
	run->count = min_u64(count, (s2->limit_pages - gfn.n) >> order);
	run->count = min_u64(run->count, S2_ENTRIES - entry_index(gfn, level));
	return run->path.level == level;
}

/* Takes out leaves and EMPTY entries until the count is used up or something else is met. */
static void run_take_out(struct run *run, uint64_t mark)
{
	struct s2 *s2 = run->s2;
	const uint64_t present = s2->format->present_mask;
	const uint64_t address = s2->format->address_mask;
	const unsigned level = run->path.level;
	/* A leaf of this level that may go has the first set of these and none of the others. */
	const uint64_t large = level > 0 ? s2->format->large_flag : 0;
	const uint64_t decisive = large | s2->format->pinned_flag;
	const struct frame_tag tag = {FRAME_GUEST, (uint8_t)level_order(level), s2->owner};
	const struct frame_tag revoking = {FRAME_REVOKING, tag.order, tag.owner};
	const struct frame_step step = frame_step(tag, revoking);
	uint64_t *entry = run->entry;
	uint64_t *const end = entry + run->count;
	uint64_t leaves = 0;
	/* These frames are ours alone: frame_lock is for the sums, and others wait for it. */
	uint32_t head = s2->revoking_head;
	for (; entry < end; entry++) {
		uint64_t value = entry_read(entry);
		if ((value & present) == 0) {
			if (value != 0) {
				break; /* in the balloon already */
			}
			entry_write(entry, mark);
			continue;
		}
		if ((value & decisive) != large) {
			break;
		}
		entry_write(entry, mark);
		reclaim_push_one(&head, hpa_to_pfn((hpa_t){value & address}), step);
		leaves++;
	}
	s2->revoking_head = head;
	lock_acquire(&frame_lock);
	frame_step_account(FRAME_GUEST, FRAME_REVOKING, leaves << tag.order);
	promise_held_remove(&s2->promise, leaves << tag.order);
	lock_release(&frame_lock);
	run->leaves = leaves;
	run->done = (uint64_t)(entry - run->entry);
}

static uint64_t take_out_run(struct s2 *s2, gfn_t gfn, unsigned order, uint64_t count,
			     uint64_t mark)
{
	struct run run;
	if (!run_find(&run, s2, gfn, order, count)) {
		return 0;
	}
	run_take_out(&run, mark);
	if (run.done == 0) {
		return 0;
	}
	unsigned level = run.path.level;
	pfn_t table = run.path.table[level];
	uint64_t ballooned = mark != 0 ? run.done : 0;
	table_set_counts(table, level, table_present(table) - (unsigned)run.leaves,
			 table_ballooned(table) + (unsigned)ballooned);
	s2->revoking_pages += run.leaves << order;
	s2->mapped_pages -= run.leaves << order;
	s2->large_pages -= level > 0 ? run.leaves << order : 0;
	s2->ballooned_pages += ballooned << order;
	s2_collapse(s2, gfn, &run.path);
	return run.done;
}

enum status s2_surrender_run(struct s2_locked locked, gfn_t gfn, unsigned order, uint64_t count,
			     uint64_t *done, uint64_t *work)
{
	uint64_t freed;
	*done = take_out_run(locked.s2, gfn, order, count, locked.s2->format->ballooned_entry);
	*work = *done;
	if (*done > 0) {
		return STATUS_OK;
	}
	enum status status = s2_surrender(locked, gfn, order, &freed, work);
	*done = status == STATUS_OK ? 1 : 0;
	return status;
}

enum status s2_report_run(struct s2_locked locked, gfn_t gfn, unsigned order, uint64_t count,
			  uint64_t *done, uint64_t *work)
{
	uint64_t freed;
	*done = take_out_run(locked.s2, gfn, order, count, 0);
	*work = *done;
	if (*done > 0) {
		return STATUS_OK;
	}
	enum status status = s2_report(locked, gfn, order, &freed, work);
	*done = status == STATUS_OK ? 1 : 0;
	return status;
}

enum status s2_return_run(struct s2_locked locked, gfn_t gfn, unsigned order, uint64_t count,
			  uint64_t *done, uint64_t *work)
{
	struct s2 *s2 = locked.s2;
	struct run run;
	if (run_find(&run, s2, gfn, order, count)) {
		for (; run.done < run.count; run.done++, run.entry++) {
			if (entry_read(run.entry) != s2->format->ballooned_entry) {
				break;
			}
			entry_write(run.entry, 0);
		}
		*done = run.done;
		*work = run.done;
		if (run.done > 0) {
			unsigned level = run.path.level;
			pfn_t table = run.path.table[level];
			table_set_counts(table, level, table_present(table),
					 table_ballooned(table) - (unsigned)run.done);
			s2->ballooned_pages -= run.done << order;
			s2_collapse(s2, gfn, &run.path);
			return STATUS_OK;
		}
	}
	enum status status = s2_return(locked, gfn, order, work);
	*done = status == STATUS_OK ? 1 : 0;
	return status;
}

bool s2_clear_leaves(struct s2 *s2, pfn_t table, unsigned level)
{
	const struct s2_format *format = s2->format;
	const uint64_t large = level > 0 ? format->large_flag : 0;
	const struct frame_tag tag = {FRAME_GUEST, (uint8_t)level_order(level), s2->owner};
	const struct frame_tag revoking = {FRAME_REVOKING, tag.order, tag.owner};
	const struct frame_step step = frame_step(tag, revoking);
	const uint64_t ballooned = table_ballooned(table);
	uint64_t leaves = 0;
	for (unsigned i = 0; i < S2_ENTRIES; i++) {
		uint64_t value = entry_read(table_entry(table, i));
		if ((value & format->present_mask) != 0 && (value & large) != large) {
			return false;
		}
	}
	uint32_t head = s2->revoking_head;
	for (unsigned i = 0; i < S2_ENTRIES; i++) {
		uint64_t *entry = table_entry(table, i);
		uint64_t value = entry_read(entry);
		entry_write(entry, 0);
		if ((value & format->present_mask) != 0) {
			reclaim_push_one(&head, entry_pfn(format, value), step);
			leaves++;
		}
	}
	s2->revoking_head = head;
	lock_acquire(&frame_lock);
	frame_step_account(FRAME_GUEST, FRAME_REVOKING, leaves << tag.order);
	promise_held_remove(&s2->promise, leaves << tag.order);
	lock_release(&frame_lock);
	table_set_counts(table, level, 0, 0);
	s2->revoking_pages += leaves << tag.order;
	s2->mapped_pages -= leaves << tag.order;
	s2->large_pages -= level > 0 ? leaves << tag.order : 0;
	s2->ballooned_pages -= ballooned << tag.order;
	return true;
}
