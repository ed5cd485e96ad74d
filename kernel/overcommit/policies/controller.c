/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A PI controller on stalls. That balloons are moved by such a loop is an idea of qemus/qemu, whose
 * loop is another one: it keeps the use of the host's RAM at 80 % or below, and reads the host's
 * pressure. What follows is Aerostat's own: a loop for each VM; its error is the part of time that
 * the VM stalls, less a set point; its output a cushion on top of the VM's demand, from nothing to
 * as much again, that the VM keeps or gets. A VM stalls while a vCPU waits for a frame, and in
 * proportion while it wants pages, or takes pages back that it gave. tunables
 * controller_set_permille, controller_smooth_ms and controller_integral_ms.
 */
#include "kernel/overcommit/policies/policies.h"

#include "base/bits.h"
#include "base/time.h"
#include "kernel/lib/tunables.h"
#include "kernel/overcommit/policies/round.h"

#define PERMILLE 1000
#define PASSED_MOST_US 1000000 /* a machine that stood still has not stalled for longer */

enum { STALL, INTEGRAL }; /* what it remembers: permille times PERMILLE, permille times us */

static uint64_t stall_permille(const struct policy_vm *vm)
{
	uint64_t lacking = min_u64(vm->wanted_pages, vm->max_pages) +
			   min_u64(vm->refault_pages, vm->max_pages);
	return vm->waiting ? PERMILLE
			   : min_u64(lacking * PERMILLE / max_u64(vm->held_pages, 1), PERMILLE);
}

/* One step of the loop of one VM: its cushion, in permille of its demand. */
static uint64_t step(struct policy_vm *vm, uint64_t passed_us)
{
	uint64_t smooth_us = (uint64_t)tunables.controller_smooth_ms * US_PER_MS;
	uint64_t full_us = (uint64_t)tunables.controller_integral_ms * US_PER_MS;
	uint64_t set = tunables.controller_set_permille;
	uint64_t *stall = &vm->memory[STALL];
	uint64_t *integral = &vm->memory[INTEGRAL];
	*stall = (*stall * smooth_us + stall_permille(vm) * PERMILLE * passed_us) /
		 (smooth_us + max_u64(passed_us, 1));
	uint64_t now = *stall / PERMILLE;
	if (now >= set) {
		*integral = min_u64(*integral + (now - set) * passed_us, PERMILLE * full_us);
	} else {
		*integral = sub_floor_u64(*integral, (set - now) * passed_us);
	}
	return min_u64(sub_floor_u64(now, set) + *integral / full_us, PERMILLE);
}

static void decide(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	uint64_t passed_us = min_u64(host->passed_us, PASSED_MOST_US);
	struct round round = round_begin(host);
	for (unsigned i = 0; i < count; i++) {
		struct policy_vm *vm = &vms[i];
		round_stand(vm);
		uint64_t cushion = step(vm, passed_us);
		uint64_t demand = round_demand_pages(vm);
		vm->rank.keep_pages = demand + demand * cushion / PERMILLE;
		vm->rank.claims = true;
		/* Those that stall less give first: by as much as their cushions are smaller. */
		round_rank(vm, vm->held_pages, PERMILLE / 10 + cushion);
		round_add(&round, vm);
	}
	round_end(&round, vms, count);
}

const struct policy policy_controller = {
	.name = "controller",
	.rule = "a PI loop for each VM turns its stalls into a cushion on top of its demand",
	.source = "after an idea of qemus/qemu: a PI loop, there on the use of the host's RAM",
	.decide = decide,
};
