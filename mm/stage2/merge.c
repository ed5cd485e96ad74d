/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes whole regions large again. 512 pages of 4 KiB become one of 2 MiB, in place where the
 * frames happen to be one aligned run, else by moving their contents to a fresh extent; 512 of 2
 * MiB become one of 1 GiB in place only. Under s2->lock, while the VM's vCPUs run: in place, old
 * and new entry lead to the same frames; before a move the region is taken out of the tables and
 * flushed, so that no store falls between the copy and the new entry. A vCPU that touches the
 * region meanwhile faults, waits for the lock, and finds it mapped.
 */
#include "base/string.h"
#include "mm/alloc.h"
#include "mm/reclaim.h"
#include "mm/stage2/split.h"
#include "mm/tlb.h"

/*
 * All 512 entries are leaves, none pinned; *in_place: their frames are one aligned run. *accessed:
 * the flag, if any of them has it.
 */
static bool is_whole(const struct s2 *s2, pfn_t table, unsigned level, bool *in_place,
		     uint64_t *accessed)
{
	*accessed = 0;
	if (table_present(table) != S2_ENTRIES) {
		return false;
	}
	pfn_t first = entry_pfn(s2->format, entry_read(table_entry(table, 0)));
	uint64_t step = order_pages(level_order(level));
	*in_place = is_aligned_u64(first.n, step * S2_ENTRIES);
	for (unsigned i = 0; i < S2_ENTRIES; i++) {
		uint64_t value = entry_read(table_entry(table, i));
		if (entry_kind(s2->format, value, level) != ENTRY_LEAF ||
		    (value & s2->format->pinned_flag) != 0) {
			return false;
		}
		*in_place = *in_place && entry_pfn(s2->format, value).n == first.n + i * step;
		*accessed |= value & s2->format->accessed_flag;
	}
	return true;
}

/* Makes one extent of the 512 that `table` maps, which are one aligned run. */
static pfn_t unite(struct s2 *s2, pfn_t table, unsigned level)
{
	const struct frame_tag piece = {FRAME_GUEST, (uint8_t)level_order(level), s2->owner};
	pfn_t pfn = entry_pfn(s2->format, entry_read(table_entry(table, 0)));
	lock_acquire(&frame_lock);
	frame_unite(pfn, piece, level_order(level + 1));
	lock_release(&frame_lock);
	return pfn;
}

/* Replaces the entry that leads to the table, by one leaf. The table goes. */
static void replace_table(struct s2 *s2, struct s2_path *path, uint64_t *entry, pfn_t pfn,
			  uint64_t accessed)
{
	unsigned level = path->level;
	entry_write(entry, leaf_value(s2->format, pfn, level + 1) | accessed);
	s2_revoke_table(s2, path->table[level]);
	s2->large_pages += level == 0 ? S2_ENTRIES : 0;
}

/* Brings the 512 pages that the table maps to the extent at `pfn`; the old frames go. */
static void move(struct s2 *s2, struct s2_path *path, uint64_t *entry, pfn_t pfn, uint64_t accessed)
{
	pfn_t table = path->table[0];
	entry_write(entry, 0);
	tlb_epoch_enforce(s2, tlb_epoch_request(s2));
	for (unsigned i = 0; i < S2_ENTRIES; i++) {
		pfn_t from = entry_pfn(s2->format, entry_read(table_entry(table, i)));
		memcpy(pfn_to_virt((pfn_t){pfn.n + i}), pfn_to_virt(from), PAGE_BYTES);
	}
	replace_table(s2, path, entry, pfn, accessed);
	for (unsigned i = 0; i < S2_ENTRIES; i++) {
		pfn_t old = entry_pfn(s2->format, entry_read(table_entry(table, i)));
		reclaim_push(s2, old, (struct frame_tag){FRAME_GUEST, ORDER_4K, s2->owner});
	}
}

enum status s2_merge(struct s2_locked locked, gfn_t gfn)
{
	struct s2 *s2 = locked.s2;
	struct s2_path path;
	bool in_place;
	uint64_t accessed;
	CHECK(gfn.n < s2->limit_pages);
	(void)s2_walk(s2, gfn, &path);
	if (path.level >= s2->format->max_leaf_level ||
	    !is_whole(s2, path.table[path.level], path.level, &in_place, &accessed)) {
		return STATUS_NOT_FOUND;
	}
	unsigned parent = path.level + 1;
	uint64_t *entry = table_entry(path.table[parent], entry_index(gfn, parent));
	if (in_place) {
		pfn_t united = unite(s2, path.table[path.level], path.level);
		replace_table(s2, &path, entry, united, accessed);
		return STATUS_OK;
	}
	if (path.level > 0) {
		return STATUS_NOT_FOUND; /* moving a gigabyte would hold the lock for too long */
	}
	gfn_t start = {align_down_u64(gfn.n, S2_ENTRIES)};
	pfn_t pfn;
	enum status status = frame_alloc_guest(&s2->promise, ORDER_2M, s2->owner, start, &pfn);
	if (status == STATUS_OK) {
		move(s2, &path, entry, pfn, accessed);
	}
	return status;
}
