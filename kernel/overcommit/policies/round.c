/* SPDX-License-Identifier: BSD-2-Clause */
/* See round.h. Works on the views alone. */
#include "kernel/overcommit/policies/round.h"

#include "base/bits.h"
#include "kernel/overcommit/policies/rules.h"
#include "kernel/overcommit/policies/turns.h"

/* In the order of their reasons; the last one's is that of the first. */
enum tier { TIER_SPARE, TIER_IDLE, TIER_GROWTH, TIER_KEPT };

/* What the tiers TIER_SPARE and TIER_KEPT leave it: in the latter no policy keeps more for it. */
static uint64_t kept_pages(const struct policy_vm *vm, enum tier tier)
{
	return tier == TIER_KEPT ? vm->min_pages : max_u64(vm->min_pages, vm->rank.keep_pages);
}

/* How much more this VM could be asked for in a tier. */
static uint64_t room_pages(const struct policy_vm *vm, enum tier tier)
{
	uint64_t room = 0;
	uint64_t idle = min_u64(vm->idle_pages, vm->free_pages);
	uint64_t untouched = vm->free_pages - idle;
	if (!rules_can_give(vm) || (tier == TIER_KEPT && vm->reason == POLICY_CLAIMED)) {
		return 0; /* what it was just granted is not asked for in the same round */
	}
	switch (tier) {
	case TIER_SPARE:
	case TIER_KEPT:
		room = sub_floor_u64(idle, sub_floor_u64(rules_margin_pages(vm), untouched));
		room = min_u64(room, sub_floor_u64(vm->held_pages, kept_pages(vm, tier)));
		break;
	case TIER_IDLE:
		room = min_u64(idle, sub_floor_u64(vm->held_pages, vm->min_pages));
		break;
	case TIER_GROWTH:
		room = sub_floor_u64(vm->free_pages, rules_margin_pages(vm));
		room = min_u64(room,
			       sub_floor_u64(vm->max_pages - vm->mem_pages, vm->ballooned_pages));
		break;
	}
	uint64_t most = sub_floor_u64(sub_floor_u64(vm->max_pages, vm->min_pages),
				      max_u64(vm->new_target_pages, vm->ballooned_pages));
	return min_u64(sub_floor_u64(room, rules_asked_pages(vm)), most);
}

static bool gives_back(enum policy_reason reason)
{
	return reason == POLICY_RETURNED || reason == POLICY_CLAIMED;
}

/* How much its level changes with so many pages that it gives or gets. */
static uint64_t slope(struct policy_rank *rank, uint64_t pages)
{
	uint64_t before_knee = min_u64(pages, rank->knee_pages);
	rank->knee_pages -= before_knee;
	return before_knee * rank->fall + (pages - before_knee) * rank->fall_after;
}

static uint64_t key_of(const struct policy_rank *rank, enum policy_reason reason)
{
	return gives_back(reason) ? ~rank->level : rank->level;
}

static void move(struct policy_vm *vm, uint64_t pages, enum policy_reason reason)
{
	struct policy_rank *rank = &vm->rank;
	uint64_t change = slope(rank, pages);
	vm->reason = reason;
	rank->room_pages -= pages;
	if (gives_back(reason)) {
		vm->new_target_pages -= pages;
		rank->level += min_u64(change, ~rank->level);
	} else {
		vm->new_target_pages = max_u64(vm->new_target_pages, vm->ballooned_pages) + pages;
		rank->level = sub_floor_u64(rank->level, change);
	}
}

/*
 * Moves up to `pages`, a portion at a time, by the `size` VMs that have been added, which have
 * `room` together. Returns how many are left.
 */
static uint64_t spread(struct policy_vm *vms, unsigned size, uint64_t room, uint64_t pages,
		       enum policy_reason reason)
{
	uint64_t step = rules_portion(pages);
	if (room <= pages) { /* no need to choose */
		for (unsigned at = 0; at < size; at++) {
			struct policy_vm *vm = &vms[vms[at].rank.slot];
			move(vm, vm->rank.room_pages, reason);
		}
		return pages - room;
	}
	turns_begin(vms, size);
	while (pages > 0 && size > 0) {
		struct policy_vm *vm = &vms[vms[0].rank.slot];
		uint64_t amount = min_u64(min_u64(step, pages), vm->rank.room_pages);
		move(vm, amount, reason);
		pages -= amount;
		size = turns_next(vms, size, key_of(&vm->rank, reason), vm->rank.room_pages == 0);
	}
	return pages;
}

static unsigned add(struct policy_vm *vms, unsigned size, unsigned i, uint64_t room,
		    enum policy_reason reason)
{
	vms[i].rank.room_pages = room;
	return room > 0 ? turns_add(vms, size, i, key_of(&vms[i].rank, reason)) : size;
}

/* Raises targets by `need` in one tier, the highest level first; returns what is still missing. */
static uint64_t ask(struct policy_vm *vms, unsigned count, enum tier tier, uint64_t need)
{
	enum policy_reason reason =
		tier == TIER_KEPT ? POLICY_SPARE : (enum policy_reason)(POLICY_SPARE + tier);
	unsigned size = 0;
	uint64_t sum = 0;
	for (unsigned i = 0; i < count && need > 0; i++) {
		uint64_t room = room_pages(&vms[i], tier);
		size = add(vms, size, i, room, reason);
		sum += room;
	}
	return size > 0 ? spread(vms, size, sum, need, reason) : need;
}

/* Lowers targets by up to `surplus`, the lowest level first. */
static void give_back(struct policy_vm *vms, unsigned count, uint64_t surplus)
{
	unsigned size = 0;
	uint64_t sum = 0;
	for (unsigned i = 0; i < count && surplus > 0; i++) {
		uint64_t room = vms[i].new_target_pages;
		size = add(vms, size, i, room, POLICY_RETURNED);
		sum += room;
	}
	if (size > 0) {
		(void)spread(vms, size, sum, surplus, POLICY_RETURNED);
	}
}

/* What it lacks of keep_pages in the size that its target leaves it; trifles do not count. */
static uint64_t lacking_pages(const struct policy_vm *vm)
{
	if (!vm->rank.claims || !vm->attached) {
		return 0;
	}
	uint64_t keep = min_u64(vm->rank.keep_pages, vm->max_pages);
	uint64_t lacking = sub_floor_u64(keep, vm->max_pages - vm->new_target_pages);
	return lacking >= rules_portion(keep) ? lacking : 0;
}

/* Of that, what its balloon could give it. */
static uint64_t claimed_pages(const struct policy_vm *vm)
{
	return vm->unresponsive ? 0 : min_u64(lacking_pages(vm), vm->new_target_pages);
}

/*
 * Claims are met from what others hold beyond their own keep_pages, so two VMs cannot take the same
 * pages from each other in turn; that of the lowest level first. Returns the sum that was granted.
 */
static uint64_t grant_claims(struct policy_vm *vms, unsigned count)
{
	uint64_t funds = 0;
	uint64_t claims = 0;
	unsigned size = 0;
	for (unsigned i = 0; i < count; i++) {
		claims += claimed_pages(&vms[i]);
	}
	for (unsigned i = 0; i < count && funds < claims; i++) {
		funds += lacking_pages(&vms[i]) == 0 ? room_pages(&vms[i], TIER_SPARE) : 0;
	}
	for (unsigned i = 0; i < count && funds > 0; i++) {
		size = add(vms, size, i, claimed_pages(&vms[i]), POLICY_CLAIMED);
	}
	return size > 0 ? funds - spread(vms, size, claims, funds, POLICY_CLAIMED) : 0;
}

/*
 * kernel/overcommit/oom.c ends a VM when any vCPU waits for long, whatever its VM holds. So while
 * one waits, idle pages that a policy keeps for a VM are asked for, too, if others are not enough.
 */
static void relieve(struct policy_vm *vms, unsigned count, uint64_t need, bool harder)
{
	bool waits = harder;
	bool below_allotment_waits = harder;
	for (unsigned i = 0; i < count; i++) {
		need = sub_floor_u64(need, rules_pending_pages(&vms[i]));
		waits |= vms[i].waiting;
		below_allotment_waits |= vms[i].waiting && vms[i].held_pages < vms[i].mem_pages;
	}
	need = ask(vms, count, TIER_SPARE, need);
	if (waits) {
		need = ask(vms, count, TIER_KEPT, need);
	}
	if (below_allotment_waits) {
		need = ask(vms, count, TIER_IDLE, need);
		(void)ask(vms, count, TIER_GROWTH, need);
	}
}

/* What a VM was asked for counts as given, so that the next one has its turn in the next period. */
static void count_asked(struct policy_vm *vms, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct policy_rank *rank = &vms[i].rank;
		uint64_t asked = vms[i].slow ? 0 : rules_asked_pages(&vms[i]);
		rank->level = sub_floor_u64(rank->level, slope(rank, asked));
	}
}

void round_begin(struct policy_vm *vms, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		rules_stand(&vms[i]);
		struct policy_rank *rank = &vms[i].rank;
		rank->level = rank->fall = rank->fall_after = rank->knee_pages = 0;
		rank->keep_pages = vms[i].min_pages;
		rank->want_pages = vms[i].wanted_pages;
		rank->claims = false;
	}
}

void round_end(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	bool waiting = false;
	uint64_t need = 0;
	for (unsigned i = 0; i < count; i++) {
		need += rules_grant(&vms[i], vms[i].rank.want_pages, POLICY_WANTED);
		waiting = waiting || vms[i].waiting;
	}
	bool plenty = !waiting && host->spare_pages > host->high_pages;
	if (!plenty) { /* otherwise nothing is asked for, and what was is void */
		count_asked(vms, count);
	}
	uint64_t claimed = plenty ? 0 : grant_claims(vms, count);
	if (waiting || host->spare_pages < host->low_pages) {
		relieve(vms, count,
			sub_floor_u64(host->high_pages, host->spare_pages) + need + claimed,
			host->harder);
	} else if (claimed > 0) {
		relieve(vms, count, claimed, host->harder);
	} else if (plenty) {
		give_back(vms, count, rules_surplus_pages(host, vms, count));
	}
	rules_settle(vms, count);
}

uint64_t round_demand_pages(const struct policy_vm *vm)
{
	uint64_t used = sub_floor_u64(vm->held_pages, vm->idle_pages);
	return min_u64(used + min_u64(vm->wanted_pages, vm->max_pages), vm->max_pages);
}

void round_rank(struct policy_vm *vm, uint64_t pages, uint64_t weight)
{
	vm->rank.fall = vm->rank.fall_after = max_u64(LEVEL_PAGE * 100 / max_u64(weight, 1), 1);
	vm->rank.level = pages * vm->rank.fall;
}
