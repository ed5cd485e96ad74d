/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page contents that are computed from one number: word i of the page is base + i * PATTERN_STEP.
 * Two pages whose bases differ share no word at the same place.
 */
#ifndef GUESTS_LIB_PATTERN_H
#define GUESTS_LIB_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#define PATTERN_STEP 0x9e3779b97f4a7c15
#define PATTERN_WORDS 512

void pattern_fill(void *page, uint64_t base);

/* Does every byte of the page hold what pattern_fill wrote? Adds all its words to *sum. */
bool pattern_matches(const void *page, uint64_t base, uint64_t *sum);

/* The sum of all words of a page, and what it is right after pattern_fill. */
uint64_t pattern_sum(const void *page);

static inline uint64_t pattern_expected_sum(uint64_t base)
{
	return PATTERN_WORDS * base + PATTERN_WORDS * (PATTERN_WORDS - 1) / 2 * PATTERN_STEP;
}

#endif
