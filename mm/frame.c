/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame table and its state machine; see frame.h for the lock. Nothing outside of it writes a
 * record's tag. What checks or changes tags here does so for the caller, which holds frame_lock.
 */
#include "mm/frame.h"

#include "base/bits.h"
#include "base/string.h"
#include "mm/cache.h"
#include "mm/pool.h"

struct lock frame_lock = LOCK_INITIALIZER(LOCK_FRAMES);
struct frame *frame_table;
uint64_t frame_table_count;

uint64_t frame_counts[FRAME_STATE_COUNT];

void frame_mismatch(pfn_t pfn, uint32_t expected)
{
	struct frame_tag wanted;
	memcpy(&wanted, &expected, sizeof(wanted));
	CHECK(pfn.n < frame_table_count);
	struct frame_tag found = frame_table[pfn.n].tag;
	panic("frame 0x%llx is state=%u order=%u owner=%u, expected state=%u order=%u owner=%u",
	      (unsigned long long)pfn.n, found.state, found.order, found.owner, wanted.state,
	      wanted.order, wanted.owner);
}

static void check_tag(pfn_t pfn, struct frame_tag expected)
{
	uint32_t wanted = frame_tag_word(expected);
	if (pfn.n >= frame_table_count || frame_tag_word(frame_table[pfn.n].tag) != wanted) {
		frame_mismatch(pfn, wanted);
	}
}

/* Of a large extent eight records at once. Where gfn wraps it has no meaning: FRAME_NONE. */
#define SHATTERED_AT_ONCE_ORDER 3
#define FRAME_GFN_SHIFT 32

static inline uint64_t shatter_some(struct frame *frame, uint64_t head)
{
#pragma GCC unroll 8
	for (unsigned i = 0; i < order_pages(SHATTERED_AT_ONCE_ORDER); i++) {
		ASSERT(frame[i].tag.state == FRAME_TAIL || frame[i].tag.order != 0);
		frame[i].head = head;
		head += 1ull << FRAME_GFN_SHIFT;
	}
	return head;
}

void frame_shatter(pfn_t pfn, struct frame_tag tag, unsigned piece_order)
{
	check_tag(pfn, tag);
	CHECK(piece_order < tag.order);
	const uint32_t piece =
		frame_tag_word((struct frame_tag){tag.state, (uint8_t)piece_order, tag.owner});
	const uint64_t stride = order_pages(piece_order);
	struct frame *const first = &frame_table[pfn.n];
	struct frame *const end = first + order_pages(tag.order);
	uint64_t head = piece | (uint64_t)first->gfn << FRAME_GFN_SHIFT;
	struct frame *frame = first;
	if (piece_order == ORDER_4K && tag.order >= SHATTERED_AT_ONCE_ORDER) {
		for (; frame < end; frame += order_pages(SHATTERED_AT_ONCE_ORDER)) {
			head = shatter_some(frame, head);
		}
	}
	for (; frame < end; frame += stride) {
		ASSERT(frame == first || frame->tag.state == FRAME_TAIL);
		frame->head = head;
		head += stride << FRAME_GFN_SHIFT;
	}
}

void frame_unite(pfn_t pfn, struct frame_tag piece, unsigned order)
{
	uint64_t stride = order_pages(piece.order);
	uint32_t gfn = frame_table[pfn.n].gfn;
	CHECK(order > piece.order && is_aligned_u64(pfn.n, order_pages(order)));
	for (uint64_t i = 0; i < order_pages(order); i += stride) {
		check_tag((pfn_t){pfn.n + i}, piece);
		CHECK(piece.state != FRAME_GUEST || frame_table[pfn.n + i].gfn == gfn + i);
		frame_table[pfn.n + i].tag = (struct frame_tag){FRAME_TAIL, 0, VM_ID_HOST};
	}
	frame_table[pfn.n].tag = (struct frame_tag){piece.state, (uint8_t)order, piece.owner};
}

void frame_split(pfn_t pfn, struct frame_tag tag)
{
	CHECK(tag.order > 0);
	check_tag(pfn, tag);
	tag.order--;
	struct frame *lower = &frame_table[pfn.n];
	struct frame *upper = lower + order_pages(tag.order);
	lower->tag = tag;
	upper->tag = tag;
	upper->gfn = lower->gfn + (uint32_t)order_pages(tag.order);
}

void frame_merge(pfn_t pfn, struct frame_tag half)
{
	frame_unite(pfn, half, half.order + 1u);
}

uint64_t frame_count(enum frame_state state)
{
	lock_acquire(&frame_lock);
	const struct frame_cached_count loans = frame_caches_sum();
	uint64_t pages = frame_counts[state];
	pages += state == FRAME_ZEROED ? loans.ready_pages : 0;
	pages += state == FRAME_GUEST ? loans.taken_pages : 0;
	lock_release(&frame_lock);
	return pages;
}

uint64_t frame_count_free(void)
{
	lock_acquire(&frame_lock);
	uint64_t pages = frame_counts[FRAME_DIRTY] + frame_counts[FRAME_ZEROED] +
			 frame_caches_sum().ready_pages;
	lock_release(&frame_lock);
	return pages;
}

/* The largest order whose alignment and size fit at `pfn` with `pages` left. */
static unsigned fitting_order(uint64_t pfn, uint64_t pages)
{
	unsigned order = 0;
	while (order < FRAME_ORDER_MAX && is_aligned_u64(pfn, order_pages(order + 1)) &&
	       order_pages(order + 1) <= pages) {
		order++;
	}
	return order;
}

/* Writes the records of frames [start, end) as the fewest extents in `state`. */
static void lay_out(uint64_t start, uint64_t end, enum frame_state state)
{
	while (start < end) {
		unsigned order = fitting_order(start, end - start);
		frame_table[start].tag =
			(struct frame_tag){(uint8_t)state, (uint8_t)order, VM_ID_HOST};
		frame_counts[state] += order_pages(order);
		if (state == FRAME_DIRTY) {
			pool_put_dirty((pfn_t){start});
		}
		start += order_pages(order);
	}
}

/* The region of `map` that starts at or behind byte `from`, or NULL. */
static const struct memmap_region *next_region(const struct memmap *map, uint64_t from)
{
	for (unsigned i = 0; i < map->count; i++) {
		if (map->regions[i].start >= from) {
			return &map->regions[i];
		}
	}
	return NULL;
}

void frame_table_init(struct frame *table, uint64_t count, const struct memmap *available,
		      const struct memmap *hypervisor)
{
	CHECK(count < FRAME_NONE);
	frame_table = table;
	frame_table_count = count;
	memset(table, 0, count * sizeof(*table)); /* FRAME_TAIL */
	memset(frame_counts, 0, sizeof(frame_counts));
	pool_init();
	frame_caches_init();

	uint64_t at = 0;
	while (at < count) {
		const struct memmap_region *ours = next_region(hypervisor, at << PAGE_SHIFT);
		const struct memmap_region *ram = next_region(available, at << PAGE_SHIFT);
		bool ours_first = ours != NULL && (ram == NULL || ours->start < ram->start);
		const struct memmap_region *region = ours_first ? ours : ram;
		uint64_t start = region == NULL ? count : region->start >> PAGE_SHIFT;
		lay_out(at, min_u64(start, count), FRAME_RESERVED);
		if (start >= count) {
			break;
		}
		uint64_t end = min_u64(region->end >> PAGE_SHIFT, count);
		lay_out(start, end, ours_first ? FRAME_HYPERVISOR : FRAME_DIRTY);
		at = end;
	}
}
