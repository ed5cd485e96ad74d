/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Promises: the account of what is owed. Real: mm/promise.c with the real locks, taken by one CPU.
 * Stubbed: the frame caches, which are empty (mm/cache.c has proofs of its own).
 */
#include "tests/proofs/proof.h"

#include "mm/promise.c"

/* The frame table has fewer than 2^32 records. */
#define FRAMES_MAX (1ull << 32)

struct lock frame_lock = LOCK_INITIALIZER(LOCK_FRAMES);
uint64_t frame_counts[FRAME_STATE_COUNT];
uint64_t pool_handover_pages;

struct frame_cached_count frame_caches_sum(void)
{
	return (struct frame_cached_count){0};
}

uint64_t frame_cache_drain(struct promise *promise)
{
	(void)promise;
	return 0;
}

uint64_t frame_caches_drain(void)
{
	return 0;
}

/* Any state of the pools. */
static void any_supply(void)
{
	frame_counts[FRAME_DIRTY] = any_below(FRAMES_MAX);
	frame_counts[FRAME_ZEROED] = any_below(FRAMES_MAX);
	frame_counts[FRAME_REVOKING] = any_below(FRAMES_MAX);
	pool_handover_pages = any_below(FRAMES_MAX);
	ASSUME(pool_handover_pages <= frame_counts[FRAME_DIRTY]);
	reserve_pages = any_below(FRAMES_MAX);
}

/* A promise that was made. */
static struct promise any_promise(void)
{
	struct promise promise = {
		.min_pages = any_below(FRAMES_MAX),
		.held_pages = any_below(FRAMES_MAX),
		.table_pages_worst = any_below(FRAMES_MAX),
		.table_pages = any_below(FRAMES_MAX),
		.emergency = any_bool(),
	};
	ASSUME(promise.table_pages <= promise.table_pages_worst);
	return promise;
}

/* What all VMs are owed: the one that is looked at and all others, within what there is to give. */
static uint64_t any_owed(const struct promise *promise)
{
	uint64_t others = any_below(FRAMES_MAX);
	owed_pages = others + unmet(promise);
	ASSUME(owed_pages <= supply());
	return others;
}

/* What others are owed, by the books. */
static uint64_t owed_to_others(const struct promise *promise)
{
	return owed_pages - unmet(promise);
}

/*
 * PROOF promise_make_is_exact
 * Shows: a promise is made only out of what is spare, and then exactly that much more is owed; no
 * sum wraps, whatever sizes are asked for; the refused one is left as it was
 * Bound: all 64-bit sizes
 * Assumes: fewer than 2^32 frames in each state; the books are right before
 * Classes: F6
 * Sources: mm/promise.c
 * Options: --unsigned-overflow-check --unwind 2
 * Mutants: admission-overflows
 */
void promise_make_is_exact(void)
{
	struct promise made = any_promise();
	any_supply();
	owed_pages = any_below(FRAMES_MAX);
	ASSUME(owed_pages <= supply());
	uint64_t min = any_u64();
	uint64_t worst = any_u64();
	uint64_t owed = owed_pages;
	uint64_t spare = promise_spare_locked();
	uint64_t held = made.held_pages;
	if (promise_make(&made, min, worst) == STATUS_OK) {
		PROVE(min <= spare && worst <= spare - min);
		PROVE(owed_pages == owed + min + worst);
		PROVE(made.min_pages == min && made.held_pages == 0 && made.table_pages == 0);
		PROVE(owed_pages <= supply());
	} else {
		PROVE(min > spare || worst > spare - min);
		PROVE(owed_pages == owed && made.held_pages == held);
	}
}

/*
 * PROOF promise_change_is_exact
 * Shows: another minimum is granted only out of what is spare; what is owed to others stays as it
 * was, and all of it within the supply; refused, nothing has changed
 * Bound: all 64-bit sizes below 2^63
 * Assumes: fewer than 2^32 frames in each state; the books are right before
 * Classes: F6
 * Sources: mm/promise.c
 * Options: --unwind 2
 * Solver: cadical
 * Fault: mm/promise.c | owed_pages = owed_pages - before + after; | owed_pages = owed_pages +
 * after;
 */
void promise_change_is_exact(void)
{
	struct promise a = any_promise();
	any_supply();
	uint64_t others = any_owed(&a);
	uint64_t min = any_below(1ull << 63);
	uint64_t old = a.min_pages;
	if (promise_change(&a, min) == STATUS_OK) {
		PROVE(a.min_pages == min);
		PROVE(owed_pages <= supply());
	} else {
		PROVE(a.min_pages == old);
	}
	PROVE(owed_to_others(&a) == others);
}

/*
 * PROOF promise_take_breaks_no_other
 * Shows: frames that are granted leave enough for all that is owed to others; the VM's own minimum
 * is never refused; what others are owed stays as it was after both answers
 * Bound: all extents up to 2^32 pages
 * Assumes: fewer than 2^32 frames in each state; the books are right before
 * Classes: F6
 * Sources: mm/promise.c
 * Options: --unwind 2
 * Solver: cadical
 * Mutants: promise-to-others-ignored quota-not-charged
 */
void promise_take_breaks_no_other(void)
{
	struct promise a = any_promise();
	any_supply();
	uint64_t others = any_owed(&a);
	uint64_t pages = any_below(FRAMES_MAX);
	uint64_t held = a.held_pages;
	uint64_t own = own_pages(&a, pages);
	bool granted = promise_take(&a, pages);
	if (granted) {
		PROVE(a.held_pages == held + pages);
		PROVE(owed_pages + pages <= supply());
	} else {
		PROVE(a.held_pages == held);
		PROVE(own < pages);
	}
	PROVE(owed_to_others(&a) == others);
}

/*
 * PROOF promise_reserve_is_for_emergencies
 * Shows: a VM without an emergency leaves the reserve whole beyond its own minimum
 * Bound: all extents up to 2^32 pages
 * Assumes: fewer than 2^32 frames in each state; the books are right before
 * Classes: F6
 * Sources: mm/promise.c
 * Options: --unwind 2
 * Solver: cadical
 * Fault: mm/promise.c | return promise->emergency ? sub_floor_u64(supply(), owed_pages) :
 * promise_spare_locked(); | return sub_floor_u64(supply(), owed_pages);
 */
void promise_reserve_is_for_emergencies(void)
{
	struct promise a = any_promise();
	any_supply();
	any_owed(&a);
	uint64_t pages = any_below(FRAMES_MAX);
	uint64_t own = own_pages(&a, pages);
	ASSUME(!a.emergency);
	if (promise_take(&a, pages) && own < pages) {
		PROVE(owed_pages + reserve_pages + pages <= supply());
	}
}

/*
 * PROOF promise_books_stay_exact
 * Shows: frames and tables that are handed over and come back leave what others are owed as it
 * was; a promise with nothing held is withdrawn to the last page
 * Bound: one step of each kind, all sizes
 * Assumes: fewer than 2^32 frames in each state; the books are right before; no more comes back
 * than is held
 * Classes: F3
 * Sources: mm/promise.c
 * Options: --unwind 2
 * Solver: cadical
 * Fault: mm/promise.c | owed_pages++; | owed_pages += 2;
 */
void promise_books_stay_exact(void)
{
	struct promise a = any_promise();
	any_supply();
	uint64_t others = any_owed(&a);
	uint64_t pages = any_below(FRAMES_MAX);
	switch (any_u8() % 5) {
	case 0:
		promise_held_add(&a, pages);
		break;
	case 1:
		ASSUME(pages <= a.held_pages);
		promise_held_remove(&a, pages);
		break;
	case 2:
		ASSUME(a.table_pages < a.table_pages_worst);
		promise_table_add(&a);
		break;
	case 3:
		ASSUME(a.table_pages > 0);
		promise_table_remove(&a);
		break;
	default:
		a.held_pages = 0;
		a.table_pages = 0;
		owed_pages = others + unmet(&a);
		promise_withdraw(&a);
		break;
	}
	PROVE(owed_to_others(&a) == others);
}
