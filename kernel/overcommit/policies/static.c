/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Equal parts: what a host without overcommitment does, and the baseline that each publication on
 * ballooning compares with. While the host has no plenty, a VM is asked for what it holds beyond an
 * equal part of the host's memory, and gets what it lacks of that. Needs do not matter.
 */
#include "kernel/overcommit/policies/policies.h"

#include "base/bits.h"
#include "kernel/overcommit/policies/round.h"

static void decide(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	unsigned parts = 0;
	for (unsigned i = 0; i < count; i++) {
		parts += vms[i].attached || vms[i].held_pages > 0 ? 1 : 0;
	}
	struct round round = round_begin(host);
	for (unsigned i = 0; i < count; i++) {
		round_stand(&vms[i]);
		vms[i].rank.keep_pages = host->total_pages / max_u64(parts, 1);
		vms[i].rank.claims = true;
		round_rank(&vms[i], vms[i].held_pages, 100);
		round_add(&round, &vms[i]);
	}
	round_end(&round, vms, count);
}

const struct policy policy_static = {
	.name = "static",
	.rule = "an equal part of the host's memory for each VM, whatever it needs",
	.source = "the equal allotment that publications on ballooning compare with",
	.decide = decide,
};
