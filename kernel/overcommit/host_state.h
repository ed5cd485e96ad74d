/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How short of memory the host is, in four states as of ESX Server: from what is free and promised
 * to no VM, beside a floor that scales with the host's memory. Pure. Sizes in pages.
 *
 *	state	entered below	left above
 *	high	-		-
 *	soft	floor / 2	floor
 *	hard	floor / 4	floor / 2
 *	low	floor / 8	floor / 4
 *
 * (With tunable high_times = 2; soft is entered below floor / high_times, the next ones below a
 * half and a quarter of that.) docs/policy.md says what is done in which. A state is left where the
 * one before it is entered, so a value that stays between two such bounds changes nothing.
 */
#ifndef KERNEL_OVERCOMMIT_HOST_STATE_H
#define KERNEL_OVERCOMMIT_HOST_STATE_H

#include "base/types.h"

enum host_state { HOST_HIGH, HOST_SOFT, HOST_HARD, HOST_LOW, HOST_STATES };

struct host_bounds {
	uint64_t low_pages;  /* soft is entered below; 0: the host is never short */
	uint64_t high_pages; /* the floor: high is entered above; not less than low_pages */
};

/* From `old`, with so much to spare now. */
enum host_state host_state_next(enum host_state old, uint64_t spare_pages,
				struct host_bounds bounds);

/*
 * What of so much memory the floor is a part of: the first 4 GiB as they are, of the next 8 GiB two
 * thirds, of the next 16 a third, and a sixth of all beyond. (The scale of ESX's mem.minFree: 6, 4,
 * 2 and 1 %.) Monotone.
 */
uint64_t host_state_scaled(uint64_t pages);

/* The bounds of a host of so much memory, by the tunables low_* and high_times. */
struct host_bounds host_state_bounds(uint64_t pages);

const char *host_state_name(enum host_state state);

#endif
