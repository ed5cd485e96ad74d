/* SPDX-License-Identifier: BSD-2-Clause */
/* What a CPU does in a schedule, by name: all pairs and some threes of these are searched. */
#ifndef INTERLEAVE_ACTS_H
#define INTERLEAVE_ACTS_H

#include <stdbool.h>
#include <stdint.h>

struct act {
	const char *name;
	void (*run)(void);
	/*
	 * Its answer and what it leaves behind are those of one of the orders in which whole calls
	 * can come one after the other.
	 */
	bool at_once;
	unsigned vm;   /* whose vCPU does it; 0: the host's */
	unsigned ends; /* that VM, whose vCPUs have ended before */
};

/* On the pages of VM 1; on frames of the host and of two VMs; on regions of 2 MiB of VM 1. */
extern const struct act page_acts[];
extern const struct act frame_acts[];
extern const struct act region_acts[];
extern const unsigned page_act_count;
extern const unsigned frame_act_count;
extern const unsigned region_act_count;

/* Counts, with a lock held that all CPUs use for that. */
extern uint64_t act_counted;
void act_count_under_lock(void);
void act_count_twice_under_lock(void);

#endif
