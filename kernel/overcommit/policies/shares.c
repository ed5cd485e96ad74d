/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proportional shares with a tax on idle memory, as published for VMware ESX Server: C.
 * Waldspurger, "Memory Resource Management in VMware ESX Server", OSDI 2002, section 5. A VM of S
 * shares that holds P pages, the part f of them in use, pays for each
 *
 *	price = S / (P (f + k (1 - f))),   k = 1 / (1 - tax)
 *
 * and memory goes from the VM that pays least. With A pages in use that is S / (A + k (P - A)), so
 * the level is its inverse: it falls by k / S with each idle page given, and by 1 / S with others.
 * A VM without an estimate is taken to use what it holds. tunable idle_tax_percent.
 */
#include "kernel/overcommit/policies/policies.h"

#include "base/bits.h"
#include "kernel/overcommit/policies/round.h"

#define TAX_PERCENT_MAX 99

static void decide(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	uint64_t paid_percent = 100 - min_u64(host->idle_tax_percent, TAX_PERCENT_MAX);
	struct round round = round_begin(host);
	for (unsigned i = 0; i < count; i++) {
		struct policy_vm *vm = &vms[i];
		round_stand(vm);
		uint64_t idle =
			vm->active_known ? sub_floor_u64(vm->held_pages, vm->active_pages) : 0;
		round_rank(vm, vm->held_pages - idle, vm->shares);
		vm->rank.fall = LEVEL_PAGE * 100 * 100 / (paid_percent * vm->shares);
		vm->rank.level += idle * vm->rank.fall;
		vm->rank.knee_pages = idle;
		round_add(&round, vm);
	}
	round_end(&round, vms, count);
}

const struct policy policy_shares = {
	.name = "shares",
	.rule = "memory goes from the VM that pays the lowest price for it: shares, idle tax",
	.source = "VMware ESX Server: Waldspurger, OSDI 2002, section 5",
	.uses_shares = true,
	.decide = decide,
};
