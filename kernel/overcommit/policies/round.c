/* SPDX-License-Identifier: BSD-2-Clause */
/* See round.h. Works on the views alone. */
#include "kernel/overcommit/policies/round.h"

#include "base/bits.h"
#include "kernel/overcommit/policies/rules.h"
#include "kernel/overcommit/policies/turns.h"

/* How much its level changes with so many pages that it gives or gets. */
static uint64_t slope(struct policy_rank *rank, uint64_t pages)
{
	if (pages <= rank->knee_pages) {
		rank->knee_pages -= pages;
		return pages * rank->fall;
	}
	uint64_t before_knee = rank->knee_pages;
	rank->knee_pages = 0;
	return before_knee * rank->fall + (pages - before_knee) * rank->fall_after;
}

/* A target that is again as it was has no reason of its own. */
static inline void raise_target(struct policy_vm *vm, uint64_t pages, enum policy_reason reason)
{
	vm->new_target_pages = max_u64(vm->new_target_pages, vm->ballooned_pages) + pages;
	vm->reason = vm->new_target_pages == vm->target_pages ? POLICY_KEEPS : reason;
}

static inline void lower_level(struct policy_rank *rank, uint64_t pages)
{
	rank->level = sub_floor_u64(rank->level, slope(rank, pages));
}

static inline void lower_target(struct policy_vm *vm, uint64_t pages, enum policy_reason reason)
{
	struct policy_rank *rank = &vm->rank;
	vm->new_target_pages -= pages;
	vm->reason = reason;
	rank->level += min_u64(slope(rank, pages), ~rank->level);
}

/*
 * Raises targets of VMs whose room was counted, the highest level first. Behind the last tier
 * nothing looks at levels any more. Returns what is missing.
 */
static uint64_t raise(struct turns *turns, struct policy_vm *vms, unsigned count,
		      enum policy_reason reason, bool last)
{
	uint64_t need = turns->need;
	turns_bound(turns, vms, count);
	for (unsigned i = 0; i < count; i++) {
		if (turns_take(turns, vms, i)) {
			need -= vms[i].rank.room_pages;
			raise_target(&vms[i], vms[i].rank.room_pages, reason);
			if (!last) {
				lower_level(&vms[i].rank, vms[i].rank.room_pages);
			}
		}
	}
	turns_sort(turns, vms);
	while (need > 0 && turns->size > 0) {
		struct policy_vm *vm = turns_first(vms);
		uint64_t amount = min_u64(min_u64(turns->step, need), vm->rank.room_pages);
		raise_target(vm, amount, reason);
		lower_level(&vm->rank, amount);
		vm->rank.room_pages -= amount;
		need -= amount;
		turns_next(turns, vms, vm->rank.level);
	}
	return need;
}

/* Raises targets by `need` in one tier; returns what is still missing. */
static uint64_t ask(struct policy_vm *vms, unsigned count, enum round_tier tier, uint64_t need)
{
	struct turns turns = turns_begin(rules_portion(need), need);
	if (need == 0) {
		return 0;
	}
	for (unsigned i = 0; i < count; i++) {
		round_count(&turns, &vms[i], round_room_pages(&vms[i], tier), vms[i].rank.level);
	}
	return raise(&turns, vms, count,
		     tier == TIER_KEPT ? POLICY_SPARE : (enum policy_reason)(POLICY_SPARE + tier),
		     tier == TIER_GROWTH);
}

/* The first tier: it was counted when VMs were added, if nothing has changed since. */
static uint64_t ask_first(struct round *round, struct policy_vm *vms, unsigned count, uint64_t need)
{
	bool last = !round->waiting && !round->host->harder;
	if (!round->counts || need == 0) {
		return ask(vms, count, TIER_SPARE, need);
	}
	round->turns.step = rules_portion(need);
	round->turns.need = need;
	return raise(&round->turns, vms, count, POLICY_SPARE, last);
}

/*
 * Lowers targets by up to `pages`, the lowest level first, of VMs whose room was counted with the
 * complement of their levels. Returns what is left.
 */
static uint64_t give(struct turns *turns, struct policy_vm *vms, unsigned count,
		     enum policy_reason reason)
{
	uint64_t pages = turns->need;
	turns_bound(turns, vms, count);
	for (unsigned i = 0; i < count; i++) {
		if (turns_take(turns, vms, i)) {
			pages -= vms[i].rank.room_pages;
			lower_target(&vms[i], vms[i].rank.room_pages, reason);
		}
	}
	turns_sort(turns, vms);
	while (pages > 0 && turns->size > 0) {
		struct policy_vm *vm = turns_first(vms);
		uint64_t amount = min_u64(min_u64(turns->step, pages), vm->rank.room_pages);
		lower_target(vm, amount, reason);
		vm->rank.room_pages -= amount;
		pages -= amount;
		turns_next(turns, vms, ~vm->rank.level);
	}
	return pages;
}

static void give_back(struct policy_vm *vms, unsigned count, uint64_t surplus)
{
	struct turns turns = turns_begin(rules_portion(surplus), surplus);
	if (surplus == 0) {
		return;
	}
	for (unsigned i = 0; i < count; i++) {
		round_count(&turns, &vms[i], vms[i].new_target_pages, ~vms[i].rank.level);
	}
	(void)give(&turns, vms, count, POLICY_RETURNED);
}

/*
 * Claims are met from what others hold beyond their own keep_pages, so two VMs cannot take the same
 * pages from each other in turn; that of the lowest level first. Returns the sum that was granted.
 */
static uint64_t grant_claims(struct policy_vm *vms, unsigned count, uint64_t claims)
{
	uint64_t funds = 0;
	for (unsigned i = 0; i < count && funds < claims; i++) {
		bool lacks = round_lacking_pages(&vms[i]) > 0;
		funds += lacks ? 0 : round_room_pages(&vms[i], TIER_SPARE);
	}
	if (funds == 0) {
		return 0;
	}
	struct turns turns = turns_begin(rules_portion(funds), funds);
	for (unsigned i = 0; i < count; i++) {
		round_count(&turns, &vms[i], round_claimed_pages(&vms[i]), ~vms[i].rank.level);
	}
	return funds - give(&turns, vms, count, POLICY_CLAIMED);
}

static uint64_t pending_pages(const struct policy_vm *vms, unsigned count)
{
	uint64_t pending = 0;
	for (unsigned i = 0; i < count; i++) {
		pending += rules_pending_pages(&vms[i]);
	}
	return pending;
}

/*
 * kernel/overcommit/oom.c ends a VM when any vCPU waits for long, whatever its VM holds. So while
 * one waits, idle pages that a policy keeps for a VM are asked for, too, if others are not enough.
 */
static void relieve(struct round *round, struct policy_vm *vms, unsigned count, uint64_t need)
{
	bool harder = round->host->harder;
	need = sub_floor_u64(need, round->pending_pages);
	need = ask_first(round, vms, count, need);
	if (harder || round->waiting) {
		need = ask(vms, count, TIER_KEPT, need);
	}
	if (harder || round->below_allotment_waits) {
		need = ask(vms, count, TIER_IDLE, need);
		(void)ask(vms, count, TIER_GROWTH, need);
	}
}

/* What a VM was asked for counts as given, so that the next one has its turn in the next period. */
static void count_asked(struct policy_vm *vms, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t asked = vms[i].slow ? 0 : rules_asked_pages(&vms[i]);
		lower_level(&vms[i].rank, asked);
	}
}

void round_end(struct round *round, struct policy_vm *vms, unsigned count)
{
	const struct policy_host *host = round->host;
	bool plenty = !round->waiting && host->spare_pages > host->high_pages;
	if (!plenty && round->asked) { /* with plenty nothing is asked for, and what was is void */
		count_asked(vms, count);
	}
	uint64_t claimed = plenty ? 0 : grant_claims(vms, count, round->claimed_pages);
	round->counts = round->counts && !round->asked && claimed == 0;
	if (claimed > 0 && round->asked) {
		round->pending_pages = pending_pages(vms, count);
	}
	if (round->waiting || host->spare_pages < host->low_pages) {
		relieve(round, vms, count,
			sub_floor_u64(host->high_pages, host->spare_pages) + round->wanted_pages +
				claimed);
	} else if (claimed > 0) {
		relieve(round, vms, count, claimed);
	} else if (plenty) {
		give_back(vms, count, rules_surplus_pages(host, vms, count));
	}
}
