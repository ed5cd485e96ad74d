/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules that hold for every policy, spare.c and round.c alike: which driver is relied on, which
 * targets stand, what a guest keeps for its own allocator. Pure.
 */
#ifndef KERNEL_OVERCOMMIT_POLICIES_RULES_H
#define KERNEL_OVERCOMMIT_POLICIES_RULES_H

#include "base/bits.h"
#include "kernel/lib/tunables.h"
#include "kernel/overcommit/policy.h"

/* Its driver can be expected to act: it has one, that answers, and that is not waiting itself. */
static inline bool rules_can_give(const struct policy_vm *vm)
{
	return vm->attached && !(vm->unresponsive | vm->mute) && (!vm->waiting || vm->acts);
}

/* Asked for already, and not given. */
static inline uint64_t rules_asked_pages(const struct policy_vm *vm)
{
	return sub_floor_u64(vm->new_target_pages, vm->ballooned_pages);
}

/* Of that, what is likely to come: not more than the guest has lying idle. */
static inline uint64_t rules_pending_pages(const struct policy_vm *vm)
{
	return rules_can_give(vm) && !vm->slow ? min_u64(rules_asked_pages(vm), vm->idle_pages) : 0;
}

/*
 * A guest keeps this much of its free pages. Never-touched ones serve as well as idle ones, so idle
 * pages need to cover only what is missing.
 */
static inline uint64_t rules_margin_pages(const struct policy_vm *vm)
{
	return max_u64(tunables.margin_least_pages, vm->free_pages / tunables.margin_parts);
}

/* Pages move in pieces of this size, so that several VMs share what there is to give. */
static inline uint64_t rules_portion(uint64_t total)
{
	return max_u64(tunables.portion_least_pages, total / tunables.portion_parts);
}

/* The target as it stands, less what it makes no sense to ask for any more. */
static inline void rules_stand(struct policy_vm *vm)
{
	vm->new_target_pages = 0;
	vm->reason = POLICY_DETACHED;
	if (!vm->attached) {
		return;
	}
	vm->reason = POLICY_KEEPS;
	if (vm->target_pages == 0) {
		return;
	}
	uint64_t most = sub_floor_u64(vm->max_pages, vm->min_pages);
	vm->reason = vm->target_pages > most ? POLICY_BOUND : POLICY_KEEPS;
	vm->new_target_pages = min_u64(vm->target_pages, most);
	uint64_t asked = rules_asked_pages(vm);
	if (asked == 0) {
		return;
	}
	/* What the guest has come to use since it was asked, it need not give. */
	uint64_t left = vm->unresponsive ? 0 : vm->free_pages;
	if (left < asked) {
		vm->new_target_pages = vm->ballooned_pages + left;
		vm->reason = vm->unresponsive ? POLICY_SILENT : POLICY_USED;
	}
}

/*
 * A guest gets up to `pages` back from its own balloon; one that has not given what it was asked
 * for gets nothing, for its word is no good. Returns how many it gets.
 */
static inline uint64_t rules_grant(struct policy_vm *vm, uint64_t pages, enum policy_reason reason)
{
	uint64_t granted = vm->unresponsive ? 0 : min_u64(pages, vm->new_target_pages);
	vm->new_target_pages -= granted;
	vm->reason = granted > 0 ? reason : vm->reason;
	return granted;
}

/* The host has plenty: what was not given yet is not asked for. Returns what balloons may shrink
 * by. */
static inline uint64_t rules_surplus_pages(const struct policy_host *host, struct policy_vm *vms,
					   unsigned count)
{
	uint64_t deflating = 0;
	for (unsigned i = 0; i < count; i++) {
		if (vms[i].new_target_pages > vms[i].ballooned_pages) {
			vms[i].new_target_pages = vms[i].ballooned_pages;
			vms[i].reason = POLICY_VOID;
		}
		deflating += vms[i].ballooned_pages - vms[i].new_target_pages;
	}
	return sub_floor_u64(host->spare_pages - host->high_pages, deflating);
}

#endif
