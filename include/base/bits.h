/* SPDX-License-Identifier: BSD-2-Clause */
/* Small arithmetic on bits, sizes and alignment. */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include "base/types.h"

#define BIT(n) (1ull << (n))
#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* a - b, or 0 where that would be negative. */
static inline uint64_t sub_floor_u64(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* `unit` is a power of two. */
static inline uint64_t align_down_u64(uint64_t value, uint64_t unit)
{
	return value & ~(unit - 1);
}

static inline uint64_t align_up_u64(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) & ~(unit - 1);
}

static inline bool is_aligned_u64(uint64_t value, uint64_t unit)
{
	return (value & (unit - 1)) == 0;
}

static inline uint64_t order_pages(unsigned order)
{
	return 1ull << order;
}

#endif
