/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the races share. vCPU 0 is the one that gives and takes pages; the others are at its throat.
 * Races go in rounds, which vCPU 0 opens and closes; in between, no vCPU waits. The
 * library's allocator hands out what the races run on and is not asked again, and its balloon
 * driver is not attached.
 */
#ifndef GUESTS_RACER_RACE_H
#define GUESTS_RACER_RACE_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/aerostat.h"
#include "guests/lib/exit_codes.h"

#define EXTENT_PAGES 512
#define ORDER_4K 0
#define ORDER_2M 9
#define POOL_PAGES (2 * EXTENT_PAGES)

struct race_arguments {
	uint64_t rounds;
	uint64_t offset; /* instructions for which vCPU 0 waits in each round before it begins */
	uint64_t order;
	uint64_t seed;
};

extern struct race_arguments race_arguments;

/* Two extents of 2 MiB, the last ones of RAM: what is behind them is refused. */
extern uint64_t pool_first;

/* What a vCPU has seen. The digest depends on the order in which it has seen it. */
struct tally {
	uint64_t reads;
	uint64_t writes;
	uint64_t runs;
	uint64_t faults;
	uint64_t old;  /* found what vCPU 0 had written */
	uint64_t zero; /* found zeros */
	uint64_t own;  /* found what one of the others had written */
	uint64_t calls;
	uint64_t digest;
	uint64_t random;
} __attribute__((aligned(128)));

extern struct tally tallies[AEROSTAT_VCPUS_MAX];

/* Finds the pool and attaches a balloon page. An exit code. */
int race_init(void);

/* Pages in the balloon, as the hypervisor says. */
uint64_t race_balloon_size(void);

static inline void *page_address(uint64_t gfn)
{
	return (void *)(gfn * 4096);
}

/* The next random number of this vCPU. */
uint64_t race_random(void);
static inline uint64_t race_random_below(uint64_t limit)
{
	return race_random() % limit;
}

/* Something was seen. */
void race_note(uint64_t what);

/* About so many instructions. */
void race_delay(uint64_t instructions);

/* vCPU 0: opens a round and waits until the others are ready; closes it, and waits for them. */
void race_open(void);
void race_close(void);

/*
 * The others: waits until the next round is open (false after race_end()), says that it is ready,
 * asks whether the round is still open, says that it is through.
 */
bool race_enter(void);
void race_ready(void);
bool race_is_open(void);
void race_leave(void);

/* vCPU 0: there is no other round. */
void race_end(void);

/* Ranges of this vCPU, in a page of their own. */
struct aerostat_range *race_ranges(void);

/* A call over one range; answers its status, or fails with a line if the call is refused. */
uint8_t race_call(uint64_t call, uint64_t gfn, unsigned order, uint64_t count);

/* Takes these pages out of the balloon, one by one, those that are in it. */
void race_return_all(uint64_t gfn, uint64_t count);

/* A line, and the end of the VM. */
_Noreturn void race_fail(const char *what, uint64_t found, uint64_t address, int code);

/* The races; on every vCPU. */
void race_touch(void *unused);	 /* H3 */
void race_rewrite(void *unused); /* H4 */
bool race_start(void);		 /* misuse of the calls for vCPUs, on vCPU 0 */

#endif
