/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Second-stage page tables: look-up, demand fill, surrender, return. The format comes as masks
 * (mm/stage2/format.h); EPT's is SDM vol. 3, 29.3. Every function works under s2->lock. Creation
 * and teardown are in life.c, pinning in split.c, merging in merge.c.
 */
#include "mm/stage2/map.h"

#include "mm/alloc.h"
#include "mm/reclaim.h"
#include "mm/stage2/split.h"
#include "mm/stage2/table.h"

struct s2_slot s2_lookup(struct s2_locked locked, gfn_t gfn)
{
	const struct s2 *s2 = locked.s2;
	CHECK(gfn.n < s2->limit_pages);
	struct s2_path path;
	uint64_t value = entry_read(s2_walk(s2, gfn, &path));
	struct s2_slot slot = {.order = level_order(path.level)};
	switch (entry_kind(s2->format, value, path.level)) {
	case ENTRY_EMPTY:
		slot.kind = S2_EMPTY;
		break;
	case ENTRY_BALLOONED:
		slot.kind = S2_BALLOONED;
		break;
	case ENTRY_LEAF:
	case ENTRY_TABLE:
		slot.kind = S2_MAPPED;
		slot.pfn.n =
			entry_pfn(s2->format, value).n + (gfn.n & (order_pages(slot.order) - 1));
		slot.pinned = (value & s2->format->pinned_flag) != 0;
		break;
	}
	return slot;
}

/* Maps a fresh extent at the entry where the path ends. The entry is EMPTY or BALLOONED. */
static void commit_leaf(struct s2 *s2, struct s2_path *path, uint64_t *entry, pfn_t pfn)
{
	unsigned level = path->level;
	uint64_t pages = order_pages(level_order(level));
	pfn_t table = path->table[level];
	unsigned ballooned = table_ballooned(table);
	if (entry_kind(s2->format, entry_read(entry), level) == ENTRY_BALLOONED) {
		s2->ballooned_pages -= pages;
		ballooned--;
	}
	entry_write(entry, leaf_value(s2->format, pfn, level));
	table_set_counts(table, level, table_present(table) + 1, ballooned);
	s2->mapped_pages += pages;
	s2->large_pages += level > 0 ? pages : 0;
}

/* The level on which gfn may be filled at once: aligned, inside RAM, and allowed. */
static unsigned fill_level(const struct s2 *s2, gfn_t gfn, unsigned found, unsigned order_max)
{
	unsigned level = (unsigned)min_u64(found, s2->format->max_leaf_level);
	while (level > 0) {
		uint64_t pages = order_pages(level_order(level));
		uint64_t start = align_down_u64(gfn.n, pages);
		if (level_order(level) <= order_max && pages <= s2->limit_pages - start) {
			break;
		}
		level--;
	}
	return level;
}

/* One attempt at one size; see s2_fault. */
static enum status populate_at(struct s2 *s2, gfn_t gfn, struct s2_path *path, uint64_t *entry,
			       unsigned level)
{
	struct s2_spares spares;
	enum status status = STATUS_OK;
	bool descend = path->level != level;
	if (descend) {
		status = s2_spares_get(s2, path->level - level, &spares);
	}
	if (status != STATUS_OK) {
		return status;
	}
	unsigned order = level_order(level);
	gfn_t start = {align_down_u64(gfn.n, order_pages(order))};
	pfn_t pfn;
	status = frame_alloc_guest(&s2->promise, order, s2->owner, start, &pfn);
	if (status == STATUS_OK) {
		if (descend) {
			entry = s2_split_to(s2, start, path, level, &spares);
		}
		commit_leaf(s2, path, entry, pfn);
	} else if (descend) {
		s2_spares_put_back(s2, &spares);
	}
	return status;
}

enum status s2_fault(struct s2_locked locked, gfn_t gfn, unsigned order_max, bool fill_ballooned,
		     enum s2_kind *was, uint64_t *pages)
{
	struct s2 *s2 = locked.s2;
	*pages = 0;
	CHECK(gfn.n < s2->limit_pages);
	struct s2_path path;
	uint64_t *entry = s2_walk(s2, gfn, &path);
	enum s2_entry_kind kind = entry_kind(s2->format, entry_read(entry), path.level);
	if (kind == ENTRY_LEAF) {
		*was = S2_MAPPED;
		return STATUS_OK;
	}
	*was = kind == ENTRY_EMPTY ? S2_EMPTY : S2_BALLOONED;
	if (kind == ENTRY_BALLOONED && !fill_ballooned) {
		return STATUS_SURRENDERED;
	}
	unsigned level = 0;
	if (kind == ENTRY_EMPTY && order_max > ORDER_4K) {
		level = fill_level(s2, gfn, path.level, order_max);
	}
	for (;;) {
		enum status status = populate_at(s2, gfn, &path, entry, level);
		if (status == STATUS_OK) {
			*pages = order_pages(level_order(level));
			return STATUS_OK;
		}
		if (level == 0) {
			return status;
		}
		level--;
	}
}

enum status s2_populate(struct s2_locked locked, gfn_t gfn, unsigned order_max, uint64_t *pages)
{
	enum s2_kind was;
	return s2_fault(locked, gfn, order_max, true, &was, pages);
}

/* The extent is one of ours to judge: a size the format knows, inside RAM, aligned. */
static enum status check_extent(const struct s2 *s2, gfn_t gfn, unsigned order)
{
	CHECK(order == ORDER_4K || order == ORDER_2M || order == ORDER_1G);
	if (gfn.n >= s2->limit_pages || order_pages(order) > s2->limit_pages - gfn.n) {
		return STATUS_OUTSIDE;
	}
	if (!is_aligned_u64(gfn.n, order_pages(order))) {
		return STATUS_MISALIGNED;
	}
	return STATUS_OK;
}

/* Sends the frames of a leaf to quarantine. The entry is overwritten by the caller before that. */
static void revoke_leaf(struct s2 *s2, uint64_t value, unsigned level)
{
	uint64_t pages = order_pages(level_order(level));
	struct frame_tag tag = {FRAME_GUEST, (uint8_t)level_order(level), s2->owner};
	reclaim_push(s2, entry_pfn(s2->format, value), tag);
	s2->mapped_pages -= pages;
	s2->large_pages -= level > 0 ? pages : 0;
}

/* What takes the place of an extent's memory: the balloon's mark, or nothing. */
static uint64_t entry_of(const struct s2 *s2, enum s2_kind into)
{
	return into == S2_BALLOONED ? s2->format->ballooned_entry : 0;
}

/* Takes out one entry that is EMPTY or a leaf of exactly the extent's size. */
static void take_out_entry(struct s2 *s2, struct s2_path *path, uint64_t *entry, enum s2_kind into,
			   uint64_t *freed)
{
	unsigned level = path->level;
	pfn_t table = path->table[level];
	unsigned present = table_present(table);
	unsigned ballooned = into == S2_BALLOONED ? 1 : 0;
	uint64_t value = entry_read(entry);
	entry_write(entry, entry_of(s2, into));
	if (entry_kind(s2->format, value, level) == ENTRY_LEAF) {
		revoke_leaf(s2, value, level);
		*freed += order_pages(level_order(level));
		present--;
	}
	table_set_counts(table, level, present, table_ballooned(table) + ballooned);
	s2->ballooned_pages += ballooned * order_pages(level_order(level));
}

/* Why a table's extent cannot be taken out as one, or OK. At most 512 entries are looked at. */
static enum status judge_table(const struct s2 *s2, pfn_t table, unsigned level)
{
	if (table_ballooned(table) != 0) {
		return STATUS_MIXED;
	}
	for (unsigned i = 0; i < S2_ENTRIES; i++) {
		uint64_t value = entry_read(table_entry(table, i));
		switch (entry_kind(s2->format, value, level)) {
		case ENTRY_TABLE:
			return STATUS_MIXED; /* bounds the work: smaller extents are to be used */
		case ENTRY_LEAF:
			if (level == 0 && (value & s2->format->pinned_flag) != 0) {
				return STATUS_IN_USE;
			}
			break;
		case ENTRY_EMPTY:
		case ENTRY_BALLOONED:
			break;
		}
	}
	return STATUS_OK;
}

/* Takes out an extent that a whole table stands for: the table goes too. */
static void take_out_table(struct s2 *s2, pfn_t parent, uint64_t *entry, unsigned level,
			   enum s2_kind into, uint64_t *freed)
{
	pfn_t table = entry_pfn(s2->format, entry_read(entry));
	unsigned ballooned = into == S2_BALLOONED ? 1 : 0;
	entry_write(entry, entry_of(s2, into));
	for (unsigned i = 0; i < S2_ENTRIES; i++) {
		uint64_t value = entry_read(table_entry(table, i));
		if (entry_kind(s2->format, value, level - 1) == ENTRY_LEAF) {
			revoke_leaf(s2, value, level - 1);
			*freed += order_pages(level_order(level - 1));
		}
	}
	s2_revoke_table(s2, table);
	table_set_counts(parent, level, table_present(parent) - 1,
			 table_ballooned(parent) + ballooned);
	s2->ballooned_pages += ballooned * order_pages(level_order(level));
}

/* The walk passed the extent's own level: its entry there points to a table. */
static enum status take_out_below(struct s2 *s2, gfn_t gfn, struct s2_path *path, unsigned level,
				  enum s2_kind into, uint64_t *freed, uint64_t *work)
{
	pfn_t parent = path->table[level];
	uint64_t *entry = table_entry(parent, entry_index(gfn, level));
	pfn_t table = entry_pfn(s2->format, entry_read(entry));
	enum status status = judge_table(s2, table, level - 1);
	*work += S2_ENTRIES;
	if (status == STATUS_OK) {
		take_out_table(s2, parent, entry, level, into, freed);
		path->level = level;
		s2_collapse(s2, gfn, path);
	}
	return status;
}

static enum status take_out(struct s2 *s2, gfn_t gfn, unsigned order, enum s2_kind into,
			    uint64_t *freed, uint64_t *work)
{
	unsigned level = order / 9;
	enum status status = check_extent(s2, gfn, order);
	*freed = 0;
	*work = 1;
	if (status != STATUS_OK) {
		return status;
	}
	struct s2_path path;
	uint64_t *entry = s2_walk(s2, gfn, &path);
	if (path.level < level) {
		return take_out_below(s2, gfn, &path, level, into, freed, work);
	}
	uint64_t value = entry_read(entry);
	enum s2_entry_kind kind = entry_kind(s2->format, value, path.level);
	if (kind == ENTRY_BALLOONED) {
		return STATUS_SURRENDERED;
	}
	if (kind == ENTRY_EMPTY && into == S2_EMPTY) {
		return STATUS_OK;
	}
	if (path.level == 0 && (value & s2->format->pinned_flag) != 0) {
		return STATUS_IN_USE;
	}
	if (path.level > level) {
		struct s2_spares spares;
		*work += (path.level - level) * S2_ENTRIES;
		status = s2_spares_get(s2, path.level - level, &spares);
		if (status != STATUS_OK) {
			return status;
		}
		entry = s2_split_to(s2, gfn, &path, level, &spares);
	}
	take_out_entry(s2, &path, entry, into, freed);
	s2_collapse(s2, gfn, &path);
	return STATUS_OK;
}

enum status s2_surrender(struct s2_locked locked, gfn_t gfn, unsigned order, uint64_t *freed,
			 uint64_t *work)
{
	return take_out(locked.s2, gfn, order, S2_BALLOONED, freed, work);
}

enum status s2_report(struct s2_locked locked, gfn_t gfn, unsigned order, uint64_t *freed,
		      uint64_t *work)
{
	return take_out(locked.s2, gfn, order, S2_EMPTY, freed, work);
}

enum status s2_return(struct s2_locked locked, gfn_t gfn, unsigned order, uint64_t *work)
{
	struct s2 *s2 = locked.s2;
	unsigned level = order / 9;
	enum status status = check_extent(s2, gfn, order);
	*work = 1;
	if (status != STATUS_OK) {
		return status;
	}
	struct s2_path path;
	uint64_t *entry = s2_walk(s2, gfn, &path);
	if (path.level < level) {
		*work += level > 1 ? S2_ENTRIES : 0;
		return s2_any_ballooned(s2, path.table[level], gfn, level) ? STATUS_MIXED
									   : STATUS_NOT_SURRENDERED;
	}
	if (entry_kind(s2->format, entry_read(entry), path.level) != ENTRY_BALLOONED) {
		return STATUS_NOT_SURRENDERED;
	}
	if (path.level > level) {
		struct s2_spares spares;
		*work += (path.level - level) * S2_ENTRIES;
		status = s2_spares_get(s2, path.level - level, &spares);
		if (status != STATUS_OK) {
			return status;
		}
		entry = s2_split_to(s2, gfn, &path, level, &spares);
	}
	pfn_t table = path.table[level];
	entry_write(entry, 0);
	table_set_counts(table, level, table_present(table), table_ballooned(table) - 1);
	s2->ballooned_pages -= order_pages(order);
	s2_collapse(s2, gfn, &path);
	return STATUS_OK;
}
