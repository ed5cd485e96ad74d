/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The round that carries out what policies rank. Real: kernel/overcommit/policies/round.c. Stubbed:
 * nothing; the tunables have their default values.
 */
#include "tests/proofs/proof.h"

#include "kernel/overcommit/policies/round.c"

struct tunables tunables = {
#define TUNABLE(name, unit, normal, least, most, off, meaning) .name = (normal),
#include "kernel/lib/tunables.def"
#undef TUNABLE
};

#define PAGES_MAX (1ull << 32) /* a guest's RAM is below 2^32 pages */

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
		.attached = any_bool(),
		.slow = any_bool(),
		.unresponsive = any_bool(),
		.waiting = any_bool(),
		.acts = any_bool(),
		.rank.keep_pages = any_u64(),
		.rank.claims = any_bool(),
		.new_target_pages = any_below(PAGES_MAX),
	};
	ASSUME(vm.min_pages <= vm.mem_pages && vm.mem_pages <= vm.max_pages);
	return vm;
}

/*
 * PROOF round_stand_and_grant_are_within
 * Shows: a target that stands is at most max - min and never more than before; what a VM gets back
 * comes off its own target, page for page, and an unresponsive one gets nothing
 * Bound: one VM, all words of the guest, all ranks
 * Assumes: sizes below 2^32 pages; min <= mem <= max
 * Classes: H7
 * Sources: kernel/overcommit/policies/round.c
 * Fault: kernel/overcommit/policies/rules.h | vm->new_target_pages -= granted; |
 * vm->new_target_pages -= pages;
 */
void round_stand_and_grant_are_within(void)
{
	struct policy_vm vm = any_vm();
	rules_stand(&vm);
	uint64_t stood = vm.new_target_pages;
	PROVE(stood <= vm.max_pages - vm.min_pages && stood <= vm.target_pages);
	PROVE(vm.attached || stood == 0);
	uint64_t wanted = any_u64();
	uint64_t granted = rules_grant(&vm, wanted, POLICY_WANTED);
	PROVE(granted <= wanted && vm.new_target_pages == stood - granted);
	PROVE(!vm.unresponsive || granted == 0);
	PROVE(round_lacking_pages(&vm) <= vm.max_pages);
}
