/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Breadth-first exploration of everything that can happen to a tiny world. All of the program's own
 * variables (those of the code under test included) and all of the fake memory are one state, which
 * is saved, restored and hashed; each operation is tried in each state that was not seen before.
 */
#ifndef FAKE_EXPLORER_H
#define FAKE_EXPLORER_H

#include <stdbool.h>
#include <stdint.h>

enum explorer_outcome {
	EXPLORER_IMPOSSIBLE, /* and not a thing has changed */
	EXPLORER_UNWANTED,   /* something has changed, but this is not what was to be tried */
	EXPLORER_DONE,
};

/* One operation. Fails the test when all is not well. */
typedef enum explorer_outcome (*explorer_operation)(unsigned number);

struct explorer_result {
	uint64_t states;      /* distinct ones */
	uint64_t transitions; /* operations carried out */
	unsigned depth;	      /* of the last state that was expanded */
	bool complete;	      /* there is no other state */
};

/*
 * Explores from the present state until all is seen, or `states_max` states were found or `seconds`
 * have passed. `hash` puts what makes a state different from another through explorer_mix().
 */
struct explorer_result explorer_run(explorer_operation operation, unsigned operation_count,
				    void (*hash)(void), uint64_t states_max, unsigned seconds);

void explorer_mix(uint64_t word);

/* Of a guest's or a ZEROED page that many words at its beginning matter, and the last; usually 1.
 */
extern unsigned explorer_page_words;

/* Prints one operation for people, as a line; NULL: numbers do. */
extern void (*explorer_describe)(unsigned operation);

/* The operations that led to the state which is tried now, for messages. */
void explorer_print_path(void);

/* For a teardown: if a test has failed inside of a run, prints the path and forgets the run. */
void explorer_stop(void);

#endif
