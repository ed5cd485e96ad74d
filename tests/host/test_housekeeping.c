/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/housekeeping.c: when a round comes, what ends a run and with which verdict, which VMs are
 * stuck, teardown one step a round, audits on time, and merging of regions while memory is
 * plentiful. The monitor and the report are fakes; VMs, governor, scheduler and memory are real.
 */
#include "fake/kernel.h"

#include <string.h>

#include "base/bits.h"
#include "kernel/activity.h"
#include "kernel/housekeeping.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/monitor.h"
#include "kernel/monitor/output.h"
#include "kernel/monitor/results.h"
#include "kernel/monitor/script.h"
#include "kernel/sched/run_queue.h"
#include "kernel/sched/scheduler.h"
#include "kernel/sched/background.h"
#include "kernel/lifecycle/end.h"
#include "kernel/overcommit/timed_reclaim.h"
#include "kernel/vm/guest_console.h"
#include "mm/frame.h"
#include "mm/stage2/map.h"

#define FRAMES 6000
#define MS 1000 /* ticks of the fake clock */
#define ROUND (MS / 5)
#define POLL (5 * MS)

static struct options options;
static unsigned polls, finishes, results, details_shown;
static uint64_t timeout_told;
static bool verdict;

static bool attached;

static bool output_waits;

bool output_is_empty(void)
{
	return !output_waits;
}

static bool script_runs;

bool script_is_busy(void)
{
	return script_runs;
}

static bool command_runs;

bool command_is_busy(void)
{
	return command_runs;
}

bool monitor_is_typing(void)
{
	return attached;
}

void monitor_poll(const struct options *given, uint64_t now_tsc)
{
	assert_ptr_equal(given, &options);
	assert_int_equal(now_tsc, fake_tsc);
	polls++;
}

void monitor_finish(const struct options *given)
{
	assert_ptr_equal(given, &options);
	finishes++;
}

bool report_results(bool details)
{
	results++;
	details_shown += details;
	return verdict;
}

void report_timeout(uint64_t seconds)
{
	timeout_told = seconds;
}

_Noreturn void arch_end(enum end end, bool pass)
{
	assert_int_equal(end, options.end);
	panic(pass ? "off with pass" : "off with fail");
}

bool trace_is_used;
static unsigned trace_steps;
static bool trace_has_more;

bool trace_step(uint64_t now_tsc)
{
	assert_int_equal(now_tsc, fake_tsc);
	trace_steps++;
	return trace_has_more;
}

static void start_with(uint64_t frames, unsigned max_leaf_level)
{
	kernel_start(frames, max_leaf_level);
	memset(&options, 0, sizeof(options));
	options.end = END_REBOOT;
	polls = finishes = results = details_shown = 0;
	trace_steps = 0;
	timeout_told = 0;
	verdict = true;
	housekeeping_init(&options);
}

static void start(void)
{
	start_with(FRAMES, 1);
}

/* A vCPU that sleeps until its doorbell rings. */
static void sleep_for_ever(struct vcpu *vcpu)
{
	kernel_pick(vcpu);
	vcpu->wait = WAIT_DOORBELL;
	kernel_settle(vcpu);
}

/* What a trace still has to send keeps the CPU from sleeping, until the port takes no more. */
static void test_a_trace_is_sent(void **state)
{
	(void)state;
	start();
	(void)kernel_vm("a", 100, 50, 10);
	(void)background_poll(fake_tsc, true);
	assert_int_equal(trace_steps, 0);
	trace_is_used = true;
	assert_false(background_poll(fake_tsc, true));
	assert_int_equal(trace_steps, 1);
	trace_has_more = true;
	assert_true(background_poll(fake_tsc, true));
	assert_true(background_poll(fake_tsc, false)); /* a round is due at once */
	trace_is_used = trace_has_more = false;
	(void)background_poll(fake_tsc, true);
	assert_int_equal(trace_steps, 3);
}

static void test_a_round_is_due_or_asked_for(void **state)
{
	(void)state;
	start();
	struct vm *vm = kernel_vm("a", 100, 50, 10);
	assert_false(background_poll(fake_tsc, false));
	assert_int_equal(polls, 1);
	vm->vcpus[0].hypercall_count += 2;
	fake_tsc += ROUND - 1;
	assert_false(background_poll(fake_tsc, false));
	assert_int_equal(polls, 1);
	assert_false(background_poll(fake_tsc, true));
	assert_int_equal(polls, 2);
	vm->vcpus[0].hypercall_count++;
	fake_tsc += ROUND - 1;
	assert_false(background_poll(fake_tsc, false));
	assert_int_equal(polls, 2);
	fake_tsc += 1;
	assert_false(background_poll(fake_tsc, false));
	assert_int_equal(polls, 3);
}

/* True: a round came, though none was asked for. */
static bool round_comes(void)
{
	unsigned before = polls;
	fake_tsc += ROUND;
	assert_false(background_poll(fake_tsc, false));
	return polls != before;
}

/*
 * Where no guest has done anything that concerns the host, only time brings a round: each kind of
 * activity brings one at once, and it counts once.
 */
static void test_a_round_needs_activity(void **state)
{
	(void)state;
	start();
	struct vm *vm = kernel_vm_with(2, "a", 100, 50, 10);
	struct vcpu *second = &vm->vcpus[1];
	(void)round_comes();
	uint64_t due = fake_tsc + POLL;
	while (fake_tsc + ROUND < due) {
		assert_false(round_comes());
	}
	assert_true(round_comes());
	second->hypercall_count++;
	assert_true(round_comes());
	assert_false(round_comes());
	second->fault_count++;
	assert_true(round_comes());
	/* The end of an interrupt. */
	second->fault_count++;
	second->controller_count++;
	assert_false(round_comes());
	struct guest_console console = {.written = 1};
	vm->console = &console;
	assert_true(round_comes());
	assert_false(round_comes());
	console.written++;
	assert_true(round_comes());
	vm->console = NULL;
	(void)round_comes();
	/* What may go on without activity. */
	second->calls_platform = true;
	assert_true(round_comes());
	assert_true(round_comes());
	second->calls_platform = false;
	(void)round_comes();
	second->wait = WAIT_MEMORY;
	assert_true(round_comes());
	assert_true(round_comes());
	second->wait = WAIT_NOTHING;
	(void)round_comes();
	assert_false(round_comes());
	timed_reclaim_open = true;
	assert_true(round_comes());
	timed_reclaim_open = false;
	script_runs = true;
	assert_true(round_comes());
	script_runs = false;
	assert_false(round_comes());
	command_runs = true; /* step by step, with nothing written yet */
	assert_true(round_comes());
	command_runs = false;
	assert_false(round_comes());
	vm->balloon.target_pages = 5;
	assert_true(round_comes());
	vm->balloon.target_pages = 0;
	assert_true(round_comes());
	assert_false(round_comes());
	attached = true; /* keys may come fast */
	assert_true(round_comes());
	attached = false;
	output_waits = true;
	assert_true(round_comes());
	output_waits = false;
	trace_is_used = true;
	assert_true(round_comes());
	trace_is_used = false;
	(void)round_comes();
	vm->state = VM_RESTARTING;
	vm->vcpus[0].state = VCPU_RUNNING; /* so that nothing is taken apart */
	assert_true(round_comes());
	assert_true(round_comes());
	vm->state = VM_RUNNING;
	vm->vcpus[0].state = VCPU_QUEUED;
}

/* Of many VMs it is not found out: each round comes. */
static void test_many_vms_have_all_rounds(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < ACTIVITY_VMS_MAX; i++) {
		(void)kernel_vm("one", 100, 50, 10);
	}
	(void)round_comes();
	assert_false(round_comes());
	(void)kernel_vm("one more", 100, 50, 10);
	assert_true(round_comes());
	assert_true(round_comes());
}

/* The CPU may sleep until the governor or the operator's keys want it, not longer. */
static void test_next_round(void **state)
{
	(void)state;
	start();
	(void)kernel_vm("a", 100, 50, 10);
	(void)background_poll(fake_tsc, true);
	assert_true(background_next_tsc(fake_tsc) > fake_tsc);
	assert_true(background_next_tsc(fake_tsc) <= fake_tsc + POLL);
	/* While keys may be pasted, sooner: a serial port holds 16 of them. */
	attached = true;
	assert_true(background_next_tsc(fake_tsc) <= fake_tsc + MS);
	attached = false;
}

/* The next round is due where it was, however often the CPU looked in vain meanwhile. */
static void test_a_quiet_look_puts_no_round_off(void **state)
{
	(void)state;
	start();
	(void)kernel_vm("a", 100, 50, 10);
	(void)round_comes();
	(void)background_poll(fake_tsc, true);
	uint64_t due = fake_tsc + POLL;
	fake_tsc += POLL - ROUND / 2;
	unsigned before = polls;
	assert_false(background_poll(fake_tsc, false));
	assert_int_equal(polls, before);
	assert_in_range(background_next_tsc(fake_tsc), fake_tsc, due + ROUND);
	fake_tsc = background_next_tsc(fake_tsc);
	(void)background_poll(fake_tsc, false);
	assert_int_equal(polls, before + 1);
}

/* Steps come one a round, rounds one after the other, until nothing is left of it. */
static void test_teardown_goes_on_at_once(void **state)
{
	(void)state;
	start_with(2 * FRAMES, 0);
	struct vm *gone = kernel_vm("gone", 11000, 10000, 10);
	struct vm *stays = kernel_vm("stays", 100, 50, 10);
	assert_int_equal(kernel_touch_pages(gone, 0, 10000), 10000);
	vm_finish(gone, 0, 0);
	kernel_settle(&gone->vcpus[0]);
	unsigned rounds = 0;
	while (background_poll(fake_tsc, false)) {
		if (gone->s2_exists) {
			world_check();
		}
		rounds++;
		assert_in_range(rounds, 1, 10000);
		assert_int_equal(stays->state, VM_RUNNING);
	}
	assert_true(rounds > 1);
	assert_false(gone->s2_exists);
	world_forget(&gone->s2);
	assert_int_equal(results, 0); /* the other one still runs */
	world_check();
}

/* Its vCPU is still on a CPU: nothing of it is torn down under its feet. */
static void test_teardown_waits_for_the_last_vcpu(void **state)
{
	(void)state;
	start();
	struct vm *gone = kernel_vm("gone", 3000, 2000, 10);
	kernel_touch_pages(gone, 0, 100);
	vm_finish(gone, 0, 0);
	assert_false(background_poll(fake_tsc, true));
	assert_true(gone->s2_exists);
	assert_true(gone->s2.mapped_pages >= 100);
	assert_int_equal(results, 0);
	kernel_settle(&gone->vcpus[0]);
	while (background_poll(fake_tsc, true)) {
	}
	assert_false(gone->s2_exists);
	world_forget(&gone->s2);
}

static void end(struct vm *vm)
{
	vm_finish(vm, 0, 0);
	kernel_settle(&vm->vcpus[0]);
}

static void test_interactive_run_reports_once(void **state)
{
	(void)state;
	start();
	struct vm *vm = kernel_vm("a", 100, 50, 10);
	(void)background_poll(fake_tsc, true);
	assert_int_equal(results, 0);
	end(vm);
	while (background_poll(fake_tsc, true)) {
	}
	world_forget(&vm->s2);
	(void)background_poll(fake_tsc, true);
	(void)background_poll(fake_tsc, true);
	assert_int_equal(results, 1);
	assert_int_equal(details_shown, 0);
	assert_int_equal(finishes, 1);
}

/* A VM that is started behind the results has some of its own. */
static void test_one_that_is_started_is_reported(void **state)
{
	(void)state;
	start();
	for (unsigned i = 1; i <= 2; i++) {
		struct vm *vm = kernel_vm(i == 1 ? "a" : "b", 100, 50, 10);
		(void)background_poll(fake_tsc, true);
		assert_int_equal(results, i - 1);
		end(vm);
		while (background_poll(fake_tsc, true)) {
		}
		world_forget(&vm->s2);
		(void)background_poll(fake_tsc, true);
		(void)background_poll(fake_tsc, true);
		assert_int_equal(results, i);
	}
}

/* What a script has left to do comes before the verdict. */
static void test_the_verdict_waits_for_the_script(void **state)
{
	(void)state;
	start();
	struct vm *vm = kernel_vm("a", 100, 50, 10);
	script_runs = true;
	end(vm);
	while (background_poll(fake_tsc, true)) {
	}
	world_forget(&vm->s2);
	(void)background_poll(fake_tsc, true);
	assert_int_equal(results, 0);
	script_runs = false;
	(void)background_poll(fake_tsc, true);
	assert_int_equal(results, 1);
}

/* What a command still counts is in the results. With an operator, it may run for ever. */
static void test_the_verdict_waits_for_a_command(void **state)
{
	(void)state;
	start();
	options.batch = true;
	struct vm *vm = kernel_vm("a", 100, 50, 10);
	command_runs = true;
	end(vm);
	while (background_poll(fake_tsc, true)) {
	}
	world_forget(&vm->s2);
	(void)background_poll(fake_tsc, true);
	assert_int_equal(results, 0);
	options.batch = false;
	(void)background_poll(fake_tsc, true);
	assert_int_equal(results, 1);
	command_runs = false;
}

/* Between its two lives it has no address space, and the run is not over. */
static void test_a_vm_that_restarts_is_not_over(void **state)
{
	(void)state;
	start();
	struct vm *vm = kernel_vm("a", 100, 50, 10);
	enum vcpu_state before = vm->vcpus[0].state;
	vm->state = VM_RESTARTING;
	vm->s2_exists = false;
	vm->vcpus[0].state = VCPU_RUNNING; /* so that nothing is taken apart yet */
	(void)background_poll(fake_tsc, true);
	assert_int_equal(results, 0);
	assert_int_equal(finishes, 0);
	vm->vcpus[0].state = before;
	vm->s2_exists = true;
	vm->state = VM_RUNNING;
	end(vm);
	while (background_poll(fake_tsc, true)) {
	}
	world_forget(&vm->s2);
	assert_int_equal(results, 1);
}

static void run_out(void)
{
	while (background_poll(fake_tsc, true)) {
	}
}

static void test_batch_ends_with_the_verdict(void **state)
{
	(void)state;
	for (unsigned pass = 0; pass < 2; pass++) {
		start();
		options.batch = true;
		verdict = pass != 0;
		struct vm *vm = kernel_vm("a", 100, 50, 10);
		end(vm);
		if (pass) {
			expect_panic("off with pass", run_out());
		} else {
			expect_panic("off with fail", run_out());
		}
		assert_int_equal(results, 1);
		assert_int_equal(details_shown, 1);
		assert_int_equal(finishes, 0);
		assert_false(vm->s2_exists);
		world_forget(&vm->s2);
		(void)world_teardown(state);
	}
	start();
}

static void test_batch_runs_out_of_time(void **state)
{
	(void)state;
	start();
	options.batch = true;
	options.timeout_seconds = 2;
	housekeeping_init(&options);
	(void)kernel_vm("a", 100, 50, 10);
	fake_tsc += 2000 * MS;
	(void)background_poll(fake_tsc, true);
	assert_int_equal(timeout_told, 0);
	fake_tsc += 1;
	expect_panic("off with fail", run_out());
	assert_int_equal(timeout_told, 2);
	assert_int_equal(details_shown, 1);
}

/* A time-out is for batch runs, and none when it is 0. */
static void test_no_time_out(void **state)
{
	(void)state;
	start();
	options.timeout_seconds = 2;
	housekeeping_init(&options);
	(void)kernel_vm("a", 100, 50, 10);
	fake_tsc += 10000 * MS;
	(void)background_poll(fake_tsc, true);
	options.batch = true;
	options.timeout_seconds = 0;
	housekeeping_init(&options);
	fake_tsc += 10000 * MS;
	(void)background_poll(fake_tsc, true);
	assert_int_equal(timeout_told, 0);
	assert_int_equal(results, 0);
}

static void test_audit_on_time(void **state)
{
	(void)state;
	start();
	options.audit_ms = 25;
	struct vm *vm = kernel_vm("a", 100, 50, 10);
	kernel_touch_pages(vm, 0, 10);
	(void)background_poll(fake_tsc, true); /* the first one at once, and clean */
	vm->s2.large_pages++;		       /* one error, not more */
	fake_tsc += 25 * MS - 1;
	(void)background_poll(fake_tsc, true); /* not yet */
	fake_tsc += 1;
	expect_panic("audit: 1 errors", (void)background_poll(fake_tsc, true));
	vm->s2.large_pages--;
}

static void test_no_audit_unless_asked(void **state)
{
	(void)state;
	start();
	struct vm *vm = kernel_vm("a", 100, 50, 10);
	vm->s2.mapped_pages++;
	for (unsigned i = 0; i < 10; i++) {
		fake_tsc += 100 * MS;
		(void)background_poll(fake_tsc, true);
	}
	vm->s2.mapped_pages--;
}

/* All vCPUs sleep until a doorbell that only they could ring: the VM is over. */
static void test_stuck_vm_ends(void **state)
{
	(void)state;
	start();
	struct vm *vm = kernel_vm_with(2, "stuck", 100, 50, 10);
	struct vm *awake = kernel_vm_with(2, "awake", 100, 50, 10);
	assert_int_equal(scheduler_start(&vm->vcpus[1], 0x2000, 0), STATUS_OK);
	sleep_for_ever(&vm->vcpus[0]);
	sleep_for_ever(&awake->vcpus[0]);
	assert_int_equal(scheduler_start(&awake->vcpus[1], 0x2000, 0), STATUS_OK);
	(void)background_poll(fake_tsc, true);
	assert_int_equal(vm->state, VM_RUNNING); /* its other vCPU can run */
	sleep_for_ever(&vm->vcpus[1]);
	fake_tsc += POLL - 1;
	(void)background_poll(fake_tsc, true);
	assert_int_equal(vm->state, VM_RUNNING); /* looks every 5 ms */
	fake_tsc += 1;
	(void)background_poll(fake_tsc, true);
	assert_true(vm_is_over(vm));
	assert_int_equal(awake->state, VM_RUNNING);
	run_out();
	assert_false(vm->s2_exists);
	world_forget(&vm->s2);
}

/* 2 MiB in single pages, all there. */
static void scatter(struct vm *vm)
{
	struct aerostat_range range = {.gfn = 512, .count = 1};
	assert_int_equal(kernel_ranges(vm, BALLOON_SURRENDER, &range, 1, 0), 1);
	range = (struct aerostat_range){.gfn = 512, .count = 1};
	assert_int_equal(kernel_ranges(vm, BALLOON_RETURN, &range, 1, 0), 1);
	kernel_touch_pages(vm, 512, 1);
}

static struct vm *scattered_vm(void)
{
	struct vm *vm = kernel_vm("a", 2048, 1024, 10);
	kernel_touch_pages(vm, 0, 1024);
	(void)kernel_attach(vm);
	scatter(vm);
	return vm;
}

static unsigned order_at(struct vm *vm, uint64_t gfn)
{
	struct s2_locked locked = s2_lock(&vm->s2);
	unsigned order = s2_lookup(locked, (gfn_t){gfn}).order;
	s2_unlock(locked);
	return order;
}

static void test_regions_are_merged_in_idle_time(void **state)
{
	(void)state;
	start();
	(void)kernel_vm("first", 100, 50, 10);
	struct vm *vm = scattered_vm();
	kernel_periods(1);
	assert_int_equal(order_at(vm, 512), ORDER_4K);
	for (unsigned i = 0; i < 16; i++) {
		background_idle();
		world_check();
	}
	assert_int_equal(order_at(vm, 512), ORDER_2M);
	assert_int_equal(frame_count(FRAME_REVOKING), 0); /* the old frames are free again */
	assert_int_equal(order_at(vm, 0), ORDER_4K);	  /* the balloon page is pinned in it */
}

/*
 * All VMs were looked at and nothing was found: there is nothing to look for until a guest has done
 * something that a round has seen. A pass that has found something is followed by another.
 */
static void test_merging_rests(void **state)
{
	(void)state;
	start();
	struct vm *vm = scattered_vm();
	kernel_periods(1);
	(void)background_poll(fake_tsc, true);
	for (unsigned i = 0; i < 6; i++) { /* one pass and a bit: a find does not make it rest */
		background_idle();
	}
	assert_int_equal(order_at(vm, 512), ORDER_2M);
	scatter(vm);
	for (unsigned i = 0; i < 6; i++) {
		background_idle();
	}
	assert_int_equal(order_at(vm, 512), ORDER_2M);
	for (unsigned i = 0; i < 16; i++) {
		background_idle();
	}
	scatter(vm);
	for (unsigned i = 0; i < 16; i++) {
		background_idle();
	}
	assert_int_equal(order_at(vm, 512), ORDER_4K);
	vm->vcpus[0].hypercall_count++;
	(void)round_comes();
	for (unsigned i = 0; i < 16; i++) {
		background_idle();
	}
	assert_int_equal(order_at(vm, 512), ORDER_2M);
}

/* A VM that is asked for pages keeps them small: they are about to go. */
static void test_no_merging_against_a_target(void **state)
{
	(void)state;
	start();
	struct vm *vm = scattered_vm();
	kernel_periods(1);
	vm->balloon.target_pages = 1;
	for (unsigned i = 0; i < 16; i++) {
		background_idle();
	}
	assert_int_equal(order_at(vm, 512), ORDER_4K);
}

static void test_no_merging_while_memory_is_short(void **state)
{
	(void)state;
	start();
	struct vm *vm = scattered_vm();
	kernel_exhaust(kernel_vm("taker", 6000, 6000, 100));
	kernel_periods(1);
	for (unsigned i = 0; i < 16; i++) {
		background_idle();
	}
	assert_int_equal(order_at(vm, 512), ORDER_4K);
}

#define TEST(name) cmocka_unit_test_teardown(name, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_round_is_due_or_asked_for),
		TEST(test_a_round_needs_activity),
		TEST(test_many_vms_have_all_rounds),
		TEST(test_next_round),
		TEST(test_a_quiet_look_puts_no_round_off),
		TEST(test_teardown_goes_on_at_once),
		TEST(test_teardown_waits_for_the_last_vcpu),
		TEST(test_the_verdict_waits_for_the_script),
		TEST(test_the_verdict_waits_for_a_command),
		TEST(test_interactive_run_reports_once),
		TEST(test_one_that_is_started_is_reported),
		TEST(test_a_vm_that_restarts_is_not_over),
		TEST(test_batch_ends_with_the_verdict),
		TEST(test_batch_runs_out_of_time),
		TEST(test_no_time_out),
		TEST(test_audit_on_time),
		TEST(test_no_audit_unless_asked),
		TEST(test_stuck_vm_ends),
		TEST(test_regions_are_merged_in_idle_time),
		TEST(test_merging_rests),
		TEST(test_a_trace_is_sent),
		TEST(test_no_merging_against_a_target),
		TEST(test_no_merging_while_memory_is_short),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
