/* SPDX-License-Identifier: BSD-2-Clause */
/* Who goes on, and which choice is made. Internal to tests/interleave. */
#ifndef INTERLEAVE_CPUS_H
#define INTERLEAVE_CPUS_H

#include <stdbool.h>
#include <stdint.h>

#include "interleave/interleave.h"

/*
 * Runs one schedule, and `judge` behind it; then everything is as before. Answers NULL, or why it
 * failed. Asks cpus_choose() wherever there is a choice.
 */
const char *cpus_run(const struct scenario *scenario, unsigned preemptions, unsigned delays,
		     void (*judge)(void));

extern uint64_t cpus_points; /* of the last schedule */
extern bool cpus_showing;    /* step by step */

extern bool cpus_active; /* a CPU of a schedule runs, not the test */
extern unsigned cpus_now;
extern bool cpus_replays;   /* a schedule that was given: each access is a point */
extern uint32_t cpus_steps; /* of this schedule so far: names its choices */

/* Memory has changed: a CPU that waits for others' changes may look again. */
void cpus_changed(unsigned by);
/* A place where this CPU may be stopped, before it does `what`. */
void cpus_point(const char *what, uintptr_t at, const void *from);
/* One of `count` ways; the first, unless the search is to try another. */
unsigned cpus_choose(unsigned count);
/* Takes one off the bound on delays; false: it is used up. */
bool cpus_may_delay(void);
void cpus_delayed(void);
/* Only while a schedule is shown. */
void cpus_tell(const char *what, uintptr_t at, const void *from);

/* ---- From names.c ---- */

/* The function or variable that the address is in, with an offset. */
const char *name_of(uintptr_t at);

#endif
