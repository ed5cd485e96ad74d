/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long a page that a policy asks for takes to come. The pages between a balloon's size and its
 * target form steps, each with the period in which it was asked for; a page that is given ends the
 * wait of the lowest one. A target that falls takes back what was asked for last.
 */
#ifndef LAB_ASKS_H
#define LAB_ASKS_H

#include "base/types.h"

#define LAB_ASKS_STEPS 16
#define LAB_LATENCIES 4096

struct lab_asks {
	unsigned count;
	struct {
		uint64_t level; /* up to this size of the balloon, */
		uint64_t since; /* asked for in this period */
	} steps[LAB_ASKS_STEPS];
};

/*
 * The target, as it is from this period on, of a balloon of that size. Beyond LAB_ASKS_STEPS steps
 * the new pages count as asked for with those before them.
 */
void lab_asks_target(struct lab_asks *asks, uint64_t ballooned, uint64_t target, uint64_t period);

/* The balloon has grown: adds the pages to pages_after[periods that they took]. */
void lab_asks_given(struct lab_asks *asks, uint64_t before, uint64_t after, uint64_t period,
		    uint64_t pages_after[LAB_LATENCIES]);

#endif
