/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands that change what a VM may have or whether it runs. Each checks everything before it
 * changes anything.
 */
#include "kernel/monitor/commands.h"
#include "kernel/monitor/commands_policy.h"
#include "kernel/monitor/commands_steer.h"
#include "kernel/monitor/commands_vm.h"

#include "base/bits.h"
#include "base/log.h"
#include "kernel/lifecycle/end.h"
#include "kernel/lifecycle/start.h"
#include "kernel/monitor/output.h"
#include "kernel/overcommit/driver_health.h"
#include "kernel/sched/clock.h"
#include "kernel/sched/pause.h"
#include "kernel/vm/vm.h"
#include "mm/promise.h"

#define SHARES_MOST 10000 /* as of the keys shares= and weight= (kernel/vm/vm_config.c) */

static enum status need_running(const struct vm *vm, struct error *error)
{
	if (vm_state_now(vm) == VM_RUNNING) {
		return STATUS_OK;
	}
	return error_set(error, STATUS_INVALID, "%s does not run%s", vm_name(vm),
			 commands_vm_why_absent(vm));
}

static enum status take_size(struct word word, uint64_t *pages, struct error *error)
{
	if (vm_config_parse_size(word.text, word.length, pages) != STATUS_OK) {
		return error_set(error, STATUS_INVALID,
				 "%.*s is not a size such as 8M, a multiple of 4K",
				 word_shown(word), word.text);
	}
	return STATUS_OK;
}

static enum status balloon(const struct command_call *call, struct error *error)
{
	struct vm *vm = call->vm;
	uint64_t pages = 0;
	uint64_t most = sub_floor_u64(vm->config.max_pages, vm->config.min_pages);
	enum status status = need_running(vm, error);
	if (status != STATUS_OK) {
		return status;
	}
	if (word_is(call->words[1], "auto")) {
		vm->balloon.fixed = false;
		log_event(vm_name(vm), "operator balloon=auto");
		return STATUS_OK;
	}
	status = take_size(call->words[1], &pages, error);
	if (status != STATUS_OK) {
		return status;
	}
	if (!vm->balloon.attached) {
		return error_set(error, STATUS_INVALID, "%s has no balloon driver", vm_name(vm));
	}
	if (pages > most) {
		return error_set(error, STATUS_INVALID,
				 "a balloon of %luK would leave %s less than its minimum: %luK is "
				 "the most",
				 pages * 4, vm_name(vm), most * 4);
	}
	if (pages < vm->balloon.floor_pages) {
		return error_set(error, STATUS_INVALID,
				 "a balloon of %luK would leave %s more than its max=%luK: %luK is "
				 "the least",
				 pages * 4, vm_name(vm), vm_max_pages(vm) * 4,
				 vm->balloon.floor_pages * 4);
	}
	vm->balloon.fixed_pages = pages;
	vm->balloon.fixed = true;
	log_event(vm_name(vm), "operator balloon=%luK", pages * 4);
	return STATUS_OK;
}

static enum status set_min(struct vm *vm, struct word value, struct error *error)
{
	uint64_t pages;
	enum status status = take_size(value, &pages, error);
	if (status != STATUS_OK) {
		return status;
	}
	if (pages == 0 || pages > vm->config.mem_pages) {
		return error_set(error, STATUS_INVALID,
				 "min=%luK is not between 4K and its allotment, mem=%luK",
				 pages * 4, vm->config.mem_pages * 4);
	}
	struct s2_locked locked = s2_lock(&vm->s2);
	status = promise_change(&vm->s2.promise, pages);
	s2_unlock(locked);
	if (status != STATUS_OK) {
		return error_set(error, status,
				 "min=%luK cannot be promised: only %luK are promised to no VM",
				 pages * 4, promise_spare() * 4);
	}
	vm->config.min_pages = pages;
	return STATUS_OK;
}

static enum status set_mem(struct vm *vm, struct word value, struct error *error)
{
	uint64_t pages;
	enum status status = take_size(value, &pages, error);
	if (status != STATUS_OK) {
		return status;
	}
	if (pages < vm->config.min_pages || pages > vm_max_pages(vm)) {
		return error_set(error, STATUS_INVALID,
				 "mem=%luK is not between min=%luK and max=%luK", pages * 4,
				 vm->config.min_pages * 4, vm_max_pages(vm) * 4);
	}
	vm->config.mem_pages = pages;
	return STATUS_OK;
}

/* Why a VM's RAM, and its second-stage tables with it, end where they did when it began. */
static const char *why_no_growth(const struct vm *vm)
{
	if (vm->config.as == AS_HYPERV) {
		return "its device adds memory up to the max= of its start only";
	}
	return vm->config.devices == DEVICES_PC
		       ? "the map of memory that its kernel read at its start ends there"
		       : "a native guest is told the size of its RAM once, at its start";
}

/* What it holds above is asked for, and what it is asked for is never less than what is above. */
static enum status set_max(struct vm *vm, struct word value, struct error *error)
{
	uint64_t pages;
	uint64_t ram_pages = vm->config.max_pages;
	enum status status = take_size(value, &pages, error);
	if (status != STATUS_OK) {
		return status;
	}
	if (pages > ram_pages) {
		return error_set(error, STATUS_UNSUPPORTED,
				 "max=%luK is more than its RAM, %luK: %s", pages * 4,
				 ram_pages * 4, why_no_growth(vm));
	}
	if (pages < vm->config.mem_pages) {
		return error_set(error, STATUS_INVALID,
				 "max=%luK is less than its allotment, mem=%luK", pages * 4,
				 vm->config.mem_pages * 4);
	}
	if (vm->config.as == AS_HYPERV && vm->config.boot_pages != ram_pages) {
		return error_set(error, STATUS_UNSUPPORTED,
				 "its device adds memory until it has max=%luK: a lower one is set "
				 "when it is started",
				 ram_pages * 4);
	}
	if (pages < ram_pages && !vm->balloon.attached) {
		return error_set(error, STATUS_INVALID,
				 "%s has no balloon driver that could be asked for what is above",
				 vm_name(vm));
	}
	vm->balloon.floor_pages = ram_pages - pages;
	if (vm->s2.mapped_pages > pages) {
		output_print("%s holds %luK: its balloon is asked for what is above", vm_name(vm),
			     vm->s2.mapped_pages * 4);
	}
	return STATUS_OK;
}

static enum status set_number(const char *key, uint64_t most, uint64_t *to, struct word value,
			      struct error *error)
{
	uint64_t number;
	if (!word_parse_decimal(value, &number) || number == 0 || number > most) {
		return error_set(error, STATUS_INVALID, "%s=%.*s is not a number from 1 to %lu",
				 key, word_shown(value), value.text, most);
	}
	__atomic_store_n(to, number, __ATOMIC_RELAXED);
	return STATUS_OK;
}

static enum status set(const struct command_call *call, struct error *error)
{
	struct vm *vm = call->vm;
	struct word key = call->words[1];
	struct word value = call->words[2];
	if (vm == NULL) {
		return commands_policy_set_host(call, error);
	}
	enum status status = need_running(vm, error);
	if (status != STATUS_OK) {
		return status;
	}
	if (word_is(key, "min")) {
		status = set_min(vm, value, error);
	} else if (word_is(key, "mem")) {
		status = set_mem(vm, value, error);
	} else if (word_is(key, "shares")) {
		status = set_number("shares", SHARES_MOST, &vm->config.shares, value, error);
	} else if (word_is(key, "buffer")) {
		status = set_number("buffer", VM_BUFFER_MAX, &vm->config.buffer_percent, value,
				    error);
	} else if (word_is(key, "weight")) {
		status = set_number("weight", SHARES_MOST, &vm->config.weight, value, error);
	} else if (word_is(key, "max")) {
		status = set_max(vm, value, error);
	} else {
		status = error_set(error, STATUS_INVALID,
				   "%.*s is not min, mem, max, shares, buffer or weight",
				   word_shown(key), key.text);
	}
	if (status == STATUS_OK) {
		log_event(vm_name(vm), "operator set %.*s=%.*s", word_shown(key), key.text,
			  word_shown(value), value.text);
	}
	return status;
}

static enum status pause_vm(const struct command_call *call, struct error *error)
{
	enum status status = need_running(call->vm, error);
	if (status != STATUS_OK) {
		return status;
	}
	if (vm_is_paused(call->vm)) {
		return error_set(error, STATUS_EXISTS, "%s is paused already", vm_name(call->vm));
	}
	pause_begin(call->vm);
	log_event(vm_name(call->vm), "operator pause");
	return STATUS_OK;
}

void commands_steer_resume(struct vm *vm)
{
	driver_health_note_resumed(vm, clock_now());
	pause_end(vm);
}

static enum status resume_one(const struct command_call *call, struct error *error)
{
	enum status status = need_running(call->vm, error);
	if (status != STATUS_OK) {
		return status;
	}
	if (!vm_is_paused(call->vm)) {
		return error_set(error, STATUS_INVALID, "%s is not paused", vm_name(call->vm));
	}
	commands_steer_resume(call->vm);
	log_event(vm_name(call->vm), "operator resume");
	return STATUS_OK;
}

/* What it will be is checked as its module's string was at boot. */
static enum status start(const struct command_call *call, struct error *error)
{
	return vm_start(call->vm, call->words + 1, call->count - 1, error);
}

static enum status kill_vm(const struct command_call *call, struct error *error)
{
	if (call->vm->state == VM_LATER) {
		vm_forget(call->vm, "the operator does not need it");
		return STATUS_OK;
	}
	enum status status = need_running(call->vm, error);
	if (status == STATUS_OK) {
		vm_kill(call->vm, "the operator ended it");
	}
	return status;
}

static enum status restart_vm(const struct command_call *call, struct error *error)
{
	struct vm *vm = call->vm;
	enum status status = need_running(vm, error);
	if (status != STATUS_OK) {
		return status;
	}
	if (vm->config.on_reboot != ON_REBOOT_RESTART) {
		return error_set(error, STATUS_UNSUPPORTED,
				 "%s was not started with on-reboot=restart, so its image was "
				 "given back",
				 vm_name(vm));
	}
	if (vm_is_paused(vm)) {
		commands_steer_resume(vm);
	}
	vm_restart_or_finish(vm);
	return STATUS_OK;
}

static const struct command table[] = {
	{
		.name = "balloon",
		.arguments = "NAME SIZE|auto",
		.meaning = "how large its balloon is to be; auto: the policy decides again",
		.example = "balloon idle1 8M",
		.least = 2,
		.most = 2,
		.takes_vm = true,
		.choices = "auto",
		.run = balloon,
	},
	{
		.name = "set",
		.arguments = "NAME min|mem|max|shares|buffer|weight VALUE",
		.meaning = "another minimum, allotment, most that it may hold, share of memory, "
			   "buffer, share of CPUs; of host: another floor, reserve",
		.example = "set hungry shares 200",
		.least = 3,
		.most = 3,
		.takes_vm = true,
		.takes_host = true,
		.choices = "min mem max shares buffer weight floor reserve",
		.run = set,
	},
	{
		.name = "policy",
		.arguments = "[NAME]",
		.meaning = "which policies there are, or which of them decides from now on",
		.example = "policy demand",
		.most = 1,
		.choices = "spare shares demand static threshold controller refault",
		.run = commands_policy_choose,
	},
	{
		.name = "reclaim",
		.arguments = "SIZE [MS]",
		.meaning = "so much memory is to be spare within MS (10) milliseconds",
		.example = "reclaim 16M 10",
		.least = 1,
		.most = 2,
		.run = commands_policy_reclaim,
	},
	{
		.name = "pause",
		.arguments = "NAME",
		.meaning = "its vCPUs do not run until resume; nothing is asked of it meanwhile",
		.example = "pause hungry",
		.least = 1,
		.most = 1,
		.takes_vm = true,
		.run = pause_vm,
	},
	{
		.name = "resume",
		.arguments = "NAME",
		.meaning = "ends a pause",
		.example = "resume hungry",
		.least = 1,
		.most = 1,
		.takes_vm = true,
		.run = resume_one,
	},
	{
		.name = "kill",
		.arguments = "NAME|NAME*",
		.meaning = "ends a VM, or all whose names begin so",
		.example = "kill hungry",
		.least = 1,
		.most = 1,
		.takes_vm = true,
		.takes_many = true,
		.run = kill_vm,
	},
	{
		.name = "start",
		.arguments = "NAME [KEY=VALUE...]",
		.meaning =
			"begins a VM with start=later; with name=NEW another one from its module",
		.example = "start web mem=32M",
		.least = 1,
		.most = COMMAND_WORDS_MAX,
		.takes_vm = true,
		.run = start,
	},
	{
		.name = "restart",
		.arguments = "NAME",
		.meaning = "begins again from its image (on-reboot=restart)",
		.example = "restart web",
		.least = 1,
		.most = 1,
		.takes_vm = true,
		.run = restart_vm,
	},
};

const struct command_group commands_steer = {"steer VMs", table, ARRAY_COUNT(table)};
