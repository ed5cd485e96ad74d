/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames that are lent to VMs. Real: mm/cache.c, mm/cache.h, mm/promise.c. Stubbed: the pool, which
 * lends any number up to what is wanted and counts what comes back.
 */
#include "tests/proofs/proof.h"

#include "mm/promise.c"

#include "mm/cache.c"

#define LENT_MAX 3u

static struct promise first;
static struct promise second;
static uint64_t back;

struct lock frame_lock = LOCK_INITIALIZER(LOCK_FRAMES);
static struct frame records[8];
struct frame *frame_table = records;
uint64_t frame_table_count = 8;
uint64_t frame_counts[FRAME_STATE_COUNT];
uint64_t pool_handover_pages;

void frame_mismatch(pfn_t pfn, uint32_t expected)
{
	(void)pfn;
	(void)expected;
	panic("frame");
}

unsigned pool_lend(uint32_t *pfns, unsigned wanted, vm_id_t owner)
{
	unsigned count = (unsigned)any_below(LENT_MAX + 1);
	PROVE(wanted == FRAME_CACHE_SIZE);
	for (unsigned i = 0; i < count; i++) {
		pfns[i] = i;
		records[i].tag = (struct frame_tag){FRAME_ZEROED, ORDER_4K, owner};
	}
	ASSUME(count <= frame_counts[FRAME_ZEROED]);
	frame_counts[FRAME_ZEROED] -= count;
	return count;
}

void pool_take_back(pfn_t pfn, vm_id_t owner)
{
	PROVE(records[pfn.n].tag.state == FRAME_ZEROED && records[pfn.n].tag.owner == owner);
	frame_counts[FRAME_ZEROED]++;
	back++;
}

static void any_host(void)
{
	frame_counts[FRAME_ZEROED] = any_below(1ull << 32);
	frame_counts[FRAME_GUEST] = any_below(1ull << 32);
	floor_pages = any_u64();
	first.min_pages = any_below(1ull << 32);
	first.held_pages = any_below(1ull << 32);
	owed_pages = unmet(&first);
	ASSUME(owed_pages <= supply());
}

/*
 * PROOF cache_fill_and_drain_settle_exactly
 * Shows: what is lent is charged to its VM and to no other; what was not taken comes back to the
 * pool frame by frame, what was taken is the VM's; the sum over all states, what is owed and what
 * the VM holds are then what they would be without the loan
 * Bound: loans of up to 3 frames, up to 3 of them taken; any sizes of the host and the promise
 * Assumes: one VM is looked at, another one has nothing lent
 * Sources: mm/cache.c mm/promise.c
 * Options: --unwind 5
 * Mutants: loan-not-settled
 */
void cache_fill_and_drain_settle_exactly(void)
{
	any_host();
	uint64_t held = first.held_pages;
	uint64_t sum = frame_counts[FRAME_ZEROED] + frame_counts[FRAME_GUEST];
	frame_cache_fill(&first, 1);
	uint32_t lent = first.cache.lent;
	PROVE(lent == first.cache.count && first.held_pages == held + lent);
	uint64_t taken = 0;
	for (unsigned i = 0; i < LENT_MAX; i++) {
		pfn_t pfn;
		if (any_bool() && frame_cache_take(&first.cache, 1, (gfn_t){7}, &pfn)) {
			PROVE(records[pfn.n].tag.state == FRAME_GUEST && records[pfn.n].gfn == 7);
			taken++;
		}
	}
	uint64_t drained = frame_caches_drain();
	PROVE(drained == lent - taken && back == drained && first.cache.count == 0);
	PROVE(first.held_pages == held + taken && first.cache.lent == 0);
	PROVE(frame_counts[FRAME_ZEROED] + frame_counts[FRAME_GUEST] == sum);
	PROVE(owed_pages == unmet(&first));
	PROVE(second.held_pages == 0 && second.cache.lent == 0);
}
