/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls with one range of one extent, which most are. Where that needs nothing but its own entry
 * changed, there is no array to copy, no loop and no batch.
 *
 * Lock: the VM's address space, held by the caller.
 */
#ifndef KERNEL_BALLOON_SINGLE_H
#define KERNEL_BALLOON_SINGLE_H

#include "base/bits.h"
#include "kernel/balloon/ranges.h"
#include "mm/stage2/single.h"

/*
 * The two words behind a range's first page: one extent of 4 KiB or 2 MiB of which nothing is done,
 * whatever its status; and what they become. No other values are plain.
 */
#define SINGLE_STATUS_SHIFT 40
#define SINGLE_ORDER_SHIFT 32
#define SINGLE_IGNORED (0xffull << SINGLE_STATUS_SHIFT)
#define SINGLE_ORDERS ((uint64_t)ORDER_2M << SINGLE_ORDER_SHIFT)
#define SINGLE_FLAGS_SHIFT 32
_Static_assert(offsetof(struct aerostat_range, count) == 8 &&
		       offsetof(struct aerostat_range, order) == 12 &&
		       offsetof(struct aerostat_range, status) == 13 &&
		       offsetof(struct aerostat_range, done) == 16 &&
		       offsetof(struct aerostat_range, flags) == 20 &&
		       sizeof(struct aerostat_range) == 24,
	       "read and written as words");

static inline bool balloon_is_single(uint64_t what, uint64_t done)
{
	what &= ~SINGLE_IGNORED;
	return (what == 1 || what == (1 | SINGLE_ORDERS)) && done == 0;
}

static inline void balloon_single_done(uint64_t *words, uint64_t what,
				       enum balloon_operation operation)
{
	uint64_t flags = operation == BALLOON_SURRENDER ? 0 : AEROSTAT_RANGE_FLAG_ZERO;
	words[1] = (what & ~SINGLE_IGNORED) | (uint64_t)AEROSTAT_RANGE_OK << SINGLE_STATUS_SHIFT;
	words[2] = 1 | flags << SINGLE_FLAGS_SHIFT;
}

/* The same for a range at `words`, in the page `array_gfn`. Each word is read once. */
MUST_CHECK bool balloon_run_words(struct s2_locked locked, struct vm *vm,
				  enum balloon_operation operation, uint64_t *words,
				  gfn_t array_gfn);

/*
 * As balloon_run_ranges() for the range at `address` of a VM with a balloon. True: done, and the
 * range is written back; false: it is not as plain as that, and nothing was changed. EMERGENCY
 * never is.
 */
MUST_CHECK static inline bool balloon_run_single(struct s2_locked locked, struct vm *vm,
						 enum balloon_operation operation, gpa_t address)
{
	uint64_t offset = address.v & (PAGE_BYTES - 1);
	gfn_t gfn = gpa_to_gfn(address);
	if (operation == BALLOON_EMERGENCY || !is_aligned_u64(offset, 8) ||
	    offset > PAGE_BYTES - sizeof(struct aerostat_range)) {
		return false;
	}
	uint8_t *page = s2_single_page(locked, gfn);
	if (page == NULL) {
		return false;
	}
	uint64_t *words = (uint64_t *)(void *)(page + offset);
	/* A first look, so that no call is made in vain. */
	return balloon_is_single(__atomic_load_n(&words[1], __ATOMIC_RELAXED),
				 __atomic_load_n(&words[2], __ATOMIC_RELAXED)) &&
	       balloon_run_words(locked, vm, operation, words, gfn);
}

#endif
