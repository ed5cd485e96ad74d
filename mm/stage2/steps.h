/* SPDX-License-Identifier: BSD-2-Clause */
/* A walk of the second-stage tables, level by level, for showing it: what a processor would read.
 */
#ifndef MM_STAGE2_STEPS_H
#define MM_STAGE2_STEPS_H

#include "mm/stage2/map.h"

enum s2_step_kind { S2_STEP_EMPTY, S2_STEP_BALLOONED, S2_STEP_TABLE, S2_STEP_LEAF };

struct s2_step {
	unsigned level; /* S2_LEVELS - 1 is the root's */
	pfn_t table;	/* where the entry stands, */
	unsigned index;
	uint64_t entry; /* its value, */
	enum s2_step_kind kind;
	pfn_t pfn; /* of a table or leaf: where it leads */
	bool accessed;
	bool pinned;
};

/* The steps from the root to the entry that decides over `gfn`, which is below limit_pages. Returns
 * how many. */
unsigned s2_steps(struct s2_locked locked, gfn_t gfn, struct s2_step steps[S2_LEVELS]);

#endif
