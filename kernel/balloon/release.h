/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Empties a balloon without its driver: after a reset the driver has forgotten what it gave, and
 * the guest uses all of its RAM again.
 */
#ifndef KERNEL_BALLOON_RELEASE_H
#define KERNEL_BALLOON_RELEASE_H

#include "kernel/vm/vm.h"

/*
 * Takes out of the balloon what lies from *next on; those pages have no frame then, and read as
 * zeros when they are touched. Bounded work: false, and *next is where to go on; true, and *next is
 * 0: the balloon was empty when the call came to the end. What enters it between two calls below
 * *next stays. Counts as returned. Lock: the VM's address space, held by the caller.
 */
MUST_CHECK bool balloon_release_step(struct s2_locked locked, struct vm *vm, uint64_t *next);

#endif
