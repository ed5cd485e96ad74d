/* SPDX-License-Identifier: BSD-2-Clause */
/* See host_state.h. */
#include "kernel/overcommit/host_state.h"

#include "base/bits.h"
#include "kernel/lib/tunables.h"

#define GIB_PAGES 262144ull

static uint64_t entered_below(enum host_state state, struct host_bounds bounds)
{
	return bounds.low_pages >> (state - HOST_SOFT);
}

static uint64_t left_above(enum host_state state, struct host_bounds bounds)
{
	return state == HOST_SOFT ? bounds.high_pages : entered_below(state - 1, bounds);
}

enum host_state host_state_next(enum host_state old, uint64_t spare_pages,
				struct host_bounds bounds)
{
	enum host_state state = bounds.low_pages != 0 ? old : HOST_HIGH;
	while (state < HOST_LOW && spare_pages < entered_below(state + 1, bounds)) {
		state++;
	}
	while (state > HOST_HIGH && spare_pages > left_above(state, bounds)) {
		state--;
	}
	return state;
}

uint64_t host_state_scaled(uint64_t pages)
{
	static const struct {
		uint64_t most_pages;
		uint64_t sixths;
	} parts[] = {{4 * GIB_PAGES, 6}, {8 * GIB_PAGES, 4}, {16 * GIB_PAGES, 2}, {UINT64_MAX, 1}};
	uint64_t scaled = 0;
	for (unsigned i = 0; i < ARRAY_COUNT(parts); i++) {
		uint64_t part = min_u64(pages, parts[i].most_pages);
		scaled += part / 6 * parts[i].sixths + part % 6 * parts[i].sixths / 6;
		pages -= part;
	}
	return scaled;
}

struct host_bounds host_state_bounds(uint64_t pages)
{
	uint64_t part = tunables.low_parts;
	uint64_t low =
		part != 0 ? max_u64(tunables.low_least_pages, host_state_scaled(pages) / part) : 0;
	return (struct host_bounds){low, low * tunables.high_times};
}

const char *host_state_name(enum host_state state)
{
	static const char *const names[HOST_STATES] = {"high", "soft", "hard", "low"};
	return names[state];
}
