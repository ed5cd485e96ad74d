/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Demand that was recorded: what the VMs of a real run held, over time, as tools/demand writes it.
 *
 *	aerostat-demand 1
 *	step_ms 100
 *	vms 2
 *	vm even mem_pages 3072 max_pages 6144
 *	vm odd mem_pages 3072 max_pages 6144
 *	samples 300
 *	1034 1034		pages of each VM in a step, one line for each step
 */
#ifndef LAB_DEMAND_H
#define LAB_DEMAND_H

#include <stdio.h>

#include "base/types.h"

#define DEMAND_VMS_MAX 16
#define DEMAND_SAMPLES_MAX 4096
#define DEMAND_ERROR_SIZE 160

struct demand {
	unsigned vms;
	unsigned samples;
	unsigned step_periods;
	uint64_t mem_pages[DEMAND_VMS_MAX];
	uint64_t max_pages[DEMAND_VMS_MAX];
	uint64_t pages[DEMAND_SAMPLES_MAX][DEMAND_VMS_MAX];
};

/* False: `error` says in which line what is wrong, and *demand is of no use. */
bool demand_read(struct demand *demand, FILE *file, char error[DEMAND_ERROR_SIZE]);

/* What VM `number` of a simulation needs, of so many pages allotted: as VM number % vms needed. */
uint64_t demand_pages(const struct demand *demand, unsigned number, uint64_t mem_pages,
		      uint64_t period);

#endif
