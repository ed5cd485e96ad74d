/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inner loops of the guests that work on memory. They use the vector registers: it is fast, and
 * it makes the guests notice if the hypervisor mixes up the extended state of two VMs.
 */
#include "guests/lib/pattern.h"

typedef uint64_t words __attribute__((vector_size(16)));

#define VECTORS_PER_PAGE 256
#define UNROLL 4

static words first_vector(uint64_t base, unsigned vector)
{
	return (words){base + 2 * vector * PATTERN_STEP, base + (2 * vector + 1) * PATTERN_STEP};
}

void pattern_fill(void *page, uint64_t base)
{
	const words step = {2 * UNROLL * PATTERN_STEP, 2 * UNROLL * PATTERN_STEP};
	words *to = page;
	words a = first_vector(base, 0);
	words b = first_vector(base, 1);
	words c = first_vector(base, 2);
	words d = first_vector(base, 3);

	for (unsigned i = 0; i < VECTORS_PER_PAGE; i += UNROLL) {
		to[i] = a;
		to[i + 1] = b;
		to[i + 2] = c;
		to[i + 3] = d;
		a += step;
		b += step;
		c += step;
		d += step;
	}
}

bool pattern_matches(const void *page, uint64_t base, uint64_t *sum)
{
	const words step = {2 * UNROLL * PATTERN_STEP, 2 * UNROLL * PATTERN_STEP};
	const words *from = page;
	words a = first_vector(base, 0);
	words b = first_vector(base, 1);
	words c = first_vector(base, 2);
	words d = first_vector(base, 3);
	words wrong = {0, 0};
	words total = {0, 0};

	for (unsigned i = 0; i < VECTORS_PER_PAGE; i += UNROLL) {
		words w = from[i];
		words x = from[i + 1];
		words y = from[i + 2];
		words z = from[i + 3];

		wrong |= (w ^ a) | (x ^ b) | (y ^ c) | (z ^ d);
		total += (w + x) + (y + z);
		a += step;
		b += step;
		c += step;
		d += step;
	}
	*sum += total[0] + total[1];
	return (wrong[0] | wrong[1]) == 0;
}

uint64_t pattern_sum(const void *page)
{
	const words *from = page;
	words total = {0, 0};

	for (unsigned i = 0; i < VECTORS_PER_PAGE; i += UNROLL) {
		total += (from[i] + from[i + 1]) + (from[i + 2] + from[i + 3]);
	}
	return total[0] + total[1];
}
