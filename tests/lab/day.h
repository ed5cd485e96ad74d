/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many VMs a host carries: a day of recorded demand (demand.h), whose steps are stretched. The
 * host has as much RAM as `static_vms` VMs have at their peaks, so that many need no balloon; more
 * are started, as far as the host can promise each its guaranteed part, a quarter of its peak. The
 * rest is oversubscribed: allotted in proportion, and claimed by who needs it.
 *
 * VMs come in groups, one for each VM of the recording. A group follows the recording from a moment
 * of its own on, its VMs together, as they were recorded.
 *
 * What a VM loses: each period in which it lacks any page that it needs at once counts as lost, all
 * of it, and each refault as a read of DAY_REFAULT_US.
 */
#ifndef LAB_DAY_H
#define LAB_DAY_H

#include "tests/lab/demand.h"
#include "tests/lab/world.h"

#define DAY_REFAULT_US 100
#define DAY_GUARANTEED_PARTS 4

struct day_result {
	uint64_t host_pages;
	unsigned vms;	  /* that were admitted */
	unsigned refused; /* because their guaranteed part could not be promised */
	unsigned ended;	  /* that were given up on */
	uint64_t periods;
	uint64_t used_permille;
	uint64_t lost_ppm[LAB_VMS_MAX]; /* of the day, by VM, least first */
};

/* The most pages that VM `vm` of the recording ever needed. */
uint64_t day_peak_pages(const struct demand *demand, unsigned vm);

/*
 * With the policy of the moment. `vms` is at most LAB_VMS_MAX; each step of the demand lasts
 * `stretch` times as long as recorded; `world` is for its use. False: the host would have no RAM,
 * or its VMs would never need a page.
 */
bool day_run(struct lab_world *world, const struct demand *demand, unsigned static_vms,
	     unsigned vms, unsigned stretch, struct day_result *result);

/* What the VM loses that so many of 1000 VMs lose no more than. */
uint64_t day_lost_ppm(const struct day_result *result, unsigned permille);

#endif
