/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Demand with headroom, and less is asked for when refaults rise: an idea of
 * apple/containerization, where the headroom is 256 MiB above anonymous memory, and a fixed amount
 * is given back on a refault. What follows is Aerostat's own: a VM keeps what it cannot do without
 * and an eighth of that. When it takes pages back that it gave, or swaps in, it was asked for too
 * much: it gets as many at once, and is not asked for a time that doubles each time that this was
 * not enough. Eight times as long without refaults, and all is forgotten. A driver that counts no
 * refaults, as VMware's, is never left alone. tunables refault_headroom_parts, refault_backoff_ms
 * and refault_backoff_most_ms.
 */
#include "kernel/overcommit/policies/policies.h"

#include "base/bits.h"
#include "base/time.h"
#include "kernel/lib/tunables.h"
#include "kernel/overcommit/policies/round.h"

#define FORGET_TIMES 8

enum { LEFT, LENGTH, QUIET }; /* of a back-off, in us: what it remembers */

/* True: it is not to be asked now. */
static bool backs_off(struct policy_vm *vm, uint64_t passed_us)
{
	uint64_t *memory = vm->memory;
	uint64_t most = (uint64_t)tunables.refault_backoff_most_ms * US_PER_MS;
	uint64_t first = (uint64_t)tunables.refault_backoff_ms * US_PER_MS;
	memory[LEFT] = sub_floor_u64(memory[LEFT], passed_us);
	if (vm->refault_pages == 0 && memory[LENGTH] == 0) {
		return memory[LEFT] > 0; /* there is none to forget */
	}
	if (vm->refault_pages == 0) {
		memory[QUIET] = min_u64(memory[QUIET] + passed_us, FORGET_TIMES * most);
		memory[LENGTH] = memory[QUIET] < FORGET_TIMES * memory[LENGTH] ? memory[LENGTH] : 0;
		return memory[LEFT] > 0;
	}
	if (memory[LEFT] == 0) {
		memory[LENGTH] = min_u64(max_u64(2 * memory[LENGTH], first), most);
	}
	memory[LEFT] = memory[LENGTH];
	memory[QUIET] = 0;
	return true;
}

static void decide(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	struct round round = round_begin(host);
	for (unsigned i = 0; i < count; i++) {
		struct policy_vm *vm = &vms[i];
		round_stand(vm);
		uint64_t demand = round_demand_pages(vm);
		uint64_t keep = demand + demand / tunables.refault_headroom_parts;
		vm->rank.keep_pages = backs_off(vm, host->passed_us) ? UINT64_MAX : keep;
		vm->rank.want_pages = max_u64(vm->wanted_pages, vm->refault_pages);
		round_rank(vm, sub_floor_u64(vm->held_pages, keep), 100);
		round_add(&round, vm);
	}
	round_end(&round, vms, count);
}

const struct policy policy_refault = {
	.name = "refault",
	.rule = "demand with headroom; a VM that takes back what it gave is left alone for a while",
	.source = "after an idea of apple/containerization: headroom, and less asked on refaults",
	.decide = decide,
};
