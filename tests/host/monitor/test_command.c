/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The monitor's commands over real VMs: what each shows or changes, that bad input gets one line
 * and changes nothing, and the way to a command: nearest names, completion.
 */
#include "fake/commands.h"
#include "fake/trace_port.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/commands.h"
#include "kernel/monitor/output.h"
#include "kernel/overcommit/decisions.h"
#include "kernel/overcommit/governor.h"
#include "kernel/overcommit/policy.h"
#include "kernel/sched/run_queue.h"
#include "kernel/trace/trace.h"
#include "mm/promise.h"
#include "mm/audit.h"
#include "kernel/monitor/audit.h"

static struct word word(const char *text)
{
	return (struct word){text, strlen(text)};
}

static void expect(const char *line, const char *text)
{
	assert_int_equal(command_type(line), STATUS_OK);
	if (strstr(terminal, text) == NULL) {
		fail_msg("%s: \"%s\" is not in:\n%s", line, text, terminal);
	}
}

static void refuse(const char *line, const char *why)
{
	struct vm before[2];
	memcpy(before, vms, sizeof(before)); /* of what operators can change: */
	if (command_type(line) == STATUS_OK) {
		fail_msg("%s was accepted: %s", line, terminal);
	}
	if (strstr(terminal, why) == NULL) {
		fail_msg("%s: \"%s\" is not in:\n%s", line, why, terminal);
	}
	assert_ptr_equal(strchr(terminal, '\n'), terminal + strlen(terminal) - 1); /* one line */
	for (unsigned i = 0; i < 2; i++) {
		assert_memory_equal(&before[i].config, &vms[i].config, sizeof(vms[i].config));
		assert_memory_equal(&before[i].balloon, &vms[i].balloon, sizeof(vms[i].balloon));
		assert_int_equal(before[i].state, vms[i].state);
		assert_int_equal(before[i].paused, vms[i].paused);
		assert_int_equal(before[i].s2.promise.min_pages, vms[i].s2.promise.min_pages);
	}
	assert_false(command_is_busy());
}

static void test_distance(void **state)
{
	static const struct {
		const char *from;
		const char *to;
		unsigned distance;
	} cases[] = {
		{"walk", "walk", 0}, {"wlak", "walk", 1}, {"wak", "walk", 1}, {"walkk", "walk", 1},
		{"", "set", 3},	     {"tset", "set", 1},  {"abc", "xyz", 3},  {"kill", "", 4},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(command_distance(word(cases[i].from), word(cases[i].to), 3),
				 cases[i].distance);
	}
	static char longest[200];
	memset(longest, 'x', sizeof(longest) - 1);
	assert_int_equal(command_distance(word(longest), word("walk"), 3), 4);
}

static void test_nearest(void **state)
{
	(void)state;
	assert_string_equal(command_nearest(word("hepl")), "help");
	assert_string_equal(command_nearest(word("ball")), "balloon");
	assert_string_equal(command_nearest(word("vmss")), "vms");
	assert_string_equal(command_nearest(word("shutdwon")), "shutdown");
	assert_null(command_nearest(word("xyzzy")));
	assert_null(command_nearest(word("")));
}

static void test_completion(void **state)
{
	char common[32];
	(void)state;
	assert_int_equal(command_complete("wa", false, common, sizeof(common)), 1);
	assert_string_equal(common, "lk");
	assert_int_equal(command_complete("re", false, common, sizeof(common)), 4);
	assert_string_equal(common, "");
	assert_true(command_complete("", false, common, sizeof(common)) > 10);
	assert_int_equal(command_complete("vm ", false, common, sizeof(common)), 2);
	assert_int_equal(command_complete("vm t", false, common, sizeof(common)), 1);
	assert_string_equal(common, "wo");
	assert_int_equal(command_complete("set two sh", false, common, sizeof(common)), 1);
	assert_string_equal(common, "ares");
	assert_int_equal(command_complete("help wa", false, common, sizeof(common)), 1);
	assert_int_equal(command_complete("vm two x", false, common, sizeof(common)), 0);
	assert_int_equal(command_complete("nothing t", false, common, sizeof(common)), 0);
	assert_int_equal(command_complete("wa", false, common, 2), 1);
	assert_string_equal(common, "l");
	terminal_clear();
	(void)command_complete("re", true, common, sizeof(common));
	output_flush();
	assert_string_equal(terminal, "  reclaim\n  resume\n  restart\n  reboot\n");
}

/* Regression: of a long one the end was cut off. */
static void test_help_shows_every_use_whole(void **state)
{
	const struct command *command;
	char use[96];
	(void)state;
	expect("help", "to look at VMs:");
	for (unsigned i = 0; (command = command_at(i)) != NULL; i++) {
		snprintf(use, sizeof(use), "\n  %s %s", command->name, command->arguments);
		if (strstr(terminal, use) == NULL || strstr(terminal, command->meaning) == NULL) {
			fail_msg("%s is not in:\n%s", use, terminal);
		}
	}
}

/* Of every command: as many arguments as it takes, and an example that it accepts. */
static void test_every_command_is_whole(void **state)
{
	const struct command *command;
	char line[128];
	(void)state;
	for (unsigned i = 0; (command = command_at(i)) != NULL; i++) {
		assert_true(command->least <= command->most);
		assert_ptr_equal(command_find(word(command->name)), command);
		assert_memory_equal(command->example, command->name, strlen(command->name));
		snprintf(line, sizeof(line), "help %s", command->name);
		expect(line, command->example);
		size_t used = (size_t)snprintf(line, sizeof(line), "%s", command->name);
		for (unsigned words = 0; words <= command->most; words++) {
			line[used++] = ' ';
			line[used++] = '1';
		}
		line[used] = '\0';
		refuse(line, "an argument too many; it is used as: ");
		snprintf(line, sizeof(line), "%s 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8",
			 command->name);
		refuse(line, "an argument too many");
		if (command->least > 0) {
			refuse(command->name, "an argument is missing; it is used as: ");
		}
		if (command->takes_vm) {
			snprintf(line, sizeof(line), "%s twoo 1 2", command->name);
			line[strlen(line) - 2 * (3 - command->least)] = '\0';
			refuse(line, "there is no VM twoo: the nearest is two");
		}
	}
}

static void test_unknown_commands(void **state)
{
	(void)state;
	refuse("hepl", "there is no command hepl: the nearest is help");
	refuse("xyzzy one", "there is no command xyzzy: help lists them all");
	refuse("help balon", "there is no command balon: the nearest is balloon");
	refuse("vm nobody", "there is no VM nobody: vms lists them all");
	assert_int_equal(command_type(""), STATUS_OK);
	assert_int_equal(command_type("   "), STATUS_OK);
	assert_int_equal(command_type("# vms"), STATUS_OK);
	assert_string_equal(terminal, "");
}

static void test_what_is_shown(void **state)
{
	(void)state;
	expect("help", "balloon NAME SIZE|auto");
	expect("vms", "two ");
	expect("host", "promised to no VM");
	expect("host", "state high: floor ");
	expect("vm one", "target set by the policy");
	expect("vm one", "held_pages ");
	expect("exits one", "memory that is not mapped, devices ");
	expect("top", "DEMAND");
	assert_non_null(strstr(terminal, "NAME"));
	command_stop();
}

/* top: 80 columns at most, keys choose view, order and page; q leaves. */
static void test_top(void **state)
{
	struct error error;
	(void)state;
	refuse("top xyz", "xyz is not memory, balloon, rates or other");
	assert_int_equal(command_run("top balloon", false, &error), STATUS_OK);
	for (const char *key = "mbro12345678090n"; *key != '\0'; key++) {
		terminal_clear();
		fake_tsc += 1000;
		command_step(fake_tsc, *key);
		output_flush();
		assert_non_null(strstr(terminal, "one "));
		size_t columns = 0;
		for (const char *at = terminal; *at != '\0'; at++) {
			if (*at == '\x1b') {
				at = strpbrk(at, "HJK");
			} else {
				columns = *at == '\n' ? 0 : columns + 1;
				assert_true(columns < 80);
			}
		}
	}
	terminal_clear();
	command_step(fake_tsc, -1);
	assert_true(output_is_empty()); /* once a second */
	command_step(fake_tsc, 'q');
	assert_false(command_is_busy());
	/* The largest first. */
	kernel_touch_pages(&vms[1], 1200, 100);
	assert_int_equal(command_run("top", false, &error), STATUS_OK);
	command_step(fake_tsc, '4');
	output_flush();
	assert_true(strstr(terminal, "\ntwo ") < strstr(terminal, "\none "));
	command_step(fake_tsc, 0x03);
	assert_false(command_is_busy());
}

/* What does not exist here is a dash; a VM that has ended has no target. */
static void test_what_top_does_not_know(void **state)
{
	struct error error;
	(void)state;
	static const char *const expected[][2] = {
		{"top other", "      -       -       -       - ok\n"},
		{"top memory", "       -       -       - "}, /* ACTV, DEMAND and PRESS% */
		{"top balloon", "0     0.0     3.0 "},
	};
	vms[0].balloon.attached = false;
	vms[0].working_set.known = false;
	vms[0].balloon.target_pages = 768;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(command_run(expected[i][0], true, &error), STATUS_OK);
		terminal_clear();
		command_step(fake_tsc, -1);
		output_flush();
		const char *row = strstr(terminal, "one ");
		assert_non_null(row);
		if (strstr(row, expected[i][1]) == NULL) {
			fail_msg("%s is not in %s", expected[i][1], row);
		}
	}
	assert_non_null(strstr(terminal, "SWAP -, ZIP -"));
	assert_non_null(strstr(terminal, "0 curr, 3 target"));
	vms[0].state = VM_KILLED;
	assert_int_equal(command_run("top balloon", true, &error), STATUS_OK);
	terminal_clear();
	command_step(fake_tsc, -1);
	output_flush();
	assert_non_null(strstr(terminal, "0 curr, 0 target"));
	assert_null(strstr(strstr(terminal, "one "), "3.0"));
	vms[0].state = VM_RUNNING;
}

static void test_balloon(void **state)
{
	struct vm *vm = &vms[0];
	(void)state;
	refuse("balloon one 1", "1 is not a size such as 8M, a multiple of 4K");
	refuse("balloon one -4M", "-4M is not a size");
	refuse("balloon one 99999999999999999999G", "is not a size");
	refuse("balloon one 15M", "a balloon of 15360K would leave one less than its minimum: "
				  "14000K is the most");
	expect("balloon one 2M", "");
	kernel_periods(1);
	assert_int_equal(vm->balloon.target_pages, 512);
	expect("why one", "target 0 -> 2M: the operator's command balloon");
	expect("why one", "the operator has set its target");
	expect("vm one", "target set by the operator: 2M");
	kernel_periods(10);
	assert_int_equal(vm->balloon.target_pages, 512);
	expect("balloon one auto", "");
	kernel_periods(1);
	assert_int_equal(vm->balloon.target_pages, 0);
	expect("why one", "the host has plenty, so no VM is asked for more");
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_DETACH, 0, 0), 0);
	refuse("balloon one 2M", "one has no balloon driver");
}

/* Below its RAM only: the balloon is asked, whatever the policy and the operator say besides. */
static void test_set_max(void **state)
{
	struct vm *vm = &vms[0];
	(void)state;
	refuse("set one max 8", "8 is not a size");
	refuse("set one max 17M",
	       "max=17408K is more than its RAM, 16000K: a native guest is told");
	refuse("set one max 11M", "max=11264K is less than its allotment, mem=12000K");
	refuse("set one max 0", "max=0K is less than its allotment");
	kernel_touch_pages(vm, 0, 3400);
	expect("set one max 13M", "one holds 13600K: its balloon is asked for what is above");
	assert_int_equal(vm->config.max_pages, 4000); /* the tables and the guest know no other */
	kernel_periods(1);
	assert_int_equal(vm->balloon.target_pages, 4000 - 3328);
	expect("why one", "target 0 -> 2688K: the operator's command set max");
	expect("why one", "the operator has set its max, and that leaves no smaller balloon");
	expect("vm one", "target set by the policy, by its max at least 2688K");
	kernel_periods(10);
	assert_int_equal(vm->balloon.target_pages, 4000 - 3328);
	refuse("balloon one 2M", "a balloon of 2048K would leave one more than its max=13312K: "
				 "2688K is the least");
	refuse("set one mem 14M", "mem=14336K is not between min=2000K and max=13312K");
	expect("balloon one 3M", "");
	kernel_periods(1);
	assert_int_equal(vm->balloon.target_pages, 768);
	expect("why one", "target 2688K -> 3M: the operator's command balloon");
	/* Of an order that is not as strict as the max since, the max holds. */
	expect("set one max 12M", "");
	kernel_periods(1);
	assert_int_equal(vm->balloon.target_pages, 4000 - 3072);
	expect("balloon one auto", "");
	expect("set one max 16000K", "");
	kernel_periods(1);
	assert_int_equal(vm->balloon.target_pages, 0);
}

static void test_set_max_of_others(void **state)
{
	struct vm *vm = &vms[1];
	(void)state;
	vm->config.devices = DEVICES_PC;
	refuse("set two max 17M", "the map of memory that its kernel read at its start ends there");
	vm->config.as = AS_HYPERV;
	vm->config.boot_pages = 3000;
	refuse("set two max 17M", "its device adds memory up to the max= of its start only");
	refuse("set two max 13M", "its device adds memory until it has max=16000K");
	vm->config.boot_pages = 4000;
	expect("set two max 13M", "");
	expect("set two max 16000K", "");
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_DETACH, 0, 0), 0);
	refuse("set two max 13M", "two has no balloon driver that could be asked");
	expect("set two max 16000K", "");
}

/* It is no threshold of the host, and what was asked for it says so. */
static void test_a_reclaim_is_shown_as_what_it_is(void **state)
{
	struct vm *vm = &vms[0];
	char line[60];
	(void)state;
	kernel_touch_pages(vm, 0, 2900);
	struct aerostat_balloon_page *page = kernel_guest_page(vm, KERNEL_BALLOON_GFN);
	page->free_pages = page->idle_pages = 2000;
	kernel_periods(1);
	(void)command_type("why one");
	assert_non_null(strstr(terminal, "the host has plenty"));
	char *thresholds = strstr(terminal, "short below");
	*strchr(thresholds, ';') = '\0';
	char plain[60];
	snprintf(plain, sizeof(plain), "%s", thresholds);
	snprintf(line, sizeof(line), "reclaim %luK 20", (promise_spare() + 1000) * 4);
	expect(line, "");
	governor_poll(fake_tsc);
	expect("why one", plain);
	expect("host", plain);
	expect("why one", "a reclaim is under way, and it has not given all that was asked yet");
	expect("why one", " was under way");
	kernel_periods(5);
	expect("why one", "the host has plenty");
}

/* Others are asked first only where the VM itself could give, and is not asked already. */
static void test_a_reclaim_and_a_vm_that_gives_nothing(void **state)
{
	struct vm *vm = &vms[0];
	struct policy_vm *view = (struct policy_vm *)(uintptr_t)decisions_last_view(vm);
	char line[60];
	(void)state;
	kernel_touch_pages(vm, 0, 2900);
	struct aerostat_balloon_page *page = kernel_guest_page(vm, KERNEL_BALLOON_GFN);
	page->free_pages = page->idle_pages = 2000;
	kernel_periods(1);
	snprintf(line, sizeof(line), "reclaim %luK 20", (promise_spare() + 1000) * 4);
	expect(line, "");
	governor_poll(fake_tsc);
	uint64_t target_pages = vm->balloon.target_pages;
	assert_true(target_pages > vm->s2.ballooned_pages);
	vm->balloon.target_pages = vm->s2.ballooned_pages;
	expect("why one", "a reclaim is under way, and VMs with more to give are asked first");
	view->mute = true;
	expect("why one", "it gave nothing to the reclaim, so others are asked");
	view->mute = false;
	view->idle_pages = 0;
	expect("why one", "its guest says that it has no idle page");
	vm->balloon.target_pages = target_pages;
	expect("why one", "a reclaim is under way, and it has not given all that was asked yet");
	view->mute = true;
	expect("why one", "it gave nothing to the reclaim, so others are asked");
	kernel_periods(5);
}

static void test_set(void **state)
{
	struct vm *vm = &vms[1];
	struct audit_report report;
	(void)state;
	refuse("set two shares 0", "shares=0 is not a number from 1 to 10000");
	refuse("set two weight 10001", "weight=10001 is not a number from 1 to 10000");
	refuse("set two weight -1", "weight=-1 is not a number");
	refuse("set two size 8M", "size is not min, mem, max, shares, buffer or weight");
	refuse("set two buffer 2001", "buffer=2001 is not a number from 1 to 2000");
	refuse("set two mem 1M", "mem=1024K is not between min=2000K and max=16000K");
	refuse("set two mem 17M", "mem=17408K is not between");
	refuse("set two min 13M", "min=13312K is not between 4K and its allotment, mem=12000K");
	refuse("set two min 0", "min=0K is not between");
	expect("set two shares 300", "");
	expect("set two weight 7", "");
	expect("set two buffer 35", "");
	refuse("set host floor 900G", "a floor of 943718400K is not between 1024K and");
	refuse("set host shares 100", "shares is not floor or reserve");
	refuse("set guest floor 8M", "there is no VM guest");
	refuse("pause host", "there is no VM host");
	expect("set host floor 8M", "");
	expect("host", "floor 8M as set");
	expect("set host reserve 1M", "");
	expect("host", "reserve 1M");
	expect("set host floor auto", "");
	refuse("reclaim much", "much is not a size");
	refuse("reclaim 8M soon", "soon is not a number of milliseconds");
	refuse("reclaim 8M 1001", "a time to reclaim is 1 to 1000 ms");
	refuse("reclaim 900G", "is nothing, or more than the");
	expect("reclaim 4K 20", "");
	expect("host", "reclaim: under way, missing 0K of 4K, step reports");
	expect("why two", "reclaim: under way, missing 0K of 4K, step reports");
	refuse("reclaim 4K", "a reclaim of 4K is under way");
	kernel_periods(3);
	expect("host", "reclaims: 1, late 0, of 0K that were missing");
	assert_int_equal(vm->config.buffer_percent, 35);
	expect("set two mem 10M", "");
	uint64_t owed = promise_owed();
	expect("set two min 8M", "");
	assert_int_equal(vm->config.shares, 300);
	assert_int_equal(vm->config.weight, 7);
	assert_int_equal(vm->config.mem_pages, 2560);
	assert_int_equal(vm->config.min_pages, 2048);
	assert_true(promise_owed() > owed);
	vms_audit(&report);
	assert_string_equal(report.first_error, "");
	expect("set two min 1M", "");
	vms_audit(&report);
	assert_string_equal(report.first_error, "");
	/* What is not there cannot be promised. */
	kernel_exhaust(kernel_vm("third", 11000, 11000, 1));
	refuse("set two min 10M", "min=10240K cannot be promised: only ");
	world_check();
}

/* All of the table can be chosen, and are offered when Tab is pressed. */
static void test_policy(void **state)
{
	const struct command *command = command_find((struct word){"policy", 6});
	(void)state;
	expect("policy", "* spare");
	for (unsigned i = 0; policy_at(i) != NULL; i++) {
		char line[40];
		const char *before = policy_now()->name;
		expect("policy", policy_at(i)->rule);
		assert_non_null(strstr(command->choices, policy_at(i)->name));
		snprintf(line, sizeof(line), "policy %s", policy_at(i)->name);
		expect(line, "");
		assert_ptr_equal(policy_now(), policy_at(i));
		snprintf(line, sizeof(line), "operator policy=%s was=%s", policy_at(i)->name,
			 before);
		assert_non_null(strstr(fake_log_text, line));
		snprintf(line, sizeof(line), "; policy %s", policy_at(i)->name);
		expect("why one", line);
	}
	refuse("policy nosuch", "there is no policy nosuch, only: spare shares");
	refuse("policy spare shares", "an argument too many");
	expect("policy spare", "");
}

static void test_pause_and_resume(void **state)
{
	struct vm *vm = &vms[0];
	(void)state;
	refuse("resume one", "one is not paused");
	expect("pause one", "");
	refuse("pause one", "one is paused already");
	expect("vms", "one              paused");
	kernel_settle(&vm->vcpus[0]);
	assert_int_equal(vm->vcpus[0].state, VCPU_ASLEEP);
	expect("why one", "it is paused, so nothing is asked of it");
	expect("resume one", "");
	assert_int_equal(vm->vcpus[0].state, VCPU_QUEUED);
}

static void test_kill_and_restart(void **state)
{
	(void)state;
	refuse("restart one", "one was not started with on-reboot=restart");
	expect("kill one", "");
	assert_int_equal(vms[0].state, VM_KILLED);
	assert_string_equal(vms[0].end_reason, "the operator ended it");
	static const char *const lines[] = {"kill one",	   "pause one",	     "resume one",
					    "restart one", "balloon one 1M", "set one shares 5"};
	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		refuse(lines[i], "one does not run any more");
	}
	expect("vm one", "one: killed, because the operator ended it");
	expect("why one", "it does not run");
	vms[1].config.on_reboot = ON_REBOOT_RESTART;
	expect("pause two", "");
	expect("restart two", "");
	assert_int_equal(vms[1].state, VM_RESTARTING);
	assert_false(vm_is_paused(&vms[1]));
	refuse("kill two", "two does not run: it is being restarted");
}

/* What a start does is tested in lifecycle/test_start.c: here is what reaches it. */
static void test_start(void **state)
{
	(void)state;
	refuse("start onee", "there is no VM onee: the nearest is one");
	refuse("start", "start: an argument is missing");
	refuse("start one", "one runs already, and its module was given back");
	refuse("start one name=other mem=4M", "one runs already, and its module was given back");
	vms[0].state = VM_LATER;
	refuse("pause one", "one does not run yet: the command start begins it");
	refuse("set one min 4M", "one does not run yet: the command start begins it");
	expect("kill one", "");
	assert_int_equal(vms[0].state, VM_KILLED);
	assert_non_null(strstr(fake_log_text, "one killed: the operator does not need it"));
}

/* Regression: of one that was not started, walk said that it has no memory any more, and attach
 * that it has ended. */
static void test_every_command_knows_why_a_vm_does_not_run(void **state)
{
	static const struct {
		enum vm_state state;
		const char *why;
	} cases[] = {
		{VM_LATER, " yet: the command start begins it\n"},
		{VM_REFUSED, ": it was refused\n"},
		{VM_RESTARTING, ": it is being restarted\n"},
		{VM_FINISHED, " any more\n"},
		{VM_KILLED, " any more\n"},
	};
	static const char *const need[] = {"pause one",
					   "resume one",
					   "restart one",
					   "balloon one 1M",
					   "balloon one auto",
					   "set one shares 5",
					   "walk one virtual 0x200000"};
	char text[96];
	(void)state;
	vms[0].s2_exists = false;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		vms[0].state = cases[i].state;
		snprintf(text, sizeof(text), "one does not run%s", cases[i].why);
		for (unsigned k = 0; k < sizeof(need) / sizeof(need[0]); k++) {
			refuse(need[k], text);
		}
		snprintf(text, sizeof(text), "one has no memory%s", cases[i].why);
		refuse("walk one 0x200000", text);
		snprintf(text, sizeof(text), "one has no console%s",
			 cases[i].state == VM_RESTARTING ? " (devices=none)\n" : cases[i].why);
		refuse("attach one", text);
		snprintf(text, sizeof(text), "it does not run%s", cases[i].why);
		expect("why one", text);
		expect("vm one", "one: ");
		expect("exits one", "one: 0 exits");
	}
	vms[0].state = VM_RUNNING;
	vms[0].s2_exists = true;
}

/* NAME* is every VM that runs and whose name begins so; only kill takes it. */
static void test_kill_all_that_begin_so(void **state)
{
	(void)state;
	refuse("kill x*", "no VM's name begins with x");
	refuse("pause *", "there is no VM *");
	expect("kill t*", "");
	assert_int_equal(vms[0].state, VM_RUNNING);
	assert_int_equal(vms[1].state, VM_KILLED);
	expect("kill *", "");
	assert_int_equal(vms[0].state, VM_KILLED);
	expect("kill o*", "");
	vms[1].state = VM_LATER; /* regression: one that was not started was passed over */
	expect("kill t*", "");
	assert_int_equal(vms[1].state, VM_KILLED);
}

static void test_the_map(void **state)
{
	(void)state;
	map_shown = false;
	expect("map on", "the map is on");
	assert_true(map_shown);
	refuse("map", "map on|off");
	refuse("map maybe", "maybe is not on or off");
	map_message = "the screen has no pixels";
	refuse("map off", "the screen has no pixels");
	assert_true(map_shown);
	map_message = NULL;
	expect("map off", "the map is off");
	assert_false(map_shown);
}

static void test_frames(void **state)
{
	(void)state;
	expect("frames", "  two  ");
	assert_non_null(strstr(terminal, "free and zeroed"));
	struct s2_locked locked = s2_lock(&vms[0].s2);
	struct s2_slot slot = s2_lookup(locked, (gfn_t){150});
	s2_unlock(locked);
	char line[80];
	uint64_t at = slot.pfn.n << PAGE_SHIFT;
	snprintf(line, sizeof(line), "frames 0x%lx-0x%lx", at, at + 1);
	expect(line, "4K  guest                one");
	snprintf(line, sizeof(line), "frames %lu", at);
	expect(line, "guest                one");
	refuse("frames 0x1-", "0x1- is not a range");
	refuse("frames 5-4", "5-4 is not a range");
	refuse("frames 0xffffffffffffffff", "is not a range such as");
	refuse("frames 0xfffffffffffffffff", "is not a range");
	refuse("frames abc", "abc is not a range");
	refuse("frames -", "- is not a range");
	/* Many pieces are not all shown, but none is forgotten. */
	for (unsigned i = 0; i < 60; i++) {
		kernel_give(&vms[0], 200 + 2 * i, 1);
	}
	expect("frames 0-0xfffffff", "more are not shown: choose a smaller range");
	unsigned lines = 0;
	for (const char *p = terminal; (p = strchr(p, '\n')) != NULL; p++) {
		lines++;
	}
	assert_int_equal(lines, 49);
}

static void test_walk(void **state)
{
	(void)state;
	expect("walk one 0x64000", "level 1 (4 KiB): entry 100 of table");
	assert_non_null(strstr(terminal, "  host-physical 0x"));
	expect("walk one 0x64123", "123\n");
	expect("walk one 0x4000", "pinned (the balloon page)");
	expect("walk one 0xf9f000", "nothing is there yet");
	assert_non_null(strstr(terminal, "no frame: a touch is given a zeroed one"));
	kernel_give(&vms[0], 200, 1);
	expect("walk one 0xc8000", "all 4 KiB are in the balloon");
	refuse("walk one 0xfa0000", "0xfa0000 is beyond the RAM of one, 0xfa0000");
	refuse("walk one 18446744073709551615", "is not an address");
	refuse("walk one 0xffffffffffffffff", "is beyond the RAM");
	refuse("walk one zero", "zero is not an address such as 0x200000");
}

/* Whatever a word is, each command that takes one says in one line that it is none of its own. */
static void test_words_that_no_command_takes(void **state)
{
	static const char *const words[] = {"-1",
					    "-4M",
					    "4",
					    "0x",
					    "0xg",
					    "1e9",
					    "8MM",
					    "M",
					    "8m",
					    "99999999999999999999",
					    "18446744073709551616",
					    "0xfffffffffffffffff",
					    "17592186044416M",
					    "+1",
					    "1.5",
					    "one*",
					    "%s",
					    "\"",
					    ";",
					    "=",
					    "name=",
					    "auto=1",
					    "virtual",
					    "----------------------------------"};
	static const char *const places[] = {"balloon one %s",
					     "set one min %s",
					     "set one mem %s",
					     "set one max %s",
					     "set one shares %s0x",
					     "set one buffer %sx",
					     "set one weight %s%%",
					     "set one %s 5",
					     "policy %s",
					     "pause %s",
					     "resume %s",
					     "kill %s",
					     "restart %s",
					     "start %s mem=8M",
					     "vm %s",
					     "exits %s",
					     "why %s",
					     "attach %s",
					     "walk %s 0",
					     "walk one virtual %s.",
					     "walk one virtual 0 %s1",
					     "frames %s-",
					     "trace %s,",
					     "trace show %s00",
					     "log %s",
					     "map %s",
					     "top %s",
					     "help %s",
					     "%s"};
	char line[128];
	(void)state;
	const struct policy *policy = policy_now();
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		for (unsigned k = 0; k < sizeof(words) / sizeof(words[0]); k++) {
			snprintf(line, sizeof(line), places[i], words[k]);
			if (strcmp(line, "kill one*") == 0) {
				continue;
			}
			refuse(line, "");
			assert_true(strlen(terminal) > 8 && strlen(terminal) < 200);
		}
	}
	assert_ptr_equal(policy_now(), policy);
	assert_int_equal(log_level_now(), LOG_NORMAL);
	assert_int_equal(trace_mask, 0);
}

/* The guest's tables, each of whose entries the second stage translates; the VM stands still. */
static void test_walk_of_both(void **state)
{
	struct vm *vm = &vms[0];
	struct error error;
	(void)state;
	guest_has_run = true;
	guest_walk = (struct arch_walk){
		.levels = 4,
		.count = 2,
		.steps = {{.at = {0x64008},
			   .entry = 0x65007,
			   .readable = true,
			   .present = true,
			   .writable = true,
			   .user = true},
			  {.at = {0xf9f000}, .readable = true}},
	};
	refuse("walk one virtuel 4", "virtuel is not the word virtual");
	refuse("walk one virtual x", "x is not an address");
	refuse("walk one virtual 4 1", "1 is not a vCPU of one, 0 to 0");
	/* It runs: it is paused, and waited for. */
	assert_int_equal(command_run("walk one virtual 0x1234", false, &error), STATUS_OK);
	assert_true(vm_is_paused(vm));
	command_step(fake_tsc, -1);
	assert_true(command_is_busy());
	kernel_settle(&vm->vcpus[0]);
	command_step(fake_tsc, -1);
	assert_false(command_is_busy());
	assert_false(vm_is_paused(vm));
	assert_int_equal(vm->vcpus[0].state, VCPU_QUEUED);
	terminal_clear();
	output_flush();
	assert_non_null(strstr(terminal, "one: linear 0x1234 of vCPU 0\n"));
	assert_non_null(strstr(terminal, "guest level 4 (PML4): entry at guest-physical 0x64008 "
					 "(host-physical 0x"));
	assert_non_null(strstr(terminal, "is 0x65007: present, writable, user\n"));
	assert_non_null(strstr(terminal, "guest level 3 (directory pointers): entry at "
					 "guest-physical 0xf9f000 (not mapped, reads as zeros)"));
	assert_non_null(strstr(terminal, "no translation: the guest gets a page fault"));
	/* Paused before, and still so behind it. */
	assert_int_equal(command_type("pause one"), STATUS_OK);
	kernel_pick(&vm->vcpus[0]);
	kernel_settle(&vm->vcpus[0]);
	guest_walk.translated = true;
	guest_walk.address = (gpa_t){0x64123};
	expect("walk one virtual 0x1123 0", "  guest-physical 0x64123\n");
	assert_non_null(strstr(terminal, "level 1 (4 KiB): entry 100 of table"));
	assert_true(vm_is_paused(vm));
	guest_walk.address = (gpa_t){0xfee00000};
	expect("walk one virtual 0x1123", "beyond its RAM: a device, or nothing");
	guest_walk = (struct arch_walk){.translated = true, .address = {0x64123}};
	expect("walk one virtual 0x64123", "paging is off: linear is guest-physical");
	guest_has_run = false;
	expect("walk one virtual 0x1123", "this vCPU of one has never run");
	/* One that does not come out is not waited for without end. */
	assert_int_equal(command_type("resume one"), STATUS_OK);
	kernel_pick(&vm->vcpus[0]);
	assert_int_equal(command_run("walk one virtual 4", false, &error), STATUS_OK);
	fake_tsc += 2000000;
	command_step(fake_tsc, -1);
	terminal_clear();
	output_flush();
	assert_string_equal(terminal, "one does not leave its CPU\n");
	assert_false(vm_is_paused(vm));
}

static void test_log_level(void **state)
{
	(void)state;
	refuse("log loud", "loud is not quiet, normal or verbose");
	expect("log quiet", "");
	assert_int_equal(log_level_now(), LOG_QUIET);
	fake_log_clear();
	vm_log(&vms[0], "not said");
	assert_string_equal(fake_log_text, "");
	expect("log verbose", "");
	fake_log_clear();
	expect("balloon one 1M", "");
	kernel_periods(1);
	assert_non_null(
		strstr(fake_log_text, "one decided target=256 was=0 reason=the operator's"));
	expect("log normal", "");
	fake_log_clear();
	vm_log(&vms[0], "said");
	assert_string_equal(fake_log_text, "one said\n");
}

static void test_attach(void **state)
{
	(void)state;
	refuse("attach one", "one has no console (devices=none)");
	vms[0].console = (struct guest_console *)&vms[0];
	expect("attach one", "");
	assert_ptr_equal(attached_vm, &vms[0]);
	struct error error;
	assert_int_equal(command_run("attach one", true, &error), STATUS_INVALID);
	vms[0].console = NULL;
}

static void must_run(const char *line)
{
	struct error error;
	assert_int_equal(command_run(line, false, &error), STATUS_OK);
}

static void test_ends(void **state)
{
	(void)state;
	results_pass = true;
	expect_panic("end 0 1", must_run("shutdown"));
	results_pass = false;
	expect_panic("end 1 0", must_run("reboot"));
	expect_panic("the operator asked for it", must_run("panic-test"));
	expect("audit", "");
}

static int setup(void **state)
{
	(void)state;
	commands_start();
	command_stop();
	log_level_set(LOG_NORMAL);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, kernel_teardown)

static void test_trace(void **state)
{
	(void)state;
	trace_reset();
	trace_port_reset();
	expect("trace show",
	       "trace: events 0x0 on, no port (trace-port=); records 0, lost 0, kept 0");
	refuse("trace", "trace on|off|all|EVENTS|show [N]");
	refuse("trace some", "some is not on, off, all");
	refuse("trace on 3", "only trace show takes a number");
	refuse("trace show 0", "0 is not a number from 1 to 64");
	refuse("trace show 65", "65 is not a number from 1 to 64");
	refuse("trace show -1", "-1 is not a number from 1 to 64");
	refuse("trace show x", "x is not a number from 1 to 64");
	assert_int_equal(trace_mask, 0);
	assert_int_equal(command_type("trace faults"), STATUS_OK);
	assert_int_equal(trace_mask, 1u << TRACE_fault);
	kernel_touch_pages(&vms[0], 2000, 12);
	expect("trace show", "0 one.0 fault gfn=0x7db pages=0x1\n");
	assert_null(strstr(terminal, "gfn=0x7d1 "));
	expect("trace show 1", "records 12, lost 0, kept 12");
	assert_null(strstr(terminal, "gfn=0x7da "));
	assert_int_equal(command_type("trace off"), STATUS_OK);
	assert_int_equal(trace_mask, 0);
	trace_reset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_distance),
		TEST(test_nearest),
		TEST(test_completion),
		TEST(test_help_shows_every_use_whole),
		TEST(test_every_command_is_whole),
		TEST(test_unknown_commands),
		TEST(test_what_is_shown),
		TEST(test_top),
		TEST(test_what_top_does_not_know),
		TEST(test_trace),
		TEST(test_balloon),
		TEST(test_a_reclaim_and_a_vm_that_gives_nothing),
		TEST(test_set),
		TEST(test_a_reclaim_is_shown_as_what_it_is),
		TEST(test_set_max),
		TEST(test_set_max_of_others),
		TEST(test_policy),
		TEST(test_pause_and_resume),
		TEST(test_kill_and_restart),
		TEST(test_start),
		TEST(test_every_command_knows_why_a_vm_does_not_run),
		TEST(test_words_that_no_command_takes),
		TEST(test_kill_all_that_begin_so),
		TEST(test_frames),
		TEST(test_the_map),
		TEST(test_walk),
		TEST(test_walk_of_both),
		TEST(test_log_level),
		TEST(test_attach),
		TEST(test_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
