/* SPDX-License-Identifier: BSD-2-Clause */
/* See single.h. The work itself is mm/stage2/single.c's. */
#include "kernel/balloon/single.h"

#include "base/bits.h"
#include "kernel/balloon/balloon.h"

static inline bool give_single(struct s2_locked locked, struct vm *vm, gfn_t gfn, unsigned order,
			       enum s2_kind into)
{
	uint64_t freed;
	vm_note_peaks(vm);
	if (!s2_single_take_out(locked, gfn, order, into, &freed)) {
		return false;
	}
	if (freed > 0) {
		balloon_note_freed(vm, freed);
	}
	return true;
}

bool balloon_run_words(struct s2_locked locked, struct vm *vm, enum balloon_operation operation,
		       uint64_t *words, gfn_t array_gfn)
{
	/* Each is read once: what is judged is out of the guest's reach. */
	gfn_t gfn = {__atomic_load_n(&words[0], __ATOMIC_RELAXED)};
	uint64_t what = __atomic_load_n(&words[1], __ATOMIC_RELAXED);
	if (!balloon_is_single(what, __atomic_load_n(&words[2], __ATOMIC_RELAXED))) {
		return false;
	}
	unsigned order = what & SINGLE_ORDERS ? ORDER_2M : ORDER_4K;
	if (operation == BALLOON_RETURN) {
		if (!s2_single_return(locked, gfn, order)) {
			return false;
		}
	} else if ((array_gfn.n - gfn.n) >> order == 0 ||
		   !give_single(locked, vm, gfn, order,
				operation == BALLOON_SURRENDER ? S2_BALLOONED : S2_EMPTY)) {
		return false;
	}
	balloon_count_pages(vm, operation, order_pages(order));
	balloon_publish_size(vm);
	/* The answer is about this page, even if the guest has written another one meanwhile. */
	__atomic_store_n(&words[0], gfn.n, __ATOMIC_RELAXED);
	balloon_single_done(words, what, operation);
	return true;
}
