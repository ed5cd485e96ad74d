/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lending frames to VMs, and taking them back; see cache.h. Everything here runs under frame_lock.
 */
#include "mm/cache.h"

#include "base/bits.h"
#include "mm/pool.h"
#include "mm/promise.h"

static struct promise *listed;
static uint64_t floor_pages = FRAME_CACHES_OFF;

void frame_caches_init(void)
{
	listed = NULL;
	floor_pages = FRAME_CACHES_OFF;
}

void frame_caches_floor_set(uint64_t spare_pages)
{
	lock_acquire(&frame_lock);
	floor_pages = spare_pages;
	lock_release(&frame_lock);
}

struct frame_cached_count frame_caches_sum(void)
{
	struct frame_cached_count sum = {0};
	for (const struct promise *promise = listed; promise != NULL;
	     promise = promise->cache.next) {
		uint64_t ready = __atomic_load_n(&promise->cache.count, __ATOMIC_RELAXED);
		uint64_t held = promise->held_pages;
		sum.ready_pages += ready;
		sum.taken_pages += promise->cache.lent - ready;
		sum.owed_again_pages += sub_floor_u64(promise->min_pages, held - ready) -
					sub_floor_u64(promise->min_pages, held);
	}
	return sum;
}

/*
 * Closes the loan: what was taken counts as GUEST from now on, the rest comes back. In this order:
 * no other CPU reads the counts before the lock is released.
 */
static uint64_t settle(struct promise *promise)
{
	struct frame_cache *cache = &promise->cache;
	uint32_t left = __atomic_exchange_n(&cache->count, 0, __ATOMIC_ACQ_REL);
	for (uint32_t i = 0; i < left; i++) {
		pool_take_back((pfn_t){cache->pfns[i]}, cache->owner);
	}
	frame_counts[FRAME_GUEST] += cache->lent - left;
	cache->lent = 0;
	promise_held_remove(promise, left);
	return left;
}

void frame_cache_fill(struct promise *promise, vm_id_t owner)
{
	struct frame_cache *cache = &promise->cache;
	if (floor_pages == FRAME_CACHES_OFF || frame_counts[FRAME_ZEROED] == 0 ||
	    promise_spare_locked() < floor_pages + FRAME_CACHE_SIZE) {
		return;
	}
	CHECK(cache->count == 0);
	(void)settle(promise);
	uint32_t count = pool_lend(cache->pfns, FRAME_CACHE_SIZE, owner);
	promise_held_add(promise, count);
	cache->lent = count;
	if (!cache->listed) {
		cache->listed = true;
		cache->owner = owner;
		cache->next = listed;
		listed = promise;
	}
	__atomic_store_n(&cache->count, count, __ATOMIC_RELEASE);
}

uint64_t frame_cache_drain(struct promise *promise)
{
	if (!promise->cache.listed) {
		return 0;
	}
	struct promise **link = &listed;
	while (*link != promise) {
		link = &(*link)->cache.next;
	}
	*link = promise->cache.next;
	promise->cache.listed = false;
	return settle(promise);
}

uint64_t frame_caches_drain(void)
{
	uint64_t pages = 0;
	while (listed != NULL) {
		pages += frame_cache_drain(listed);
	}
	return pages;
}

void frame_caches_empty(void)
{
	lock_acquire(&frame_lock);
	(void)frame_caches_drain();
	lock_release(&frame_lock);
}
