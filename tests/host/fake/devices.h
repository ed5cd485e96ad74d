/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What exits, entries and the scheduler ask of a virtual PC (kernel/vm/platform.h), for tests that
 * have none of its devices: answers that a test sets, and a record of what was asked. No VM without
 * devices gets here. platform_memory() is not among them: tests of guest_device.c have their own.
 */
#ifndef FAKE_DEVICES_H
#define FAKE_DEVICES_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/vm/platform.h"

extern struct fake_devices {
	/* Answers. */
	uint8_t ready;	    /* the vector to deliver now, or 0 */
	bool nmi;	    /* there is one */
	uint8_t instead;    /* what is taken in place of it; 0: itself */
	uint8_t priority;   /* the task priority's class */
	uint64_t next_tick; /* of platform_tick() */
	uint64_t value;	    /* what ports and MSRs read as */
	bool refuses;	    /* MSRs: #GP */
	bool quick;	    /* their writes concern the timer alone: `next_tick` */

	/* What was asked. */
	unsigned looks;
	uint8_t taken, put_back;
	unsigned nmis_taken, nmis_put_back, initialized;
	unsigned ticks;
	uint64_t ticked_at_tsc;
	uint16_t port;
	struct device_access access;
	unsigned port_accesses;
	uint32_t msr;
	uint64_t msr_written;
	unsigned targets_told; /* to the device of a balloon */
	unsigned calls;	       /* of the hypervisor that as= names */
	bool call_privileged;
} fake_devices;

void fake_devices_reset(void);

/* For vm->platform of a VM that has some. */
struct platform *fake_devices_of_a_vm(void);

#endif
