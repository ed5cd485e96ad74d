/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which VM should give how much: a pure function from statistics to balloon targets. No globals, no
 * hardware, no allocation; the same code runs in host tests and simulations. All sizes in pages.
 *
 * Between `low` and `high` no VM is asked for more, nor given any back unless it wants some
 * (that gap keeps two VMs from passing memory to and fro). A request that was not met is void as
 * far as the guest has come to use its free pages itself.
 *
 * Below `low`, or when a vCPU waits, VMs are asked, each time the one with the most to give per
 * share first, never below its minimum and never for what the guest says it uses:
 *
 *	1. idle pages (free, touched before) beyond a margin for the guest's own allocator;
 *	2. all idle pages,				   } only while a VM waits that
 *	3. room to grow beyond the allotment, idle or not, } has less than its own allotment.
 *
 * Idle memory is taxed: where an estimate says how much of what a VM holds is in use,
 * what it has to give counts for more, up to 1 / (1 - tax) times as much if all of it is idle. That
 * changes which VM is asked first, nothing else: a guest without pages to spare has none to give
 * whatever the estimate says, and the bounds above hold. With equal shares, the VM that uses its
 * memory keeps up to that many times as many spare pages; shares weigh against it.
 *
 * Above `high` what was asked for and not given is no longer asked for, and balloons deflate.
 */
#ifndef KERNEL_OVERCOMMIT_POLICY_H
#define KERNEL_OVERCOMMIT_POLICY_H

#include "base/types.h"

/* Why a target is what it is now: the last thing that changed it in this decision. */
enum policy_reason {
	POLICY_KEEPS,	 /* it is as it was */
	POLICY_DETACHED, /* it has no driver: there is no target */
	POLICY_BOUND,	 /* it was beyond what its minimum allows */
	POLICY_USED,	 /* the guest has come to use what it was asked for */
	POLICY_SILENT,	 /* its driver does not answer: what was not given is not waited for */
	POLICY_WANTED,	 /* the guest wants pages, and gets them from its own balloon */
	POLICY_SPARE,	 /* asked for idle pages beyond a margin */
	POLICY_IDLE, /* asked for idle pages of that margin, too: a VM waits below its allotment */
	POLICY_GROWTH,	 /* asked not to grow beyond its allotment, for the same reason */
	POLICY_VOID,	 /* the host has plenty: what was not given yet is not asked for */
	POLICY_RETURNED, /* the host has plenty: its balloon may shrink */
	POLICY_REASONS,
};

struct policy_host {
	uint64_t spare_pages; /* free and promised to no VM */
	uint64_t low_pages;
	uint64_t high_pages;
	unsigned idle_tax_percent; /* 0: what is in use makes no difference; at most 99 */
};

struct policy_vm {
	/* In. */
	uint64_t min_pages;
	uint64_t mem_pages;
	uint64_t max_pages;
	uint64_t held_pages;
	uint64_t ballooned_pages;
	uint64_t target_pages; /* as it stands */
	uint64_t free_pages;   /* the guest's word, as are the next two */
	uint64_t idle_pages;
	uint64_t wanted_pages;
	uint64_t active_pages; /* of held_pages, in use; an estimate of ours ... */
	bool active_known;     /* ... if there is one */
	uint64_t shares;       /* > 0 */
	bool attached;	       /* has a driver */
	bool slow;	   /* has been asked for some time and has given nothing: not relied on */
	bool unresponsive; /* did not move when it was asked */
	bool waiting;	   /* a vCPU of it waits for a frame */
	bool acts;	   /* and another one could answer meanwhile */
	/* Ours, while deciding: what a page that it could give counts for. */
	uint64_t weight;
	/* Out. */
	uint64_t new_target_pages;
	enum policy_reason reason;
};

void policy_decide(const struct policy_host *host, struct policy_vm *vms, unsigned count);

#endif
