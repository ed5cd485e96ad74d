/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is in a balloon: for devices whose drivers are told which pages they get back, and keep no
 * list of them.
 */
#ifndef KERNEL_BALLOON_FIND_H
#define KERNEL_BALLOON_FIND_H

#include "kernel/vm/vm.h"

/* Neighbours in the balloon. */
struct balloon_run {
	uint64_t gfn;
	uint64_t pages; /* 0: none was found */
};

/*
 * The first run from page *next on, of at most `most` pages, which is not 0; its neighbours may be
 * in the balloon as well. *next is where to go on: the page behind the run. Bounded work, at most
 * *work entries, which is lowered by what was looked at: when it is used up before a run has begun,
 * there is none in the answer, and *next is below the end of RAM. At the end of RAM *next is 0.
 * Lock: the VM's address space, held by the caller.
 */
struct balloon_run balloon_find_run(struct s2_locked locked, const struct vm *vm, uint64_t most,
				    uint64_t *next, uint64_t *work);

#endif
