/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/overcommit/policies/round.c adds up while VMs are ranked, decides upon most of many VMs
 * without a turn, and does not lower levels that nothing looks at. Here the round is written step
 * by step, and whose turn it is found by looking at all VMs each time: both must decide the same
 * for any host and any ranks, to the page and the reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/bits.h"
#include "fake/policy.h"
#include "kernel/overcommit/policies/round.h"

#define ROUNDS 20000
#define VMS_FEW 9
#define VMS_MANY 400

static struct policy_vm vms[VMS_MANY];
static struct policy_vm others[VMS_MANY];
static struct policy_rank ranks[VMS_MANY];

/* ---- Step by step ---- */

static uint64_t room_of(const struct policy_vm *vm, enum round_tier tier)
{
	uint64_t idle = min_u64(vm->idle_pages, vm->free_pages);
	uint64_t margin = sub_floor_u64(rules_margin_pages(vm), vm->free_pages - idle);
	uint64_t keep = tier == TIER_SPARE ? vm->rank.keep_pages : 0;
	uint64_t room = 0;
	if (!rules_can_give(vm) || (tier == TIER_KEPT && vm->reason == POLICY_CLAIMED)) {
		return 0;
	}
	if (tier == TIER_GROWTH) {
		room = sub_floor_u64(vm->free_pages, rules_margin_pages(vm));
		room = min_u64(room,
			       sub_floor_u64(vm->max_pages - vm->mem_pages, vm->ballooned_pages));
	} else {
		room = tier == TIER_IDLE ? idle : sub_floor_u64(idle, margin);
		room = min_u64(room, sub_floor_u64(vm->held_pages, max_u64(vm->min_pages, keep)));
	}
	uint64_t most = sub_floor_u64(vm->max_pages - vm->min_pages,
				      max_u64(vm->new_target_pages, vm->ballooned_pages));
	return min_u64(sub_floor_u64(room, rules_asked_pages(vm)), most);
}

static uint64_t level_change(struct policy_rank *rank, uint64_t pages)
{
	uint64_t before = min_u64(pages, rank->knee_pages);
	rank->knee_pages -= before;
	return before * rank->fall + (pages - before) * rank->fall_after;
}

static void move(struct policy_vm *vm, uint64_t pages, bool gives, enum policy_reason reason)
{
	uint64_t change = level_change(&vm->rank, pages);
	vm->reason = reason;
	vm->rank.room_pages -= pages;
	if (gives) {
		vm->new_target_pages = max_u64(vm->new_target_pages, vm->ballooned_pages) + pages;
		vm->rank.level = sub_floor_u64(vm->rank.level, change);
	} else {
		vm->new_target_pages -= pages;
		vm->rank.level += min_u64(change, ~vm->rank.level);
	}
}

/* By VMs of rank.room_pages, a portion at a time; returns what is left. */
static uint64_t spread(unsigned count, uint64_t pages, bool gives, enum policy_reason reason)
{
	uint64_t step = rules_portion(pages);
	while (pages > 0) {
		struct policy_vm *best = NULL;
		for (unsigned i = 0; i < count; i++) {
			struct policy_vm *vm = &others[i];
			if (vm->rank.room_pages > 0 &&
			    (best == NULL || (gives ? vm->rank.level > best->rank.level
						    : vm->rank.level < best->rank.level))) {
				best = vm;
			}
		}
		if (best == NULL) {
			break;
		}
		uint64_t amount = min_u64(min_u64(step, pages), best->rank.room_pages);
		move(best, amount, gives, reason);
		pages -= amount;
	}
	return pages;
}

static uint64_t ask(unsigned count, enum round_tier tier, uint64_t need)
{
	for (unsigned i = 0; i < count; i++) {
		others[i].rank.room_pages = room_of(&others[i], tier);
	}
	return spread(count, need, true,
		      tier == TIER_KEPT ? POLICY_SPARE : (enum policy_reason)(POLICY_SPARE + tier));
}

static uint64_t grant_claims(unsigned count)
{
	uint64_t funds = 0;
	uint64_t claims = 0;
	for (unsigned i = 0; i < count; i++) {
		claims += round_claimed_pages(&others[i]);
	}
	for (unsigned i = 0; i < count && funds < claims; i++) {
		bool lacks = round_lacking_pages(&others[i]) > 0;
		funds += lacks ? 0 : room_of(&others[i], TIER_SPARE);
	}
	for (unsigned i = 0; i < count; i++) {
		others[i].rank.room_pages = round_claimed_pages(&others[i]);
	}
	return funds - spread(count, funds, false, POLICY_CLAIMED);
}

static void relieve(const struct policy_host *host, unsigned count, uint64_t need)
{
	bool waits = host->harder;
	bool below_waits = host->harder;
	for (unsigned i = 0; i < count; i++) {
		const struct policy_vm *vm = &others[i];
		need = sub_floor_u64(need, rules_pending_pages(vm));
		waits |= vm->waiting;
		below_waits |= vm->waiting && vm->held_pages < vm->mem_pages;
	}
	need = ask(count, TIER_SPARE, need);
	need = waits ? ask(count, TIER_KEPT, need) : need;
	if (below_waits) {
		need = ask(count, TIER_IDLE, need);
		(void)ask(count, TIER_GROWTH, need);
	}
}

static void decide_step_by_step(const struct policy_host *host, unsigned count)
{
	bool waiting = false;
	uint64_t need = 0;
	for (unsigned i = 0; i < count; i++) {
		rules_stand(&others[i]);
		others[i].rank = ranks[i];
		need += rules_grant(&others[i], ranks[i].want_pages, POLICY_WANTED);
		waiting = waiting || others[i].waiting;
	}
	bool plenty = !waiting && host->spare_pages > host->high_pages;
	for (unsigned i = 0; i < count && !plenty; i++) {
		struct policy_rank *rank = &others[i].rank;
		uint64_t asked = others[i].slow ? 0 : rules_asked_pages(&others[i]);
		rank->level = sub_floor_u64(rank->level, level_change(rank, asked));
	}
	uint64_t claimed = plenty ? 0 : grant_claims(count);
	if (waiting || host->spare_pages < host->low_pages) {
		relieve(host, count,
			sub_floor_u64(host->high_pages, host->spare_pages) + need + claimed);
	} else if (claimed > 0) {
		relieve(host, count, claimed);
	} else if (plenty) {
		uint64_t surplus = rules_surplus_pages(host, others, count);
		for (unsigned i = 0; i < count; i++) {
			others[i].rank.room_pages = others[i].new_target_pages;
		}
		(void)spread(count, surplus, false, POLICY_RETURNED);
	}
	for (unsigned i = 0; i < count; i++) {
		bool same = others[i].new_target_pages == others[i].target_pages;
		others[i].reason = others[i].attached && same ? POLICY_KEEPS : others[i].reason;
	}
}

/* ---- As it is ---- */

static void decide(const struct policy_host *host, unsigned count)
{
	struct round round = round_begin(host);
	for (unsigned i = 0; i < count; i++) {
		round_stand(&vms[i]);
		vms[i].rank = ranks[i];
		round_add(&round, &vms[i]);
	}
	round_end(&round, vms, count);
}

static struct policy_rank draw_rank(const struct policy_vm *vm)
{
	struct policy_rank rank = {
		.level = policy_draw(4) == 0 ? policy_draw(100) : policy_draw(1ull << 45),
		.fall = policy_draw(3) == 0 ? 0 : policy_draw(1 << 20),
		.fall_after = policy_draw(1 << 20),
		.knee_pages = policy_draw(2) == 0 ? 0 : policy_draw(vm->max_pages + 1),
		.keep_pages = policy_draw(3) == 0 ? vm->min_pages : policy_draw(2 * vm->max_pages),
		.want_pages = policy_draw(3) == 0 ? policy_draw(vm->max_pages) : vm->wanted_pages,
		.claims = policy_draw(2) == 0,
	};
	return rank;
}

static void compare(unsigned count, unsigned round)
{
	struct policy_host host = policy_random_host();
	host.harder = policy_draw(8) == 0;
	for (unsigned i = 0; i < count; i++) {
		vms[i] = policy_random_vm();
		vms[i].waiting = vms[i].waiting && (count < VMS_FEW || policy_draw(200) == 0);
		vms[i].slow = policy_draw(8) == 0;
		vms[i].mute = policy_draw(8) == 0;
		vms[i].acts = policy_draw(2) == 0;
		/* The operator has lowered its max: it may hold more than that. */
		vms[i].max_pages = policy_draw(8) == 0 ? vms[i].mem_pages : vms[i].max_pages;
		ranks[i] = draw_rank(&vms[i]);
		/* Equals, too: of those the first one goes first. */
		if (i > 0 && policy_draw(4) == 0) {
			vms[i] = vms[i - 1];
			ranks[i] = ranks[i - 1];
		}
	}
	memcpy(others, vms, count * sizeof(vms[0]));
	decide(&host, count);
	decide_step_by_step(&host, count);
	policy_expect_alike(vms, others, count, round);
}

static void test_few_vms(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		policy_random = 0x9e3779b97f4a7c15ull * (round + 1);
		compare(1 + (unsigned)policy_draw(VMS_FEW), round);
	}
}

static void test_many_vms(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 60; round++) {
		policy_random = 0xd1342543de82ef95ull * (round + 1);
		compare(VMS_MANY - (unsigned)policy_draw(200), round);
	}
}

/* All are alike, and there are many: most are decided upon by their order alone. */
static void test_alike(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 60; round++) {
		policy_random = 0xa0761d6478bd642full * (round + 1);
		struct policy_host host = {.idle_tax_percent = 75};
		vms[0] = policy_typical();
		vms[0].free_pages = vms[0].idle_pages = 1 + policy_draw(vms[0].held_pages);
		ranks[0] =
			(struct policy_rank){.level = policy_draw(1ull << 60), .fall_after = 1000};
		for (unsigned i = 1; i < VMS_MANY; i++) {
			vms[i] = vms[0];
			ranks[i] = ranks[0];
			if (round % 3 == 0 && policy_draw(10) == 0) {
				ranks[i].level = policy_draw(1ull << 60);
			}
		}
		host.low_pages = host.high_pages = policy_draw(VMS_MANY * vms[0].idle_pages);
		memcpy(others, vms, sizeof(vms));
		decide(&host, VMS_MANY);
		decide_step_by_step(&host, VMS_MANY);
		for (unsigned i = 0; i < VMS_MANY; i++) {
			assert_int_equal(vms[i].new_target_pages, others[i].new_target_pages);
			assert_int_equal(vms[i].reason, others[i].reason);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few_vms),
		cmocka_unit_test(test_many_vms),
		cmocka_unit_test(test_alike),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
