/* SPDX-License-Identifier: BSD-2-Clause */
/* See policy.h: the table of policies, and which of them decides. */
#include "kernel/overcommit/policy.h"

#include "base/bits.h"
#include "base/string.h"
#include "kernel/overcommit/policies/policies.h"

static const struct policy *const policies[] = {
	&policy_spare,	   &policy_shares,     &policy_demand,	&policy_static,
	&policy_threshold, &policy_controller, &policy_refault,
};

static unsigned current;
static unsigned changes;

const struct policy *policy_at(unsigned index)
{
	return index < ARRAY_COUNT(policies) ? policies[index] : NULL;
}

const struct policy *policy_now(void)
{
	return policies[current];
}

unsigned policy_changes(void)
{
	return changes;
}

static enum status refuse(const char *name, size_t length, struct error *error)
{
	char names[100];
	size_t used = 0;
	for (unsigned i = 0; i < ARRAY_COUNT(policies); i++) {
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
					 i == 0 ? "" : " ", policies[i]->name);
		used = min_u64(used, sizeof(names) - 1);
	}
	return error_set(error, STATUS_NOT_FOUND, "there is no policy %.*s, only: %s",
			 (int)min_u64(length, 40), name, names);
}

enum status policy_select(const char *name, size_t length, struct error *error)
{
	for (unsigned i = 0; i < ARRAY_COUNT(policies); i++) {
		if (strlen(policies[i]->name) == length &&
		    memcmp(policies[i]->name, name, length) == 0) {
			changes += i != current ? 1 : 0;
			current = i;
			return STATUS_OK;
		}
	}
	return refuse(name, length, error);
}

void policy_decide(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	policies[current]->decide(host, vms, count);
}
