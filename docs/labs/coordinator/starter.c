/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory coordinator: docs/labs/coordinator/README.md says what it has to do. */
#include "kernel/overcommit/policies/policies.h"

#include "base/bits.h"

static void decide(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	(void)host;
	for (unsigned i = 0; i < count; i++) {
		vms[i].new_target_pages = 0; /* all VMs may have all that they were promised */
		vms[i].reason = POLICY_KEEPS;
	}
}

const struct policy policy_coordinator = {
	.name = "coordinator",
	.rule = "in one line, what the operator reads",
	.source = "docs/labs/coordinator",
	.decide = decide,
};
