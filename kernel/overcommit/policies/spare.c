/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The default policy. Between `low` and `high` no VM is asked for more, nor given any back unless
 * it wants some (that gap keeps two VMs from passing memory to and fro). A request that was not met
 * is void as far as the guest has come to use its free pages itself.
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
 * Integer arithmetic only, no state from call to call.
 */
#include "kernel/overcommit/policies/policies.h"

#include "base/bits.h"
#include "kernel/overcommit/policies/rules.h"
#include "kernel/overcommit/policies/turns.h"

/* Weights of pages are in units of this: a page in use counts for one. */
#define WEIGHT_UNIT 1024
#define TAX_PERCENT_MAX 99
#define KEY_BITS 14 /* a weighed page is 2^10 to 2^17, and pages are below 2^32 */

enum tier { TIER_SPARE, TIER_IDLE, TIER_GROWTH }; /* in the order of their reasons */

/* How much more this VM could be asked for in a tier. */
static uint64_t capacity_pages(const struct policy_vm *vm, enum tier tier)
{
	if (!rules_can_give(vm)) {
		return 0;
	}
	uint64_t above_min = sub_floor_u64(vm->held_pages, vm->min_pages);
	uint64_t room = 0;
	if (tier == TIER_SPARE) {
		uint64_t untouched = sub_floor_u64(vm->free_pages, vm->idle_pages);
		room = sub_floor_u64(vm->idle_pages,
				     sub_floor_u64(rules_margin_pages(vm), untouched));
		room = min_u64(room, above_min);
	} else if (tier == TIER_IDLE) {
		room = min_u64(vm->idle_pages, above_min);
	} else {
		/* Counted from the size that the target leaves the guest, not from frames. */
		room = sub_floor_u64(vm->free_pages, rules_margin_pages(vm));
		room = min_u64(room,
			       sub_floor_u64(vm->max_pages - vm->mem_pages, vm->ballooned_pages));
	}
	return sub_floor_u64(room, rules_asked_pages(vm));
}

/*
 * Under a tax t an idle page is worth 1 / (1 - t) pages in use, when it is weighed against shares:
 * t / (1 - t) more. A VM without an estimate is taken to use what it holds.
 */
static uint64_t page_weight(const struct policy_host *host, const struct policy_vm *vm)
{
	if (!vm->active_known || vm->held_pages == 0) {
		return WEIGHT_UNIT;
	}
	uint64_t tax = min_u64(host->idle_tax_percent, TAX_PERCENT_MAX);
	uint64_t extra = WEIGHT_UNIT * tax / (100 - tax);
	return WEIGHT_UNIT +
	       extra * sub_floor_u64(vm->held_pages, vm->active_pages) / vm->held_pages;
}

/* What a VM has to give per share, in 1/2^24 pages: below 2^63 with all that an int can count. */
static uint64_t key_of_giver(const struct policy_vm *vm)
{
	return (vm->rank.room_pages * vm->weight << KEY_BITS) / vm->shares;
}

/* What it gets back first: the largest target times shares. */
static uint64_t key_of_taker(const struct policy_vm *vm)
{
	return vm->rank.room_pages * vm->shares;
}

/* A target that is again as it was has no reason of its own. */
static void raise_target(struct policy_vm *vm, uint64_t pages, enum tier tier)
{
	vm->new_target_pages = max_u64(vm->new_target_pages, vm->ballooned_pages) + pages;
	vm->reason = vm->new_target_pages == vm->target_pages
			     ? POLICY_KEEPS
			     : (enum policy_reason)(POLICY_SPARE + tier);
}

static void lower_target(struct policy_vm *vm, uint64_t pages)
{
	vm->new_target_pages -= pages;
	vm->reason = POLICY_RETURNED;
}

/* Raises targets by `need` in one tier; answers what is still missing. */
static uint64_t ask(struct policy_vm *vms, unsigned count, enum tier tier, uint64_t need)
{
	struct turns turns = turns_begin(rules_portion(need), need);
	if (need == 0) {
		return 0;
	}
	for (unsigned i = 0; i < count; i++) {
		vms[i].rank.room_pages = capacity_pages(&vms[i], tier);
		turns_count(&turns, &vms[i], key_of_giver(&vms[i]));
	}
	turns_bound(&turns, vms, count);
	for (unsigned i = 0; i < count; i++) {
		if (turns_take(&turns, vms, i)) {
			need -= vms[i].rank.room_pages;
			raise_target(&vms[i], vms[i].rank.room_pages, tier);
		}
	}
	turns_sort(&turns, vms);
	while (need > 0 && turns.size > 0) {
		struct policy_vm *vm = turns_first(vms);
		uint64_t amount = min_u64(min_u64(turns.step, need), vm->rank.room_pages);
		raise_target(vm, amount, tier);
		vm->rank.room_pages -= amount;
		need -= amount;
		turns_next(&turns, vms, key_of_giver(vm));
	}
	return need;
}

/* Lowers targets by up to `surplus`. */
static void give_back(struct policy_vm *vms, unsigned count, uint64_t surplus)
{
	struct turns turns = turns_begin(rules_portion(surplus), surplus);
	if (surplus == 0) {
		return;
	}
	for (unsigned i = 0; i < count; i++) {
		vms[i].rank.room_pages = vms[i].new_target_pages;
		turns_count(&turns, &vms[i], key_of_taker(&vms[i]));
	}
	turns_bound(&turns, vms, count);
	for (unsigned i = 0; i < count; i++) {
		if (turns_take(&turns, vms, i)) {
			surplus -= vms[i].rank.room_pages;
			lower_target(&vms[i], vms[i].rank.room_pages);
		}
	}
	turns_sort(&turns, vms);
	while (surplus > 0 && turns.size > 0) {
		struct policy_vm *vm = turns_first(vms);
		uint64_t amount = min_u64(min_u64(turns.step, surplus), vm->rank.room_pages);
		lower_target(vm, amount);
		vm->rank.room_pages -= amount;
		surplus -= amount;
		turns_next(&turns, vms, key_of_taker(vm));
	}
}

/* What all of them come to, before anything is asked. */
struct survey {
	uint64_t granted_pages;
	uint64_t pending_pages;
	bool waiting;
	bool below_allotment_waits; /* one that has less than it was allotted */
};

/*
 * A guest that wants pages and has a balloon gets them back from its own balloon as far as the host
 * can serve it; what it cannot serve counts as need.
 */
static struct survey survey(struct policy_host host, struct policy_vm *vms, unsigned count)
{
	struct survey of = {0};
	for (unsigned i = 0; i < count; i++) {
		struct policy_vm *vm = &vms[i];
		rules_stand(vm);
		vm->weight = page_weight(&host, vm);
		if (vm->wanted_pages > 0) {
			of.granted_pages += rules_grant(vm, vm->wanted_pages, POLICY_WANTED);
		}
		if (vm->new_target_pages > vm->ballooned_pages) {
			of.pending_pages += rules_pending_pages(vm);
		}
		if (vm->waiting) {
			of.waiting = true;
			of.below_allotment_waits |= vm->held_pages < vm->mem_pages;
		}
	}
	return of;
}

static void relieve(const struct policy_host *host, struct policy_vm *vms, unsigned count,
		    const struct survey *of)
{
	uint64_t need = host->high_pages - min_u64(host->high_pages, host->spare_pages);
	need = sub_floor_u64(need + of->granted_pages, of->pending_pages);
	need = ask(vms, count, TIER_SPARE, need);
	if (host->harder || of->below_allotment_waits) {
		need = ask(vms, count, TIER_IDLE, need);
		(void)ask(vms, count, TIER_GROWTH, need);
	}
}

static void decide(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	struct survey of = survey(*host, vms, count);
	if (of.waiting || host->spare_pages < host->low_pages) {
		relieve(host, vms, count, &of);
	} else if (host->spare_pages > host->high_pages) {
		give_back(vms, count, rules_surplus_pages(host, vms, count));
	}
}

const struct policy policy_spare = {
	.name = "spare",
	.rule = "idle pages beyond a margin, the most per share first; idle memory is taxed",
	.source = "Aerostat's own, with the idle memory tax of ESX Server as a weight",
	.uses_shares = true,
	.decide = decide,
};
