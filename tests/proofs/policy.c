/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The policy, function by function: a decision of two VMs as a whole has divisions and 128-bit
 * products that no solver gets through. Real: kernel/overcommit/policies/spare.c. Stubbed: what sums up
 * many VMs, which few do not need: that it is not called is proved; the tunables have their default
 * values.
 */
#include "tests/proofs/proof.h"

#include "kernel/overcommit/policies/spare.c"

struct tunables tunables = {
#define TUNABLE(name, unit, normal, least, most, off, meaning) .name = (normal),
#include "kernel/lib/tunables.def"
#undef TUNABLE
};

void turns_sum_up(struct turns *turns, struct policy_vm *vms, unsigned count)
{
	(void)turns;
	(void)vms;
	PROVE(count >= TURNS_PLACES);
}

bool turns_take_tied(struct turns *turns, uint64_t room, bool *vain)
{
	(void)turns;
	(void)room;
	PROVE(false);
	*vain = false;
	return false;
}

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
 * Classes: H7
 * Sources: kernel/overcommit/policies/spare.c
 * Options: --unwind 4 --unwindset turns_sort.0:1
 * --unwindset turns_sift_down.0:1
 * Fault: kernel/overcommit/policies/spare.c | need -= amount; | need -= turns.step;
 */
void policy_ask_adds_up(void)
{
	/* An array: of a single VM, CBMC reads a place that it does not know byte by byte. */
	struct policy_vm vms[1] = {any_vm()};
	struct policy_vm *vm = &vms[0];
	tunables.portion_least_pages = 8;
	ASSUME(vm->max_pages < 32 && vm->held_pages < 32 && vm->free_pages < 32);
	ASSUME(vm->new_target_pages < 32);
	vm->shares = 1;
	vm->weight = WEIGHT_UNIT;
	uint64_t before = max_u64(vm->new_target_pages, vm->ballooned_pages);
	uint64_t room = capacity_pages(vm, TIER_IDLE);
	uint64_t need = any_below(16);
	uint64_t left = ask(vms, 1, TIER_IDLE, need);
	uint64_t asked = max_u64(vm->new_target_pages, vm->ballooned_pages) - before;
	PROVE(asked == need - left);
	PROVE(asked == min_u64(need, room));
}

/*
 * PROOF policy_give_back_adds_up
 * Shows: a target falls by exactly the surplus, and not below 0
 * Bound: one VM with a target below 32, surplus below 16; portions of 8 pages
 * Assumes: nothing
 * Classes: H7
 * Sources: kernel/overcommit/policies/spare.c
 * Options: --unwind 4 --unwindset turns_sort.0:1
 * --unwindset turns_sift_down.0:1
 * Fault: kernel/overcommit/policies/spare.c | surplus -= amount; | surplus = 0;
 */
void policy_give_back_adds_up(void)
{
	struct policy_vm vms[1] = {0};
	tunables.portion_least_pages = 8;
	vms[0].new_target_pages = any_below(32);
	vms[0].shares = 1;
	uint64_t before = vms[0].new_target_pages;
	uint64_t surplus = any_below(16);
	give_back(vms, 1, surplus);
	PROVE(before - vms[0].new_target_pages == min_u64(before, surplus));
}

#define TURNS_OF 3u

/* From place `from` on, each VM of the heap has its turn before those below it. */
static bool is_heap(const struct policy_vm *vms, unsigned size, unsigned from)
{
	bool is = true;
	for (unsigned i = 1; i < TURNS_OF; i++) {
		const struct policy_rank *below = &vms[i].rank;
		const struct policy_rank *above = &vms[(i - 1) / 2].rank;
		bool before = above->key > below->key ||
			      (above->key == below->key && above->slot < below->slot);
		is = is && ((i - 1) / 2 < from || i >= size || before);
	}
	return is;
}

/*
 * PROOF policy_turns_stay_in_order
 * Shows: a place whose VM may have its turn too early or too late is put right: from there on each
 * has its turn before those below it; every VM is still there, once, with its own key
 * Bound: up to 3 VMs, any place
 * Assumes: the places below are in order; keys below 4, which have all orders that 3 keys can have
 * Classes: H7
 * Sources: kernel/overcommit/policies/spare.c
 * Options: --unwind 4
 * Mutants: policy-turn-of-equals
 */
void policy_turns_stay_in_order(void)
{
	struct policy_vm vms[TURNS_OF] = {0};
	uint64_t keys[TURNS_OF];
	unsigned found = 0;
	for (unsigned i = 0; i < TURNS_OF; i++) {
		keys[i] = any_below(4);
		vms[i].rank.slot = (unsigned)any_below(TURNS_OF);
		found |= 1u << vms[i].rank.slot;
	}
	for (unsigned i = 0; i < TURNS_OF; i++) {
		vms[i].rank.key = keys[vms[i].rank.slot];
	}
	ASSUME(found == (1u << TURNS_OF) - 1);
	unsigned size = 1 + (unsigned)any_below(TURNS_OF);
	unsigned at = (unsigned)any_below(size);
	ASSUME(is_heap(vms, size, at + 1));
	turns_sift_down(vms, size, at);
	PROVE(is_heap(vms, size, at));
	found = 0;
	for (unsigned i = 0; i < TURNS_OF; i++) {
		PROVE(vms[i].rank.slot < TURNS_OF);
		PROVE(vms[i].rank.key == keys[vms[i].rank.slot]);
		found |= 1u << vms[i].rank.slot;
	}
	PROVE(found == (1u << TURNS_OF) - 1);
}

/*
 * PROOF policy_grants_only_its_own
 * Shows: what a VM wants comes out of its own balloon target, page for page; an unresponsive VM's
 * word counts for nothing
 * Bound: one VM, all 64-bit words of the guest
 * Assumes: targets below 2^32
 * Classes: H7
 * Sources: kernel/overcommit/policies/spare.c
 * Fault: kernel/overcommit/policies/rules.h | uint64_t granted = vm->unresponsive ? 0 :
 * min_u64(pages, vm->new_target_pages); | uint64_t granted = vm->unresponsive ? 0 : pages;
 */
void policy_grants_only_its_own(void)
{
	struct policy_vm vm = any_vm();
	uint64_t before = vm.new_target_pages;
	uint64_t granted = rules_grant(&vm, vm.wanted_pages, POLICY_WANTED);
	PROVE(vm.new_target_pages <= before);
	PROVE(granted == before - vm.new_target_pages && granted <= vm.wanted_pages);
	PROVE(!vm.unresponsive || vm.new_target_pages == before);
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
