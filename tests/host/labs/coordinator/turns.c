/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A right answer of docs/labs/coordinator: a state. Pressure begins below low and ends at high;
 * while it lasts, the VM that could give most gives, one at a time. Afterwards the one with the
 * largest balloon gets back.
 */
#include "kernel/overcommit/policies/policies.h"

#include "base/bits.h"
#include "kernel/overcommit/policies/rules.h"

#define MIB_PAGES 256ull
#define FLOOR_PARTS 24
#define ASK_MOST (4 * MIB_PAGES)
#define RELEASE_MOST MIB_PAGES

enum { PRESSED }; /* what is remembered; the same in each view */

static void turns_stand(struct policy_vm *vm)
{
	rules_stand(vm);
	uint64_t left = sub_floor_u64(vm->free_pages, vm->max_pages / FLOOR_PARTS);
	if (rules_asked_pages(vm) > left) {
		vm->new_target_pages = vm->ballooned_pages + left;
	}
	if (vm->wanted_pages > 0) {
		vm->new_target_pages = min_u64(vm->new_target_pages, vm->ballooned_pages);
		rules_grant(vm, vm->wanted_pages, POLICY_WANTED);
	}
}

static uint64_t turns_givable(const struct policy_vm *vm)
{
	uint64_t size = vm->max_pages - max_u64(vm->new_target_pages, vm->ballooned_pages);
	uint64_t use = max_u64(vm->active_known ? vm->active_pages : 0, vm->min_pages);
	uint64_t most =
		min_u64(sub_floor_u64(vm->free_pages, vm->max_pages / FLOOR_PARTS), vm->idle_pages);
	most = min_u64(most, sub_floor_u64(vm->held_pages, use));
	most = sub_floor_u64(most, rules_asked_pages(vm));
	return rules_can_give(vm) && !vm->slow && vm->wanted_pages == 0
		       ? min_u64(most, sub_floor_u64(size, vm->min_pages))
		       : 0;
}

static void turns_press(struct policy_vm *vms, unsigned count, uint64_t need)
{
	struct policy_vm *first = NULL;
	for (unsigned i = 0; i < count; i++) {
		need = sub_floor_u64(need, rules_pending_pages(&vms[i]));
		if (first == NULL || turns_givable(&vms[i]) > turns_givable(first)) {
			first = &vms[i];
		}
	}
	uint64_t asks = first == NULL ? 0 : min_u64(min_u64(need, ASK_MOST), turns_givable(first));
	if (asks > 0) {
		first->new_target_pages =
			max_u64(first->new_target_pages, first->ballooned_pages) + asks;
		first->reason = POLICY_SPARE;
	}
}

static void turns_relax(struct policy_vm *vms, unsigned count, uint64_t surplus)
{
	struct policy_vm *first = NULL;
	for (unsigned i = 0; i < count; i++) {
		struct policy_vm *vm = &vms[i];
		vm->new_target_pages = min_u64(vm->new_target_pages, vm->ballooned_pages);
		surplus = sub_floor_u64(surplus, vm->ballooned_pages - vm->new_target_pages);
		first = first == NULL || vm->new_target_pages > first->new_target_pages ? vm
											: first;
	}
	if (first != NULL && !first->unresponsive) {
		(void)rules_grant(first, min_u64(surplus, RELEASE_MOST), POLICY_RETURNED);
	}
}

static void turns_decide(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	bool waiting = false;
	bool pressed = false;
	for (unsigned i = 0; i < count; i++) {
		turns_stand(&vms[i]);
		waiting = waiting || vms[i].waiting;
		pressed = pressed || vms[i].memory[PRESSED] != 0;
	}
	pressed = waiting || host->spare_pages < host->low_pages ||
		  (pressed && host->spare_pages < host->high_pages);
	for (unsigned i = 0; i < count; i++) {
		vms[i].memory[PRESSED] = pressed;
	}
	if (host->spare_pages > host->high_pages) {
		turns_relax(vms, count, host->spare_pages - host->high_pages);
	} else if (pressed) {
		turns_press(vms, count, host->high_pages - host->spare_pages);
	}
}

const struct policy policy_coordinator = {
	.name = "coordinator",
	.rule = "under pressure the VM gives that could give most, one at a time",
	.source = "an answer of docs/labs/coordinator",
	.decide = turns_decide,
};
