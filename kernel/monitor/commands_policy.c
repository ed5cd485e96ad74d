/* SPDX-License-Identifier: BSD-2-Clause */
/* See commands_policy.h. */
#include "kernel/monitor/commands_policy.h"

#include "base/log.h"
#include "kernel/monitor/output.h"
#include "kernel/overcommit/host_limits.h"
#include "kernel/overcommit/policy.h"

enum status commands_policy_choose(const struct command_call *call, struct error *error)
{
	const struct policy *policy;
	for (unsigned i = 0; call->count == 0 && (policy = policy_at(i)) != NULL; i++) {
		output_print("%s %-10s %s", policy == policy_now() ? "*" : " ", policy->name,
			     policy->rule);
		output_print("  %-10s %s", "", policy->source);
	}
	if (call->count == 0) {
		return STATUS_OK;
	}
	const struct policy *before = policy_now();
	enum status status = policy_select(call->words[0].text, call->words[0].length, error);
	if (status == STATUS_OK) {
		log_event(NULL, "operator policy=%s was=%s", policy_now()->name, before->name);
	}
	return status;
}

enum status commands_policy_set_host(const struct command_call *call, struct error *error)
{
	struct word key = call->words[1];
	struct word value = call->words[2];
	enum status status = host_limits_set(key, value, error);
	if (status == STATUS_OK) {
		log_event(NULL, "operator set host %.*s=%.*s", word_shown(key), key.text,
			  word_shown(value), value.text);
	}
	return status;
}
