/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The policy `spare` finds whose turn it is in a heap. Here it is found by looking at all VMs each
 * time, as simply as can be: both must decide the same for any host, to the page and the reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/bits.h"
#include "fake/policy.h"
#include "kernel/overcommit/policies/policies.h"
#include "kernel/overcommit/policies/rules.h"
#include "kernel/overcommit/policies/turns.h"

#define ROUNDS 30000
#define VMS_FEW 9
#define VMS_MANY 400

#define WEIGHT_UNIT 1024
#define TAX_PERCENT_MAX 99

enum tier { TIER_SPARE, TIER_IDLE, TIER_GROWTH }; /* in the order of their reasons */

/* How much more this VM could be asked for in a tier. */
static uint64_t capacity_pages(const struct policy_vm *vm, enum tier tier)
{
	if (!rules_can_give(vm)) {
		return 0;
	}
	uint64_t untouched = vm->free_pages - min_u64(vm->idle_pages, vm->free_pages);
	uint64_t above_min = sub_floor_u64(vm->held_pages, vm->min_pages);
	uint64_t room = 0;
	switch (tier) {
	case TIER_SPARE:
		room = sub_floor_u64(vm->idle_pages,
				     sub_floor_u64(rules_margin_pages(vm), untouched));
		room = min_u64(room, above_min);
		break;
	case TIER_IDLE:
		room = min_u64(vm->idle_pages, above_min);
		break;
	case TIER_GROWTH:
		/* Counted from the size that the target leaves the guest, not from frames. */
		room = sub_floor_u64(vm->free_pages, rules_margin_pages(vm));
		room = min_u64(room,
			       sub_floor_u64(vm->max_pages - vm->mem_pages, vm->ballooned_pages));
		break;
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

/* a / a_shares > b / b_shares without dividing. */
static bool more_per_share(uint64_t a, uint64_t a_shares, uint64_t b, uint64_t b_shares)
{
	return (unsigned __int128)a * b_shares > (unsigned __int128)b * a_shares;
}

/* Raises targets by `need` in one tier; answers what is still missing. */
static uint64_t ask(struct policy_vm *vms, unsigned count, enum tier tier, uint64_t need)
{
	uint64_t step = rules_portion(need);
	while (need > 0) {
		struct policy_vm *best = NULL;
		uint64_t best_capacity = 0;
		uint64_t best_weighed = 0;
		for (unsigned i = 0; i < count; i++) {
			uint64_t capacity = capacity_pages(&vms[i], tier);
			uint64_t weighed = capacity * vms[i].weight;
			if (capacity > 0 &&
			    (best == NULL ||
			     more_per_share(weighed, vms[i].shares, best_weighed, best->shares))) {
				best = &vms[i];
				best_capacity = capacity;
				best_weighed = weighed;
			}
		}
		if (best == NULL) {
			break;
		}
		uint64_t amount = min_u64(min_u64(step, need), best_capacity);
		best->new_target_pages =
			max_u64(best->new_target_pages, best->ballooned_pages) + amount;
		best->reason = (enum policy_reason)(POLICY_SPARE + tier);
		need -= amount;
	}
	return need;
}

/* Lowers targets by up to `surplus`, the largest target times shares first. */
static void give_back(struct policy_vm *vms, unsigned count, uint64_t surplus)
{
	uint64_t step = rules_portion(surplus);
	while (surplus > 0) {
		struct policy_vm *best = NULL;
		for (unsigned i = 0; i < count; i++) {
			if (vms[i].new_target_pages > 0 &&
			    (best == NULL ||
			     (unsigned __int128)vms[i].new_target_pages * vms[i].shares >
				     (unsigned __int128)best->new_target_pages * best->shares)) {
				best = &vms[i];
			}
		}
		if (best == NULL) {
			break;
		}
		uint64_t amount = min_u64(min_u64(step, surplus), best->new_target_pages);
		best->new_target_pages -= amount;
		best->reason = POLICY_RETURNED;
		surplus -= amount;
	}
}

/* A VM waits that has less than it was allotted: others may be asked for more than spare parts. */
static bool below_allotment_waits(const struct policy_vm *vms, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (vms[i].waiting && vms[i].held_pages < vms[i].mem_pages) {
			return true;
		}
	}
	return false;
}

/*
 * A guest that wants pages and has a balloon gets them back from its own balloon as far as the host
 * can serve it; what it cannot serve counts as need. Answers the sum that was granted.
 */
static uint64_t grant_wanted(struct policy_vm *vms, unsigned count)
{
	uint64_t granted = 0;
	for (unsigned i = 0; i < count; i++) {
		granted += rules_grant(&vms[i], vms[i].wanted_pages, POLICY_WANTED);
	}
	return granted;
}

static void relieve(const struct policy_host *host, struct policy_vm *vms, unsigned count,
		    uint64_t granted)
{
	uint64_t need = host->high_pages - min_u64(host->high_pages, host->spare_pages) + granted;
	for (unsigned i = 0; i < count; i++) {
		need = sub_floor_u64(need, rules_pending_pages(&vms[i]));
	}
	need = ask(vms, count, TIER_SPARE, need);
	if (below_allotment_waits(vms, count)) {
		need = ask(vms, count, TIER_IDLE, need);
		(void)ask(vms, count, TIER_GROWTH, need);
	}
}

static void decide(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	bool waiting = false;
	for (unsigned i = 0; i < count; i++) {
		rules_stand(&vms[i]);
		vms[i].weight = page_weight(host, &vms[i]);
		waiting = waiting || vms[i].waiting;
	}
	uint64_t granted = grant_wanted(vms, count);
	if (waiting || host->spare_pages < host->low_pages) {
		relieve(host, vms, count, granted);
	} else if (host->spare_pages > host->high_pages) {
		give_back(vms, count, rules_surplus_pages(host, vms, count));
	}
	for (unsigned i = 0; i < count; i++) {
		if (vms[i].attached && vms[i].new_target_pages == vms[i].target_pages) {
			vms[i].reason = POLICY_KEEPS;
		}
	}
}

static struct policy_vm vms[VMS_MANY];
static struct policy_vm others[VMS_MANY];

static void compare(unsigned count, unsigned round)
{
	struct policy_host host = policy_random_host();
	for (unsigned i = 0; i < count; i++) {
		vms[i] = policy_random_vm();
		vms[i].slow = policy_draw(8) == 0;
		vms[i].acts = policy_draw(2) == 0;
		/* Equals, too: of those the first one goes first. */
		if (i > 0 && policy_draw(4) == 0) {
			vms[i] = vms[i - 1];
		}
	}
	memcpy(others, vms, count * sizeof(vms[0]));
	policy_spare.decide(&host, vms, count);
	decide(&host, others, count);
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
	for (unsigned round = 0; round < 40; round++) {
		policy_random = 0xd1342543de82ef95ull * (round + 1);
		compare(VMS_MANY - (unsigned)policy_draw(100), round);
	}
}

/*
 * Many VMs of which some part must be asked, or has to give back: most are decided upon without a
 * turn, some have several.
 */
static void test_most_need_no_turn(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 120; round++) {
		policy_random = 0xa0761d6478bd642full * (round + 1);
		uint64_t most = 1ull << (4 + policy_draw(14));
		uint64_t sum = 0;
		for (unsigned i = 0; i < VMS_MANY; i++) {
			vms[i] = policy_typical();
			vms[i].max_pages = vms[i].mem_pages = vms[i].held_pages = 1 << 20;
			vms[i].shares = policy_draw(4) == 0 ? 1 + policy_draw(10000) : 100;
			vms[i].idle_pages =
				policy_draw(8) == 0 ? policy_draw(64 * most) : policy_draw(most);
			vms[i].free_pages = 1 << 19;
			vms[i].ballooned_pages = vms[i].target_pages =
				round % 2 == 0 ? 0 : vms[i].idle_pages;
			sum += vms[i].idle_pages;
		}
		uint64_t part = sum * policy_draw(110) / 100;
		struct policy_host host = {.idle_tax_percent = 75};
		host.low_pages = host.high_pages = round % 2 == 0 ? part : 0;
		host.spare_pages = round % 2 == 0 ? 0 : part;
		memcpy(others, vms, sizeof(vms));
		policy_spare.decide(&host, vms, VMS_MANY);
		decide(&host, others, VMS_MANY);
		for (unsigned i = 0; i < VMS_MANY; i++) {
			assert_int_equal(vms[i].new_target_pages, others[i].new_target_pages);
			assert_int_equal(vms[i].reason, others[i].reason);
		}
	}
}

/* A key that falls with each page, as levels do; none below 0. */
static uint64_t key_after(const struct policy_vm *vm, uint64_t moved)
{
	return sub_floor_u64(vm->rank.level, moved * vm->rank.fall);
}

/* Pages move by turns; and by a look at all VMs each time. */
static void move_by_turns(unsigned count, uint64_t step, uint64_t need)
{
	struct turns turns = turns_begin(step, need);
	for (unsigned i = 0; i < count; i++) {
		turns_count(&turns, &vms[i], vms[i].rank.room_pages > 0 ? vms[i].rank.level : 0);
	}
	turns_bound(&turns, vms, count);
	for (unsigned i = 0; i < count; i++) {
		if (turns_take(&turns, vms, i)) {
			vms[i].new_target_pages = vms[i].rank.room_pages;
			need -= vms[i].rank.room_pages;
		}
	}
	turns_sort(&turns, vms);
	while (need > 0 && turns.size > 0) {
		struct policy_vm *vm = turns_first(vms);
		uint64_t amount = min_u64(min_u64(turns.step, need), vm->rank.room_pages);
		vm->new_target_pages += amount;
		vm->rank.room_pages -= amount;
		need -= amount;
		turns_next(&turns, vms, key_after(vm, vm->new_target_pages));
	}
}

static void move_one_by_one(unsigned count, uint64_t step, uint64_t need)
{
	while (need > 0) {
		struct policy_vm *best = NULL;
		uint64_t best_key = 0;
		for (unsigned i = 0; i < count; i++) {
			uint64_t key = key_after(&others[i], others[i].new_target_pages);
			if (others[i].rank.room_pages > 0 && (best == NULL || key > best_key)) {
				best = &others[i];
				best_key = key;
			}
		}
		if (best == NULL) {
			return;
		}
		uint64_t amount = min_u64(min_u64(step, need), best->rank.room_pages);
		best->new_target_pages += amount;
		best->rank.room_pages -= amount;
		need -= amount;
	}
}

/* Keys of any size, to the largest that there is, many of them equal. */
static void test_turns_of_any_keys(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 400; round++) {
		policy_random = 0xe7037ed1a0b428dbull * (round + 1);
		unsigned count = 200 + (unsigned)policy_draw(VMS_MANY - 199);
		uint64_t step = 1 + policy_draw(200);
		uint64_t sum = 0;
		uint64_t base = policy_draw(3) == 0 ? UINT64_MAX - (1 << 20) : 1 << 20;
		memset(vms, 0, sizeof(vms));
		for (unsigned i = 0; i < count; i++) {
			vms[i].rank.level = base + policy_draw(1 << 20);
			vms[i].rank.level = policy_draw(4) == 0 ? base : vms[i].rank.level;
			if (base > 1 << 20 && policy_draw(9) == 0) {
				vms[i].rank.level = UINT64_MAX;
			}
			if (round % 8 == 1) { /* most in a small part of the scale */
				vms[i].rank.level = policy_draw(1ull << policy_draw(64));
			} else if (round % 8 == 2) {
				vms[i].rank.level = policy_draw(7) == 0 ? policy_draw(9) : base;
			}
			vms[i].rank.fall = 1 + policy_draw(1 << 12);
			vms[i].rank.room_pages =
				policy_draw(6) == 0 ? policy_draw(4 * step) : policy_draw(step + 1);
			if (round % 8 ==
			    3) { /* few with much to move, above and below the others */
				bool few = policy_draw(50) == 0;
				vms[i].rank.room_pages = few ? 100 * step : 1 + policy_draw(step);
				vms[i].rank.level =
					few ? policy_draw(2) << 40 : 1000 + policy_draw(100);
			}
			sum += vms[i].rank.room_pages;
		}
		memcpy(others, vms, sizeof(vms));
		uint64_t need = 1 + policy_draw(sum + sum / 8 + 1);
		move_by_turns(count, step, need);
		move_one_by_one(count, step, need);
		for (unsigned i = 0; i < count; i++) {
			assert_int_equal(vms[i].new_target_pages, others[i].new_target_pages);
		}
	}
}

/* Parts of a page per share count: of many shares, one page more is one's turn all the same. */
static void test_close_ones(void **state)
{
	struct policy_host host = {.low_pages = 100, .high_pages = 100, .idle_tax_percent = 75};
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		vms[i] = policy_typical();
		vms[i].shares = 10000;
		vms[i].idle_pages += i;
	}
	memcpy(others, vms, 2 * sizeof(vms[0]));
	policy_spare.decide(&host, vms, 2);
	decide(&host, others, 2);
	assert_true(vms[1].new_target_pages > vms[0].new_target_pages);
	assert_int_equal(vms[0].new_target_pages, others[0].new_target_pages);
	assert_int_equal(vms[1].new_target_pages, others[1].new_target_pages);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few_vms),		  cmocka_unit_test(test_many_vms),
		cmocka_unit_test(test_close_ones),	  cmocka_unit_test(test_most_need_no_turn),
		cmocka_unit_test(test_turns_of_any_keys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
