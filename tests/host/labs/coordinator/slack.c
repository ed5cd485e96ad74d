/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A right answer of docs/labs/coordinator: every VM is to have what it uses and an equal slack. One
 * that has more is asked for it below the middle of low and high.
 */
#include "kernel/overcommit/policies/policies.h"

#include "base/bits.h"

#define MIB_PAGES 256ull
#define SLACK_PARTS 20 /* of its largest size, at least */
#define ASK_MOST (4 * MIB_PAGES)
#define RELEASE_MOST MIB_PAGES

/* What the guest says, or what we have seen, whichever is more. */
static uint64_t slack_used(const struct policy_vm *vm)
{
	uint64_t said = sub_floor_u64(vm->held_pages, vm->idle_pages);
	return min_u64(max_u64(said, vm->active_known ? vm->active_pages : 0), vm->held_pages);
}

/* What all of them would have beyond their use, if the host kept its high mark. */
static uint64_t slack_each(const struct policy_host *host, const struct policy_vm *vms,
			   unsigned count)
{
	uint64_t sum = host->spare_pages;
	for (unsigned i = 0; i < count; i++) {
		sum += vms[i].held_pages - slack_used(&vms[i]);
	}
	return sub_floor_u64(sum, host->high_pages) / max_u64(count, 1);
}

/* What each is asked for in this decision: its part of the way to the middle of the marks. */
static uint64_t slack_step(const struct policy_host *host, const struct policy_vm *vms,
			   unsigned count)
{
	uint64_t missing =
		sub_floor_u64((host->low_pages + host->high_pages) / 2, host->spare_pages);
	for (unsigned i = 0; i < count; i++) {
		missing = sub_floor_u64(missing,
					sub_floor_u64(vms[i].target_pages, vms[i].ballooned_pages));
	}
	return min_u64(missing / max_u64(count, 1), ASK_MOST);
}

/* Its size, in pages that it holds: use, slack, at least its minimum; as a size of its balloon. */
static uint64_t slack_goal(const struct policy_vm *vm, uint64_t slack)
{
	uint64_t least = vm->max_pages / SLACK_PARTS;
	uint64_t holds = max_u64(slack_used(vm) + max_u64(slack, least), vm->min_pages);
	uint64_t gives =
		min_u64(sub_floor_u64(vm->held_pages, holds), sub_floor_u64(vm->free_pages, least));
	return min_u64(vm->ballooned_pages + gives, vm->max_pages - vm->min_pages);
}

static uint64_t slack_target(const struct policy_host *host, const struct policy_vm *vm,
			     uint64_t slack, uint64_t step)
{
	uint64_t most = vm->max_pages - vm->min_pages;
	uint64_t balloon = min_u64(vm->ballooned_pages, most);
	uint64_t left =
		vm->unresponsive ? 0 : sub_floor_u64(vm->free_pages, vm->max_pages / SLACK_PARTS);
	uint64_t old = min_u64(min_u64(vm->target_pages, most), vm->ballooned_pages + left);
	if (!vm->attached) {
		return 0;
	}
	if (vm->wanted_pages > 0) {
		return sub_floor_u64(min_u64(old, balloon), vm->wanted_pages);
	}
	if (host->spare_pages > host->high_pages) {
		return sub_floor_u64(min_u64(old, balloon), RELEASE_MOST);
	}
	bool asked = old >= balloon && !vm->unresponsive && !vm->waiting;
	return asked ? max_u64(old, min_u64(slack_goal(vm, slack), old + step)) : old;
}

static void slack_decide(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	uint64_t slack = slack_each(host, vms, count);
	uint64_t step = slack_step(host, vms, count);
	for (unsigned i = 0; i < count; i++) {
		vms[i].new_target_pages = slack_target(host, &vms[i], slack, step);
		vms[i].reason = vms[i].new_target_pages < vms[i].target_pages ? POLICY_RETURNED
									      : POLICY_SPARE;
	}
}

const struct policy policy_coordinator = {
	.name = "coordinator",
	.rule = "each VM has what it uses, and all have the same beyond that",
	.source = "an answer of docs/labs/coordinator",
	.decide = slack_decide,
};
