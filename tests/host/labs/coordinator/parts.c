/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A right answer of docs/labs/coordinator: below low, what is missing up to high is asked for in
 * parts, to each VM in proportion to what it could give; above high, balloons shrink in proportion
 * to their sizes.
 */
#include "kernel/overcommit/policies/policies.h"

#include "base/bits.h"
#include "kernel/overcommit/policies/rules.h"

#define MIB_PAGES 256ull
#define FLOOR_PARTS 24
#define ASK_MOST (4 * MIB_PAGES)
#define RELEASE_MOST MIB_PAGES

/* What stands of its target, after the guest has got what it wants. */
static uint64_t parts_stand(const struct policy_vm *vm)
{
	if (!vm->attached) {
		return 0;
	}
	uint64_t target = min_u64(vm->target_pages, vm->max_pages - vm->min_pages);
	uint64_t left =
		vm->unresponsive ? 0 : sub_floor_u64(vm->free_pages, vm->max_pages / FLOOR_PARTS);
	target = min_u64(target, vm->ballooned_pages + left);
	return vm->wanted_pages == 0
		       ? target
		       : sub_floor_u64(min_u64(target, vm->ballooned_pages), vm->wanted_pages);
}

/* What it could be asked for beyond that. Its statistics may be old: what we see in use counts. */
static uint64_t parts_givable(const struct policy_vm *vm)
{
	uint64_t unused = sub_floor_u64(vm->held_pages, vm->active_known ? vm->active_pages : 0);
	uint64_t most =
		min_u64(vm->idle_pages, sub_floor_u64(vm->free_pages, vm->max_pages / FLOOR_PARTS));
	most = min_u64(min_u64(most, unused), sub_floor_u64(vm->held_pages, vm->min_pages));
	most = sub_floor_u64(most, rules_asked_pages(vm));
	most = min_u64(most, sub_floor_u64(vm->max_pages - vm->min_pages,
					   max_u64(vm->new_target_pages, vm->ballooned_pages)));
	return rules_can_give(vm) && vm->wanted_pages == 0 ? most : 0;
}

static void parts_ask(struct policy_vm *vms, unsigned count, uint64_t need)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < count; i++) {
		sum += parts_givable(&vms[i]);
		need = sub_floor_u64(need, rules_pending_pages(&vms[i]));
	}
	for (unsigned i = 0; i < count && sum > 0; i++) {
		uint64_t givable = parts_givable(&vms[i]);
		uint64_t part = min_u64(givable, (need * givable + sum - 1) / sum);
		if (part > 0) {
			vms[i].new_target_pages =
				max_u64(vms[i].new_target_pages, vms[i].ballooned_pages) +
				min_u64(part, ASK_MOST);
			vms[i].reason = POLICY_SPARE;
		}
	}
}

static void parts_release(struct policy_vm *vms, unsigned count, uint64_t surplus)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < count; i++) {
		vms[i].new_target_pages = min_u64(vms[i].new_target_pages, vms[i].ballooned_pages);
		sum += vms[i].new_target_pages;
		surplus = sub_floor_u64(surplus, vms[i].ballooned_pages - vms[i].new_target_pages);
	}
	for (unsigned i = 0; i < count && sum > 0; i++) {
		uint64_t has = vms[i].new_target_pages;
		uint64_t part = min_u64(RELEASE_MOST, min_u64(surplus, sum) * has / sum);
		vms[i].new_target_pages -= part;
		vms[i].reason = part > 0 ? POLICY_RETURNED : vms[i].reason;
	}
}

static void parts_decide(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	bool waiting = false;
	for (unsigned i = 0; i < count; i++) {
		vms[i].new_target_pages = parts_stand(&vms[i]);
		vms[i].reason = POLICY_KEEPS;
		waiting = waiting || vms[i].waiting;
	}
	if (host->spare_pages > host->high_pages) {
		parts_release(vms, count, host->spare_pages - host->high_pages);
	} else if (waiting || host->spare_pages < host->low_pages) {
		parts_ask(vms, count, host->high_pages - host->spare_pages);
	}
}

const struct policy policy_coordinator = {
	.name = "coordinator",
	.rule = "each VM gives a part of what is missing, in proportion to what it could give",
	.source = "an answer of docs/labs/coordinator",
	.decide = parts_decide,
};
