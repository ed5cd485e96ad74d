/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every order in which two or three CPUs can do what they do: the real sources, run again and again
 * from one state, each time with other moments at which one CPU stops and another goes on.
 *
 * The sources are compiled with the compiler's instrumentation for thread sanitizers, but linked
 * with our own functions (entry.c): so each access to memory calls memory.c first. CPUs are
 * coroutines of one thread (cpus.c). A CPU can be stopped before
 *
 *   - an atomic access to a word that another CPU uses too, and one of them writes;
 *   - the acquisition of a lock that another CPU takes too;
 *   - a step of the fake processor (guests.c), which uses the same words.
 *
 * To stop it elsewhere leads to no other result: what is between is seen by itself alone. That is
 * so only if no plain access races with another CPU's, and so vector clocks watch each of them; a
 * race fails. Which words are shared is learned while it runs: a new one begins the search anew.
 *
 * The search is by replay: a schedule is the list of what was chosen where there was a choice. It
 * ends when each choice was made in each way, within the bound on preemptions. A failure prints its
 * schedule, step by step, and SCHEDULE=... runs that one again.
 */
#ifndef INTERLEAVE_H
#define INTERLEAVE_H

#include <stdbool.h>
#include <stdint.h>

#define INTERLEAVE_CPUS 3

struct scenario {
	const char *name; /* of what each CPU does */
	unsigned cpus;
	void (*run[INTERLEAVE_CPUS])(void);
	void (*check)(void);	   /* after each schedule: calls interleave_fail() */
	uint64_t (*outcome)(void); /* must be that of a run without preemptions; NULL: any */
	unsigned preemptions;	   /* at most so many in one schedule */
	/*
	 * With store buffers: this many times in one schedule a CPU reads a word before another
	 * one's store to it has arrived. 0: each store arrives at once.
	 */
	unsigned delays;
	bool locks_are_code; /* a lock's words are like any others; else a lock is one step */
};

struct interleave_total {
	uint64_t scenarios;
	uint64_t schedules;
	uint64_t points;  /* places at which a CPU could have been stopped */
	uint64_t stopped; /* scenarios with more schedules than INTERLEAVE_MOST */
};

/* Memory that the code under test works on, zeroed; the program's variables are besides. */
void *interleave_memory(uint64_t bytes);

/*
 * Searches all schedules of a scenario, each from what memory is now, and leaves it so. False:
 * one has failed, and was printed.
 */
bool interleave_explore(const struct scenario *scenario, struct interleave_total *total);

/* INTERLEAVE_SHARE=n/m: only each m-th scenario is to be searched here, from the n-th on. */
bool interleave_is_mine(void);

/* The schedule has failed. Also panic()'s end. */
_Noreturn void interleave_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- For what runs as a CPU ---- */

/* The CPU that runs; INTERLEAVE_CPUS outside of a schedule. */
unsigned interleave_cpu(void);

/* Waits until another CPU has changed something that this one could see. */
void interleave_pause(void);

/*
 * Waits until the function says so. `rests`: where no CPU can go on any more the schedule may end
 * with this one waiting, which is not taken for a deadlock.
 */
void interleave_wait(bool (*until)(void), bool rests);

#endif
