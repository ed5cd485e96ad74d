/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One threshold of the host, as Proxmox VE's automatic allocation documents: while more than 80 %
 * of the host's memory is in use, VMs shrink towards their minimum; while less is in use, they grow
 * again. Shares say how much each has beyond its minimum. What guests need does not count, but
 * for what the round keeps from each policy. tunables threshold_shrink_percent and
 * threshold_grow_percent.
 */
#include "kernel/overcommit/policies/policies.h"

#include "base/bits.h"
#include "kernel/lib/tunables.h"
#include "kernel/overcommit/policies/round.h"

static void decide(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	struct policy_host by_threshold = *host;
	uint64_t shrink = min_u64(tunables.threshold_shrink_percent, 100);
	uint64_t grow = min_u64(tunables.threshold_grow_percent, shrink);
	by_threshold.low_pages = max_u64(host->low_pages, host->total_pages / 100 * (100 - shrink));
	by_threshold.high_pages = max_u64(host->high_pages, host->total_pages / 100 * (100 - grow));
	struct round round = round_begin(&by_threshold);
	for (unsigned i = 0; i < count; i++) {
		round_stand(&vms[i]);
		round_rank(&vms[i], sub_floor_u64(vms[i].held_pages, vms[i].min_pages),
			   vms[i].shares);
		round_add(&round, &vms[i]);
	}
	round_end(&round, vms, count);
}

const struct policy policy_threshold = {
	.name = "threshold",
	.rule = "VMs shrink by shares while more than 80 % of the host is in use",
	.source = "Proxmox VE: documentation of automatic memory allocation",
	.uses_shares = true,
	.decide = decide,
};
