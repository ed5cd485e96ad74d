/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds of demand, VM by VM: for cells of one host (cells.h) and for fleets (fleet.h). */
#ifndef LAB_PATTERNS_H
#define LAB_PATTERNS_H

#include "tests/lab/demand.h"
#include "tests/lab/world.h"

#define PATTERN_DAY 4000    /* periods */
#define PATTERN_MIN_PARTS 4 /* of its allotment is a VM's minimum */

/* What the generator knows of a VM. */
struct source {
	uint64_t seed;
	uint64_t mem_pages;
	uint64_t base;
	uint64_t until; /* the period in which `level` ends */
	uint64_t level;
	uint64_t phase;
	unsigned number;
};

/*
 * The demand behind those of pattern_name(), once one is set: each VM follows a VM of it, from a
 * moment of its own on, and from its start again behind its end.
 */
#define PATTERN_RECORDED 1000
extern const struct demand *pattern_recorded;

/* A seed of its own for each VM of a run; not 0. */
uint64_t pattern_seed(uint64_t seed, uint64_t number);

/* Adds VM `number` of a run to its host, and fills in its source. */
struct lab_vm *pattern_add(struct lab_world *world, struct source *source, uint64_t seed,
			   uint64_t mem_pages, unsigned number);

/* One period; sources[i] is of the host's VM i. */
void pattern_step(struct lab_world *world, struct source *sources, unsigned pattern);

#endif
