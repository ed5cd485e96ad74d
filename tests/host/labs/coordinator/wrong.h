/* SPDX-License-Identifier: BSD-2-Clause */
/* Wrong answers of docs/labs/coordinator, each with the checks that it has to lose. */
#ifndef HOST_LABS_COORDINATOR_WRONG_H
#define HOST_LABS_COORDINATOR_WRONG_H

#include "kernel/overcommit/policy.h"

struct wrong_policy {
	const char *what;
	void (*decide)(const struct policy_host *host, struct policy_vm *vms, unsigned count);
	const char *loses; /* names of checks without their variations, in their order */
};

/* By number; NULL behind the last. */
const struct wrong_policy *wrong_policy_at(unsigned index);

#endif
