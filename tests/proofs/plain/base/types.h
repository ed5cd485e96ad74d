/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Atomic accesses as plain ones, in front of every source: only to find out which lines a harness
 * reaches (tests/proofs/reach.py), never in a proof. CBMC's report about lines ends with a failed
 * invariant where a built-in function has no place in a source. A harness is about one processor,
 * so what is reached is the same.
 */
#ifndef TESTS_PROOFS_PLAIN_BASE_TYPES_H
#define TESTS_PROOFS_PLAIN_BASE_TYPES_H

#include_next "base/types.h"

#define PLAIN_CHANGE(place, new_value, answer)                                                     \
	({                                                                                         \
		__typeof__(place) place_ = (place);                                                \
		__typeof__(*(place)) old_ = *place_;                                               \
		__typeof__(*(place)) new_ = (new_value);                                           \
		*place_ = new_;                                                                    \
		(answer);                                                                          \
	})

#define __atomic_load_n(place, order) (*(place))
#define __atomic_store_n(place, value, order) ((void)(*(place) = (value)))
#define __atomic_exchange_n(place, value, order) PLAIN_CHANGE(place, value, old_)
#define __atomic_fetch_or(place, value, order) PLAIN_CHANGE(place, old_ | (value), old_)
#define __atomic_fetch_and(place, value, order) PLAIN_CHANGE(place, (value)&old_, old_)
#define __atomic_fetch_add(place, value, order) PLAIN_CHANGE(place, old_ + (value), old_)
#define __atomic_fetch_sub(place, value, order) PLAIN_CHANGE(place, old_ - (value), old_)
#define __atomic_and_fetch(place, value, order) PLAIN_CHANGE(place, (value)&old_, new_)
#define __atomic_add_fetch(place, value, order) PLAIN_CHANGE(place, old_ + (value), new_)
#define __atomic_sub_fetch(place, value, order) PLAIN_CHANGE(place, old_ - (value), new_)
#define __atomic_thread_fence(order) ((void)0)
#define __atomic_signal_fence(order) ((void)0)

#endif
