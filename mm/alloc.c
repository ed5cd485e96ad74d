/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Buddy allocator over the frame table. ZEROED extents merge with their buddies when they arrive;
 * DIRTY extents do not (merging would cost the giver time; they merge once they are scrubbed).
 * Lists run through frame->next and frame->prev. Lock: frame_lock.
 */
#include "mm/alloc.h"

#include "base/bits.h"
#include "base/string.h"
#include "mm/phys.h"

struct pool {
	uint32_t heads[FRAME_ORDER_MAX + 1];
	uint32_t orders; /* bit n: there is an extent of order n */
	enum frame_state state;
};

static struct pool dirty_pool;
static struct pool zeroed_pool;

/* Frames that are scrubbed for somebody right now: still DIRTY, but not to be had. */
static uint64_t handover_pages;

uint64_t frame_alloc_fail_at;

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
	handover_pages = 0;
}

uint64_t pool_available(void)
{
	return frame_count_free() - handover_pages;
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

void pool_put_dirty(pfn_t pfn)
{
	CHECK(frame_of(pfn)->tag.state == FRAME_DIRTY);
	pool_push(&dirty_pool, pfn);
}

/*
 * The frames of a run of one order are linked through `next` already; what they lack is the way
 * back, and the run its place at the head of the pool's list.
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
		frame_step_take(step, (pfn_t){at});
		frame_table[at].prev = last;
		last = at;
		at = frame_table[at].next;
		count++;
	} while (at != FRAME_NONE && frame_table[at].tag.order == order);
	frame_step_account(FRAME_REVOKING, FRAME_DIRTY, count << order);
	uint32_t head = dirty_pool.heads[order];
	frame_table[last].next = head;
	if (head != FRAME_NONE) {
		frame_table[head].prev = last;
	}
	dirty_pool.heads[order] = first;
	dirty_pool.orders |= 1u << order;
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

/* Takes an extent of exactly `order` out of the pool, cutting the smallest that is large enough. */
static inline bool pool_take(struct pool *pool, unsigned order, pfn_t *pfn)
{
	uint32_t large_enough = pool->orders >> order;
	if (large_enough == 0) {
		return false;
	}
	unsigned found = order + (unsigned)__builtin_ctz(large_enough);
	*pfn = (pfn_t){pool->heads[found]};
	pool_unlink(pool, *pfn);
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

/* All 2^REFILL_ORDER frames of the block are ZEROED, in pieces. */
static bool block_is_zeroed(pfn_t block)
{
	uint64_t end = block.n + order_pages(REFILL_ORDER);
	uint64_t at = block.n;
	while (at < end && at < frame_table_count) {
		struct frame_tag tag = frame_of((pfn_t){at})->tag;
		if (tag.state != FRAME_ZEROED || tag.order >= REFILL_ORDER) {
			return false;
		}
		at += order_pages(tag.order);
	}
	return at == end;
}

/*
 * The way back from pool_refill: what it has cut off and nobody has taken has no buddy that could
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
		struct frame_tag tag = frame_of(buddy)->tag;
		if (tag.state != FRAME_ZEROED || tag.order != order) {
			break;
		}
		pool_unlink(&zeroed_pool, buddy);
		pfn.n = min_u64(pfn.n, buddy.n);
		frame_join(pfn, pool_tag(&zeroed_pool, order));
		order++;
	}
	pool_push(&zeroed_pool, pfn);
}

/*
 * Zeroes a DIRTY extent that is in no list. The lock is let go meanwhile: two mebibytes take long,
 * and nobody else can reach an extent that is in no list.
 */
static void scrub_extent(pfn_t pfn, unsigned order)
{
	lock_release(&frame_lock);
	memset(pfn_to_virt(pfn), 0, order_pages(order) * PAGE_BYTES);
	lock_acquire(&frame_lock);
	frame_transition(pfn, pool_tag(&dirty_pool, order), pool_tag(&zeroed_pool, order));
}

static bool injected_failure(void)
{
	return frame_alloc_fail_at != 0 && --frame_alloc_fail_at == 0;
}

/* A zeroed extent in no list, still tagged ZEROED. Lock held. */
static inline enum status take_zeroed(unsigned order, pfn_t *pfn)
{
	if (injected_failure()) {
		return STATUS_NO_MEMORY;
	}
	if (pool_take(&zeroed_pool, order, pfn)) {
		return STATUS_OK;
	}
	/* Nobody waits for a gigabyte to be zeroed: it is ready or it is not. */
	if (order <= ORDER_2M && pool_take(&dirty_pool, order, pfn)) {
		handover_pages += order_pages(order);
		scrub_extent(*pfn, order);
		handover_pages -= order_pages(order);
		return STATUS_OK;
	}
	return STATUS_NO_MEMORY;
}

enum status frame_alloc(unsigned order, struct frame_tag tag, pfn_t *pfn)
{
	CHECK(tag.state == FRAME_HYPERVISOR && tag.order == order);
	enum status status = STATUS_NO_MEMORY;
	lock_acquire(&frame_lock);
	if (promise_spare() >= order_pages(order)) {
		status = take_zeroed(order, pfn);
	}
	if (status == STATUS_OK) {
		frame_transition(*pfn, pool_tag(&zeroed_pool, order), tag);
		frame_of(*pfn)->gfn = FRAME_NONE; /* not a page table: the auditor asks */
	}
	lock_release(&frame_lock);
	return status;
}

static void give_back(pfn_t pfn, struct frame_tag tag)
{
	frame_transition(pfn, tag, pool_tag(&dirty_pool, tag.order));
	pool_push(&dirty_pool, pfn);
}

void frame_free(pfn_t pfn, struct frame_tag tag)
{
	lock_acquire(&frame_lock);
	give_back(pfn, tag);
	lock_release(&frame_lock);
}

enum status frame_alloc_guest(struct promise *promise, unsigned order, vm_id_t owner, gfn_t gfn,
			      pfn_t *pfn)
{
	enum status status = STATUS_NO_MEMORY;
	lock_acquire(&frame_lock);
	/* Charged first: scrubbing lets the lock go, and the account must be right then. */
	if (promise_take(promise, order_pages(order))) {
		status = take_zeroed(order, pfn);
		if (status != STATUS_OK) {
			promise_held_remove(promise, order_pages(order));
		}
	}
	if (status == STATUS_OK) {
		struct frame_tag tag = {FRAME_GUEST, (uint8_t)order, owner};
		frame_transition(*pfn, pool_tag(&zeroed_pool, order), tag);
		frame_of(*pfn)->gfn = (uint32_t)gfn.n;
	}
	lock_release(&frame_lock);
	return status;
}

enum status frame_alloc_table(struct promise *promise, vm_id_t owner, pfn_t *pfn)
{
	lock_acquire(&frame_lock);
	CHECK(promise->table_pages < promise->table_pages_worst);
	enum status status = take_zeroed(ORDER_4K, pfn);
	if (status == STATUS_OK) {
		struct frame_tag tag = {FRAME_HYPERVISOR, ORDER_4K, owner};
		frame_transition(*pfn, pool_tag(&zeroed_pool, ORDER_4K), tag);
		frame_of(*pfn)->gfn = 0;
		promise_table_add(promise);
	}
	lock_release(&frame_lock);
	return status;
}

void frame_free_table(struct promise *promise, vm_id_t owner, pfn_t pfn)
{
	/* Owed again and free again in one step, or another CPU could take it in between. */
	lock_acquire(&frame_lock);
	give_back(pfn, (struct frame_tag){FRAME_HYPERVISOR, ORDER_4K, owner});
	promise_table_remove(promise);
	lock_release(&frame_lock);
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
		scrub_extent(pfn, order);
		pool_put_zeroed(pfn);
		pages = order_pages(order);
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
