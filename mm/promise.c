/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The arithmetic of promises, kept incrementally: `owed` is always the sum over all promises of
 * what is not handed over yet; a frame that is lent counts as handed over. Lock: frame_lock, held
 * by the caller, except where others ask how things stand, and to make or withdraw a promise.
 */
#include "mm/promise.h"

#include "base/bits.h"
#include "base/compiler.h"
#include "base/check.h"
#include "mm/frame.h"
#include "mm/pool.h"

static uint64_t owed_pages;
static uint64_t reserve_pages;

void promise_reserve_set(uint64_t pages)
{
	lock_acquire(&frame_lock);
	reserve_pages = pages;
	lock_release(&frame_lock);
}

uint64_t promise_owed(void)
{
	lock_acquire(&frame_lock);
	uint64_t pages = owed_pages;
	lock_release(&frame_lock);
	return pages;
}

/* What can be handed out now or after a flush. */
static uint64_t supply(void)
{
	return pool_available() + frame_counts[FRAME_REVOKING];
}

uint64_t promise_spare_locked(void)
{
	return sub_floor_u64(supply(), owed_pages + reserve_pages);
}

uint64_t promise_spare(void)
{
	lock_acquire(&frame_lock);
	const struct frame_cached_count loans = frame_caches_sum();
	uint64_t pages = sub_floor_u64(supply() + loans.ready_pages,
				       owed_pages + loans.owed_again_pages + reserve_pages);
	lock_release(&frame_lock);
	return pages;
}

static uint64_t unmet(const struct promise *promise)
{
	return sub_floor_u64(promise->min_pages, promise->held_pages) +
	       (promise->table_pages_worst - promise->table_pages);
}

enum status promise_make(struct promise *promise, uint64_t min_pages, uint64_t table_pages_worst)
{
	enum status status = STATUS_NO_MEMORY;
	lock_acquire(&frame_lock);
	(void)frame_caches_drain();
	uint64_t spare = promise_spare_locked();
	if (min_pages <= spare && table_pages_worst <= spare - min_pages) {
		*promise = (struct promise){
			.min_pages = min_pages,
			.table_pages_worst = table_pages_worst,
		};
		owed_pages += unmet(promise);
		status = STATUS_OK;
	}
	lock_release(&frame_lock);
	return status;
}

enum status promise_change(struct promise *promise, uint64_t min_pages)
{
	enum status status = STATUS_NO_MEMORY;
	lock_acquire(&frame_lock);
	(void)frame_caches_drain();
	uint64_t before = unmet(promise);
	uint64_t after = before - sub_floor_u64(promise->min_pages, promise->held_pages) +
			 sub_floor_u64(min_pages, promise->held_pages);
	if (after <= before || after - before <= promise_spare_locked()) {
		promise->min_pages = min_pages;
		owed_pages = owed_pages - before + after;
		status = STATUS_OK;
	}
	lock_release(&frame_lock);
	return status;
}

void promise_withdraw(struct promise *promise)
{
	lock_acquire(&frame_lock);
	(void)frame_cache_drain(promise);
	CHECK(promise->held_pages == 0 && promise->table_pages == 0);
	owed_pages -= unmet(promise);
	*promise = (struct promise){0};
	lock_release(&frame_lock);
}

/* The part of `pages` that this VM was promised itself. */
static uint64_t own_pages(const struct promise *promise, uint64_t pages)
{
	return min_u64(pages, sub_floor_u64(promise->min_pages, promise->held_pages));
}

static uint64_t spare_for(const struct promise *promise)
{
	return promise->emergency ? sub_floor_u64(supply(), owed_pages) : promise_spare_locked();
}

static NOT_INLINE bool is_within_spare(const struct promise *promise, uint64_t pages)
{
	return pages <= spare_for(promise);
}

bool promise_take(struct promise *promise, uint64_t pages)
{
	uint64_t own = own_pages(promise, pages);
	/* Enough for all VMs is the common case, and then nothing more has to be known. */
	if (pages > promise_spare_locked() && !is_within_spare(promise, pages - own)) {
		return false;
	}
	promise->held_pages += pages;
	owed_pages -= own;
	return true;
}

void promise_held_add(struct promise *promise, uint64_t pages)
{
	owed_pages -= unmet(promise);
	promise->held_pages += pages;
	owed_pages += unmet(promise);
}

void promise_held_remove(struct promise *promise, uint64_t pages)
{
	CHECK(promise->held_pages >= pages);
	owed_pages -= unmet(promise);
	promise->held_pages -= pages;
	owed_pages += unmet(promise);
}

void promise_table_add(struct promise *promise)
{
	CHECK(promise->table_pages < promise->table_pages_worst);
	promise->table_pages++;
	owed_pages--;
}

void promise_table_remove(struct promise *promise)
{
	CHECK(promise->table_pages > 0);
	promise->table_pages--;
	owed_pages++;
}
