/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands about the host and the run as a whole, and help. */
#include "kernel/monitor/commands.h"
#include "kernel/monitor/commands_policy.h"
#include "kernel/monitor/commands_vm.h"

#include "base/bits.h"
#include "base/check.h"
#include "base/log.h"
#include "base/string.h"
#include "base/time.h"
#include "arch/arch.h"
#include "arch/backend.h"
#include "kernel/log/log.h"
#include "kernel/monitor/audit.h"
#include "kernel/monitor/output.h"
#include "kernel/monitor/results.h"
#include "kernel/monitor/top.h"
#include "kernel/overcommit/decisions.h"
#include "kernel/overcommit/governor.h"
#include "kernel/overcommit/host_limits.h"
#include "kernel/sched/scheduler.h"
#include "kernel/vm/vm.h"
#include "mm/frame.h"
#include "mm/promise.h"

#define HELP_COLUMNS 36 /* as in the format below */
#define HELP_BYTES 80

static void help_line(const struct command *command)
{
	char use[HELP_BYTES];
	int length = snprintf(use, sizeof(use), "%s %s", command->name, command->arguments);
	if (length > HELP_COLUMNS) {
		output_print("  %s", use);
		use[0] = '\0';
	}
	output_print("  %-36s %s", use, command->meaning);
}

static enum status help(const struct command_call *call, struct error *error)
{
	const struct command_group *group;
	if (call->count == 0) {
		for (unsigned i = 0; (group = command_group_at(i)) != NULL; i++) {
			output_print("to %s:", group->title);
			for (unsigned k = 0; k < group->count; k++) {
				help_line(&group->commands[k]);
			}
		}
		output_print("help COMMAND shows an example; Tab completes; Ctrl-D goes back to "
			     "the single keys (h lists them)");
		return STATUS_OK;
	}
	const struct command *command = command_find(call->words[0]);
	if (command == NULL) {
		const char *nearest = command_nearest(call->words[0]);
		return error_set(error, STATUS_NOT_FOUND, "there is no command %.*s%s%s",
				 word_shown(call->words[0]), call->words[0].text,
				 nearest != NULL ? ": the nearest is " : "",
				 nearest != NULL ? nearest : "");
	}
	help_line(command);
	output_print("  for example: %s", command->example);
	return STATUS_OK;
}

static void show_cpus(void)
{
	uint64_t passed = arch_tsc() - log_origin_tsc();
	for (unsigned cpu = 0; cpu < arch_cpu_count(); cpu++) {
		struct scheduler_counts counts = scheduler_counts(cpu);
		uint64_t percent = passed > 0 ? counts.busy_ticks / (passed / 100 + 1) : 0;
		output_print("  CPU %u: busy %lu%%, slices %lu, taken from others %lu, kicks %lu",
			     cpu, percent, counts.slices, counts.steals, counts.kicks);
	}
}

static void show_state(void)
{
	struct host_report host = host_limits_report();
	char texts[2][SIZE_TEXT_BYTES];
	output_print(
		"state %s: floor %s%s, reserve %s; ms in high %lu, soft %lu, hard %lu, low %lu, "
		"changes %lu",
		host_state_name(host.state), commands_vm_size(host.floor_pages, texts[0]),
		host.floor_is_set ? " as set" : "", commands_vm_size(host.reserve_pages, texts[1]),
		host.ms[HOST_HIGH], host.ms[HOST_SOFT], host.ms[HOST_HARD], host.ms[HOST_LOW],
		host.changes);
}

static enum status host(const struct command_call *call, struct error *error)
{
	const struct policy_host *view = decisions_last_host();
	char texts[4][SIZE_TEXT_BYTES];
	(void)call;
	(void)error;
	uint64_t total = frame_table_count - frame_count(FRAME_RESERVED);
	output_print("memory: total %s, free %s, of them zeroed %s, fewest free %s",
		     commands_vm_size(total, texts[0]),
		     commands_vm_size(frame_count_free(), texts[1]),
		     commands_vm_size(frame_count(FRAME_ZEROED), texts[2]),
		     commands_vm_size(governor_free_low(), texts[3]));
	output_print("        guests %s, hypervisor %s, to be flushed %s",
		     commands_vm_size(frame_count(FRAME_GUEST), texts[0]),
		     commands_vm_size(frame_count(FRAME_HYPERVISOR), texts[1]),
		     commands_vm_size(frame_count(FRAME_REVOKING), texts[2]));
	output_print("        promised and not yet used %s, promised to no VM %s, short below %s, "
		     "plenty above %s",
		     commands_vm_size(promise_owed(), texts[0]),
		     commands_vm_size(promise_spare(), texts[1]),
		     commands_vm_size(view->low_pages, texts[2]),
		     commands_vm_size(view->high_pages, texts[3]));
	output_print("up %lu s, %s, %u CPUs, VMs %u",
		     ms_from_ticks(arch_tsc() - log_origin_tsc()) / MS_PER_SECOND, backend->name,
		     arch_cpu_count(), vm_count);
	show_state();
	commands_policy_show_reclaims();
	show_cpus();
	return STATUS_OK;
}

static const char *const level_names[] = {
	[LOG_QUIET] = "quiet",
	[LOG_NORMAL] = "normal",
	[LOG_VERBOSE] = "verbose",
};

static enum status set_log_level(const struct command_call *call, struct error *error)
{
	for (unsigned i = 0; i < ARRAY_COUNT(level_names); i++) {
		if (word_is(call->words[0], level_names[i])) {
			log_level_set((enum log_level)i);
			log_event(NULL, "log level=%s", level_names[i]);
			return STATUS_OK;
		}
	}
	return error_set(error, STATUS_INVALID, "%.*s is not quiet, normal or verbose",
			 word_shown(call->words[0]), call->words[0].text);
}

static enum status audit(const struct command_call *call, struct error *error)
{
	(void)call;
	(void)error;
	vms_audit_and_tell();
	return STATUS_OK;
}

static enum status panic_test(const struct command_call *call, struct error *error)
{
	(void)call;
	(void)error;
	panic("the operator asked for it (panic-test)");
}

static _Noreturn void end_run(enum end end)
{
	output_flush();
	arch_end(end, report_results(true));
}

static enum status shut_down(const struct command_call *call, struct error *error)
{
	(void)call;
	(void)error;
	end_run(END_POWER_OFF);
}

static enum status reboot(const struct command_call *call, struct error *error)
{
	(void)call;
	(void)error;
	end_run(END_REBOOT);
}

static const struct command table[] = {
	{
		.name = "help",
		.arguments = "[COMMAND]",
		.meaning = "all commands, or how one is used",
		.example = "help walk",
		.most = 1,
		.run = help,
	},
	{
		.name = "host",
		.arguments = "",
		.meaning = "memory, thresholds, state and CPUs of the host",
		.example = "host",
		.run = host,
	},
	{
		.name = "top",
		.arguments = "[memory|balloon|rates|other]",
		.meaning = "a live table; q leaves, other keys choose columns and order",
		.example = "top balloon",
		.most = 1,
		.choices = "memory balloon rates other",
		.run = top_run,
	},
	{
		.name = "audit",
		.arguments = "",
		.meaning = "checks every frame against the page tables",
		.example = "audit",
		.run = audit,
	},
	{
		.name = "log",
		.arguments = "quiet|normal|verbose",
		.meaning = "quiet: nothing that guests say; verbose: each decision",
		.example = "log verbose",
		.least = 1,
		.most = 1,
		.choices = "quiet normal verbose",
		.run = set_log_level,
	},
	{
		.name = "panic-test",
		.arguments = "",
		.meaning = "stops the machine with a report, as a fault would",
		.example = "panic-test",
		.run = panic_test,
	},
	{
		.name = "shutdown",
		.arguments = "",
		.meaning = "prints the results and switches off",
		.example = "shutdown",
		.run = shut_down,
	},
	{
		.name = "reboot",
		.arguments = "",
		.meaning = "prints the results and resets the machine",
		.example = "reboot",
		.run = reboot,
	},
};

const struct command_group commands_host = {"look at the host, and end the run", table,
					    ARRAY_COUNT(table)};
