/* SPDX-License-Identifier: BSD-2-Clause */
/* See single.h. Everything is looked at before the first word is changed. */
#include "mm/stage2/single.h"

#include "base/compiler.h"
#include "mm/pool.h"
#include "mm/stage2/table.h"
#include "mm/tlb.h"

/* Once for each order, so that nothing depends on it at run time. */
#define FOR_ORDER static inline __attribute__((always_inline))

/* The entry that stands for exactly the extent; false: there is none, or not all of it is RAM. */
FOR_ORDER bool find(const struct s2 *s2, gfn_t gfn, unsigned order, pfn_t *table, uint64_t **entry)
{
	uint64_t pages = order_pages(order);
	if (gfn.n >= s2->limit_pages || pages > s2->limit_pages - gfn.n ||
	    (gfn.n & (pages - 1)) != 0 || !s2_find_table(s2, gfn, order, table)) {
		return false;
	}
	*entry = table_entry(*table, (unsigned)(gfn.n >> order) & (S2_ENTRIES - 1));
	return true;
}

/* The table is not all the same with these counts. */
static inline bool stays(unsigned present, unsigned ballooned)
{
	return present != 0 || (ballooned != 0 && ballooned != S2_ENTRIES);
}

/*
 * From the leaf that has just been removed to the pool, past the list of the quarantine, which is
 * empty. To the sums that all VMs share the extent is GUEST until it is free: no CPU waits for it.
 */
FOR_ORDER void release(struct s2 *s2, pfn_t pfn, unsigned order)
{
	const struct frame_tag guest = {FRAME_GUEST, (uint8_t)order, s2->owner};
	const struct frame_tag revoking = {FRAME_REVOKING, (uint8_t)order, s2->owner};
	const struct frame_tag dirty = {FRAME_DIRTY, (uint8_t)order, VM_ID_HOST};
	uint64_t pages = order_pages(order);
	s2->mapped_pages -= pages;
	s2->large_pages -= order > ORDER_4K ? pages : 0;
	(void)frame_step_take(frame_step(guest, revoking), pfn);
	tlb_epoch_enforce(s2, tlb_epoch_request(s2));
	(void)frame_step_take(frame_step(revoking, dirty), pfn);
	lock_acquire(&frame_lock);
	frame_step_account(FRAME_GUEST, FRAME_DIRTY, pages);
	promise_held_remove(&s2->promise, pages);
	pool_put_dirty(pfn);
	lock_release(&frame_lock);
}

/* What is taken out elsewhere does not move the page that was found last. */
FOR_ORDER void keep_found(struct s2_locked locked, gfn_t gfn, unsigned order, uint64_t before)
{
	struct s2_found *found = &locked.s2->found;
	if (found->removals == before && (found->gfn.n - gfn.n) >> order != 0) {
		found->removals = s2_removals(locked);
	}
}

FOR_ORDER bool take_out(struct s2_locked locked, gfn_t gfn, unsigned order, enum s2_kind into,
			uint64_t *freed)
{
	struct s2 *s2 = locked.s2;
	const struct s2_format *format = s2->format;
	const uint64_t large = order > ORDER_4K ? format->large_flag : 0;
	unsigned balloons = into == S2_BALLOONED ? 1 : 0;
	pfn_t table;
	uint64_t *entry;
	if (!find(s2, gfn, order, &table, &entry)) {
		return false;
	}
	uint64_t value = entry_read(entry);
	bool leaf = (value & format->present_mask) != 0;
	if (leaf ? (value & (large | format->pinned_flag)) != large : value != 0) {
		return false;
	}
	if (!stays(table_present(table) - (leaf ? 1 : 0), table_ballooned(table) + balloons)) {
		return false;
	}
	entry_write(entry, balloons != 0 ? format->ballooned_entry : 0);
	table_change_counts(table, leaf ? -1u : 0, balloons);
	s2->ballooned_pages += (uint64_t)balloons << order;
	*freed = leaf ? order_pages(order) : 0;
	if (leaf) {
		uint64_t before = s2_removals(locked);
		release(s2, entry_pfn(format, value), order);
		keep_found(locked, gfn, order, before);
	}
	return true;
}

bool s2_single_take_out(struct s2_locked locked, gfn_t gfn, unsigned order, enum s2_kind into,
			uint64_t *freed)
{
	CHECK(order == ORDER_4K || order == ORDER_2M);
	return order == ORDER_4K ? take_out(locked, gfn, ORDER_4K, into, freed)
				 : take_out(locked, gfn, ORDER_2M, into, freed);
}

FOR_ORDER bool give_back(struct s2_locked locked, gfn_t gfn, unsigned order)
{
	struct s2 *s2 = locked.s2;
	pfn_t table;
	uint64_t *entry;
	if (!find(s2, gfn, order, &table, &entry) ||
	    entry_read(entry) != s2->format->ballooned_entry ||
	    !stays(table_present(table), table_ballooned(table) - 1)) {
		return false;
	}
	entry_write(entry, 0);
	table_change_counts(table, 0, -1u);
	s2->ballooned_pages -= order_pages(order);
	return true;
}

bool s2_single_return(struct s2_locked locked, gfn_t gfn, unsigned order)
{
	CHECK(order == ORDER_4K || order == ORDER_2M);
	return order == ORDER_4K ? give_back(locked, gfn, ORDER_4K)
				 : give_back(locked, gfn, ORDER_2M);
}

uint8_t *s2_single_find(struct s2_locked locked, gfn_t gfn)
{
	struct s2 *s2 = locked.s2;
	if (gfn.n >= s2->limit_pages) {
		return NULL;
	}
	struct s2_path path;
	uint64_t value = entry_read(s2_walk(s2, gfn, &path));
	if ((value & s2->format->present_mask) == 0) {
		return NULL;
	}
	pfn_t first = entry_pfn(s2->format, value);
	uint64_t inside = order_pages(level_order(path.level)) - 1;
	s2->found = (struct s2_found){
		.gfn = gfn,
		.removals = s2_removals(locked),
		.page = pfn_to_virt((pfn_t){first.n + (gfn.n & inside)}),
	};
	return s2->found.page;
}
