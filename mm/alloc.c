/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Admission to a frame, and its way from the pool to its new state. A VM's single pages come out of
 * its cache, without frame_lock; everything else here takes that lock.
 */
#include "mm/alloc.h"

#include "base/bits.h"
#include "base/compiler.h"
#include "base/spin.h"
#include "mm/cache.h"
#include "mm/pool.h"

#define AWAIT_TRIES 65536

uint64_t frame_alloc_fail_at;

static struct frame_tag zeroed_tag(unsigned order)
{
	return (struct frame_tag){FRAME_ZEROED, (uint8_t)order, VM_ID_HOST};
}

static bool injected_failure(void)
{
	return frame_alloc_fail_at != 0 && --frame_alloc_fail_at == 0;
}

/* A zeroed extent in no list, still tagged ZEROED. Lock held. */
static enum status take_zeroed(unsigned order, pfn_t *pfn)
{
	if (injected_failure()) {
		return STATUS_NO_MEMORY;
	}
	return pool_take_zeroed(order, pfn) ? STATUS_OK : STATUS_NO_MEMORY;
}

/*
 * None was ready for a caller whose account allows a page. What another CPU is scrubbing for the
 * pool counts there, and is in the pool in a moment: that CPU waits for no other. `charged`: pages
 * that the account has for this already, so that to others they are not free while the lock is let
 * go.
 */
static NOT_INLINE enum status await_page(uint64_t charged, pfn_t *pfn)
{
	enum status status = STATUS_NO_MEMORY;
	for (unsigned i = 0; status != STATUS_OK && pool_is_awaited() && i < AWAIT_TRIES; i++) {
		pool_handover_pages += charged;
		lock_release(&frame_lock);
		spin_hint();
		lock_acquire(&frame_lock);
		pool_handover_pages -= charged;
		status = take_zeroed(ORDER_4K, pfn);
	}
	return status;
}

static enum status take_for_host(unsigned order, pfn_t *pfn)
{
	return promise_spare_locked() < order_pages(order) ? STATUS_NO_MEMORY
							   : take_zeroed(order, pfn);
}

enum status frame_alloc(unsigned order, struct frame_tag tag, pfn_t *pfn)
{
	CHECK(tag.state == FRAME_HYPERVISOR && tag.order == order);
	lock_acquire(&frame_lock);
	enum status status = take_for_host(order, pfn);
	if (status != STATUS_OK && frame_caches_drain() != 0) {
		status = take_for_host(order, pfn);
	}
	if (status == STATUS_OK) {
		frame_transition(*pfn, zeroed_tag(order), tag);
		frame_of(*pfn)->gfn = FRAME_NONE; /* not a page table: the auditor asks */
	}
	lock_release(&frame_lock);
	return status;
}

static void give_back(pfn_t pfn, struct frame_tag tag)
{
	struct frame_tag dirty = {FRAME_DIRTY, tag.order, VM_ID_HOST};
	frame_transition(pfn, tag, dirty);
	pool_put_dirty(pfn);
}

void frame_free(pfn_t pfn, struct frame_tag tag)
{
	lock_acquire(&frame_lock);
	give_back(pfn, tag);
	lock_release(&frame_lock);
}

/* The first frame of the extent that `pfn` is in. Lock held. */
static uint64_t find_head(uint64_t pfn)
{
	CHECK(pfn < frame_table_count);
	for (unsigned order = 0; order <= FRAME_ORDER_MAX; order++) {
		uint64_t head = align_down_u64(pfn, order_pages(order));
		if (frame_table[head].tag.state != FRAME_TAIL) {
			return head;
		}
	}
	panic("frame 0x%llx has no head", (unsigned long long)pfn);
}

/* Halves the host's extent around `pfn` until one begins there. Lock held. */
static void cut_before(uint64_t pfn)
{
	uint64_t head = find_head(pfn);
	while (head != pfn) {
		struct frame_tag tag = frame_table[head].tag;
		frame_split((pfn_t){head}, tag);
		uint64_t half = order_pages(tag.order - 1u);
		head += pfn >= head + half ? half : 0;
	}
}

void frame_free_range(pfn_t first, uint64_t pages)
{
	uint64_t at = first.n;
	const uint64_t end = first.n + pages;
	lock_acquire(&frame_lock);
	while (at < end) {
		cut_before(at);
		while (order_pages(frame_table[at].tag.order) > end - at) {
			frame_split((pfn_t){at}, frame_table[at].tag);
		}
		struct frame_tag tag = {FRAME_HYPERVISOR, frame_table[at].tag.order, VM_ID_HOST};
		give_back((pfn_t){at}, tag);
		at += order_pages(tag.order);
	}
	lock_release(&frame_lock);
}

static ALWAYS_INLINE enum status take_for_guest(struct promise *promise, unsigned order, pfn_t *pfn)
{
	/* Charged first: scrubbing lets the lock go, and the account must be right then. */
	if (!promise_take(promise, order_pages(order))) {
		return STATUS_NO_MEMORY;
	}
	enum status status = take_zeroed(order, pfn);
	if (status != STATUS_OK && order == ORDER_4K) {
		status = await_page(1, pfn);
	}
	if (status != STATUS_OK) {
		promise_held_remove(promise, order_pages(order));
	}
	return status;
}

/* Once more, with what lies in the caches of all VMs. */
static NOT_INLINE enum status take_drained(struct promise *promise, pfn_t *pfn)
{
	return frame_caches_drain() != 0 ? take_for_guest(promise, ORDER_4K, pfn)
					 : STATUS_NO_MEMORY;
}

/* Past the cache: from the pools, and the cache is filled for the next ones. */
static enum status alloc_guest(struct promise *promise, unsigned order, vm_id_t owner, gfn_t gfn,
			       pfn_t *pfn)
{
	const struct frame_tag guest = {FRAME_GUEST, (uint8_t)order, owner};
	const struct frame_step step = frame_step(zeroed_tag(order), guest);
	lock_acquire(&frame_lock);
	enum status status = take_for_guest(promise, order, pfn);
	/* Without a large extent callers ask for less; only a refused 4 KiB drains all caches. */
	if (status != STATUS_OK && order == ORDER_4K) {
		status = take_drained(promise, pfn);
	}
	if (status == STATUS_OK) {
		/* Before the lock is let go, or it could be merged with a neighbour that comes
		 * back.
		 */
		frame_step_take(step, *pfn);
		frame_step_account(FRAME_ZEROED, FRAME_GUEST, order_pages(order));
		if (order == ORDER_4K) {
			frame_cache_fill(promise, owner);
		}
	}
	lock_release(&frame_lock);
	if (status == STATUS_OK) {
		frame_of(*pfn)->gfn = (uint32_t)gfn.n;
	}
	return status;
}

enum status frame_alloc_guest(struct promise *promise, unsigned order, vm_id_t owner, gfn_t gfn,
			      pfn_t *pfn)
{
	if (order == ORDER_4K && frame_cache_take(&promise->cache, owner, gfn, pfn)) {
		return STATUS_OK;
	}
	return alloc_guest(promise, order, owner, gfn, pfn);
}

/* For a page that is owed until it is there. Lock held. */
static enum status take_allowed_page(pfn_t *pfn)
{
	enum status status = take_zeroed(ORDER_4K, pfn);
	return status == STATUS_OK ? status : await_page(0, pfn);
}

enum status frame_alloc_table(struct promise *promise, vm_id_t owner, pfn_t *pfn)
{
	lock_acquire(&frame_lock);
	CHECK(promise->table_pages < promise->table_pages_worst);
	enum status status = take_allowed_page(pfn);
	if (status != STATUS_OK && frame_caches_drain() != 0) {
		status = take_allowed_page(pfn);
	}
	if (status == STATUS_OK) {
		struct frame_tag tag = {FRAME_HYPERVISOR, ORDER_4K, owner};
		frame_transition(*pfn, zeroed_tag(ORDER_4K), tag);
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
