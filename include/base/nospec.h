/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Indices that a guest chooses. A processor that predicts a bounds check wrongly goes on with the
 * index all the same, and what it reads beyond the array leaves traces in the caches (Spectre,
 * variant 1). An index that went through here is inside the array on the wrong way, too, because it
 * is computed without a branch.
 */
#ifndef BASE_NOSPEC_H
#define BASE_NOSPEC_H

#include "base/types.h"

/* `index` when it is below `count`, else 0. For both: less than 2^63. To be used behind a check. */
static inline uint64_t nospec_index(uint64_t index, uint64_t count)
{
	uint64_t outside;

	/* The compiler knows from the check that it is inside, and must not draw conclusions. */
	__asm__("" : "+r"(index));
	/* All ones when the top bit is set. */
	outside = 0 - (((count - 1 - index) | index) >> 63);
	return index & ~outside;
}

/* `index` modulo a power of two, the size of an array that is larger than the check lets through.
 */
static inline uint64_t nospec_modulo(uint64_t index, uint64_t power)
{
	__asm__("" : "+r"(index));
	return index & (power - 1);
}

#endif
