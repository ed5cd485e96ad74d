/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's own page tables, as a report for the operator. */
#ifndef ARCH_WALK_H
#define ARCH_WALK_H

#include "base/types.h"

struct vcpu;

/*
 * A walk of the guest's own tables, for showing it: each entry on the way, where it stands and what
 * it says. The vCPU belongs to no CPU (resident is CPU_NONE) and is not to run meanwhile. False: it
 * has never run, so it has no tables yet. Boot CPU; takes the lock of the address space.
 */
#define ARCH_WALK_LEVELS 4
struct arch_walk {
	unsigned levels; /* of the guest's paging mode; 0: paging is off */
	unsigned count;	 /* entries that were read */
	struct arch_walk_step {
		gpa_t at;
		uint64_t entry;
		bool readable; /* the second stage has a frame there */
		bool present;
		bool writable;
		bool user;
		bool accessed;
		bool large;
	} steps[ARCH_WALK_LEVELS];
	bool translated;
	gpa_t address; /* what `linear` is, guest-physical */
};
bool arch_guest_walk(struct vcpu *vcpu, uint64_t linear, struct arch_walk *walk);

#endif
