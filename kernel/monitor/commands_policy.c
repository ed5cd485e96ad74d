/* SPDX-License-Identifier: BSD-2-Clause */
/* See commands_policy.h. */
#include "kernel/monitor/commands_policy.h"

#include "base/log.h"
#include "kernel/monitor/output.h"
#include "kernel/overcommit/host_limits.h"
#include "kernel/overcommit/policy.h"
#include "kernel/overcommit/timed_reclaim.h"
#include "kernel/vm/vm_config.h"

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

enum status commands_policy_reclaim(const struct command_call *call, struct error *error)
{
	struct word size = call->words[0];
	uint64_t pages;
	uint64_t ms = RECLAIM_MS_USUAL;
	if (vm_config_parse_size(size.text, size.length, &pages) != STATUS_OK) {
		return error_set(error, STATUS_INVALID,
				 "%.*s is not a size such as 8M, a multiple of 4K",
				 word_shown(size), size.text);
	}
	if (call->count > 1 && !word_parse_decimal(call->words[1], &ms)) {
		return error_set(error, STATUS_INVALID, "%.*s is not a number of milliseconds",
				 word_shown(call->words[1]), call->words[1].text);
	}
	return timed_reclaim_begin(pages, ms, error);
}

void commands_policy_show_reclaim(void)
{
	struct reclaim_report report = timed_reclaim_report();
	if (report.is_open) {
		output_print("reclaim: under way, missing %luK of %luK, step %s",
			     report.missing_pages * 4, timed_reclaim_pages() * 4,
			     reclaim_step_name(report.step));
	}
}

void commands_policy_show_reclaims(void)
{
	struct reclaim_report report = timed_reclaim_report();
	commands_policy_show_reclaim();
	if (report.requests == 0) {
		return;
	}
	output_print("reclaims: %lu, late %lu, of %luK that were missing; frames by time in us:",
		     report.requests, report.late, report.pages * 4);
	for (unsigned i = 0; i < RECLAIM_BUCKETS - 1; i++) {
		if (report.buckets[i] > 0) {
			output_print("  up to %6lu: %lu", timed_reclaim_bucket_us(i),
				     report.buckets[i]);
		}
	}
	output_print("  late: %lu", report.buckets[RECLAIM_BUCKETS - 1]);
}
