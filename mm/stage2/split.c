/* SPDX-License-Identifier: BSD-2-Clause */
/* Splitting, collapsing and pinning of second-stage table entries. All under s2->lock. */
#include "mm/stage2/split.h"

#include "base/spin.h"
#include "base/string.h"
#include "mm/alloc.h"
#include "mm/reclaim.h"

#define AWAIT_TRIES 65536 /* thousands of times longer than a batch and its flush take */

/*
 * One page that was promised. What is missing may be on its way back, in our own quarantine or in
 * another VM's whose CPU is between unmapping and flushing; that CPU waits for no lock of ours.
 */
static enum status spare_page(struct s2 *s2, pfn_t *page)
{
	enum status status = frame_alloc_table(&s2->promise, s2->owner, page);
	if (status != STATUS_OK && s2->revoking_head != FRAME_NONE) {
		reclaim_flush((struct s2_locked){s2});
		status = frame_alloc_table(&s2->promise, s2->owner, page);
	}
	for (unsigned i = 0; i < AWAIT_TRIES && status != STATUS_OK; i++) {
		if (frame_count(FRAME_REVOKING) == 0) {
			break;
		}
		spin_hint();
		status = frame_alloc_table(&s2->promise, s2->owner, page);
	}
	return status;
}

enum status s2_spares_get(struct s2 *s2, unsigned count, struct s2_spares *spares)
{
	spares->count = 0;
	while (spares->count < count) {
		enum status status = spare_page(s2, &spares->pages[spares->count]);
		if (status != STATUS_OK) {
			s2_spares_put_back(s2, spares);
			return status;
		}
		spares->count++;
	}
	return STATUS_OK;
}

void s2_spares_put_back(struct s2 *s2, struct s2_spares *spares)
{
	while (spares->count > 0) {
		frame_free_table(&s2->promise, s2->owner, spares->pages[--spares->count]);
	}
}

/* What the 512 entries of a table that replaces `value` on `level` start with, and their step. */
static uint64_t first_child(const struct s2_format *format, uint64_t value, unsigned level,
			    uint64_t *step)
{
	*step = 0;
	if (entry_kind(format, value, level) != ENTRY_LEAF) {
		return value;
	}
	*step = order_pages(level_order(level - 1)) << PAGE_SHIFT;
	return leaf_value(format, entry_pfn(format, value), level - 1) |
	       (value & format->accessed_flag);
}

/* Fills `table` as the replacement of `entry` on `level` and links it there. */
static void split_entry(struct s2 *s2, gfn_t gfn, pfn_t parent, uint64_t *entry, unsigned level,
			pfn_t table)
{
	const struct s2_format *format = s2->format;
	uint64_t value = entry_read(entry);
	enum s2_entry_kind kind = entry_kind(format, value, level);
	uint64_t step;
	uint64_t child = first_child(format, value, level, &step);
	if (kind != ENTRY_EMPTY) {
		uint64_t *const end = table_entry(table, S2_ENTRIES);
#pragma GCC unroll 8
		for (uint64_t *at = table_entry(table, 0); at < end; at++) {
			*at = child;
			child += step;
		}
	}
	frame_of(table)->gfn = (uint32_t)align_down_u64(gfn.n, order_pages(level_order(level)));
	table_set_counts(table, level - 1, kind == ENTRY_LEAF ? S2_ENTRIES : 0,
			 kind == ENTRY_BALLOONED ? S2_ENTRIES : 0);
	if (kind == ENTRY_LEAF) {
		struct frame_tag tag = {FRAME_GUEST, (uint8_t)level_order(level), s2->owner};
		lock_acquire(&frame_lock);
		frame_shatter(entry_pfn(format, value), tag, level_order(level - 1));
		lock_release(&frame_lock);
		s2->large_pages -= level == 1 ? S2_ENTRIES : 0;
	} else {
		unsigned fewer = kind == ENTRY_BALLOONED ? 1 : 0;
		table_set_counts(parent, level, table_present(parent) + 1,
				 table_ballooned(parent) - fewer);
	}
	s2->table_pages++;
	entry_write(entry, pfn_to_hpa(table).v | format->table_flags);
}

uint64_t *s2_split_to(struct s2 *s2, gfn_t gfn, struct s2_path *path, unsigned level,
		      struct s2_spares *spares)
{
	CHECK(spares->count == path->level - level);
	while (path->level > level) {
		pfn_t parent = path->table[path->level];
		pfn_t table = spares->pages[--spares->count];
		uint64_t *entry = table_entry(parent, entry_index(gfn, path->level));
		split_entry(s2, gfn, parent, entry, path->level, table);
		path->level--;
		path->table[path->level] = table;
	}
	return table_entry(path->table[level], entry_index(gfn, level));
}

void s2_revoke_table(struct s2 *s2, pfn_t table)
{
	s2->table_pages--;
	reclaim_push(s2, table, (struct frame_tag){FRAME_HYPERVISOR, ORDER_4K, s2->owner});
}

void s2_collapse(struct s2 *s2, gfn_t gfn, struct s2_path *path)
{
	while (path->level < S2_LEVELS - 2) {
		pfn_t table = path->table[path->level];
		unsigned ballooned = table_ballooned(table);
		if (!table_is_uniform(table)) {
			return;
		}
		path->level++;
		pfn_t parent = path->table[path->level];
		uint64_t *entry = table_entry(parent, entry_index(gfn, path->level));
		entry_write(entry, ballooned != 0 ? s2->format->ballooned_entry : 0);
		table_set_counts(parent, path->level, table_present(parent) - 1,
				 table_ballooned(parent) + (ballooned != 0 ? 1 : 0));
		s2_revoke_table(s2, table);
	}
}

bool s2_any_ballooned(const struct s2 *s2, pfn_t parent, gfn_t gfn, unsigned level)
{
	uint64_t value = entry_read(table_entry(parent, entry_index(gfn, level)));
	pfn_t table = entry_pfn(s2->format, value);
	if (table_ballooned(table) != 0) {
		return true;
	}
	for (unsigned i = 0; level > 1 && i < S2_ENTRIES; i++) {
		uint64_t child = entry_read(table_entry(table, i));
		if (entry_kind(s2->format, child, level - 1) == ENTRY_TABLE &&
		    table_ballooned(entry_pfn(s2->format, child)) != 0) {
			return true;
		}
	}
	return false;
}

enum status s2_pin(struct s2_locked locked, gfn_t gfn, pfn_t *pfn)
{
	struct s2 *s2 = locked.s2;
	if (gfn.n >= s2->limit_pages) {
		return STATUS_OUTSIDE;
	}
	struct s2_slot slot = s2_lookup(locked, gfn);
	if (slot.kind == S2_BALLOONED) {
		return STATUS_SURRENDERED;
	}
	if (slot.pinned) {
		return STATUS_IN_USE;
	}
	if (slot.kind == S2_EMPTY) {
		uint64_t pages;
		enum status status = s2_populate(locked, gfn, ORDER_4K, &pages);
		if (status != STATUS_OK) {
			return status;
		}
	}
	struct s2_path path;
	struct s2_spares spares;
	(void)s2_walk(s2, gfn, &path);
	enum status status = s2_spares_get(s2, path.level, &spares);
	if (status != STATUS_OK) {
		return status;
	}
	uint64_t *entry = s2_split_to(s2, gfn, &path, 0, &spares);
	uint64_t value = entry_read(entry);
	*pfn = entry_pfn(s2->format, value);
	entry_set_flags(entry, s2->format->pinned_flag);
	return STATUS_OK;
}

void s2_unpin(struct s2_locked locked, gfn_t gfn)
{
	struct s2_path path;
	uint64_t *entry = s2_walk(locked.s2, gfn, &path);
	uint64_t value = entry_read(entry);
	CHECK(path.level == 0 && (value & locked.s2->format->pinned_flag) != 0);
	entry_clear_flags(entry, locked.s2->format->pinned_flag);
}
