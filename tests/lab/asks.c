/* SPDX-License-Identifier: BSD-2-Clause */
/* See asks.h. */
#include "tests/lab/asks.h"

#include "base/bits.h"

void lab_asks_target(struct lab_asks *asks, uint64_t ballooned, uint64_t target, uint64_t period)
{
	while (asks->count > 0 && asks->steps[asks->count - 1].level > target) {
		uint64_t below = asks->count > 1 ? asks->steps[asks->count - 2].level : ballooned;
		if (below < target) {
			asks->steps[asks->count - 1].level = target;
			break;
		}
		asks->count--;
	}
	uint64_t asked = asks->count > 0 ? asks->steps[asks->count - 1].level : ballooned;
	if (target <= asked) {
		return;
	}
	if (asks->count == LAB_ASKS_STEPS) {
		asks->steps[asks->count - 1].level = target;
		return;
	}
	asks->steps[asks->count].level = target;
	asks->steps[asks->count].since = period;
	asks->count++;
}

void lab_asks_given(struct lab_asks *asks, uint64_t before, uint64_t after, uint64_t period,
		    uint64_t pages_after[LAB_LATENCIES])
{
	unsigned done = 0;
	for (unsigned i = 0; i < asks->count && before < after; i++) {
		uint64_t upto = min_u64(asks->steps[i].level, after);
		uint64_t periods = min_u64(period - asks->steps[i].since, LAB_LATENCIES - 1);
		pages_after[periods] += sub_floor_u64(upto, before);
		before = max_u64(before, upto);
		done += asks->steps[i].level <= after ? 1 : 0;
	}
	asks->count -= done;
	for (unsigned i = 0; i < asks->count; i++) {
		asks->steps[i] = asks->steps[i + done];
	}
}
