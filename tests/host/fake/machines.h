/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMs that are run by any number of threads at once (threads.h): they begin and die, and meanwhile
 * their guests fault and use their pages, and give, take back, join, split and sample them. What is
 * found in a page is compared with what was written there; a wrong word ends the program.
 */
#ifndef FAKE_MACHINES_H
#define FAKE_MACHINES_H

#include "mm/stage2/map.h"
#include "mm/stage2/sample.h"

#define MACHINES 3
#define LIMIT 1060u
#define KEPT 512u /* gfns below are never given away */

enum life { ABSENT, CHANGING, ALIVE };

struct machine {
	struct s2 s2;
	enum life life; /* whoever moves it to CHANGING begins or ends the VM */
	uint32_t users; /* CPUs between look and leave */
	uint64_t lives; /* how often it was begun */
	bool pinned;	/* under the address space's lock */
	struct s2_sample sample;
};

extern struct machine machines[MACHINES];

/* Guests touch pages below, and so often at the most in one stay. */
extern uint64_t machine_reach;
extern uint64_t machine_longest_stay;

enum event {
	FAULTS,
	REFUSED,
	GIVEN,
	RETURNED,
	JOINS,
	MOVES,
	SPLITS,
	DEATHS,
	SCRUBBED,
	AUDITS,
	SAMPLES,
	IDLE_SAMPLES,
	EVENTS
};

extern uint64_t events[EVENTS];
void event_count(enum event event);

/* Nothing happens when another CPU is at it, or there is nothing to begin or to end. */
void machine_begin(struct machine *machine);
void machine_end(struct machine *machine);
enum life machine_life(const struct machine *machine);

/* False: it is not there. Else it does not end before this CPU leaves it. */
bool machine_enter(struct machine *machine);
void machine_leave(struct machine *machine);

/* One stay in the guest, and the fault that it ends with. */
void machine_use_memory(struct machine *machine);

/* Some stays, and whatever else can be done to its memory in between. */
void machine_use(struct machine *machine);

/* All pages of the kept half, one by one: what can be joined. */
void machine_fill(struct machine *machine);

/*
 * One page of a large one is given away, and another frame comes in its place: a join has to move
 * the rest.
 */
void machine_scatter(struct machine *machine);

#endif
