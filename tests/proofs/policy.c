/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The policy, function by function: a decision of two VMs as a whole has divisions and 128-bit
 * products that no solver gets through. Real: kernel/overcommit/policies/spare.c. Stubbed: nothing; the
 * tunables have their default values.
 */
#include "tests/proofs/proof.h"

#include "kernel/overcommit/policies/spare.c"

struct tunables tunables = {
#define TUNABLE(name, unit, normal, least, most, off, meaning) .name = (normal),
#include "kernel/lib/tunables.def"
#undef TUNABLE
};

#define PAGES_MAX (1ull << 32) /* a guest's RAM is below 2^32 pages */

/* The guest's word is anything; what the hypervisor knows itself is consistent. */
static struct policy_vm any_vm(void)
{
	struct policy_vm vm = {
		.min_pages = any_below(PAGES_MAX),
		.mem_pages = any_below(PAGES_MAX),
		.max_pages = any_below(PAGES_MAX),
		.held_pages = any_below(PAGES_MAX),
		.ballooned_pages = any_below(PAGES_MAX),
		.target_pages = any_u64(),
		.free_pages = any_below(PAGES_MAX),
		.idle_pages = any_u64(),
		.wanted_pages = any_u64(),
		.active_pages = any_u64(),
		.active_known = any_bool(),
		.shares = any_u64(),
		.attached = any_bool(),
		.slow = any_bool(),
		.unresponsive = any_bool(),
		.waiting = any_bool(),
		.acts = any_bool(),
		.weight = any_u64(),
		.new_target_pages = any_below(PAGES_MAX),
	};
	ASSUME(vm.min_pages <= vm.mem_pages && vm.mem_pages <= vm.max_pages && vm.shares > 0);
	ASSUME(vm.ballooned_pages <= vm.max_pages);
	return vm;
}

/*
 * PROOF policy_stand_is_within
 * Shows: a standing target that is taken over is at most max - min, or 0 without a driver, and
 * never more than before
 * Bound: all 64-bit targets and words of the guest
 * Assumes: sizes below 2^32 pages; min <= mem <= max
 * Classes: H7
 * Sources: kernel/overcommit/policies/spare.c
 * Fault: kernel/overcommit/policies/rules.h | vm->new_target_pages = min_u64(vm->target_pages, most); |
 * vm->new_target_pages = vm->target_pages;
 */
void policy_stand_is_within(void)
{
	struct policy_vm vm = any_vm();
	rules_stand(&vm);
	PROVE(vm.new_target_pages <= vm.max_pages - vm.min_pages);
	PROVE(vm.new_target_pages <= vm.target_pages);
	PROVE(vm.attached || vm.new_target_pages == 0);
	PROVE(!vm.unresponsive || vm.new_target_pages <= vm.ballooned_pages);
}

/*
 * PROOF policy_asks_never_below_min
 * Shows: however much is asked for of spare or idle pages, a guest that gives all of it keeps its
 * minimum, and is asked for no more than the idle pages it has named; growth is bounded by max -
 * mem
 * Bound: one VM, each tier, all words of the guest
 * Assumes: sizes below 2^32 pages; min <= mem <= max
 * Classes: H7
 * Sources: kernel/overcommit/policies/spare.c
 * Fault: kernel/overcommit/policies/spare.c | room = min_u64(vm->idle_pages, above_min); | room =
 * vm->idle_pages;
 */
void policy_asks_never_below_min(void)
{
	struct policy_vm vm = any_vm();
	enum tier tier = (enum tier)any_below(3);
	uint64_t capacity = capacity_pages(&vm, tier);
	uint64_t target = max_u64(vm.new_target_pages, vm.ballooned_pages);
	uint64_t more = target - vm.ballooned_pages;
	PROVE(rules_can_give(&vm) || capacity == 0);
	if (capacity == 0) {
		return;
	}
	if (tier == TIER_GROWTH) {
		PROVE(target + capacity <= vm.max_pages - vm.mem_pages);
		PROVE(more + capacity <= vm.free_pages);
	} else {
		PROVE(more + capacity <= vm.held_pages - vm.min_pages);
		PROVE(more + capacity <= vm.idle_pages);
	}
}

/*
 * PROOF policy_ask_adds_up
 * Shows: what a VM is asked for is exactly the need that is met, within its bound; nothing that it
 * has to give is left while there is need
 * Bound: one VM of fewer than 32 pages, need below 16; portions of 8 pages
 * Assumes: min <= mem <= max
 * Sources: kernel/overcommit/policies/spare.c
 * Options: --unwind 4
 * Fault: kernel/overcommit/policies/spare.c | need -= amount; | need -= step;
 */
void policy_ask_adds_up(void)
{
	tunables.portion_least_pages = 8;
	struct policy_vm vm = any_vm();
	ASSUME(vm.max_pages < 32 && vm.held_pages < 32 && vm.free_pages < 32);
	ASSUME(vm.new_target_pages < 32);
	vm.shares = 1;
	vm.weight = WEIGHT_UNIT;
	uint64_t before = max_u64(vm.new_target_pages, vm.ballooned_pages);
	uint64_t room = capacity_pages(&vm, TIER_IDLE);
	uint64_t need = any_below(16);
	uint64_t left = ask(&vm, 1, TIER_IDLE, need);
	uint64_t asked = max_u64(vm.new_target_pages, vm.ballooned_pages) - before;
	PROVE(asked == need - left);
	PROVE(asked == min_u64(need, room));
}

/*
 * PROOF policy_give_back_adds_up
 * Shows: targets fall by the surplus in all, none below 0 and none rises; with equal shares the
 * largest one is first
 * Bound: two VMs with targets below 16, surplus below 16; portions of 8 pages
 * Assumes: equal shares
 * Sources: kernel/overcommit/policies/spare.c
 * Options: --unwind 6
 * Fault: kernel/overcommit/policies/spare.c | surplus -= amount; | surplus = 0;
 */
void policy_give_back_adds_up(void)
{
	struct policy_vm vms[2] = {0};
	uint64_t before[2];
	uint64_t sum = 0;
	uint64_t left = 0;
	tunables.portion_least_pages = 8;
	for (unsigned i = 0; i < 2; i++) {
		vms[i].new_target_pages = any_below(16);
		vms[i].shares = 1;
		before[i] = vms[i].new_target_pages;
		sum += before[i];
	}
	uint64_t surplus = any_below(16);
	give_back(vms, 2, surplus);
	for (unsigned i = 0; i < 2; i++) {
		PROVE(vms[i].new_target_pages <= before[i]);
		left += vms[i].new_target_pages;
	}
	PROVE(sum - left == min_u64(sum, surplus));
	if (vms[0].new_target_pages < before[0] && vms[1].new_target_pages == before[1]) {
		PROVE(before[0] >= before[1]);
	}
}

/*
 * PROOF policy_grants_only_its_own
 * Shows: what VMs want comes out of their own balloon targets, page for page; an unresponsive VM's
 * word counts for nothing
 * Bound: two VMs, all 64-bit words of the guest
 * Assumes: targets below 2^32
 * Classes: H7
 * Sources: kernel/overcommit/policies/spare.c
 * Options: --unwind 3
 * Fault: kernel/overcommit/policies/spare.c | granted += rules_grant(&vms[i], vms[i].wanted_pages, POLICY_WANTED); |
 * granted += vms[i].wanted_pages;
 */
void policy_grants_only_its_own(void)
{
	struct policy_vm vms[2];
	uint64_t before[2];
	uint64_t fell = 0;
	for (unsigned i = 0; i < 2; i++) {
		vms[i] = any_vm();
		before[i] = vms[i].new_target_pages;
	}
	uint64_t granted = grant_wanted(vms, 2);
	for (unsigned i = 0; i < 2; i++) {
		PROVE(vms[i].new_target_pages <= before[i]);
		PROVE(before[i] - vms[i].new_target_pages <= vms[i].wanted_pages);
		PROVE(!vms[i].unresponsive || vms[i].new_target_pages == before[i]);
		fell += before[i] - vms[i].new_target_pages;
	}
	PROVE(granted == fell);
}

/*
 * PROOF policy_weight_is_bounded
 * Shows: a page counts for one page in use at least, and for 1 / (1 - tax) at most
 * Bound: VMs of fewer than 2^10 pages that are held; all taxes, all estimates
 * Assumes: nothing
 * Classes: H7
 * Sources: kernel/overcommit/policies/spare.c
 * Fault: kernel/overcommit/policies/spare.c | uint64_t tax = min_u64(host->idle_tax_percent,
 * TAX_PERCENT_MAX); | uint64_t tax = host->idle_tax_percent;
 */
void policy_weight_is_bounded(void)
{
	struct policy_host host = {.idle_tax_percent = any_u32()};
	struct policy_vm vm = any_vm();
	ASSUME(vm.held_pages < 1024);
	uint64_t weight = page_weight(&host, &vm);
	PROVE(weight >= WEIGHT_UNIT && weight <= 100 * WEIGHT_UNIT);
	PROVE(host.idle_tax_percent != 0 || weight == WEIGHT_UNIT);
	PROVE(vm.active_pages < vm.held_pages || weight == WEIGHT_UNIT);
}

/*
 * PROOF policy_pending_is_what_may_come
 * Shows: only what a driver that answers was asked for, and has idle, is counted on
 * Bound: all words of the guest
 * Assumes: sizes below 2^32 pages
 * Classes: H7
 * Sources: kernel/overcommit/policies/spare.c
 * Fault: kernel/overcommit/policies/rules.h | return rules_can_give(vm) && !vm->slow ?
 * min_u64(rules_asked_pages(vm), vm->idle_pages) : 0; | return rules_can_give(vm) && !vm->slow ?
 * rules_asked_pages(vm) : 0;
 */
void policy_pending_is_what_may_come(void)
{
	struct policy_vm vm = any_vm();
	uint64_t pending = rules_pending_pages(&vm);
	PROVE(pending <= vm.idle_pages);
	PROVE(pending == 0 || (vm.attached && !vm.unresponsive && !vm.slow));
	PROVE(pending == 0 || pending <= vm.new_target_pages - vm.ballooned_pages);
}
