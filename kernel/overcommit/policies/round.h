/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all policies but `spare` have in common: one round of decisions. A policy says in what order
 * VMs give and how much each keeps (struct policy_rank); the round says how much is asked for, and
 * sees to the bounds, which are the same for each policy:
 *
 *	round_begin()	each target as it stands, less what it makes no sense to ask for any more;
 *			ranks are as for a VM that keeps its minimum
 *	(the policy)	fills in the ranks
 *	round_end()	below `low`, or when a vCPU waits, asks; above `high`, gives back
 *
 * What a guest says that it uses is never asked for, whatever the rank. While any vCPU waits for a
 * frame, and what VMs hold beyond `keep_pages` is not enough, they are asked for what is idle
 * beyond a margin, down to their minimum: when a vCPU has waited for long, the last resort
 * (kernel/overcommit/oom.c) ends a VM. While a VM waits that has less than its allotment, they are
 * asked for that margin, too, and for room that they have beyond their own. Pages move in portions,
 * one to the VM whose turn it is, kept in a heap: n VMs cost O(n log n). Pure; no allocation.
 */
#ifndef KERNEL_OVERCOMMIT_POLICIES_ROUND_H
#define KERNEL_OVERCOMMIT_POLICIES_ROUND_H

#include "kernel/overcommit/policy.h"

/* Levels are fixed-point numbers: one page of a VM of 100 shares. */
#define LEVEL_PAGE (1ull << 17)

void round_begin(struct policy_vm *vms, unsigned count);
void round_end(const struct policy_host *host, struct policy_vm *vms, unsigned count);

/* What it cannot do without: held less idle, plus wanted; at most its RAM. */
uint64_t round_demand_pages(const struct policy_vm *vm);

/* The level of `pages` that count for one each, `weight` times less; each given page lowers it. */
void round_rank(struct policy_vm *vm, uint64_t pages, uint64_t weight);

#endif
