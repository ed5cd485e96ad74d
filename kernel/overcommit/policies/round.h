/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all policies but `spare` have in common: one round of decisions. A policy says in what order
 * VMs give and how much each keeps (struct policy_rank); the round says how much is asked for, and
 * sees to the bounds, which are the same for each policy:
 *
 *	round_begin()	for this host
 *	round_stand()	of each VM: the target as it stands, less what it makes no sense to ask for
 *			any more; its rank is as for one that keeps its minimum
 *	(the policy)	fills in its rank
 *	round_add()	it gets what it wants, from its own balloon
 *	round_end()	below `low`, or when a vCPU waits, asks; above `high`, gives back
 *
 * What a guest says that it uses is never asked for, whatever the rank. While any vCPU waits for a
 * frame, and what VMs hold beyond `keep_pages` is not enough, they are asked for what is idle
 * beyond a margin, down to their minimum: when a vCPU has waited for long, the last resort
 * (kernel/overcommit/oom.c) ends a VM. While a VM waits that has less than its allotment, they are
 * asked for that margin, too, and for room that they have beyond their own. Pages move in portions,
 * one to the VM whose turn it is (turns.h): n VMs cost O(n log n). Pure; no allocation.
 */
#ifndef KERNEL_OVERCOMMIT_POLICIES_ROUND_H
#define KERNEL_OVERCOMMIT_POLICIES_ROUND_H

#include "base/bits.h"
#include "kernel/overcommit/policies/rules.h"
#include "kernel/overcommit/policies/turns.h"
#include "kernel/overcommit/policy.h"

/* Levels are fixed-point numbers: one page of a VM of 100 shares. */
#define LEVEL_PAGE (1ull << 17)

/* In the order of their reasons; the last one's is that of the first. */
enum round_tier { TIER_SPARE, TIER_IDLE, TIER_GROWTH, TIER_KEPT };

/*
 * How much more this VM could be asked for in a tier. Never-touched pages serve for its guest's
 * margin as well as idle ones.
 */
static inline uint64_t round_room_pages(const struct policy_vm *vm, enum round_tier tier)
{
	if (!rules_can_give(vm) || (tier == TIER_KEPT && vm->reason == POLICY_CLAIMED)) {
		return 0; /* what it was just granted is not asked for in the same round */
	}
	uint64_t room = vm->free_pages;
	if (tier != TIER_IDLE) {
		room = sub_floor_u64(room, rules_margin_pages(vm));
	}
	if (tier == TIER_GROWTH) {
		room = min_u64(room,
			       sub_floor_u64(vm->max_pages - vm->mem_pages, vm->ballooned_pages));
	} else {
		uint64_t keep = tier == TIER_SPARE ? vm->rank.keep_pages : 0;
		room = min_u64(room, vm->idle_pages);
		room = min_u64(room, sub_floor_u64(vm->held_pages, max_u64(vm->min_pages, keep)));
	}
	uint64_t gone = max_u64(vm->new_target_pages, vm->ballooned_pages);
	room = sub_floor_u64(room, gone - vm->ballooned_pages);
	if (tier == TIER_GROWTH || vm->held_pages + vm->ballooned_pages > vm->max_pages) {
		uint64_t most = sub_floor_u64(vm->max_pages, vm->min_pages);
		room = min_u64(room, sub_floor_u64(most, gone));
	}
	return room;
}

struct round {
	const struct policy_host *host;
	uint64_t wanted_pages;	/* that VMs get back from their own balloons */
	uint64_t claimed_pages; /* that they would, if others had them to give */
	uint64_t pending_pages; /* asked for already, and likely to come */
	bool asked;		/* some are asked for already */
	bool waiting;		/* a vCPU */
	bool below_allotment_waits;
	bool counts; /* VMs' room for the first tier, while they are added: it will be needed */
	struct turns turns;
};

static inline struct round round_begin(const struct policy_host *host)
{
	return (struct round){
		.host = host,
		.counts = host->spare_pages < host->low_pages,
		.turns = turns_begin(0, 0),
	};
}

static inline void round_stand(struct policy_vm *vm)
{
	struct policy_rank *rank = &vm->rank;
	rules_stand(vm);
	rank->level = rank->fall = rank->fall_after = rank->knee_pages = 0;
	rank->keep_pages = vm->min_pages;
	rank->want_pages = vm->wanted_pages;
	rank->claims = false;
}

/* What it lacks of keep_pages in the size that its target leaves it; trifles do not count. */
static inline uint64_t round_lacking_pages(const struct policy_vm *vm)
{
	uint64_t keep = min_u64(vm->rank.keep_pages, vm->max_pages);
	uint64_t has = vm->max_pages - vm->new_target_pages;
	if (keep <= has || !vm->rank.claims || !vm->attached) {
		return 0;
	}
	return keep - has >= rules_portion(keep) ? keep - has : 0;
}

/* Of that, what its balloon could give it. */
static inline uint64_t round_claimed_pages(const struct policy_vm *vm)
{
	return vm->unresponsive ? 0 : min_u64(round_lacking_pages(vm), vm->new_target_pages);
}

static inline void round_count(struct turns *turns, struct policy_vm *vm, uint64_t room,
			       uint64_t key)
{
	vm->rank.room_pages = room;
	turns_count(turns, vm, room > 0 ? key : 0);
}

static inline void round_add(struct round *round, struct policy_vm *vm)
{
	if (vm->rank.want_pages > 0) {
		round->wanted_pages += rules_grant(vm, vm->rank.want_pages, POLICY_WANTED);
	}
	if (vm->new_target_pages > 0) { /* otherwise it has no balloon to claim from */
		round->claimed_pages += round_claimed_pages(vm);
	}
	if (vm->new_target_pages > vm->ballooned_pages) {
		round->pending_pages += rules_pending_pages(vm);
		round->asked = true;
	}
	if (vm->waiting) {
		round->waiting = true;
		round->below_allotment_waits |= vm->held_pages < vm->mem_pages;
	}
	if (round->counts) {
		round_count(&round->turns, vm, round_room_pages(vm, TIER_SPARE), vm->rank.level);
	}
}

/* All VMs have been added. */
void round_end(struct round *round, struct policy_vm *vms, unsigned count);

/* What it cannot do without: held less idle, plus wanted; at most its RAM. */
static inline uint64_t round_demand_pages(const struct policy_vm *vm)
{
	uint64_t used = sub_floor_u64(vm->held_pages, vm->idle_pages);
	return min_u64(used + min_u64(vm->wanted_pages, vm->max_pages), vm->max_pages);
}

/*
 * The level of `pages` that count for one each, `weight` (1 to 10000, as of shares) times less;
 * each given page lowers it.
 */
static inline void round_rank(struct policy_vm *vm, uint64_t pages, uint64_t weight)
{
	vm->rank.fall = vm->rank.fall_after = LEVEL_PAGE * 100 / weight;
	vm->rank.level = pages * vm->rank.fall;
}

#endif
