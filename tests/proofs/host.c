/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's state. Real: kernel/overcommit/host_state.c. Stubbed: nothing; the tunables have their
 * default values, but for those that a proof makes any.
 */
#include "tests/proofs/proof.h"

#include "kernel/overcommit/host_state.c"

struct tunables tunables = {
#define TUNABLE(name, unit, normal, least, most, off, meaning) .name = (normal),
#include "kernel/lib/tunables.def"
#undef TUNABLE
};

/*
 * PROOF host_state_is_where_it_belongs
 * Shows: whatever the state was and whatever is to spare, the next state is one that there is; a
 * second look at the same changes nothing; with more to spare than the floor it is high, and between
 * two looks at rising and falling memory it does not flap: from a state it leaves only past its
 * bound
 * Bound: all states, all 64-bit numbers of pages and bounds
 * Assumes: the floor is not less than what soft is entered below
 * Classes: H7
 * Sources: kernel/overcommit/host_state.c
 * Options: --unwind 5
 * Mutants: host-state-without-hysteresis host-state-entered-at-its-bound
 */
void host_state_is_where_it_belongs(void)
{
	enum host_state old = (enum host_state)any_below(HOST_STATES);
	struct host_bounds bounds = {any_u64(), any_u64()};
	uint64_t spare = any_u64();
	ASSUME(bounds.low_pages <= bounds.high_pages);
	enum host_state state = host_state_next(old, spare, bounds);
	PROVE(state <= HOST_LOW);
	PROVE(host_state_next(state, spare, bounds) == state);
	PROVE(spare <= bounds.high_pages || state == HOST_HIGH);
	PROVE(spare >= bounds.low_pages >> 2 || bounds.low_pages == 0 || state == HOST_LOW);
	if (bounds.low_pages != 0 && old == HOST_SOFT && spare >= bounds.low_pages >> 1 &&
	    spare <= bounds.high_pages) {
		PROVE(state == HOST_SOFT);
	}
	PROVE(old != HOST_HIGH || spare < bounds.low_pages || state == HOST_HIGH);
}
