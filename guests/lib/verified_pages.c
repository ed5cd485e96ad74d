/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a page holds follows from the VM's name, the page's index and the round. No lock: vCPUs that
 * work at the same time have parts of their own, and the set does not change meanwhile.
 */
#include <stddef.h>

#include "guests/lib/balloon.h"
#include "guests/lib/console.h"
#include "guests/lib/verified_pages.h"
#include "guests/lib/pattern.h"
#include "guests/lib/runtime.h"

#define BALLOON_INTERVAL_PAGES 64

const char *const keeper_until_words[] = {"rounds", "deflated", NULL};

static uint64_t base_of(const struct keeper *keeper, uint64_t index, uint64_t round)
{
	return runtime_mix(keeper->seed ^ runtime_mix(index << 32 ^ round));
}

bool keeper_grow(struct keeper *keeper, uint64_t count)
{
	uint64_t first = keeper->pages.count;
	bool is_complete = page_set_grow(&keeper->pages, count);

	if (!is_complete) {
		console_print("no memory: %lu pages wanted, %lu had\n", count, keeper->pages.count);
		return false;
	}
	for (uint64_t i = first; i < count; i++) {
		pattern_fill(page_set_address(&keeper->pages, i),
			     base_of(keeper, i, keeper->round));
		if (i % BALLOON_INTERVAL_PAGES == 0) {
			balloon_work();
		}
	}
	return true;
}

static void report(const uint64_t *words, uint64_t round, uint64_t base)
{
	unsigned i = 0;

	while (i < PATTERN_WORDS - 1 && words[i] == base + i * PATTERN_STEP) {
		i++;
	}
	console_print("wrong bytes at 0x%lx in round %lu: 0x%lx instead of 0x%lx\n",
		      (uint64_t)(uintptr_t)&words[i], round, words[i], base + i * PATTERN_STEP);
}

bool keeper_part_round(const struct keeper *keeper, struct keeper_part *part)
{
	for (uint64_t i = part->first; i < part->end; i++) {
		void *page = page_set_address(&keeper->pages, i);
		uint64_t base = base_of(keeper, i, part->round);

		if (!pattern_matches(page, base, &part->digest)) {
			report(page, part->round, base);
			return false;
		}
		pattern_fill(page, base_of(keeper, i, part->round + 1));
		if (i % BALLOON_INTERVAL_PAGES == 0) {
			balloon_work();
		}
	}
	part->round++;
	return true;
}

bool keeper_round(struct keeper *keeper)
{
	struct keeper_part part = {0, keeper->pages.count, keeper->round, keeper->digest};
	bool right = keeper_part_round(keeper, &part);

	keeper->round = part.round;
	keeper->digest = part.digest;
	return right;
}

bool keeper_goes_on(uint64_t rounds_done, uint64_t rounds, uint64_t until)
{
	return rounds_done < rounds || (until == KEEPER_UNTIL_DEFLATED && !balloon_has_come_back());
}
