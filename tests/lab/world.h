/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The policy laboratory: a simulated host with VMs, on which the policies of
 * kernel/overcommit/policies/ decide, unmodified. One step is one period of the governor, 10 ms.
 * Integers only, so a run is the same on every machine.
 *
 * A guest has pages that it needs (hot), pages that it needs now and then (warm: a cache, which it
 * calls idle), and pages that it once used (idle). A hot page that it lacks is unmet demand. A warm
 * page that was taken from it and that it needs again is a refault. Its driver follows the target
 * with a delay and a speed; it gives idle pages, then warm ones. A guest that cannot have more
 * pages because of its balloon takes them out of it by itself. When a VM waits for four seconds,
 * and none gives a page meanwhile, the host gives up on the VM that holds most beyond its
 * allotment, as oom.c does.
 */
#ifndef LAB_WORLD_H
#define LAB_WORLD_H

#include "kernel/overcommit/policy.h"
#include "tests/lab/asks.h"

#define LAB_VMS_MAX 64
#define LAB_DELAY_MAX 64
#define LAB_PERIOD_MS 10

struct lab_vm {
	struct policy_vm view;
	/* What it is like. */
	uint64_t speed;	 /* pages that its driver moves in a period */
	unsigned delay;	 /* periods until its driver knows of a target; less than LAB_DELAY_MAX */
	bool blind;	 /* its driver gives hot pages, too */
	bool frozen;	 /* its statistics stay as they are */
	bool hides_warm; /* it does not call warm pages idle */
	bool stays; /* it takes nothing out of its balloon by itself, and waits for the target */
	/* What it needs now: set before each step. */
	uint64_t hot_wanted;
	uint64_t warm_wanted;
	/* What it has: hot + warm + idle pages are held. */
	uint64_t hot;
	uint64_t warm;
	uint64_t idle;
	uint64_t warm_lost; /* taken from its cache, and not read again yet */
	uint64_t targets[LAB_DELAY_MAX];
	struct lab_asks asks;
	/* What was measured. */
	int direction;
	uint64_t reversals;
	uint64_t changes;
	uint64_t refaults;
	uint64_t hot_taken;    /* by a driver that is blind */
	uint64_t unmet;	       /* page-periods */
	uint64_t demanded;     /* page-periods */
	uint64_t starving;     /* periods that it has waited */
	bool ended;	       /* given up on, so that others have memory */
	uint64_t lacking;      /* periods in which it lacked more than a hundredth */
	uint64_t last_lacking; /* the last of them, counted from 1 */
};

struct lab_world {
	uint64_t total_pages;
	unsigned count;
	struct lab_vm vms[LAB_VMS_MAX];
	struct policy_host host;
	uint64_t period;
	uint64_t used;			   /* page-periods of hot and warm pages */
	uint64_t short_since;		   /* period + 1; 0: the host is not short */
	unsigned latencies[LAB_LATENCIES]; /* how often it was short for so many periods */
	uint64_t shortages;
	uint64_t reclaimed[LAB_LATENCIES]; /* pages that came so many periods after the request */
	uint64_t last_given;		   /* the period in which a driver last gave a page */
	uint64_t last_ended;		   /* or the host last gave up on a VM */
	struct policy_vm views[LAB_VMS_MAX];
};

/* Numbers that depend on *seed only; not 0. */
uint64_t lab_draw(uint64_t *seed, uint64_t limit);

/* An empty world. A VM that is added has nothing, and an ordinary driver. */
void lab_start(struct lab_world *world, uint64_t total_pages);
struct lab_vm *lab_add(struct lab_world *world, uint64_t min_pages, uint64_t mem_pages,
		       uint64_t max_pages, uint64_t shares);

/* One period: guests, drivers, the decision, sums. */
void lab_step(struct lab_world *world);

uint64_t lab_spare(const struct lab_world *world);

/* So many of 1000 shortages were over within the answer, in ms. */
uint64_t lab_latency_ms(const struct lab_world *world, unsigned permille);

/* The policy of the moment, unless a measurement stands between. */
extern void (*lab_decide)(const struct policy_host *host, struct policy_vm *vms, unsigned count);

/* Jain's index of what part of its demand each VM got, in permille. */
uint64_t lab_fairness(const struct lab_world *world);

#endif
