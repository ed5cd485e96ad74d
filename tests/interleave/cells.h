/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known of each eight bytes of memory. Internal to tests/interleave. */
#ifndef INTERLEAVE_CELLS_H
#define INTERLEAVE_CELLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "interleave/interleave.h"

/* An access: which bytes, which CPU, up to which release. 0: none. */
typedef uint32_t access_t;

struct cell {
	uint32_t schedule; /* of which all but the last line is */
	bool kept;	   /* its value at the beginning is in the undo list */
	access_t plain_write;
	access_t atomic_write;
	access_t plain_reads[INTERLEAVE_CPUS];
	access_t atomic_reads[INTERLEAVE_CPUS];
	uint32_t released[INTERLEAVE_CPUS];
	uint32_t scenario; /* of which these are: */
	uint8_t users, writers;
	bool is_lock;
} __attribute__((aligned(64)));

/* NULL: a CPU's own stack, or the test's. */
struct cell *cell_of(uintptr_t at);

/* Before each schedule. */
void cells_begin(unsigned cpus);

/* Before it is changed: so that it can be put back. */
void cell_keep(struct cell *cell, uintptr_t at);

/* More than one CPU uses it, and one of them writes. */
static inline bool cell_is_shared(const struct cell *cell)
{
	return cell->writers != 0 && (cell->users & (cell->users - 1)) != 0;
}

/* An access of this CPU; a race fails. */
void cell_plain(uintptr_t at, unsigned bytes, bool write, const void *from);
void cell_atomic(struct cell *cell, uintptr_t at, unsigned bytes, bool write, const void *from);

/* What a load of that order learns from the stores that it sees, and a store tells. */
void clock_acquire(const struct cell *cell, int order);
void clock_release(uint32_t *released, int order);
void clock_fence(int order);

#endif
