/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame table: states, owners, extents. Real: mm/frame.c, and the search for heads in
 * mm/alloc.c. Stubbed: the pools and caches, which hold nothing here.
 */
#include "tests/proofs/proof.h"

#include "mm/frame.c"

#define FRAMES 8u

static struct frame table[FRAMES];

void pool_init(void)
{
}

void pool_put_dirty(pfn_t pfn)
{
	PROVE(pfn.n < FRAMES && table[pfn.n].tag.state == FRAME_DIRTY);
}

void frame_caches_init(void)
{
}

struct frame_cached_count frame_caches_sum(void)
{
	return (struct frame_cached_count){0};
}

static void any_table(void)
{
	HAVOC(table);
	frame_table = table;
	frame_table_count = FRAMES;
	for (unsigned state = 0; state < FRAME_STATE_COUNT; state++) {
		frame_counts[state] = any_u64();
	}
}

static struct frame_tag any_tag(void)
{
	return (struct frame_tag){any_u8(), any_u8(), any_u16()};
}

/*
 * PROOF frame_step_keeps_the_sum
 * Shows: a step either panics or changes the tag of exactly one record, from exactly what was
 * expected, along an edge of the state machine; what one state loses the other gains, so the sum
 * stays
 * Bound: any contents of 8 records, any frame number, any tags
 * Assumes: orders up to 1 GiB
 * Classes: F3
 * Sources: mm/frame.c
 * Options: --unwind 9
 * Fault: mm/frame.h | frame_counts[to] += pages; | frame_counts[to] = pages;
 */
void frame_step_keeps_the_sum(void)
{
	may_panic = true;
	any_table();
	struct frame_tag from = any_tag();
	struct frame_tag to = any_tag();
	ASSUME(from.state < FRAME_STATE_COUNT && from.order <= FRAME_ORDER_MAX &&
	       to.order <= FRAME_ORDER_MAX);
	pfn_t pfn = {any_u64()};
	uint64_t other = any_below(FRAMES);
	struct frame before = table[other];
	uint32_t expected = pfn.n < FRAMES ? table[pfn.n].tag_word : 0;
	uint64_t state = any_below(FRAME_STATE_COUNT);
	uint64_t count = frame_counts[state];
	frame_transition(pfn, from, to);
	PROVE(pfn.n < FRAMES && expected == frame_tag_word(from));
	PROVE(table[pfn.n].tag_word == frame_tag_word(to) && from.order == to.order);
	PROVE((frame_edges[from.state] >> to.state & 1) != 0);
	uint64_t more = state == to.state ? order_pages(to.order) : 0;
	uint64_t less = state == from.state ? order_pages(to.order) : 0;
	PROVE(frame_counts[state] == count + more - less);
	if (other != pfn.n) {
		PROVE(table[other].head == before.head && table[other].next == before.next &&
		      table[other].prev == before.prev);
	}
}

/*
 * PROOF frame_guest_comes_from_zeroed_only
 * Shows: the only state before GUEST is ZEROED, the only one before ZEROED is DIRTY (or ZEROED),
 * and no frame leaves GUEST but for REVOKING, or REVOKING but for DIRTY
 * Bound: all pairs of states
 * Assumes: nothing
 * Classes: F7 F9
 * Sources: mm/frame.c
 * Fault: mm/frame.h | [FRAME_DIRTY] = FRAME_EDGE(FRAME_ZEROED), | [FRAME_DIRTY] =
 * FRAME_EDGE(FRAME_ZEROED) + FRAME_EDGE(FRAME_GUEST),
 */
void frame_guest_comes_from_zeroed_only(void)
{
	may_panic = true;
	struct frame_tag from = any_tag();
	struct frame_tag to = any_tag();
	ASSUME(from.state < FRAME_STATE_COUNT);
	(void)frame_step(from, to);
	PROVE(to.state != FRAME_GUEST || from.state == FRAME_ZEROED);
	PROVE(to.state != FRAME_ZEROED || from.state == FRAME_DIRTY || from.state == FRAME_ZEROED);
	PROVE(from.state != FRAME_GUEST || to.state == FRAME_REVOKING);
	PROVE(from.state != FRAME_REVOKING || to.state == FRAME_DIRTY);
	PROVE(from.state != FRAME_RESERVED && to.state != FRAME_RESERVED);
	PROVE(from.state != FRAME_TAIL && to.state != FRAME_TAIL);
}

/* One extent of 2^order at `pfn`, all the rest anything. */
static struct frame_tag any_extent(pfn_t pfn, unsigned order)
{
	struct frame_tag tag = {(uint8_t)(1 + any_below(FRAME_STATE_COUNT - 1)), (uint8_t)order,
				any_u16()};
	table[pfn.n].tag = tag;
	for (uint64_t i = 1; i < order_pages(order); i++) {
		table[pfn.n + i].tag = (struct frame_tag){FRAME_TAIL, 0, VM_ID_HOST};
	}
	return tag;
}

/*
 * PROOF frame_split_keeps_owner_and_place
 * Shows: both halves have the state and the owner of the whole and the guest frame number of their
 * place; nothing outside the extent changes; joining them again gives the extent as it was
 * Bound: extents of 2 to 8 frames in a table of 8, any contents
 * Assumes: the extent is whole
 * Classes: F3 F7
 * Sources: mm/frame.c
 * Options: --unwind 9
 * Fault: mm/frame.c | upper->gfn = lower->gfn + (uint32_t)order_pages(tag.order); | upper->gfn =
 * lower->gfn;
 */
void frame_split_keeps_owner_and_place(void)
{
	any_table();
	unsigned order = 1 + (unsigned)any_below(3);
	pfn_t pfn = {any_below(FRAMES)};
	ASSUME(pfn.n % order_pages(order) == 0);
	struct frame_tag tag = any_extent(pfn, order);
	uint32_t gfn = table[pfn.n].gfn;
	uint64_t other = any_below(FRAMES);
	struct frame before = table[other];
	frame_split(pfn, tag);
	uint64_t half = order_pages(order - 1);
	struct frame_tag piece = {tag.state, (uint8_t)(order - 1), tag.owner};
	PROVE(table[pfn.n].tag_word == frame_tag_word(piece) && table[pfn.n].gfn == gfn);
	PROVE(table[pfn.n + half].tag_word == frame_tag_word(piece));
	PROVE(table[pfn.n + half].gfn == gfn + (uint32_t)half);
	if (other != pfn.n && other != pfn.n + half) {
		PROVE(table[other].head == before.head);
	}
	may_panic = gfn > UINT32_MAX - half; /* where gfn wraps it has no meaning */
	frame_merge(pfn, piece);
	PROVE(table[pfn.n].tag_word == frame_tag_word(tag) && table[pfn.n].gfn == gfn);
	PROVE(table[pfn.n + half].tag.state == FRAME_TAIL);
}

/*
 * PROOF frame_shatter_keeps_owner_and_place
 * Shows: every piece has the state and the owner of the whole and the guest frame number of its
 * place; between pieces are tails only; nothing outside the extent changes; uniting gives it back
 * Bound: extents of 2 or 4 frames in a table of 8, all sizes of pieces, any contents
 * Assumes: the extent is whole; its guest frame numbers do not wrap
 * Classes: F3 F7
 * Sources: mm/frame.c
 * Options: --unwind 9
 * Fault: mm/frame.c | head += stride << FRAME_GFN_SHIFT; | head += 1ull << FRAME_GFN_SHIFT;
 */
void frame_shatter_keeps_owner_and_place(void)
{
	any_table();
	unsigned order = 1 + (unsigned)any_below(2);
	unsigned piece_order = (unsigned)any_below(order);
	pfn_t pfn = {any_below(FRAMES)};
	ASSUME(pfn.n % order_pages(order) == 0);
	struct frame_tag tag = any_extent(pfn, order);
	uint32_t gfn = table[pfn.n].gfn;
	ASSUME(gfn <= UINT32_MAX - FRAMES);
	uint64_t other = any_below(FRAMES);
	struct frame before = table[other];
	frame_shatter(pfn, tag, piece_order);
	uint64_t place = other - pfn.n;
	struct frame_tag piece = {tag.state, (uint8_t)piece_order, tag.owner};
	if (place >= order_pages(order) || place % order_pages(piece_order) != 0) {
		PROVE(table[other].head == before.head);
	} else {
		PROVE(table[other].tag_word == frame_tag_word(piece));
		PROVE(table[other].gfn == gfn + place);
	}
	frame_unite(pfn, piece, order);
	PROVE(table[pfn.n].tag_word == frame_tag_word(tag) && table[pfn.n].gfn == gfn);
	PROVE(place == 0 || place >= order_pages(order) || table[other].tag.state == FRAME_TAIL);
}

/*
 * PROOF frame_fitting_order_fits
 * Shows: an extent that is laid out lies inside its region and on a multiple of its size, and no
 * larger one would
 * Bound: all 64-bit frame numbers and lengths
 * Assumes: the region is not empty
 * Classes: F3
 * Sources: mm/frame.c
 * Options: --unwind 20
 * Fault: mm/frame.c | order_pages(order + 1) <= pages) { | order_pages(order) <= pages) {
 */
void frame_fitting_order_fits(void)
{
	uint64_t pfn = any_u64();
	uint64_t pages = any_u64();
	ASSUME(pages > 0);
	unsigned order = fitting_order(pfn, pages);
	PROVE(order <= FRAME_ORDER_MAX && order_pages(order) <= pages);
	PROVE(pfn % order_pages(order) == 0);
	PROVE(order == FRAME_ORDER_MAX || pfn % order_pages(order + 1) != 0 ||
	      order_pages(order + 1) > pages);
}
