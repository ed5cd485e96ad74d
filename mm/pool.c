/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Buddy allocator over the frame table. ZEROED extents merge with their buddies when they arrive;
 * DIRTY extents do not (merging would cost the giver time; they merge once they are scrubbed).
 * Lists run through frame->next and frame->prev. Lock: frame_lock, for all that is in here.
 * Longer than 400 lines: whatever writes the links of a list stands in this file.
 */
#include "mm/pool.h"

#include "base/bits.h"
#include "base/trace.h"
#include "base/compiler.h"
#include "base/string.h"
#include "mm/alloc.h"
#include "mm/phys.h"

struct pool {
	uint32_t heads[FRAME_ORDER_MAX + 1];
	uint32_t orders; /* bit n: there is an extent of order n */
	enum frame_state state;
};

static struct pool dirty_pool;
static struct pool zeroed_pool;

/* Frames that are scrubbed right now, DIRTY and in no list: for an allocation; for the pool. */
uint64_t pool_handover_pages;
static uint64_t scrubbed_pages;

static void pool_reset(struct pool *pool, enum frame_state state)
{
	pool->state = state;
	pool->orders = 0;
	for (unsigned order = 0; order <= FRAME_ORDER_MAX; order++) {
		pool->heads[order] = FRAME_NONE;
	}
}

void pool_init(void)
{
	pool_reset(&dirty_pool, FRAME_DIRTY);
	pool_reset(&zeroed_pool, FRAME_ZEROED);
	pool_handover_pages = 0;
	scrubbed_pages = 0;
}

bool pool_is_awaited(void)
{
	return scrubbed_pages != 0;
}

static struct frame_tag pool_tag(const struct pool *pool, unsigned order)
{
	return (struct frame_tag){(uint8_t)pool->state, (uint8_t)order, VM_ID_HOST};
}

static void pool_push(struct pool *pool, pfn_t pfn)
{
	struct frame *frame = frame_of(pfn);
	unsigned order = frame->tag.order;
	uint32_t head = pool->heads[order];
	frame->next = head;
	frame->prev = FRAME_NONE;
	if (head != FRAME_NONE) {
		frame_table[head].prev = (uint32_t)pfn.n;
	}
	pool->heads[order] = (uint32_t)pfn.n;
	pool->orders |= 1u << order;
}

static void pool_unlink(struct pool *pool, pfn_t pfn)
{
	struct frame *frame = frame_of(pfn);
	unsigned order = frame->tag.order;
	if (frame->prev == FRAME_NONE) {
		CHECK(pool->heads[order] == pfn.n);
		pool->heads[order] = frame->next;
		if (frame->next == FRAME_NONE) {
			pool->orders &= ~(1u << order);
		}
	} else {
		frame_table[frame->prev].next = frame->next;
	}
	if (frame->next != FRAME_NONE) {
		frame_table[frame->next].prev = frame->prev;
	}
}

/* The same for the first one of a list that has one. */
static inline pfn_t pool_pop(struct pool *pool, unsigned order)
{
	uint32_t head = pool->heads[order];
	uint32_t next = frame_table[head].next;
	pool->heads[order] = next;
	if (next != FRAME_NONE) {
		frame_table[next].prev = FRAME_NONE;
	} else {
		pool->orders &= ~(1u << order);
	}
	return (pfn_t){head};
}

void pool_put_dirty(pfn_t pfn)
{
	CHECK(frame_of(pfn)->tag.state == FRAME_DIRTY);
	pool_push(&dirty_pool, pfn);
}

void pool_put_dirty_run(struct pool_run run, unsigned order)
{
	uint32_t head = dirty_pool.heads[order];
	frame_table[run.last].next = head;
	if (head != FRAME_NONE) {
		frame_table[head].prev = run.last;
	}
	dirty_pool.heads[order] = run.head;
	dirty_pool.orders |= 1u << order;
}

/*
 * The frames of a run of one order are linked through `next` already; what they lack is the way
 * back, and the run its place at the head of the pool's list. Only that last step is under
 * frame_lock, so that CPUs that give back at the same time do not wait for each other.
 */
static uint32_t take_revoked_run(uint32_t first, vm_id_t owner)
{
	const uint8_t order = frame_table[first].tag.order;
	const struct frame_tag revoking = {FRAME_REVOKING, order, owner};
	const struct frame_tag dirty = {FRAME_DIRTY, order, VM_ID_HOST};
	const struct frame_step step = frame_step(revoking, dirty);
	uint64_t count = 0;
	uint32_t last = FRAME_NONE;
	uint32_t at = first;
	do {
		struct frame *frame = frame_step_take(step, (pfn_t){at});
		frame->prev = last;
		last = at;
		at = frame->next;
		count++;
	} while (at != FRAME_NONE && frame_table[at].tag.order == order);
	lock_acquire(&frame_lock);
	frame_step_account(FRAME_REVOKING, FRAME_DIRTY, count << order);
	pool_put_dirty_run((struct pool_run){.head = first, .last = last}, order);
	lock_release(&frame_lock);
	return at;
}

void pool_take_revoked(uint32_t head, vm_id_t owner)
{
	while (head != FRAME_NONE) {
		head = take_revoked_run(head, owner);
	}
}

/* Single pages are cut from an extent all at once: that is what most takers want. */
#define REFILL_ORDER 4

/* Cuts an extent that is in no list into single pages; all but the first go to the list. */
static void pool_refill(struct pool *pool, pfn_t pfn, unsigned order)
{
	frame_shatter(pfn, pool_tag(pool, order), ORDER_4K);
	for (uint64_t i = order_pages(order) - 1; i > 0; i--) {
		pool_push(pool, (pfn_t){pfn.n + i});
	}
}

/* The extent of `order` has to be cut from the smallest one that is larger. */
static NOT_INLINE bool pool_cut(struct pool *pool, unsigned order, pfn_t *pfn)
{
	uint32_t large_enough = pool->orders >> order;
	if (large_enough == 0) {
		return false;
	}
	unsigned found = order + (unsigned)__builtin_ctz(large_enough);
	*pfn = pool_pop(pool, found);
	while (found > order) {
		if (order == ORDER_4K && found <= REFILL_ORDER) {
			pool_refill(pool, *pfn, found);
			break;
		}
		frame_split(*pfn, pool_tag(pool, found));
		found--;
		pool_push(pool, (pfn_t){pfn->n + order_pages(found)});
	}
	return true;
}

/* Takes an extent of exactly `order` out of the pool, cutting the smallest that is large enough. */
static inline bool pool_take(struct pool *pool, unsigned order, pfn_t *pfn)
{
	if ((pool->orders & 1u << order) == 0) {
		return pool_cut(pool, order, pfn);
	}
	*pfn = pool_pop(pool, order);
	return true;
}

/* All 2^REFILL_ORDER frames of the block are ZEROED, in pieces. */
static bool block_is_zeroed(pfn_t block)
{
	uint64_t end = block.n + order_pages(REFILL_ORDER);
	uint64_t at = block.n;
	while (at < end && at < frame_table_count) {
		struct frame_tag tag = frame_tag_now((pfn_t){at});
		if (tag.state != FRAME_ZEROED || tag.order >= REFILL_ORDER) {
			return false;
		}
		if (tag.owner != VM_ID_HOST) {
			return false;
		}
		at += order_pages(tag.order);
	}
	return at == end;
}

/*
 * The way back from pool_refill: what it has cut off and no CPU has taken has no buddy that could
 * merge with it, so the block is made whole when the last of it arrives. `pfn` is in no list.
 */
static pfn_t gather_block(pfn_t pfn)
{
	pfn_t block = {align_down_u64(pfn.n, order_pages(REFILL_ORDER))};
	if (frame_of(pfn)->tag.order >= REFILL_ORDER || !block_is_zeroed(block)) {
		return pfn;
	}
	for (uint64_t i = 0; i < order_pages(REFILL_ORDER);) {
		pfn_t piece = {block.n + i};
		struct frame_tag tag = frame_of(piece)->tag;
		if (piece.n != pfn.n) {
			pool_unlink(&zeroed_pool, piece);
		}
		if (tag.order > 0) {
			frame_shatter(piece, tag, ORDER_4K);
		}
		i += order_pages(tag.order);
	}
	frame_unite(block, pool_tag(&zeroed_pool, ORDER_4K), REFILL_ORDER);
	return block;
}

/* Puts a ZEROED extent back, merging it with its buddies as far as they are free and zeroed. */
static void pool_put_zeroed(pfn_t pfn)
{
	pfn = gather_block(pfn);
	unsigned order = frame_of(pfn)->tag.order;
	while (order < FRAME_ORDER_MAX) {
		pfn_t buddy = {pfn.n ^ order_pages(order)};
		if (buddy.n >= frame_table_count) {
			break;
		}
		struct frame_tag tag = frame_tag_now(buddy);
		if (frame_tag_word(tag) != frame_tag_word(pool_tag(&zeroed_pool, order))) {
			break;
		}
		pool_unlink(&zeroed_pool, buddy);
		pfn.n = min_u64(pfn.n, buddy.n);
		frame_merge(pfn, pool_tag(&zeroed_pool, order));
		order++;
	}
	pool_push(&zeroed_pool, pfn);
}

/*
 * Zeroes a DIRTY extent that is in no list. The lock is released meanwhile: 2 MiB take long,
 * and no other CPU can reach an extent that is in no list.
 */
static void scrub_extent(pfn_t pfn, unsigned order)
{
	lock_release(&frame_lock);
	memset(pfn_to_virt(pfn), 0, order_pages(order) * PAGE_BYTES);
	lock_acquire(&frame_lock);
	frame_transition(pfn, pool_tag(&dirty_pool, order), pool_tag(&zeroed_pool, order));
	trace_note(TRACE_scrub, trace_who(VM_ID_HOST, 0), pfn.n, order_pages(order));
}

/* Nothing of this order is ready: cut it, or scrub what is not zeroed yet. */
static NOT_INLINE bool make_zeroed(unsigned order, pfn_t *pfn)
{
	if (pool_cut(&zeroed_pool, order, pfn)) {
		return true;
	}
	/* No allocation waits for 1 GiB to be zeroed: it is ready or it is not. */
	if (order > ORDER_2M || !pool_take(&dirty_pool, order, pfn)) {
		return false;
	}
	pool_handover_pages += order_pages(order);
	scrub_extent(*pfn, order);
	pool_handover_pages -= order_pages(order);
	return true;
}

/* The others on the lock wait for each instruction of the common way, so that has few. */
bool pool_take_zeroed(unsigned order, pfn_t *pfn)
{
	if ((zeroed_pool.orders >> order & 1) == 0) {
		return make_zeroed(order, pfn);
	}
	*pfn = pool_pop(&zeroed_pool, order);
	return true;
}

/* Single frames off the head of their list. */
static unsigned lend_singles(uint32_t *pfns, unsigned wanted, struct frame_step step)
{
	uint32_t at = zeroed_pool.heads[ORDER_4K];
	unsigned count = 0;
	while (count < wanted && at != FRAME_NONE) {
		struct frame *frame = &frame_table[at];
		frame_step_take(step, (pfn_t){at});
		pfns[count] = at;
		at = frame->next;
		frame->next = count++;
	}
	zeroed_pool.heads[ORDER_4K] = at;
	if (at == FRAME_NONE) {
		zeroed_pool.orders &= ~(1u << ORDER_4K);
	} else {
		frame_table[at].prev = FRAME_NONE;
	}
	return count;
}

/* The frames of one extent of 2^order, places `first` and up. */
static void lend_extent(uint32_t *pfns, unsigned first, pfn_t pfn, unsigned order, vm_id_t owner)
{
	const struct frame_tag lent = {FRAME_ZEROED, (uint8_t)order, owner};
	frame_step_take(frame_step(pool_tag(&zeroed_pool, order), lent), pfn);
	if (order > ORDER_4K) {
		frame_shatter(pfn, lent, ORDER_4K);
	}
	for (uint32_t i = 0; i < order_pages(order); i++) {
		frame_table[pfn.n + i].next = first + i;
		pfns[first + i] = (uint32_t)pfn.n + i;
	}
}

unsigned pool_lend(uint32_t *pfns, unsigned wanted, vm_id_t owner)
{
	const struct frame_tag lent = {FRAME_ZEROED, ORDER_4K, owner};
	const struct frame_step step = frame_step(pool_tag(&zeroed_pool, ORDER_4K), lent);
	unsigned count = lend_singles(pfns, wanted, step);
	while (count < wanted && zeroed_pool.orders != 0) {
		/* What is small goes first, and is used up; of a large extent only what is wanted.
		 */
		unsigned fitting = 31 - (unsigned)__builtin_clz(wanted - count);
		unsigned order = (unsigned)__builtin_ctz(zeroed_pool.orders);
		order = order < fitting ? order : fitting;
		pfn_t pfn;
		CHECK(pool_take(&zeroed_pool, order, &pfn));
		lend_extent(pfns, count, pfn, order, owner);
		count += (unsigned)order_pages(order);
	}
	frame_counts[FRAME_ZEROED] -= count;
	return count;
}

void pool_take_back(pfn_t pfn, vm_id_t owner)
{
	const struct frame_tag lent = {FRAME_ZEROED, ORDER_4K, owner};
	frame_step_take(frame_step(lent, pool_tag(&zeroed_pool, ORDER_4K)), pfn);
	frame_counts[FRAME_ZEROED]++;
	pool_put_zeroed(pfn);
}

uint64_t scrub_step(unsigned order_max)
{
	uint64_t pages = 0;
	lock_acquire(&frame_lock);
	pfn_t pfn;
	if (dirty_pool.orders != 0) {
		unsigned order = (unsigned)__builtin_ctz(dirty_pool.orders);
		order = (unsigned)min_u64(order, order_max);
		CHECK(pool_take(&dirty_pool, order, &pfn));
		pages = order_pages(order);
		scrubbed_pages += pages;
		scrub_extent(pfn, order);
		scrubbed_pages -= pages;
		pool_put_zeroed(pfn);
	}
	lock_release(&frame_lock);
	return pages;
}

/* Counts one list; false when it is damaged. A list cannot be longer than the frame table. */
static bool list_audit(const struct pool *pool, unsigned order, uint64_t *pages)
{
	uint32_t previous = FRAME_NONE;
	uint64_t length = 0;
	for (uint32_t at = pool->heads[order]; at != FRAME_NONE; at = frame_table[at].next) {
		if (at >= frame_table_count || length++ > frame_table_count) {
			return false;
		}
		const struct frame *frame = &frame_table[at];
		if (frame->tag.state != pool->state || frame->tag.order != order ||
		    frame->tag.owner != VM_ID_HOST || frame->prev != previous) {
			return false;
		}
		*pages += order_pages(order);
		previous = at;
	}
	return true;
}

bool pool_audit(uint64_t *dirty, uint64_t *zeroed)
{
	*dirty = 0;
	*zeroed = 0;
	bool sound = true;
	for (unsigned order = 0; order <= FRAME_ORDER_MAX; order++) {
		sound = list_audit(&dirty_pool, order, dirty) && sound;
		sound = list_audit(&zeroed_pool, order, zeroed) && sound;
	}
	return sound;
}
