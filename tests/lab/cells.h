/* SPDX-License-Identifier: BSD-2-Clause */
/* What is run in the laboratory: generated demand, and incidents from public reports. */
#ifndef LAB_CELLS_H
#define LAB_CELLS_H

#include "tests/lab/world.h"

/* Kinds of demand by number; NULL behind the last. */
const char *pattern_name(unsigned pattern);

/* Runs `vms` VMs, 2 to LAB_VMS_MAX, with that demand for so many periods; the same for a seed. */
void pattern_run(struct lab_world *world, unsigned pattern, unsigned vms, uint64_t seed,
		 unsigned periods);

struct incident {
	const char *name;
	const char *what; /* goes wrong, in one line */
	const char *unit; /* of the result; less is better */
	uint64_t (*run)(struct lab_world *world);
};

/* By number; NULL behind the last. */
const struct incident *incident_at(unsigned index);

#endif
