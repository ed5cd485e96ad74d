/* SPDX-License-Identifier: BSD-2-Clause */
/* See attack.h. */
#include <stddef.h>

#include "guests/hostile/attack.h"

#include "guests/lib/console.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/layout.h"
#include "guests/lib/palloc.h"

#define PAGE_WORDS 512

uint64_t pool_first;
uint64_t pool_pages;

/* Whole pages: nothing else may lie where arrays are put at random. */
static uint8_t ranges_memory[4096] __attribute__((aligned(4096)));
static uint8_t balloon_memory[4096] __attribute__((aligned(4096)));

struct aerostat_range *const ranges = (struct aerostat_range *)ranges_memory;

bool attack_init(void)
{
	uint64_t total = palloc_counts.total;
	uint64_t first = palloc_page(NULL);

	pool_first = (first + EXTENT_PAGES) / EXTENT_PAGES * EXTENT_PAGES;
	if (first == PALLOC_NONE || first + total < pool_first + 2 * EXTENT_PAGES) {
		console_print("RAM is too small for an attack\n");
		return false;
	}
	pool_pages = first + total - pool_first;
	return true;
}

volatile struct aerostat_balloon_page *attack_balloon_page(void)
{
	return (volatile struct aerostat_balloon_page *)balloon_memory;
}

uint64_t attack_balloon_gfn(void)
{
	return (uintptr_t)balloon_memory / 4096;
}

bool attack_attach(void)
{
	int64_t answer = hypercall(AEROSTAT_CALL_BALLOON_ATTACH, attack_balloon_gfn(),
				   DOORBELL_VECTOR, 0, 0);

	return expect("attach", (uint64_t)answer, 0);
}

void range_set(unsigned index, uint64_t gfn, unsigned order, uint64_t count)
{
	ranges[index] = (struct aerostat_range){
		.gfn = gfn,
		.count = (uint32_t)count,
		.order = (uint8_t)order,
	};
}

bool issue(uint64_t call, unsigned count)
{
	unsigned first = 0;

	while (first < count) {
		int64_t answer = hypercall(call, (uintptr_t)&ranges[first], count - first, 0, 0);

		if (answer < 0 || answer > count - first) {
			console_print("call %lu answers %ld\n", call, answer);
			return false;
		}
		first += (unsigned)answer;
	}
	return true;
}

bool move(uint64_t call, uint64_t gfn, unsigned order, uint64_t count)
{
	range_set(0, gfn, order, count);
	return issue(call, 1) && expect_range("a plain range", 0, AEROSTAT_RANGE_OK, count);
}

bool expect(const char *what, uint64_t found, uint64_t expected)
{
	if (found != expected) {
		console_print("%s: 0x%lx instead of 0x%lx\n", what, found, expected);
	}
	return found == expected;
}

bool expect_range(const char *what, unsigned index, uint8_t status, uint64_t done)
{
	const struct aerostat_range *range = &ranges[index];

	if (range->status == status && range->done == done) {
		return true;
	}
	console_print("%s: range %u, gfn 0x%lx order %u count %u: status %u done %u instead of %u "
		      "%lu\n",
		      what, index, range->gfn, range->order, range->count, range->status,
		      range->done, status, done);
	return false;
}

bool page_is_zero(uint64_t gfn)
{
	const uint64_t *words = page_address(gfn);

	for (unsigned i = 0; i < PAGE_WORDS; i++) {
		if (words[i] != 0) {
			console_print("0x%lx holds 0x%lx in a page that must be zero\n",
				      (uint64_t)(uintptr_t)&words[i], words[i]);
			return false;
		}
	}
	return true;
}

uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1d;
}
