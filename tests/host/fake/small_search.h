/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Breadth-first search through the states of a small_mm world: each operation is tried in each
 * state that was not seen before. (explorer.h does so with all variables of a program, and is
 * slower.)
 */
#ifndef FAKE_SMALL_SEARCH_H
#define FAKE_SMALL_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

/* One operation. False: impossible now, and not a thing has changed. */
typedef bool (*small_search_operation)(unsigned operation);

struct small_search_result {
	uint32_t states;   /* distinct ones */
	uint32_t expanded; /* of them with all that follows; as many as `states`: there are no more
			    */
	uint64_t steps;	   /* operations carried out */
	unsigned depth;	   /* of the last state that was found */
};

/* From the present state until all is seen, or so many states were found or seconds have passed. */
struct small_search_result small_search_run(small_search_operation operate,
					    void (*describe)(unsigned operation),
					    unsigned operation_count, uint64_t states_max,
					    uint64_t seconds);

/* If a test has failed inside of a run, prints the operations that led there; forgets the run. */
void small_search_stop(void);

#endif
