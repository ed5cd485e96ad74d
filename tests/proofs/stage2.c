/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Second-stage tables: splitting, collapsing, walking. Real: mm/stage2/split.c and the walk in
 * mm/stage2/table.h, with EPT's format. Stubbed: allocation, the quarantine, splitting of records.
 * Tables are pages of an array: direct_map_base leads there.
 */
#include "tests/proofs/proof.h"

#include "mm/stage2/split.c"

#define TABLES 4u
#define GFN ((1ull << 27) + (2 << 18) + (511 << 9) + 3) /* another index on each level */

static uint64_t pages[TABLES][S2_ENTRIES] __attribute__((aligned(4096)));
static struct frame records[TABLES];
static struct s2 space;
static gfn_t watched;
static unsigned revoked;

uintptr_t direct_map_base;
struct lock frame_lock = LOCK_INITIALIZER(LOCK_FRAMES);
struct frame *frame_table = records;
uint64_t frame_table_count = TABLES;

static const struct s2_format ept = {
	.present_mask = 7,
	.table_flags = 7,
	.leaf_flags = 0x77,
	.large_flag = 0x80,
	.address_mask = 0x000ffffffffff000ull,
	.ballooned_entry = 0x800,
	.pinned_flag = 1ull << 52,
	.accessed_flag = 0x100,
	.max_leaf_level = 2,
};

/* The last step before a page may be used again: no walk leads there any more. */
void reclaim_push(struct s2 *s2, pfn_t pfn, struct frame_tag tag)
{
	struct s2_path path;
	(void)s2_walk(s2, watched, &path);
	for (unsigned level = path.level; level < S2_LEVELS; level++) {
		PROVE(path.table[level].n != pfn.n);
	}
	PROVE(tag.state == FRAME_HYPERVISOR && tag.owner == s2->owner);
	revoked++;
}

/* Root 0, then tables 1, 2 and 3 on the way of `watched`; all other entries are empty. */
static void link_tables(void)
{
	direct_map_base = (uintptr_t)pages;
	space.format = &ept;
	space.owner = 1;
	space.limit_pages = UINT32_MAX;
	space.table_pages = TABLES;
	watched.n = GFN;
	pages[0][entry_index(watched, 3)] = 1ull << PAGE_SHIFT | ept.table_flags;
	pages[1][entry_index(watched, 2)] = 2ull << PAGE_SHIFT | ept.table_flags;
	pages[2][entry_index(watched, 1)] = 3ull << PAGE_SHIFT | ept.table_flags;
}

/* Any entry that maps memory. */
static uint64_t any_leaf(unsigned level)
{
	pfn_t pfn = {any_below(1ull << 40)};
	ASSUME(pfn.n % order_pages(level_order(level)) == 0);
	return leaf_value(&ept, pfn, level) | (any_bool() ? ept.accessed_flag : 0);
}

/*
 * PROOF split_keeps_every_translation
 * Shows: each of the 512 entries that a large one is cut into maps the frames that it mapped there
 * before, with all rights, and is in use if it was; what is EMPTY or BALLOONED stays so
 * Bound: any leaf of 2 MiB or 1 GiB, any of its 512 parts, EPT's format
 * Assumes: the leaf is as leaf_value() writes it, with or without the accessed flag
 * Classes: F10
 * Sources: mm/stage2/split.c
 * Fault: mm/stage2/split.c | *step = order_pages(level_order(level - 1)) << PAGE_SHIFT; | *step =
 * order_pages(level_order(level)) << PAGE_SHIFT;
 */
void split_keeps_every_translation(void)
{
	unsigned level = 1 + (unsigned)any_below(2);
	uint64_t value = any_bool() ? any_leaf(level) : any_bool() ? ept.ballooned_entry : 0;
	uint64_t step;
	uint64_t child = first_child(&ept, value, level, &step);
	uint64_t i = any_below(S2_ENTRIES);
	enum s2_entry_kind kind = entry_kind(&ept, value, level);
	child += i * step;
	PROVE(entry_kind(&ept, child, level - 1) == kind);
	if (kind != ENTRY_LEAF) {
		PROVE(child == value);
		return;
	}
	uint64_t part = i * order_pages(level_order(level - 1));
	PROVE(entry_pfn(&ept, child).n == entry_pfn(&ept, value).n + part);
	PROVE((child & ept.leaf_flags) == ept.leaf_flags);
	PROVE((child & ept.accessed_flag) == (value & ept.accessed_flag));
	PROVE((child & ept.pinned_flag) == 0);
}

static void walk_to(unsigned level)
{
	link_tables();
	uint64_t value = any_bool() ? any_leaf(level) : any_bool() ? ept.ballooned_entry : 0;
	uint64_t *place = &pages[3 - level][entry_index(watched, level)];
	*place = value;
	struct s2_path path;
	uint64_t *entry = s2_walk(&space, watched, &path);
	PROVE(path.level == level && entry == place && *entry == value);
	PROVE(path.table[3].n == 0 && path.table[level].n == 3 - level);
	for (unsigned wanted = 0; wanted < 3; wanted++) {
		pfn_t table;
		bool found = s2_find_table(&space, watched, level_order(wanted), &table);
		PROVE(found == (wanted >= level));
		PROVE(!found || table.n == 3 - wanted);
	}
}

/*
 * PROOF walk_ends_at_4k
 * Shows: the walk passes the tables that lead to a page and ends at the entry of 4 KiB that
 * decides; the short way to a table agrees with it
 * Bound: one page with another index on each level, any entry (leaf, EMPTY, BALLOONED) there
 * Assumes: nothing
 * Classes: F10
 * Sources: mm/stage2/split.c
 * Options: --unwind 5 --max-field-sensitivity-array-size 512
 * Fault: mm/stage2/table.h | path->level = 0; | path->level = 1;
 */
void walk_ends_at_4k(void)
{
	walk_to(0);
}

/*
 * PROOF walk_ends_at_2m
 * Shows: the walk passes the tables that lead to a page and ends at the entry of 2 MiB that
 * decides; the short way to a table agrees with it
 * Bound: one page with another index on each level, any entry (leaf, EMPTY, BALLOONED) there
 * Assumes: nothing
 * Classes: F10
 * Sources: mm/stage2/split.c
 * Options: --unwind 5 --max-field-sensitivity-array-size 512
 * Fault: mm/stage2/table.h | path->level = level; | path->level = level - 1;
 */
void walk_ends_at_2m(void)
{
	walk_to(1);
}

/*
 * PROOF walk_ends_at_1g
 * Shows: the walk passes the tables that lead to a page and ends at the entry of 1 GiB that
 * decides; the short way to a table agrees with it
 * Bound: one page with another index on each level, any entry (leaf, EMPTY, BALLOONED) there
 * Assumes: nothing
 * Classes: F10
 * Sources: mm/stage2/split.c
 * Options: --unwind 5 --max-field-sensitivity-array-size 512
 * Fault: mm/stage2/table.h | *table = at; | *table = s2->root;
 */
void walk_ends_at_1g(void)
{
	walk_to(2);
}

/*
 * PROOF collapse_frees_no_reachable_table
 * Shows: a table that has become all the same is unlinked before it goes to quarantine; what a
 * walk finds for its pages is the same as before; a table that holds anything else stays
 * Bound: one page with another index on each level, any counts of the tables on its way
 * Assumes: a table of no entries is empty, and one of 512 ballooned entries is full of them
 * Classes: F1
 * Sources: mm/stage2/split.c
 * Options: --unwind 5 --max-field-sensitivity-array-size 512
 * Fault: mm/stage2/split.c | if (!table_is_uniform(table)) { | if (table_present(table) != 0) {
 */
void collapse_frees_no_reachable_table(void)
{
	link_tables();
	unsigned present = (unsigned)any_below(S2_ENTRIES + 1);
	unsigned ballooned = (unsigned)any_below(S2_ENTRIES + 1 - present);
	bool uniform = present == 0 && (ballooned == 0 || ballooned == S2_ENTRIES);
	uint64_t value = ballooned != 0 ? ept.ballooned_entry : 0;
	pages[3][entry_index(watched, 0)] = value;
	table_set_counts((pfn_t){3}, 0, present, ballooned);
	unsigned others = (unsigned)any_below(S2_ENTRIES);
	table_set_counts((pfn_t){2}, 1, 1 + others, 0);
	table_set_counts((pfn_t){1}, 2, 2, 0);
	struct s2_path path;
	(void)s2_walk(&space, watched, &path);
	s2_collapse(&space, watched, &path);
	uint64_t after = *s2_walk(&space, watched, &path);
	PROVE(after == value);
	PROVE((path.level == 0) == !uniform);
	PROVE(revoked == 0 ? !uniform : uniform);
	PROVE(space.table_pages == TABLES - revoked);
	if (uniform && revoked == 1) {
		PROVE(table_present((pfn_t){2}) == others);
		PROVE(table_ballooned((pfn_t){2}) == (ballooned != 0 ? 1 : 0));
	}
}
