/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's configuration as its module's string gives it:
 *
 *	name=hungry mem=32M min=8M max=64M shares=100 on-touch=zero vcpus=2 cpu=0-1 weight=100 --
 *	arguments for the guest
 *
 * Pure: no hardware, no allocation, nothing corrected silently.
 */
#ifndef KERNEL_VM_VM_CONFIG_H
#define KERNEL_VM_VM_CONFIG_H

#include "abi/aerostat.h"
#include "base/error.h"
#include "base/types.h"

#define VM_NAME_BYTES 24

enum on_touch {
	ON_TOUCH_ZERO,	/* a zero page, charged to the guest */
	ON_TOUCH_FAULT, /* #GP in the guest */
	ON_TOUCH_STOP,	/* the guest is over */
};

struct vm_config {
	char name[VM_NAME_BYTES];
	uint64_t mem_pages; /* allotment: what it has in normal times */
	uint64_t min_pages; /* guaranteed; the balloon never asks below it */
	uint64_t max_pages; /* its RAM is [0, max) */
	uint64_t shares;    /* weight when there is not enough for all, 1..10000 */
	enum on_touch on_touch;
	unsigned vcpus;	   /* 1 .. AEROSTAT_VCPUS_MAX */
	uint64_t cpu_mask; /* processors that may run it; all ones: any */
	uint64_t weight;   /* share of the processor of each of its vCPUs, 1..10000 */
	char arguments[AEROSTAT_COMMAND_LINE_BYTES];
};

/*
 * Parses `text`. name= and mem= are required; max defaults to mem, min to a quarter of mem, shares
 * to 100, on-touch to zero, vcpus to 1, cpu to all, weight to 100. INVALID: *error says
 * what is wrong with which value, and *config holds at least the name if there was a good one.
 */
MUST_CHECK enum status vm_config_parse(const char *text, struct vm_config *config,
				       struct error *error);

/* A size such as 64M, 512K, 1G or 8192; a multiple of 4 KiB, below 2^44. */
MUST_CHECK enum status vm_config_parse_size(const char *text, size_t length, uint64_t *pages);

#endif
