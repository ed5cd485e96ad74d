/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Demand and buffer, with the meanings that Hyper-V's Dynamic Memory documents: a VM's pressure is
 * what it cannot do without as a part of what it has, and it is to have buffer= percent more than
 * that (20 %: a pressure of 100 / 1.2 = 83 %). Memory goes from the VM of the lowest pressure, down
 * to its buffer, to those that lack of theirs; a VM of higher weight, here shares=, counts as under
 * that much more pressure. Only while a vCPU waits for a frame buffers are given up.
 */
#include "kernel/overcommit/policies/policies.h"

#include "base/bits.h"
#include "kernel/overcommit/policies/round.h"

static void decide(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	struct round round = round_begin(host);
	for (unsigned i = 0; i < count; i++) {
		struct policy_vm *vm = &vms[i];
		round_stand(vm);
		uint64_t demand = round_demand_pages(vm);
		uint64_t weighed = max_u64(demand * vm->shares / 100, 1);
		vm->rank.keep_pages = demand + demand * vm->buffer_percent / 100;
		vm->rank.claims = true;
		/* The level is 1 / pressure: one for each `weighed` pages that it holds. */
		vm->rank.fall = vm->rank.fall_after = max_u64((1ull << 31) / weighed, 1);
		vm->rank.level = vm->held_pages * vm->rank.fall;
		round_add(&round, vm);
	}
	round_end(&round, vms, count);
}

const struct policy policy_demand = {
	.name = "demand",
	.rule = "each VM keeps its demand and buffer= percent; the lowest pressure gives first",
	.source = "Microsoft Hyper-V Dynamic Memory: documentation of its counters and settings",
	.uses_shares = true,
	.decide = decide,
};
