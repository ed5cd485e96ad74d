/* SPDX-License-Identifier: BSD-2-Clause */
/* The command that switches the trace and shows its last records. */
#include "kernel/monitor/commands.h"

#include "base/check.h"
#include "base/bits.h"
#include "base/log.h"
#include "kernel/monitor/output.h"
#include "kernel/trace/mask.h"
#include "kernel/trace/text.h"
#include "kernel/trace/trace.h"

#define SHOWN_USUALLY 10

static enum status show(const struct command_call *call, struct error *error)
{
	static struct trace_record records[TRACE_SHOWN_MOST]; /* too large for a stack */
	uint64_t most = SHOWN_USUALLY;
	if (call->count > 1 &&
	    (!word_parse_decimal(call->words[1], &most) || most == 0 || most > TRACE_SHOWN_MOST)) {
		return error_set(error, STATUS_INVALID, "%.*s is not a number from 1 to %u",
				 word_shown(call->words[1]), call->words[1].text, TRACE_SHOWN_MOST);
	}
	struct trace_sums sums = trace_sums();
	unsigned count = trace_last(records, (unsigned)most);
	for (unsigned i = 0; i < count; i++) {
		char line[TRACE_LINE_BYTES];
		trace_text_record(&records[i], line);
		output_print("%s", line);
	}
	output_print("trace: events 0x%x on, %s; records %lu, lost %lu, kept %lu", trace_mask,
		     trace_has_port() ? "sent by its port" : "no port (trace-port=)", sums.written,
		     sums.lost, sums.unsent);
	return STATUS_OK;
}

static enum status trace(const struct command_call *call, struct error *error)
{
	uint32_t mask;
	if (word_is(call->words[0], "show")) {
		return show(call, error);
	}
	if (call->count > 1) {
		return error_set(error, STATUS_INVALID, "only trace show takes a number");
	}
	enum status status = trace_mask_parse(call->words[0], &mask, error);
	if (status == STATUS_OK) {
		status = trace_set(mask, error);
	}
	if (status == STATUS_OK) {
		log_event(NULL, "trace events=0x%x", mask);
	}
	return status;
}

static const struct command table[] = {
	{
		.name = "trace",
		.arguments = "on|off|all|EVENTS|show [N]",
		.meaning = "notes events in a ring of each CPU; show: the last N",
		.example = "trace faults,balloon",
		.least = 1,
		.most = 2,
		.choices = "on off all show exits faults balloon frames policy sched waits vms "
			   "samples map",
		.run = trace,
	},
};

const struct command_group commands_trace = {"record what happens", table, ARRAY_COUNT(table)};
