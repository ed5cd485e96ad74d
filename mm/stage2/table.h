/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside of the second-stage tables, shared by the files of mm/stage2 and the auditor only:
 * entries, the counts that a table page keeps of itself, and the walk.
 */
#ifndef MM_STAGE2_TABLE_H
#define MM_STAGE2_TABLE_H

#include "base/bits.h"
#include "mm/frame.h"
#include "mm/phys.h"
#include "mm/stage2/map.h"

enum s2_entry_kind { ENTRY_EMPTY, ENTRY_BALLOONED, ENTRY_LEAF, ENTRY_TABLE };

/* The tables that a walk passed: table[l] is valid for S2_LEVELS - 1 >= l >= level. */
struct s2_path {
	pfn_t table[S2_LEVELS];
	unsigned level; /* of the entry where the walk ended */
};

static inline unsigned level_order(unsigned level)
{
	return level * 9;
}

static inline unsigned entry_index(gfn_t gfn, unsigned level)
{
	return (gfn.n >> level_order(level)) & (S2_ENTRIES - 1);
}

static inline uint64_t *table_entry(pfn_t table, unsigned index)
{
	return (uint64_t *)pfn_to_virt(table) + index;
}

static inline uint64_t entry_read(const uint64_t *entry)
{
	return __atomic_load_n(entry, __ATOMIC_RELAXED);
}

/* One store: the processor sees the old entry or the new one (SDM vol. 3, 29.3.3). */
static inline void entry_write(uint64_t *entry, uint64_t value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

/* Flags of a present entry, which the processor may be changing others of. */
static inline void entry_set_flags(uint64_t *entry, uint64_t flags)
{
	__atomic_fetch_or(entry, flags, __ATOMIC_RELEASE);
}

static inline void entry_clear_flags(uint64_t *entry, uint64_t flags)
{
	__atomic_fetch_and(entry, ~flags, __ATOMIC_RELEASE);
}

static inline enum s2_entry_kind entry_kind(const struct s2_format *format, uint64_t value,
					    unsigned level)
{
	if ((value & format->present_mask) == 0) {
		return value == 0 ? ENTRY_EMPTY : ENTRY_BALLOONED;
	}
	return level > 0 && (value & format->large_flag) == 0 ? ENTRY_TABLE : ENTRY_LEAF;
}

static inline pfn_t entry_pfn(const struct s2_format *format, uint64_t value)
{
	return hpa_to_pfn((hpa_t){value & format->address_mask});
}

static inline uint64_t leaf_value(const struct s2_format *format, pfn_t pfn, unsigned level)
{
	uint64_t large = level > 0 ? format->large_flag : 0;
	return pfn_to_hpa(pfn).v | format->leaf_flags | large;
}

/*
 * A table page's record keeps its level, how many of its entries are present (leaf or table) and
 * how many are ballooned, in the two words that are list links in other states.
 */
static inline unsigned table_level(pfn_t table)
{
	return frame_of(table)->next >> 16;
}

static inline unsigned table_present(pfn_t table)
{
	return frame_of(table)->next & 0xffff;
}

static inline unsigned table_ballooned(pfn_t table)
{
	return frame_of(table)->prev;
}

static inline void table_set_counts(pfn_t table, unsigned level, unsigned present,
				    unsigned ballooned)
{
	frame_of(table)->next = level << 16 | present;
	frame_of(table)->prev = ballooned;
}

/* So many more than before, modulo 2^32. */
static inline void table_change_counts(pfn_t table, uint32_t present, uint32_t ballooned)
{
	frame_of(table)->next += present;
	frame_of(table)->prev += ballooned;
}

/* It holds nothing, or nothing but ballooned entries: one entry of its parent says the same. */
static inline bool table_is_uniform(pfn_t table)
{
	unsigned ballooned = table_ballooned(table);
	return table_present(table) == 0 && (ballooned == 0 || ballooned == S2_ENTRIES);
}

/*
 * Follows gfn down to the entry that decides over it and answers that entry. Every fault and every
 * call comes through here: the masks are read once, the loop is unrolled.
 */
static inline uint64_t *s2_walk(const struct s2 *s2, gfn_t gfn, struct s2_path *path)
{
	const uint64_t present = s2->format->present_mask;
	const uint64_t large = s2->format->large_flag;
	const uint64_t address = s2->format->address_mask;
	pfn_t table = s2->root;
#pragma GCC unroll 4
	for (unsigned level = S2_LEVELS - 1; level > 0; level--) {
		path->table[level] = table;
		uint64_t *entry = table_entry(table, entry_index(gfn, level));
		uint64_t value = entry_read(entry);
		if ((value & present) == 0 || (value & large) != 0) {
			path->level = level;
			return entry;
		}
		table = hpa_to_pfn((hpa_t){value & address});
	}
	path->table[0] = table;
	path->level = 0;
	return table_entry(table, entry_index(gfn, 0));
}

/* The table of extents of that order on gfn's way; false: an entry above it decides. */
static inline bool s2_find_table(const struct s2 *s2, gfn_t gfn, unsigned order, pfn_t *table)
{
	const uint64_t present = s2->format->present_mask;
	const uint64_t large = s2->format->large_flag;
	const uint64_t address = s2->format->address_mask;
	pfn_t at = s2->root;
#pragma GCC unroll 3
	for (unsigned above = level_order(S2_LEVELS - 1); above > order; above -= level_order(1)) {
		unsigned index = (gfn.n >> above) & (S2_ENTRIES - 1);
		uint64_t value = entry_read(table_entry(at, index));
		if ((value & present) == 0 || (value & large) != 0) {
			return false;
		}
		at = hpa_to_pfn((hpa_t){value & address});
	}
	*table = at;
	return true;
}

#endif
