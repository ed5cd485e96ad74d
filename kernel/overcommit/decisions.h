/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last decisions about each VM's target, with what they were made from: for the operator, who
 * asks why. Boot CPU only.
 */
#ifndef KERNEL_OVERCOMMIT_DECISIONS_H
#define KERNEL_OVERCOMMIT_DECISIONS_H

#include "kernel/overcommit/policy.h"

struct vm;

#define DECISIONS_KEPT 8 /* of each VM */

struct decision {
	uint64_t tsc;
	enum policy_reason reason;
	bool waiting;	 /* a VM waited for a frame */
	bool overridden; /* the operator's target stands in its place */
	bool bounded;	 /* the least that the operator's max leaves */
	uint64_t old_target_pages;
	uint64_t new_target_pages;
	uint64_t spare_pages; /* of the host, and its thresholds */
	uint64_t low_pages;
	uint64_t high_pages;
	uint64_t reclaim_pages; /* so many were to be spare by a request; 0: none was open */
	uint64_t held_pages;	/* of the VM, as are the next; two of them are its guest's word */
	uint64_t ballooned_pages;
	uint64_t free_pages;
	uint64_t idle_pages;
	uint64_t wanted_pages;
};

/*
 * None has been made. `views` are what the policy sees of each VM, in the order of their table, and
 * `host` of the host: the caller keeps them up to date. Boot.
 */
void decisions_init(const struct policy_host *host, const struct policy_vm *views);

/* The target of a VM changes to `target_pages`, by the policy or by the operator. */
void decisions_add(const struct vm *vm, uint64_t target_pages, bool waiting, uint64_t now_tsc);

/* The same where it mostly stays as it is. */
static inline void decisions_note(const struct vm *vm, uint64_t old_pages, uint64_t target_pages,
				  bool waiting, uint64_t now_tsc)
{
	if (__builtin_expect(target_pages != old_pages, 0)) {
		decisions_add(vm, target_pages, waiting, now_tsc);
	}
}

/* The one before which `back` others were made later; false: it is not kept. */
bool decisions_read(const struct vm *vm, unsigned back, struct decision *decision);

/* What the policy saw of the VM in its last period, whether or not it changed anything. */
const struct policy_vm *decisions_last_view(const struct vm *vm);
const struct policy_host *decisions_last_host(void);

/* A reason in words, such as "asked for idle pages". */
const char *decisions_reason_text(enum policy_reason reason);

#endif
