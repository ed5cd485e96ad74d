/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame table: one 16-byte record for every 4 KiB frame below the end of RAM. The record of an
 * extent's first frame (its head) speaks for all of it; the others are FRAME_TAIL. A state changes
 * only through frame_step_take(), for one extent by frame_transition(). Every frame is in exactly
 * one state, so the sum of frame_count() over all states is constant.
 *
 *   RESERVED      not RAM, or not ours: firmware, holes, the first MiB
 *   HYPERVISOR    image, tables, control structures; owner says for which VM
 *   DIRTY         free, but may hold bytes of its last owner
 *   ZEROED        free, and known to be zero: the only state that a guest is given frames from.
 *                 Owned by a VM: lent to its cache (mm/cache.h), else in the pools
 *   GUEST         mapped in the owner's second-stage tables at `gfn`
 *   REVOKING      unmapped, but some CPU may still hold a translation
 *
 *   boot ─▶ DIRTY ──scrub──▶ ZEROED ──▶ GUEST ──unmap──▶ REVOKING ──flush epoch──▶ DIRTY
 *             ▲                └─────▶ HYPERVISOR ──table freed──▶ REVOKING
 *             └───────────────────────────┘ (never seen by a guest's page walk)
 *
 * Lock: all of it under frame_lock (rank LOCK_FRAMES), but for this:
 *
 *   - A frame that is lent to a VM becomes GUEST under the lock of that VM's address space alone.
 *     Its tag is one word for that reason: a look at a neighbour's reads it at once.
 *   - So do many frames at once on their way back, GUEST to REVOKING to DIRTY, until they are put
 *     into the pool's list; frame_lock is for the sums.
 *   - `gfn` of a GUEST frame, and the links of a page-table page, belong to the holder of the lock
 *     of its owner's address space.
 */
#ifndef MM_FRAME_H
#define MM_FRAME_H

#include "base/check.h"
#include "base/lock.h"
#include "base/types.h"
#include "mm/memmap.h"

enum frame_state {
	FRAME_TAIL,
	FRAME_RESERVED,
	FRAME_HYPERVISOR,
	FRAME_DIRTY,
	FRAME_ZEROED,
	FRAME_GUEST,
	FRAME_REVOKING,
	FRAME_STATE_COUNT,
};

#define FRAME_ORDER_MAX ORDER_1G
#define FRAME_NONE UINT32_MAX /* end of a list of frames */

/* State, size and owner of an extent, compared and replaced as one word. */
struct frame_tag {
	uint8_t state; /* enum frame_state */
	uint8_t order;
	vm_id_t owner;
};

struct frame {
	union {
		struct {
			union {
				struct frame_tag tag;
				uint32_t tag_word; /* the same, for one load or store */
			};
			/*
			 * GUEST: where it is mapped. Page-table page: first gfn it translates.
			 * Other HYPERVISOR pages of a VM: FRAME_NONE
			 */
			uint32_t gfn;
		};
		uint64_t head; /* both, for one store */
	};
	uint32_t next; /* in a list; of a page-table page: its level and what it holds */
	uint32_t prev;
};

_Static_assert(sizeof(struct frame) == 16, "frame-table overhead is 16 bytes per frame");

extern struct lock frame_lock;
extern struct frame *frame_table;
extern uint64_t frame_table_count; /* records; every pfn below it is valid */

static inline struct frame *frame_of(pfn_t pfn)
{
	ASSERT(pfn.n < frame_table_count);
	return &frame_table[pfn.n];
}

/*
 * Builds the table in `table` (zeroed or not, count records): everything RESERVED, except that the
 * regions of `available` become DIRTY and are handed to the pools, and those of `hypervisor`
 * HYPERVISOR. Both are disjoint. Once, at boot, before any other call here.
 */
void frame_table_init(struct frame *table, uint64_t count, const struct memmap *available,
		      const struct memmap *hypervisor);

/* For each state, the set of states that may follow. */
#define FRAME_EDGE(state) (1u << (state))
static const uint8_t frame_edges[FRAME_STATE_COUNT] = {
	[FRAME_HYPERVISOR] = FRAME_EDGE(FRAME_DIRTY) | FRAME_EDGE(FRAME_REVOKING),
	[FRAME_DIRTY] = FRAME_EDGE(FRAME_ZEROED),
	/* To itself: from the pool to a VM's cache and back. */
	[FRAME_ZEROED] =
		FRAME_EDGE(FRAME_HYPERVISOR) | FRAME_EDGE(FRAME_GUEST) | FRAME_EDGE(FRAME_ZEROED),
	[FRAME_GUEST] = FRAME_EDGE(FRAME_REVOKING),
	[FRAME_REVOKING] = FRAME_EDGE(FRAME_DIRTY),
};

/*
 * Frames in each state, as frame_lock's holder knows it; others ask frame_count(). Frames
 * that are lent are in none of them: what became of each is known when the loan is settled.
 */
extern uint64_t frame_counts[FRAME_STATE_COUNT];

/* Panics: the extent at `pfn` is not what it was expected to be. */
_Noreturn void frame_mismatch(pfn_t pfn, uint32_t expected) __attribute__((cold));

static inline uint32_t frame_tag_word(struct frame_tag tag)
{
	uint32_t word;
	__builtin_memcpy(&word, &tag, sizeof(word));
	return word;
}

/* The tag of a frame that another CPU may be changing. */
static inline struct frame_tag frame_tag_now(pfn_t pfn)
{
	struct frame_tag tag;
	uint32_t word = __atomic_load_n(&frame_of(pfn)->tag_word, __ATOMIC_RELAXED);
	__builtin_memcpy(&tag, &word, sizeof(tag));
	return tag;
}

/* One edge of the state machine for extents of one order and owner, checked once. */
struct frame_step {
	uint32_t expected; /* tags, as words */
	uint32_t next;
};

static inline struct frame_step frame_step(struct frame_tag expected, struct frame_tag next)
{
	CHECK(next.order == expected.order && next.state < FRAME_STATE_COUNT);
	CHECK(frame_edges[expected.state] & FRAME_EDGE(next.state));
	return (struct frame_step){frame_tag_word(expected), frame_tag_word(next)};
}

/*
 * The one place where a state changes. Panics when the extent at `pfn` is not exactly as expected;
 * returns its record. A caller that takes many steps at once accounts for all of them after, under
 * frame_lock.
 */
static inline struct frame *frame_step_take_of(struct frame *frames, uint64_t count,
					       struct frame_step step, pfn_t pfn)
{
	if (pfn.n >= count) {
		frame_mismatch(pfn, step.expected);
	}
	struct frame *frame = &frames[pfn.n];
	if (__builtin_expect(frame->tag_word != step.expected, 0)) {
		frame_mismatch(pfn, step.expected);
	}
	__atomic_store_n(&frame->tag_word, step.next, __ATOMIC_RELAXED);
	return frame;
}

static inline struct frame *frame_step_take(struct frame_step step, pfn_t pfn)
{
	return frame_step_take_of(frame_table, frame_table_count, step, pfn);
}

static inline void frame_step_account(enum frame_state from, enum frame_state to, uint64_t pages)
{
	frame_counts[from] -= pages;
	frame_counts[to] += pages;
}

/*
 * One step of one extent. Panics when it is not exactly `expected`, or when the state machine above
 * has no such edge. The order stays as it is.
 */
static inline void frame_transition(pfn_t pfn, struct frame_tag expected, struct frame_tag next)
{
	frame_step_take(frame_step(expected, next), pfn);
	frame_step_account(expected.state, next.state, 1ull << next.order);
}

/*
 * Cuts an extent whose tag is `tag` into two halves with the same state and owner; gfn of the upper
 * half follows. Joins two such halves back (`pfn` is the lower one). States do not change.
 */
void frame_split(pfn_t pfn, struct frame_tag tag);
void frame_merge(pfn_t pfn, struct frame_tag half);

/* The same in one step: into (from) all pieces of `piece_order`, however many there are. */
void frame_shatter(pfn_t pfn, struct frame_tag tag, unsigned piece_order);
void frame_unite(pfn_t pfn, struct frame_tag piece, unsigned order);

/* Frames, in 4 KiB units, that are in `state` now. Takes frame_lock. */
uint64_t frame_count(enum frame_state state);
uint64_t frame_count_free(void); /* DIRTY + ZEROED, lent ones included */

#endif
