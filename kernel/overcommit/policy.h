/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which VM should give how much: a pure function from statistics to balloon targets. No globals, no
 * hardware, no allocation; the same code runs in host tests and simulations. All sizes in pages.
 *
 * There are several such functions, one file each in kernel/overcommit/policies/, and one of them
 * decides (kernel/overcommit/policy.c). docs/policy.md describes them. What holds for each: no
 * target is more than max - min; a VM without a driver has none; no VM is asked for more while the
 * host has plenty; the same views give the same targets. Plenty is more than high_pages of the host
 * to spare, but for `threshold`: it replaces low_pages and high_pages by parts of the host's
 * memory, 20 % and 25 %, unless those are higher.
 */
#ifndef KERNEL_OVERCOMMIT_POLICY_H
#define KERNEL_OVERCOMMIT_POLICY_H

#include "base/error.h"
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
	POLICY_CLAIMED,	 /* below what the policy grants it; others are above theirs */
	POLICY_REASONS,
};

struct policy_host {
	uint64_t spare_pages; /* free and promised to no VM */
	uint64_t low_pages;
	uint64_t high_pages;
	unsigned idle_tax_percent; /* 0: what is in use makes no difference; at most 99 */
	uint64_t total_pages;	   /* all that VMs can have */
	uint64_t passed_us;	   /* since the last decision */
	bool harder; /* for a reclaim, VMs are asked as if one waited below its allotment */
};

#define POLICY_MEMORY_WORDS 3

/* What a policy says of one VM in one decision (kernel/overcommit/policies/round.h). */
struct policy_rank {
	uint64_t level;	     /* the VM of the highest gives first, that of the lowest gets first */
	uint64_t fall;	     /* of the level with each page that it gives, */
	uint64_t knee_pages; /* up to so many of them; */
	uint64_t fall_after; /* and then */
	uint64_t keep_pages; /* not asked to hold less, unless a vCPU waits or for a reclaim at
				harder */
	uint64_t want_pages; /* so many it gets back from its own balloon, */
	bool claims;	     /* and as many as it lacks of keep_pages, if others hold more */
	/* The round's own. */
	uint64_t key;
	uint64_t room_pages;
	uint64_t place_pages; /* of a place of turns.h, not of this VM; as is the next */
	unsigned place_count;
	unsigned slot;
};

struct policy_vm {
	/* In. */
	uint64_t min_pages;
	uint64_t mem_pages;
	uint64_t max_pages;
	uint64_t held_pages;
	uint64_t ballooned_pages;
	uint64_t target_pages; /* as it stands */
	uint64_t free_pages;   /* the guest's word, as are the next three */
	uint64_t idle_pages;
	uint64_t wanted_pages;
	uint64_t refault_pages;	 /* swapped in, or taken back unasked, since the last decision */
	uint64_t active_pages;	 /* of held_pages, in use; an estimate of ours ... */
	bool active_known;	 /* ... if there is one */
	uint64_t shares;	 /* > 0 */
	uint64_t buffer_percent; /* buffer= */
	bool attached;		 /* has a driver */
	bool slow; /* has been asked for some time and has given nothing: not relied on */
	bool mute; /* gave nothing to a reclaim that asked it: not relied on, nor asked for more */
	bool unresponsive; /* did not move when it was asked */
	bool waiting;	   /* a vCPU of it waits for a frame */
	bool acts;	   /* and another one could answer meanwhile */
	/* In and out: the policy's own, zero at first and after a change of policy. */
	uint64_t memory[POLICY_MEMORY_WORDS];
	/* Ours, while deciding: what a page that it could give counts for. */
	uint64_t weight;
	struct policy_rank rank;
	/* Out. */
	uint64_t new_target_pages;
	enum policy_reason reason;
};

/* One way to decide. Its numbers are lines of kernel/lib/tunables.def. */
struct policy {
	const char *name;
	const char *rule;   /* in one line, for the operator */
	const char *source; /* where it was published, in words */
	bool uses_shares;
	void (*decide)(const struct policy_host *host, struct policy_vm *vms, unsigned count);
};

/* By number, the default first; NULL behind the last. */
const struct policy *policy_at(unsigned index);

/* The one that decides. Boot CPU, as is the next. */
const struct policy *policy_now(void);

/*
 * Another one decides from the next period on; targets stay as they are until then, and it begins
 * with the memory of none before it. NOT_FOUND: *error names those that there are, and nothing has
 * changed.
 */
MUST_CHECK enum status policy_select(const char *name, size_t length, struct error *error);

/* Decides for `count` VMs by the policy of the moment. */
void policy_decide(const struct policy_host *host, struct policy_vm *vms, unsigned count);

/* How often the policy has changed: what a view remembers of another one is void. */
unsigned policy_changes(void);

#endif
