/* SPDX-License-Identifier: BSD-2-Clause */
/* See pool.h. One bit a page, in two maps: free and touched, free and not touched. */
#include "guests/small/pool.h"

#define WORD_BITS 64

static uint64_t maps[2][POOL_PAGES_MAX / WORD_BITS]; /* the second one: touched */
static uint64_t counts[2];
static uint64_t first_page = POOL_NONE;

void pool_init(void)
{
	for (unsigned map = 0; map < 2; map++) {
		counts[map] = 0;
		for (unsigned i = 0; i < POOL_PAGES_MAX / WORD_BITS; i++) {
			maps[map][i] = 0;
		}
	}
	first_page = POOL_NONE;
}

/* Pages are counted from a multiple of POOL_PAGES_MAX on: a pool lies between two of them. */
void pool_put(uint64_t page, bool touched)
{
	uint64_t at = page % POOL_PAGES_MAX;

	first_page = page - at;
	maps[touched][at / WORD_BITS] |= 1ull << at % WORD_BITS;
	counts[touched]++;
}

static uint64_t take(unsigned map)
{
	for (unsigned i = 0; counts[map] > 0 && i < POOL_PAGES_MAX / WORD_BITS; i++) {
		if (maps[map][i] != 0) {
			unsigned bit = (unsigned)__builtin_ctzll(maps[map][i]);

			maps[map][i] &= maps[map][i] - 1;
			counts[map]--;
			return first_page + i * WORD_BITS + bit;
		}
	}
	return POOL_NONE;
}

uint64_t pool_take_touched(void)
{
	return take(1);
}

uint64_t pool_take_untouched(void)
{
	return take(0);
}

uint64_t pool_take(void)
{
	uint64_t page = pool_take_touched();

	return page != POOL_NONE ? page : pool_take_untouched();
}

uint64_t pool_free_pages(void)
{
	return counts[0] + counts[1];
}

uint64_t pool_touched_pages(void)
{
	return counts[1];
}
