/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM whose test plays its balloon driver: calls over ranges until all of them are judged, with
 * checks after each, and words written to its pages.
 */
#ifndef FAKE_DRIVER_H
#define FAKE_DRIVER_H

#include "fake/kernel.h"

#define DRIVER_PAGES 3000ull	/* of RAM */
#define DRIVER_NO_ARRAY 2999ull /* where the array is when a test does not care */

extern struct vm *driver_vm;
extern struct vcpu *driver_vcpu; /* its only one */

/* A world of 5000 frames with this VM alone: promised 100 pages, allotted 2000. */
void driver_start(void);

struct aerostat_range driver_range(uint64_t gfn, unsigned order, uint32_t count);

/* Calls until all ranges are judged, as a driver does; the world is checked after each call. */
void driver_work_off(enum balloon_operation operation, struct aerostat_range *ranges,
		     unsigned count, uint64_t array);

/* The same for one range; what became of it. */
struct aerostat_range driver_surrender(struct aerostat_range r);
struct aerostat_range driver_return(struct aerostat_range r);
struct aerostat_range driver_report(struct aerostat_range r);
struct aerostat_range driver_emergency(struct aerostat_range r);

/* A page's first and last word. */
void driver_write(uint64_t gfn, uint64_t word);
uint64_t driver_read(uint64_t gfn);

#endif
