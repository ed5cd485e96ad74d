/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fleet: many hosts, each a host of world.h with VMs of its own, on which the same policy
 * decides. VMs have allotments of 16, 32, 64 or 128 MiB (four, three, two and one of ten); a host
 * has five eighths of what an even part of all of them is allotted. A VM is placed when it comes,
 * where least is allotted of the hosts that can promise it its minimum, and stays there. So hosts
 * do not depend on each other, and a fleet costs the memory of one host.
 */
#ifndef LAB_FLEET_H
#define LAB_FLEET_H

#include "tests/lab/patterns.h"

#define FLEET_VMS_MAX 10000
#define FLEET_HOSTS_MAX 1000
#define FLEET_SAMPLES 100 /* of a run */
#define FLEET_SEEDS_MAX 1000000000u

struct fleet_plan {
	unsigned vms;
	unsigned hosts;
	uint64_t host_pages;
	uint64_t mem_pages[FLEET_VMS_MAX];
	unsigned host[FLEET_VMS_MAX];	    /* FLEET_HOSTS_MAX: no host can promise its minimum */
	uint64_t allotted[FLEET_HOSTS_MAX]; /* and what its VMs are promised: */
	uint64_t promised[FLEET_HOSTS_MAX]; /* minimums */
	unsigned vms_of_host[FLEET_HOSTS_MAX];
	unsigned refused;
};

/* Sums over all hosts in one part of the run; pages are those of its last period. */
struct fleet_sample {
	uint64_t demanded; /* page-periods, as is the next */
	uint64_t unmet;
	uint64_t held_pages;
	uint64_t ballooned_pages;
	uint64_t spare_pages;
	unsigned hosts_short; /* memory is below low, or a vCPU waits */
};

struct fleet_result {
	unsigned vms; /* that were placed */
	uint64_t periods;
	uint64_t host_periods_pages; /* RAM of all hosts, times periods */
	uint64_t demanded;	     /* page-periods, as are the next two */
	uint64_t unmet;
	uint64_t used;
	uint64_t refaults;
	uint64_t reversals;
	uint64_t changes;
	uint64_t ended; /* VMs that were given up on */
	uint64_t shortages;
	uint64_t parts; /* what part of its demand each VM got, permille: the sum, */
	uint64_t parts_squared;
	uint64_t short_for[LAB_LATENCIES]; /* shortages that were over after so many periods */
	uint64_t reclaimed[LAB_LATENCIES]; /* pages that came so many periods after the request */
	struct fleet_sample samples[FLEET_SAMPLES];
};

/* True: at least 2 VMs and one host, within the limits, and no host gets more than LAB_VMS_MAX. */
bool fleet_fits(unsigned vms, unsigned hosts);

/* Which VMs there are, and where; the same for a seed, from 1 to FLEET_SEEDS_MAX. */
void fleet_place(struct fleet_plan *plan, unsigned vms, unsigned hosts, uint64_t seed);

/*
 * Runs it with the policy of the moment; `periods` is a multiple of FLEET_SAMPLES. `world` is for
 * its use.
 */
void fleet_run(struct lab_world *world, const struct fleet_plan *plan, unsigned pattern,
	       uint64_t seed, unsigned periods, struct fleet_result *result);

/* The first period within which so many of 1000 of all are counted; 0 if there are none. */
uint64_t fleet_quantile(const uint64_t counts[LAB_LATENCIES], unsigned permille);

/* Jain's index of what part of its demand each VM got, in permille. */
uint64_t fleet_fairness(const struct fleet_result *result);

#endif
