/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands that show VMs. They change nothing; values may be a moment old. */
#include "kernel/monitor/commands.h"
#include "kernel/monitor/commands_policy.h"
#include "kernel/monitor/commands_vm.h"

#include "base/bits.h"
#include "base/string.h"
#include "base/time.h"
#include "kernel/log/log.h"
#include "kernel/monitor/attach.h"
#include "kernel/monitor/output.h"
#include "kernel/monitor/table.h"
#include "kernel/overcommit/decisions.h"
#include "kernel/overcommit/timed_reclaim.h"
#include "kernel/sched/clock.h"
#include "kernel/vm/vm_stats.h"

#define NAME_NEAR_MOST 3
#define CELL_BYTES 24

struct vm *commands_vm_find(struct word name, struct error *error)
{
	const char *nearest = NULL;
	unsigned least = NAME_NEAR_MOST;
	for (unsigned i = 0; i < vm_count; i++) {
		const char *candidate = vm_name(&vms[i]);
		if (word_is(name, candidate)) {
			return &vms[i];
		}
		struct word word = {candidate, strlen(candidate)};
		unsigned distance = command_distance(name, word, NAME_NEAR_MOST);
		if (distance <= least && (nearest == NULL || distance < least)) {
			nearest = candidate;
			least = distance;
		}
	}
	(void)(error_set(error, STATUS_NOT_FOUND, "there is no VM %.*s: %s%s", word_shown(name),
			 name.text, nearest != NULL ? "the nearest is " : "vms lists them all",
			 nearest != NULL ? nearest : "") == STATUS_OK);
	return NULL;
}

const char *commands_vm_why_absent(const struct vm *vm)
{
	switch (vm_state_now(vm)) {
	case VM_LATER:
		return " yet: the command start begins it";
	case VM_RESTARTING:
		return ": it is being restarted";
	case VM_REFUSED:
		return ": it was refused";
	default:
		return " any more";
	}
}

const char *commands_vm_size(uint64_t pages, char *text)
{
	uint64_t kib = pages * (PAGE_BYTES >> 10);
	if (pages == UINT64_MAX) {
		snprintf(text, SIZE_TEXT_BYTES, "-");
	} else if (pages == 0) {
		snprintf(text, SIZE_TEXT_BYTES, "0");
	} else if (kib % 1024 == 0) {
		snprintf(text, SIZE_TEXT_BYTES, "%luM", kib / 1024);
	} else {
		snprintf(text, SIZE_TEXT_BYTES, "%luK", kib);
	}
	return text;
}

static enum status show_vms(const struct command_call *call, struct error *error)
{
	(void)call;
	(void)error;
	table_print();
	return STATUS_OK;
}

static const char *const wait_words[] = {
	[WAIT_NOTHING] = "nothing",
	[WAIT_DOORBELL] = "an interrupt (HLT)",
	[WAIT_EVENT] = "news, or a time",
	[WAIT_MEMORY] = "a frame",
};

static const char *const vcpu_words[] = {
	[VCPU_OFF] = "not started", [VCPU_QUEUED] = "waits for a CPU", [VCPU_RUNNING] = "runs",
	[VCPU_ASLEEP] = "sleeps",   [VCPU_ENDED] = "has ended",
};

static void show_vcpus(const struct vm *vm)
{
	for (unsigned i = 0; i < vm->config.vcpus && vm->state != VM_REFUSED; i++) {
		const struct vcpu *vcpu = &vm->vcpus[i];
		output_print("  vCPU %u %s, CPU %u, waits for %s, ran %lu ms, exits %lu", i,
			     vcpu_words[vcpu->state], vcpu->home, wait_words[vcpu->wait],
			     ms_from_ticks(vcpu->ran_ticks), vcpu->exit_count);
	}
}

static void show_balloon(const struct vm *vm)
{
	char text[SIZE_TEXT_BYTES];
	char least[SIZE_TEXT_BYTES];
	const struct balloon *balloon = &vm->balloon;
	output_print("  balloon: driver %s%s, target set by %s%s%s%s",
		     balloon->attached ? "attached" : "absent",
		     balloon->unresponsive ? " but does not answer" : "",
		     balloon->fixed ? "the operator: " : "the policy",
		     balloon->fixed ? commands_vm_size(balloon->fixed_pages, text) : "",
		     balloon->floor_pages != 0 ? ", by its max at least " : "",
		     balloon->floor_pages != 0 ? commands_vm_size(balloon->floor_pages, least)
					       : "");
}

static const char *const touch_words[] = {
	[ON_TOUCH_ZERO] = "zero",
	[ON_TOUCH_FAULT] = "fault",
	[ON_TOUCH_STOP] = "stop",
};

/* Statistics two in a line; pages in KiB. */
static void show_statistics(const struct vm *vm)
{
	char cells[2][CELL_BYTES];
	const char *names[2];
	const char *units[2];
	unsigned filled = 0;
	for (unsigned i = 0; i < VM_STAT_COUNT; i++) {
		bool pages = vm_stat_infos[i].unit == STAT_PAGES &&
			     vm_stat_read(vm, (enum vm_stat)i) != VM_STAT_UNKNOWN;
		if (pages) {
			vm_stat_print_column(vm, (enum vm_stat)i, cells[filled], CELL_BYTES);
		} else {
			vm_stat_print(vm, (enum vm_stat)i, cells[filled], CELL_BYTES);
		}
		names[filled] = vm_stat_infos[i].name;
		units[filled] = pages ? "K" : "";
		if (++filled == 2 || i + 1 == VM_STAT_COUNT) {
			output_print("  %-22s %12s%-1s  %-22s %s%s", names[0], cells[0], units[0],
				     filled == 2 ? names[1] : "", filled == 2 ? cells[1] : "",
				     filled == 2 ? units[1] : "");
			filled = 0;
		}
	}
}

static enum status show_vm(const struct command_call *call, struct error *error)
{
	const struct vm *vm = call->vm;
	(void)error;
	output_print("%s: %s%s%s", vm_name(vm), table_state(vm),
		     vm->end_reason != NULL ? ", because " : "",
		     vm->end_reason != NULL ? vm->end_reason : "");
	output_print("  shares %lu, buffer %lu%%, weight %lu, on-touch %s, devices %s, console %s",
		     vm->config.shares, vm->config.buffer_percent, vm->config.weight,
		     touch_words[vm->config.on_touch],
		     vm->config.devices == DEVICES_PC ? "pc" : "none",
		     vm->console != NULL ? "yes" : "no");
	show_balloon(vm);
	show_vcpus(vm);
	show_statistics(vm);
	return STATUS_OK;
}

static const char *const kind_words[VM_EXIT_KINDS] = {
	[VM_EXIT_SLICE_END] = "its time slice was over",
	[VM_EXIT_INTERRUPT] = "an interrupt of the host",
	[VM_EXIT_HLT] = "HLT",
	[VM_EXIT_IO] = "a port",
	[VM_EXIT_WINDOW] = "it could take an interrupt again",
	[VM_EXIT_TRIPLE_FAULT] = "triple fault",
	[VM_EXIT_ENTRY_FAILED] = "the processor refused its state",
	[VM_EXIT_UNKNOWN] = "something without a handler",
};

#define BAR_COLUMNS 24

static void show_bar(const char *name, uint64_t count, uint64_t all)
{
	static const char bar[] = "########################";
	uint64_t percent = all > 0 ? count * 100 / all : 0;
	output_print("  %-34s %12lu %3lu%% %.*s", name, count, percent,
		     (int)(percent * BAR_COLUMNS / 100), bar);
}

static enum status show_exits(const struct command_call *call, struct error *error)
{
	const struct vm *vm = call->vm;
	uint64_t kinds[VM_EXIT_KINDS] = {0};
	uint64_t all = vm_exit_count(vm);
	uint64_t known = vm_hypercall_count(vm) + vm_fault_count(vm);
	(void)error;
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		for (unsigned kind = 0; kind < VM_EXIT_KINDS; kind++) {
			kinds[kind] += vm->vcpus[i].exits_by_kind[kind];
		}
	}
	output_print("%s: %lu exits", vm_name(vm), all);
	show_bar("hypercalls", vm_hypercall_count(vm), all);
	show_bar("memory that is not mapped, devices", vm_fault_count(vm), all);
	for (unsigned kind = 0; kind < VM_EXIT_KINDS; kind++) {
		known += kinds[kind];
		if (kinds[kind] > 0) {
			show_bar(kind_words[kind], kinds[kind], all);
		}
	}
	show_bar("the processor: CPUID, MSRs, CRs", sub_floor_u64(all, known), all);
	return STATUS_OK;
}

static void show_decision(const struct decision *decision)
{
	char old[SIZE_TEXT_BYTES];
	char new[SIZE_TEXT_BYTES];
	char idle[SIZE_TEXT_BYTES];
	char held[SIZE_TEXT_BYTES];
	char spare[SIZE_TEXT_BYTES];
	uint64_t ago = ms_from_ticks(sub_floor_u64(clock_now(), decision->tsc));
	output_print("  %lu.%lu s ago: target %s -> %s: %s", ago / MS_PER_SECOND,
		     ago % MS_PER_SECOND / 100, commands_vm_size(decision->old_target_pages, old),
		     commands_vm_size(decision->new_target_pages, new),
		     decision->overridden ? "the operator's command balloon"
		     : decision->bounded  ? "the operator's command set max"
					  : decisions_reason_text(decision->reason));
	output_print("      it held %s, idle %s; the host had %s spare%s",
		     commands_vm_size(decision->held_pages, held),
		     commands_vm_size(decision->idle_pages, idle),
		     commands_vm_size(decision->spare_pages, spare),
		     decision->waiting ? ", and a VM waited for a frame" : "");
	if (decision->reclaim_pages > 0) {
		output_print("      a reclaim of %s was under way",
			     commands_vm_size(decision->reclaim_pages, spare));
	}
}

static const char no_idle_page[] = "its guest says that it has no idle page";

static const char *standing_in_reclaim(const struct vm *vm, const struct policy_vm *view)
{
	if (view->mute) {
		return "it gave nothing to the reclaim, so others are asked";
	}
	if (vm->balloon.target_pages > vm->s2.ballooned_pages) {
		return "a reclaim is under way, and it has not given all that was asked yet";
	}
	return view->idle_pages == 0
		       ? no_idle_page
		       : "a reclaim is under way, and VMs with more to give are asked first";
}

/* Why nothing is asked of it now, or why not more; it runs. */
static const char *standing(const struct vm *vm, const struct policy_vm *view,
			    const struct policy_host *host)
{
	if (vm_is_paused(vm)) {
		return "it is paused, so nothing is asked of it";
	}
	if (vm->balloon.fixed) {
		return "the operator has set its target; balloon NAME auto gives it back to the "
		       "policy";
	}
	if (!vm->balloon.attached) {
		return "it has no driver, so nothing can be asked of it";
	}
	if (vm->balloon.unresponsive) {
		return "its driver does not answer, so others are asked";
	}
	if (vm->balloon.floor_pages != 0 && vm->balloon.target_pages == vm->balloon.floor_pages) {
		return "the operator has set its max, and that leaves no smaller balloon";
	}
	if (view->held_pages <= view->min_pages) {
		return "it holds no more than its minimum, which is never asked for";
	}
	if (timed_reclaim_pages() > host->spare_pages) {
		return standing_in_reclaim(vm, view);
	}
	if (host->spare_pages >= host->high_pages && !view->waiting) {
		return "the host has plenty, so no VM is asked for more";
	}
	if (host->spare_pages >= host->low_pages && !view->waiting) {
		return "the host is between its thresholds, so targets stay as they are";
	}
	return view->idle_pages == 0
		       ? no_idle_page
		       : "the host is short, and VMs with more to give are asked first";
}

static enum status show_why(const struct command_call *call, struct error *error)
{
	const struct vm *vm = call->vm;
	const struct policy_host *host = decisions_last_host();
	char spare[SIZE_TEXT_BYTES];
	char low[SIZE_TEXT_BYTES];
	char high[SIZE_TEXT_BYTES];
	char target[SIZE_TEXT_BYTES];
	char size[SIZE_TEXT_BYTES];
	struct decision decision;
	(void)error;
	output_print("host: %s spare, short below %s, plenty above %s; policy %s",
		     commands_vm_size(host->spare_pages, spare),
		     commands_vm_size(host->low_pages, low),
		     commands_vm_size(host->high_pages, high), policy_now()->name);
	commands_policy_show_reclaim();
	bool runs = vm_state_now(vm) == VM_RUNNING;
	output_print("%s: target %s, balloon %s: %s%s", vm_name(vm),
		     commands_vm_size(vm->balloon.target_pages, target),
		     commands_vm_size(vm->s2.ballooned_pages, size),
		     runs ? standing(vm, decisions_last_view(vm), host) : "it does not run",
		     runs ? "" : commands_vm_why_absent(vm));
	unsigned back = 0;
	for (; decisions_read(vm, back, &decision); back++) {
		show_decision(&decision);
	}
	if (back == 0) {
		output_print("  its target has never been changed");
	}
	return STATUS_OK;
}

static enum status attach(const struct command_call *call, struct error *error)
{
	if (call->script) {
		return error_set(error, STATUS_INVALID, "attach needs an operator");
	}
	if (call->vm->console == NULL) {
		return error_set(error, STATUS_INVALID, "%s has no console%s", vm_name(call->vm),
				 vm_is_alive(call->vm) ? " (devices=none)"
						       : commands_vm_why_absent(call->vm));
	}
	attach_begin(call->vm);
	return STATUS_OK;
}

static const struct command table[] = {
	{
		.name = "vms",
		.arguments = "",
		.meaning = "the table of all VMs",
		.example = "vms",
		.run = show_vms,
	},
	{
		.name = "vm",
		.arguments = "NAME",
		.meaning = "everything about one VM",
		.example = "vm hungry",
		.least = 1,
		.most = 1,
		.takes_vm = true,
		.run = show_vm,
	},
	{
		.name = "exits",
		.arguments = "NAME",
		.meaning = "why its vCPUs left the guest, and how often",
		.example = "exits hungry",
		.least = 1,
		.most = 1,
		.takes_vm = true,
		.run = show_exits,
	},
	{
		.name = "why",
		.arguments = "NAME",
		.meaning = "the last decisions about its balloon, in words",
		.example = "why hungry",
		.least = 1,
		.most = 1,
		.takes_vm = true,
		.run = show_why,
	},
	{
		.name = "attach",
		.arguments = "NAME",
		.meaning = "the console of a VM with devices; Ctrl-] leaves it",
		.example = "attach web",
		.least = 1,
		.most = 1,
		.takes_vm = true,
		.run = attach,
	},
};

const struct command_group commands_vm = {"look at VMs", table, ARRAY_COUNT(table)};
