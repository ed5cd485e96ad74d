/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One page out of a VM and back, the short way. Real: mm/stage2/single.c with the walk and the
 * frame states. Stubbed: the flush, the pool and the promise; the stubs prove in which order they
 * come.
 */
#include "tests/proofs/proof.h"

#include "mm/stage2/single.c"

#define FRAMES 5u /* four tables and the page */
#define PAGE 4u
#define LIMIT (1ull << 28)
#define GFN ((1ull << 27) + (2 << 18) + (511 << 9) + 3) /* another index on each level */

static uint64_t pages[4][S2_ENTRIES] __attribute__((aligned(4096)));
static struct frame records[FRAMES];
static struct s2 space;
static gfn_t gfn;
static bool flushed;
static bool pooled;

uintptr_t direct_map_base;
struct lock frame_lock = LOCK_INITIALIZER(LOCK_FRAMES);
struct frame *frame_table = records;
uint64_t frame_table_count = FRAMES;
uint64_t frame_counts[FRAME_STATE_COUNT];

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

static uint64_t entry_now(void)
{
	struct s2_path path;
	return *s2_walk(&space, gfn, &path);
}

uint64_t tlb_epoch_request(struct s2 *s2)
{
	/* Nothing that is requested before the entry is gone counts. */
	PROVE((entry_now() & ept.present_mask) == 0);
	return ++s2->tlb.requested;
}

void tlb_epoch_enforce(struct s2 *s2, uint64_t epoch)
{
	PROVE(epoch == s2->tlb.requested);
	PROVE(records[PAGE].tag.state == FRAME_REVOKING && !pooled);
	flushed = true;
}

void frame_mismatch(pfn_t pfn, uint32_t expected)
{
	(void)pfn;
	(void)expected;
	panic("frame");
}

void promise_held_remove(struct promise *promise, uint64_t count)
{
	PROVE(promise == &space.promise);
	promise->held_pages -= count;
}

void pool_put_dirty(pfn_t pfn)
{
	PROVE(pfn.n == PAGE && flushed);
	PROVE(records[PAGE].tag.state == FRAME_DIRTY && records[PAGE].tag.owner == VM_ID_HOST);
	pooled = true;
}

static void link_page(uint64_t value, unsigned present, unsigned ballooned)
{
	direct_map_base = (uintptr_t)pages;
	space.format = &ept;
	space.owner = 1;
	space.limit_pages = LIMIT;
	gfn.n = GFN;
	pages[0][entry_index(gfn, 3)] = 1ull << PAGE_SHIFT | ept.table_flags;
	pages[1][entry_index(gfn, 2)] = 2ull << PAGE_SHIFT | ept.table_flags;
	pages[2][entry_index(gfn, 1)] = 3ull << PAGE_SHIFT | ept.table_flags;
	pages[3][entry_index(gfn, 0)] = value;
	table_set_counts((pfn_t){3}, 0, present, ballooned);
	records[PAGE].tag = (struct frame_tag){FRAME_GUEST, ORDER_4K, 1};
	frame_counts[FRAME_GUEST] = 1 + any_below(UINT32_MAX);
	frame_counts[FRAME_DIRTY] = any_below(UINT32_MAX);
	space.mapped_pages = 1 + any_below(UINT32_MAX);
	space.ballooned_pages = 1 + any_below(UINT32_MAX);
	space.promise.held_pages = space.mapped_pages;
}

/*
 * PROOF single_out_is_free_after_the_flush_only
 * Shows: a page that is taken out is unmapped first, REVOKING while the flush runs, and free after
 * it; a pinned page and one in the balloon stay; counters and sums say the same
 * Bound: one page with another index on each level, any entry, any counts of its table
 * Assumes: the entry maps the VM's own frame, or is EMPTY or BALLOONED; counts fit the entry
 * Classes: F1 F3 F7
 * Sources: mm/stage2/single.c
 * Options: --max-field-sensitivity-array-size 512
 * Mutants: single-without-a-flush single-takes-a-pinned-page single-leaves-a-uniform-table
 * collapse-of-a-mixed-table
 */
void single_out_is_free_after_the_flush_only(void)
{
	bool pinned = any_bool();
	bool leaf = any_bool();
	bool was_ballooned = any_bool();
	uint64_t value = leaf ? (uint64_t)PAGE << PAGE_SHIFT | ept.leaf_flags |
					 (any_bool() ? ept.accessed_flag : 0) |
					 (pinned ? ept.pinned_flag : 0)
			 : was_ballooned ? ept.ballooned_entry
					 : 0;
	unsigned present = (unsigned)any_below(S2_ENTRIES + 1);
	unsigned ballooned = (unsigned)any_below(S2_ENTRIES + 1 - present);
	ASSUME(!leaf || present > 0);
	ASSUME(leaf || !was_ballooned || ballooned > 0);
	link_page(value, present, ballooned);
	uint64_t mapped = space.mapped_pages;
	uint64_t in_balloon = space.ballooned_pages;
	uint64_t sum = frame_counts[FRAME_GUEST] + frame_counts[FRAME_DIRTY];
	enum s2_kind into = any_bool() ? S2_BALLOONED : S2_EMPTY;
	uint64_t freed = 0;
	bool done = s2_single_take_out((struct s2_locked){&space}, gfn, ORDER_4K, into, &freed);
	if (done) {
		PROVE(!(leaf && pinned) && (leaf || !was_ballooned));
		PROVE(entry_now() == (into == S2_BALLOONED ? ept.ballooned_entry : 0));
		PROVE(freed == (leaf ? 1 : 0) && pooled == leaf && flushed == leaf);
		PROVE(space.mapped_pages == mapped - freed);
		PROVE(space.promise.held_pages == mapped - freed);
		PROVE(space.ballooned_pages == in_balloon + (into == S2_BALLOONED ? 1 : 0));
		PROVE(table_present((pfn_t){3}) == present - freed);
		PROVE(!table_is_uniform((pfn_t){3}));
	} else {
		PROVE(entry_now() == value);
		PROVE(!pooled && !flushed && space.mapped_pages == mapped);
		PROVE(space.ballooned_pages == in_balloon);
	}
	PROVE(frame_counts[FRAME_GUEST] + frame_counts[FRAME_DIRTY] == sum);
}

/*
 * PROOF single_return_is_of_ballooned_only
 * Shows: only a page that is in the balloon comes back; it is EMPTY then, and the counts say so;
 * no frame and no promise moves
 * Bound: one page with another index on each level, any entry, any counts of its table
 * Assumes: counts fit the entry
 * Classes: F3
 * Sources: mm/stage2/single.c
 * Options: --max-field-sensitivity-array-size 512
 * Mutants: single-returns-the-last-of-a-table
 */
void single_return_is_of_ballooned_only(void)
{
	uint64_t value = any_bool() ? ept.ballooned_entry : any_bool() ? 0 : ept.leaf_flags;
	unsigned present = (unsigned)any_below(S2_ENTRIES + 1);
	unsigned ballooned = (unsigned)any_below(S2_ENTRIES + 1 - present);
	ASSUME(value != ept.ballooned_entry || ballooned > 0);
	link_page(value, present, ballooned);
	uint64_t mapped = space.mapped_pages;
	uint64_t in_balloon = space.ballooned_pages;
	if (s2_single_return((struct s2_locked){&space}, gfn, ORDER_4K)) {
		PROVE(value == ept.ballooned_entry);
		PROVE(entry_now() == 0 && space.ballooned_pages == in_balloon - 1);
		PROVE(table_ballooned((pfn_t){3}) == ballooned - 1);
		PROVE(!table_is_uniform((pfn_t){3}));
	} else {
		PROVE(entry_now() == value);
		PROVE(space.ballooned_pages == in_balloon);
	}
	PROVE(space.mapped_pages == mapped && space.promise.held_pages == mapped && !pooled);
}

/*
 * PROOF single_found_page_is_the_mapped_one
 * Shows: the page that is found for the hypervisor's own use is the mapped frame, and NULL where
 * none is; found again without a walk, it is the same
 * Bound: one page with another index on each level, any entry
 * Assumes: nothing
 * Classes: F8
 * Sources: mm/stage2/single.c
 * Options: --max-field-sensitivity-array-size 512
 * Fault: mm/stage2/single.h | return same && found->page != NULL ? found->page :
 * s2_single_find(locked, gfn); | return same ? found->page : NULL;
 */
void single_found_page_is_the_mapped_one(void)
{
	bool leaf = any_bool();
	uint64_t mapped = (uint64_t)PAGE << PAGE_SHIFT | ept.leaf_flags;
	link_page(leaf ? mapped : any_bool() ? ept.ballooned_entry : 0, 1, 1);
	space.tlb.requested = any_u64();
	uint8_t *page = s2_single_page((struct s2_locked){&space}, gfn);
	PROVE((page != NULL) == leaf);
	PROVE(page == NULL || (uintptr_t)page == direct_map_base + PAGE * PAGE_BYTES);
	PROVE(s2_single_page((struct s2_locked){&space}, gfn) == page);
}

/*
 * PROOF single_beyond_ram_changes_nothing
 * Shows: an extent that is not wholly in RAM, or not on a multiple of its size, is neither taken
 * out nor returned nor found; no table is looked at for it
 * Bound: any page number of 64 bits, RAM of any size, both sizes of extents
 * Assumes: nothing
 * Classes: H1 H2
 * Sources: mm/stage2/single.c
 * Fault: mm/stage2/single.c | if (gfn.n >= s2->limit_pages || pages > s2->limit_pages - gfn.n || |
 * if (gfn.n + pages > s2->limit_pages ||
 */
void single_beyond_ram_changes_nothing(void)
{
	direct_map_base = 0; /* a look at a table would be a look at nothing */
	space.format = &ept;
	space.limit_pages = any_below(1ull << 32);
	gfn.n = any_u64();
	unsigned order = any_bool() ? ORDER_4K : ORDER_2M;
	uint64_t count = order_pages(order);
	bool inside = gfn.n < space.limit_pages && count <= space.limit_pages - gfn.n;
	ASSUME(!inside || gfn.n % count != 0);
	uint64_t freed;
	struct s2_locked locked = {&space};
	PROVE(!s2_single_take_out(locked, gfn, order, S2_BALLOONED, &freed));
	PROVE(!s2_single_return(locked, gfn, order));
	if (gfn.n >= space.limit_pages) {
		PROVE(s2_single_find(locked, gfn) == NULL);
	}
}
