/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See runs.h: neighbours in one page table share the walk, the locks and the sums, so that a page
 * costs little more than its entry and its record. All under s2->lock.
 */
#include "mm/stage2/runs.h"

#include "base/compiler.h"
#include "mm/alloc.h"
#include "mm/pool.h"
#include "mm/reclaim.h"
#include "mm/stage2/split.h"
#include "mm/tlb.h"

/* Leaves of 2^order pages of this VM on their way to quarantine. */
static inline struct frame_step revoke_step(const struct s2 *s2, unsigned order)
{
	const struct frame_tag tag = {FRAME_GUEST, (uint8_t)order, s2->owner};
	const struct frame_tag revoking = {FRAME_REVOKING, tag.order, tag.owner};
	return frame_step(tag, revoking);
}

/* So many leaves of one level were unlinked. The caller tells the sums that all VMs share. */
static inline void count_leaves_out(struct s2 *s2, unsigned order, uint64_t leaves)
{
	s2->revoking_pages += leaves << order;
	s2->mapped_pages -= leaves << order;
	s2->large_pages -= order > 0 ? leaves << order : 0;
}

static void account(struct s2 *s2, uint64_t revoked_pages)
{
	lock_acquire(&frame_lock);
	frame_step_account(FRAME_GUEST, FRAME_REVOKING, revoked_pages);
	promise_held_remove(&s2->promise, revoked_pages);
	lock_release(&frame_lock);
}

/* What the runs of one order have changed goes into the counters of the address space. */
static inline void count_changes(struct s2_batch *batch)
{
	struct s2 *s2 = batch->s2;
	if (batch->leaves_out > 0) {
		count_leaves_out(s2, batch->order, batch->leaves_out);
		batch->revoked_pages += batch->leaves_out << batch->order;
		batch->leaves_out = 0;
	}
	if (batch->ballooned != 0) {
		s2->ballooned_pages += batch->ballooned << batch->order;
		batch->ballooned = 0;
	}
}

void s2_batch_end(struct s2_batch *batch)
{
	count_changes(batch);
	batch->pages = 0;
	batch->middle_number = S2_MIDDLE_NONE;
	if (batch->revoked_pages > 0) {
		account(batch->s2, batch->revoked_pages);
		batch->revoked_pages = 0;
	}
}

static void set_order(struct s2_batch *batch, unsigned order)
{
	const struct s2 *s2 = batch->s2;
	count_changes(batch);
	batch->order = order;
	batch->plain_flags = order > ORDER_4K ? s2->format->large_flag : 0;
	batch->decisive_flags = batch->plain_flags | s2->format->pinned_flag;
	batch->revoke = revoke_step(s2, order);
}

/*
 * The table of 4 KiB pages around gfn. Pages that lie scattered have the tables above in common,
 * and until the batch is ended nothing but runs changes any: those leave the tables above alone, or
 * forget them.
 */
static inline bool find_table_of_pages(struct s2_batch *batch, gfn_t gfn)
{
	const struct s2_format *format = batch->s2->format;
	uint64_t number = gfn.n >> ORDER_1G;
	if (number != batch->middle_number) {
		batch->middle_number = S2_MIDDLE_NONE;
		if (!s2_find_table(batch->s2, gfn, ORDER_2M, &batch->middle)) {
			return false;
		}
		batch->middle_number = number;
	}
	uint64_t value = entry_read(table_entry(batch->middle, entry_index(gfn, 1)));
	batch->table = entry_pfn(format, value);
	return entry_kind(format, value, 1) == ENTRY_TABLE;
}

bool s2_batch_go(struct s2_batch *batch, gfn_t gfn, unsigned order)
{
	const struct s2 *s2 = batch->s2;
	batch->pages = 0;
	if (order != batch->order) {
		set_order(batch, order);
	}
	if (gfn.n >= s2->limit_pages ||
	    (order == ORDER_4K ? !find_table_of_pages(batch, gfn)
			       : !s2_find_table(s2, gfn, order, &batch->table))) {
		return false;
	}
	uint64_t extent_pages = order_pages(order);
	batch->entries = table_entry(batch->table, 0);
	batch->first_gfn = align_down_u64(gfn.n, extent_pages * S2_ENTRIES);
	uint64_t inside = align_down_u64(s2->limit_pages - batch->first_gfn, extent_pages);
	batch->pages = min_u64(inside, extent_pages * S2_ENTRIES);
	return gfn.n - batch->first_gfn < batch->pages;
}

/* The first entry of a run, whose count is cut to what the table has: nothing of what is
 * misaligned. */
static inline uint64_t *run_first(const struct s2_batch *batch, gfn_t gfn, uint64_t *count)
{
	uint64_t offset = gfn.n - batch->first_gfn;
	uint64_t most = (batch->pages - offset) >> batch->order;
	bool plain = offset < batch->pages && is_aligned_u64(offset, order_pages(batch->order));
	*count = plain ? min_u64(*count, most) : 0;
	return batch->entries + (offset >> batch->order);
}

/* A table that is all the same now becomes an entry; the next extent walks again. */
static NOT_INLINE uint64_t collapse(struct s2_batch *batch, gfn_t gfn, uint64_t done)
{
	struct s2_path path;
	(void)s2_walk(batch->s2, gfn, &path);
	path.level = batch->order / 9;
	s2_collapse(batch->s2, gfn, &path);
	batch->pages = 0;
	batch->middle_number = S2_MIDDLE_NONE;
	return done;
}

/* `done` entries of the table around gfn were changed: so many leaves less, so many in the balloon.
 */
static inline uint64_t run_finish(struct s2_batch *batch, gfn_t gfn, uint64_t done, uint64_t leaves,
				  uint64_t ballooned)
{
	pfn_t table = batch->table;
	batch->leaves_out += leaves;
	batch->ballooned += ballooned;
	table_change_counts(table, -(uint32_t)leaves, (uint32_t)ballooned);
	return __builtin_expect(table_is_uniform(table), 0) ? collapse(batch, gfn, done) : done;
}

/* Takes out leaves and EMPTY entries until the count is used up or something else is met. */
static uint64_t take_out_run(struct s2_batch *batch, gfn_t gfn, uint64_t count, uint64_t mark)
{
	uint64_t *const first = run_first(batch, gfn, &count);
	const struct s2_format *format = batch->s2->format;
	const uint64_t *end = first + count;
	const struct frame_step revoke = batch->revoke;
	uint64_t *entry = first;
	uint64_t empty = 0;
	/* These frames are ours alone: frame_lock is for the sums, and others wait for it. */
	uint32_t head = batch->s2->revoking_head;
	for (; entry < end; entry++) {
		uint64_t value = entry_read(entry);
		if ((value & format->present_mask) == 0) {
			if (value != 0) {
				break; /* in the balloon already */
			}
			entry_write(entry, mark);
			empty++;
			continue;
		}
		if ((value & batch->decisive_flags) != batch->plain_flags) {
			break;
		}
		entry_write(entry, mark);
		reclaim_push_one(&head, entry_pfn(format, value), revoke);
	}
	batch->s2->revoking_head = head;
	uint64_t done = (uint64_t)(entry - first);
	return run_finish(batch, gfn, done, done - empty, mark != 0 ? done : 0);
}

uint64_t s2_surrender_run(struct s2_batch *batch, gfn_t gfn, uint64_t count)
{
	return take_out_run(batch, gfn, count, batch->s2->format->ballooned_entry);
}

uint64_t s2_report_run(struct s2_batch *batch, gfn_t gfn, uint64_t count)
{
	return take_out_run(batch, gfn, count, 0);
}

uint64_t s2_return_run(struct s2_batch *batch, gfn_t gfn, uint64_t count)
{
	uint64_t *const first = run_first(batch, gfn, &count);
	const uint64_t ballooned_entry = batch->s2->format->ballooned_entry;
	uint64_t *entry = first;
	for (; entry < first + count && entry_read(entry) == ballooned_entry; entry++) {
		entry_write(entry, 0);
	}
	uint64_t done = (uint64_t)(entry - first);
	return run_finish(batch, gfn, done, 0, -done);
}

/* NULL: misaligned. */
static inline uint64_t *one_entry(const struct s2_batch *batch, gfn_t gfn)
{
	uint64_t offset = gfn.n - batch->first_gfn;
	return is_aligned_u64(offset, order_pages(batch->order))
		       ? batch->entries + (offset >> batch->order)
		       : NULL;
}

bool s2_take_out_one(struct s2_batch *batch, gfn_t gfn, bool ballooned)
{
	const struct s2_format *format = batch->s2->format;
	uint64_t *entry = one_entry(batch, gfn);
	if (entry == NULL) {
		return false;
	}
	uint64_t value = entry_read(entry);
	bool leaf = (value & format->present_mask) != 0;
	if (leaf ? (value & batch->decisive_flags) != batch->plain_flags : value != 0) {
		return false;
	}
	entry_write(entry, ballooned ? format->ballooned_entry : 0);
	if (leaf) {
		reclaim_push_one(&batch->s2->revoking_head, entry_pfn(format, value),
				 batch->revoke);
	}
	(void)run_finish(batch, gfn, 1, leaf ? 1 : 0, ballooned ? 1 : 0);
	return true;
}

bool s2_return_one(struct s2_batch *batch, gfn_t gfn)
{
	uint64_t *entry = one_entry(batch, gfn);
	if (entry == NULL || entry_read(entry) != batch->s2->format->ballooned_entry) {
		return false;
	}
	entry_write(entry, 0);
	(void)run_finish(batch, gfn, 1, 0, -1ull);
	return true;
}

bool s2_is_of_leaves(const struct s2 *s2, pfn_t table, unsigned level)
{
	const struct s2_format *format = s2->format;
	for (unsigned i = 0; level > 0 && i < S2_ENTRIES; i++) {
		if (entry_kind(format, entry_read(table_entry(table, i)), level) == ENTRY_TABLE) {
			return false;
		}
	}
	return true;
}

/*
 * All the frames of a table's leaves, GUEST until now, linked both ways in the order of the pool's
 * lists. The loop is all that the end of a large VM consists of: what does not change in it is read
 * once.
 */
static struct pool_run collect_leaves(const struct s2 *s2, pfn_t table, struct frame_step step)
{
	const uint64_t present = s2->format->present_mask;
	const uint64_t address = s2->format->address_mask;
	struct frame *const frames = frame_table;
	const uint64_t count = frame_table_count;
	const uint64_t *entry = table_entry(table, 0);
	const uint64_t *const end = entry + S2_ENTRIES;
	struct frame first = {.prev = FRAME_NONE};
	struct frame *newest = &first;
	uint32_t head = FRAME_NONE;
	for (; entry < end; entry++) {
		uint64_t value = entry_read(entry);
		if ((value & present) == 0) {
			continue;
		}
		pfn_t pfn = hpa_to_pfn((hpa_t){value & address});
		struct frame *frame = frame_step_take_of(frames, count, step, pfn);
		frame->next = head;
		newest->prev = (uint32_t)pfn.n;
		newest = frame;
		head = (uint32_t)pfn.n;
	}
	newest->prev = FRAME_NONE;
	return (struct pool_run){.head = head, .last = first.prev};
}

void s2_free_leaves(struct s2 *s2, pfn_t table, unsigned level)
{
	const unsigned order = level_order(level);
	const uint64_t leaves = table_present(table);
	const uint64_t ballooned = table_ballooned(table);
	const struct frame_tag revoking = {FRAME_REVOKING, (uint8_t)order, s2->owner};
	const struct frame_tag dirty = {FRAME_DIRTY, (uint8_t)order, VM_ID_HOST};
	struct frame_step step = revoke_step(s2, order);
	/* Both edges at once: no CPU can look at a frame between them. */
	step.next = frame_step(revoking, dirty).next;
	tlb_epoch_enforce(s2, tlb_epoch_request(s2));
	struct pool_run run = collect_leaves(s2, table, step);
	s2->mapped_pages -= leaves << order;
	s2->large_pages -= order > 0 ? leaves << order : 0;
	s2->ballooned_pages -= ballooned << order;
	table_set_counts(table, level, 0, 0);
	if (leaves > 0) {
		lock_acquire(&frame_lock);
		frame_step_account(FRAME_GUEST, FRAME_DIRTY, leaves << order);
		promise_held_remove(&s2->promise, leaves << order);
		pool_put_dirty_run(run, order);
		lock_release(&frame_lock);
	}
}
