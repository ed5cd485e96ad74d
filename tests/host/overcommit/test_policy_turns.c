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
	rules_settle(vms, count);
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
	for (unsigned i = 0; i < count; i++) {
		if (vms[i].new_target_pages != others[i].new_target_pages ||
		    vms[i].reason != others[i].reason) {
			fail_msg("round %u, VM %u: %lu pages for the reason %d, not %lu for %d",
				 round, i, vms[i].new_target_pages, (int)vms[i].reason,
				 others[i].new_target_pages, (int)others[i].reason);
		}
	}
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
		cmocka_unit_test(test_few_vms),
		cmocka_unit_test(test_many_vms),
		cmocka_unit_test(test_close_ones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
