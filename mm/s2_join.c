/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes whole 2 MiB regions large again: in place where the 512 frames happen to be one aligned
 * run, else by moving their contents to a fresh extent. Under s2->lock; the VM does not run
 * meanwhile, so that no store falls between the copy and the new entry.
 */
#include "base/string.h"
#include "mm/alloc.h"
#include "mm/reclaim.h"
#include "mm/s2_shape.h"

/* All 512 pages mapped, none pinned; *in_place: their frames are one aligned run. */
static bool is_whole(const struct s2 *s2, pfn_t table, bool *in_place)
{
	if (table_present(table) != S2_ENTRIES) {
		return false;
	}
	pfn_t first = entry_pfn(s2->format, entry_read(table_entry(table, 0)));
	*in_place = is_aligned_u64(first.n, S2_ENTRIES);
	for (unsigned i = 0; i < S2_ENTRIES; i++) {
		uint64_t value = entry_read(table_entry(table, i));
		if ((value & s2->format->pinned_flag) != 0) {
			return false;
		}
		*in_place = *in_place && entry_pfn(s2->format, value).n == first.n + i;
	}
	return true;
}

/* The extent that will hold the region; contents are in it when this returns. */
static enum status target_extent(struct s2 *s2, pfn_t table, gfn_t start, bool in_place, pfn_t *pfn)
{
	const struct frame_tag piece = {FRAME_GUEST, ORDER_4K, s2->owner};
	if (in_place) {
		*pfn = entry_pfn(s2->format, entry_read(table_entry(table, 0)));
		lock_acquire(&frame_lock);
		frame_unite(*pfn, piece, ORDER_2M);
		lock_release(&frame_lock);
		return STATUS_OK;
	}
	enum status status = frame_alloc_guest(&s2->promise, ORDER_2M, s2->owner, start, pfn);
	if (status != STATUS_OK) {
		return status;
	}
	for (unsigned i = 0; i < S2_ENTRIES; i++) {
		pfn_t from = entry_pfn(s2->format, entry_read(table_entry(table, i)));
		memcpy(pfn_to_virt((pfn_t){pfn->n + i}), pfn_to_virt(from), PAGE_BYTES);
	}
	return STATUS_OK;
}

enum status s2_join(struct s2_locked locked, gfn_t gfn)
{
	struct s2 *s2 = locked.s2;
	struct s2_path path;
	bool in_place;
	CHECK(gfn.n < s2->limit_pages);
	(void)s2_walk(s2, gfn, &path);
	if (path.level != 0 || s2->format->max_leaf_level < 1 ||
	    !is_whole(s2, path.table[0], &in_place)) {
		return STATUS_NOT_FOUND;
	}
	pfn_t table = path.table[0];
	gfn_t start = {align_down_u64(gfn.n, S2_ENTRIES)};
	pfn_t pfn;
	enum status status = target_extent(s2, table, start, in_place, &pfn);
	if (status != STATUS_OK) {
		return status;
	}
	uint64_t *entry = table_entry(path.table[1], entry_index(gfn, 1));
	entry_write(entry, leaf_value(s2->format, pfn, 1));
	for (unsigned i = 0; !in_place && i < S2_ENTRIES; i++) {
		pfn_t old = entry_pfn(s2->format, entry_read(table_entry(table, i)));
		reclaim_push(s2, old, (struct frame_tag){FRAME_GUEST, ORDER_4K, s2->owner});
	}
	s2_revoke_table(s2, table);
	s2->large_pages += S2_ENTRIES;
	return STATUS_OK;
}
