/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/sched/scheduler.c with several CPUs, each a context (fake/contexts.h): where vCPUs begin,
 * who takes them over, and that a VM that has ended, or is to be parked, is nowhere any more.
 */
#include "fake/contexts.h"

#include "base/bits.h"
#include "kernel/sched/stop_machine.h"
#include "kernel/sched/run_queue.h"
#include "fake/devices.h"
#include "kernel/sched/scheduler.h"
#include "kernel/sched/startup.h"

/* ---- Several CPUs ---- */

static void started_where_the_fewest_are(void **state)
{
	(void)state;
	context_start(3);
	assert_int_equal(context_vcpu(0, ~0ull)->home, 0);
	assert_int_equal(context_vcpu(1, ~0ull)->home, 1);
	assert_int_equal(context_vcpu(2, BIT(1) | BIT(40))->home, 1);
	assert_int_equal(context_vcpu(3, BIT(0) | BIT(1))->home, 0);
	assert_int_equal(context_vcpu(4, ~0ull)->home, 2);
	assert_int_equal(scheduler_start(&context_vms[4].vcpus[0], 1, 2), STATUS_EXISTS);
	assert_int_equal(context_vms[4].vcpus[0].entry, 0x1000);
	struct vm *vm = context_vm(5, 2, ~0ull);
	assert_int_equal(vm->vcpus[0].home, 2);
	assert_int_equal(run_queues[0].member_count + run_queues[1].member_count +
				 run_queues[2].member_count,
			 7);
}

static void start_wakes_the_cpu(void **state)
{
	(void)state;
	context_start(2);
	context_act_as(0);
	assert_int_equal(context_go(1), ASLEEP);
	struct vm *vm = context_vm(0, 1, BIT(1));
	assert_int_equal(scheduler_start(&vm->vcpus[0], 0xabc000, 77), STATUS_OK);
	assert_int_equal(fake_kicks[1], 1);
	assert_int_equal(context_go(1), IN_GUEST);
	assert_int_equal(vm->vcpus[0].entry, 0xabc000);
	assert_int_equal(vm->vcpus[0].regs[GPR_RBX], 77);
}

/* Only what is in nobody's registers moves, and only where it may. */
static void idle_cpu_steals(void **state)
{
	(void)state;
	context_start(2);
	context_act_as(0);
	struct vcpu *a = context_vcpu(0, ~0ull);
	assert_int_equal(context_go(0), IN_GUEST);
	/* These go to CPU 0 as well, and only the second may leave it. */
	struct vcpu *b = context_vcpu(1, BIT(0));
	context_vms[2].config.cpu_mask = BIT(0);
	struct vcpu *c = context_vcpu(2, BIT(0));
	assert_int_equal(c->home, 0);
	context_vms[2].config.cpu_mask = ~0ull;
	assert_int_equal(context_go(1), IN_GUEST);
	assert_ptr_equal(context_guest(1), c);
	assert_int_equal(scheduler_counts(1).steals, 1);
	assert_int_equal(run_queues[0].member_count, 2);
	assert_int_equal(run_queues[1].member_count, 1);
	/* `a` is queued, but CPU 0 has it in its registers until it has run another one. */
	assert_int_equal(context_halt_guest(1), ASLEEP);
	assert_int_equal(context_run_slice(0), IN_GUEST);
	assert_ptr_equal(context_guest(0), b);
	assert_int_equal(a->state, VCPU_QUEUED);
	assert_int_equal(a->resident, CPU_NONE);
	assert_int_equal(context_go(1), IN_GUEST);
	assert_ptr_equal(context_guest(1), a);
}

static void what_is_in_the_registers_stays(void **state)
{
	(void)state;
	context_start(2);
	context_act_as(0);
	struct vcpu *a = context_vcpu(0, ~0ull);
	assert_int_equal(context_go(0), IN_GUEST);
	assert_int_equal(context_halt_guest(0), ASLEEP);
	context_ring(a);
	assert_int_equal(a->state, VCPU_QUEUED);
	assert_int_equal(context_go(1), ASLEEP);
	assert_int_equal(scheduler_counts(1).steals, 0);
	assert_int_equal(context_go(0), IN_GUEST);
	assert_ptr_equal(context_guest(0), a);
}

/* INIT: the CPU that runs it lets go of it, stops it, and does something else. */
static void init_stops_it(void **state)
{
	(void)state;
	context_start(2);
	context_act_as(0);
	fake_devices_reset();
	struct vm *vm = context_vm(0, 2, BIT(1));
	struct vcpu *a = &vm->vcpus[0];
	vm->platform = fake_devices_of_a_vm();
	a->timer_tsc = WAKE_NEVER;
	context_resets = 0;
	assert_int_equal(scheduler_start(a, 0x1000, 0), STATUS_OK);
	assert_int_equal(context_go(1), IN_GUEST);
	unsigned kicks = fake_kicks[1];
	startup_send_init(a);
	assert_int_equal(fake_kicks[1], kicks + 1);
	assert_true(run_queues[1].wanted && startup_is_awaited(a));
	/* It comes out of the guest, and is not run again. */
	assert_int_equal(context_go(1), ASLEEP);
	assert_int_equal(a->state, VCPU_OFF);
	assert_int_equal(a->resident, CPU_NONE);
	assert_null(run_queues[1].current);
	assert_int_equal(context_resets, 1);
	assert_int_equal(fake_devices.initialized, 1);
	assert_true(startup_is_awaited(a));
	startup_send_init(a); /* it is stopped */
	assert_false(a->stopping);
	startup_begin(a, 0x7000);
	assert_false(startup_is_awaited(a));
	assert_int_equal(context_go(1), IN_GUEST);
	assert_ptr_equal(context_guest(1), a);
	assert_int_equal(a->entry, 0x7000);
	/* Both messages while it is in the guest. */
	startup_send_init(a);
	startup_begin(a, 0x8000);
	assert_int_equal(context_go(1), IN_GUEST);
	assert_int_equal(context_resets, 2);
	assert_ptr_equal(context_guest(1), a);
	assert_int_equal(a->entry, 0x8000);
	assert_int_equal(run_queues[1].member_count, 2);
	vm->platform = NULL;
}

/* A busy CPU takes its share of a longer queue, now and then. */
static void busy_cpus_balance(void **state)
{
	(void)state;
	context_start(2);
	context_act_as(0);
	(void)context_vcpu(0, BIT(1));
	assert_int_equal(context_go(1), IN_GUEST);
	for (unsigned i = 1; i < 5; i++) {
		(void)context_vcpu(i, BIT(0));
		context_vms[i].config.cpu_mask = ~0ull;
	}
	assert_int_equal(context_go(0), IN_GUEST);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(context_run_slice(1), IN_GUEST);
		assert_int_equal(context_go(0), IN_GUEST);
	}
	assert_in_range(run_queues[1].member_count, 2, 3);
	assert_int_equal(run_queues[0].member_count + run_queues[1].member_count, 5);
	assert_in_range(scheduler_counts(1).steals, 1, 4);
	/* All of them get on. */
	uint64_t least = UINT64_MAX;
	for (unsigned i = 0; i < 5; i++) {
		least = min_u64(least, context_vms[i].vcpus[0].virtual_ticks);
	}
	assert_true(least > 0);
}

static struct vcpu *moved;

/* Between the look where it lives and the lock of that queue it moves, runs, and sleeps. */
static void move_it(const struct lock *lock)
{
	if (lock != &run_queues[0].lock) {
		return;
	}
	fake_on_acquire = NULL;
	assert_int_equal(context_go(1), IN_GUEST);
	assert_ptr_equal(context_guest(1), moved);
	assert_int_equal(context_halt_guest(1), ASLEEP);
	assert_int_equal(moved->state, VCPU_ASLEEP);
	moved->doorbell_pending = true;
	fake_cpu = context_me;
}

static void notified_while_it_moves(void **state)
{
	(void)state;
	context_start(2);
	context_act_as(0);
	moved = context_vcpu(0, ~0ull);
	assert_int_equal(moved->home, 0);
	fake_on_acquire = move_it;
	scheduler_signal(moved);
	assert_ptr_equal(fake_on_acquire, NULL);
	assert_int_equal(moved->home, 1);
	assert_int_equal(moved->state, VCPU_QUEUED);
	assert_int_equal(run_queues[1].queued_count, 1);
	assert_int_equal(run_queues[0].queued_count, 0);
	assert_true(fake_kicks[1] > 0);
	assert_int_equal(context_go(0), ASLEEP);
	assert_int_equal(context_go(1), IN_GUEST);
}

/* ---- The end ---- */

static void end_vm(struct vm *vm)
{
	vm->state = VM_KILLED;
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		scheduler_signal(&vm->vcpus[i]);
	}
}

static void retire_what_does_not_run(void **state)
{
	(void)state;
	context_start(1);
	context_act_as(0);
	struct vm *vm = context_vm(0, 3, 1);
	assert_int_equal(scheduler_start(&vm->vcpus[0], 1, 0), STATUS_OK);
	assert_int_equal(context_go(0), IN_GUEST);
	assert_int_equal(context_halt_guest(0),
			 ASLEEP); /* asleep, and in the registers of this CPU */
	assert_int_equal(scheduler_start(&vm->vcpus[1], 1, 0), STATUS_OK); /* queued */
	assert_int_equal(vm->vcpus[2].state, VCPU_OFF);
	end_vm(vm);
	assert_true(scheduler_retire(vm));
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(vm->vcpus[i].state, VCPU_ENDED);
		assert_int_equal(vm->vcpus[i].resident, CPU_NONE);
	}
	assert_int_equal(contexts[0].evictions, 1);
	assert_int_equal(run_queues[0].member_count, 0);
	assert_true(scheduler_retire(vm));
	assert_int_equal(scheduler_start(&vm->vcpus[2], 1, 0), STATUS_EXISTS);
	assert_int_equal(context_go(0), ASLEEP);
}

static void retire_what_runs_elsewhere(void **state)
{
	(void)state;
	context_start(2);
	context_act_as(0);
	struct vm *vm = context_vm(0, 1, BIT(1));
	assert_int_equal(scheduler_start(&vm->vcpus[0], 1, 0), STATUS_OK);
	assert_int_equal(context_go(1), IN_GUEST);
	end_vm(vm);
	assert_true(fake_kicks[1] > 0);
	assert_false(scheduler_retire(vm));
	assert_true(run_queues[1].wanted);
	assert_false(scheduler_retire(vm));
	assert_int_equal(context_go(1), ASLEEP); /* put back, ended, evicted */
	assert_true(scheduler_retire(vm));
	assert_int_equal(contexts[1].evictions, 1);
	assert_int_equal(vm->vcpus[0].state, VCPU_ENDED);
	assert_int_equal(run_queues[1].member_count, 0);
}

static void retire_what_is_in_registers_elsewhere(void **state)
{
	(void)state;
	context_start(2);
	context_act_as(0);
	struct vm *vm = context_vm(0, 1, BIT(1));
	assert_int_equal(scheduler_start(&vm->vcpus[0], 1, 0), STATUS_OK);
	assert_int_equal(context_go(1), IN_GUEST);
	assert_int_equal(context_halt_guest(1), ASLEEP);
	end_vm(vm);
	unsigned kicks = fake_kicks[1];
	assert_false(scheduler_retire(vm)); /* out of the list, but not out of the registers */
	assert_int_equal(vm->vcpus[0].state, VCPU_ENDED);
	assert_int_equal(vm->vcpus[0].resident, 1);
	assert_int_equal(fake_kicks[1], kicks + 1);
	assert_false(scheduler_retire(vm));
	assert_int_equal(context_go(1), ASLEEP);
	assert_true(scheduler_retire(vm));
	assert_int_equal(contexts[1].evictions, 1);
}

/* Queued at the moment of the end: it is not run once more. */
static void ended_guests_do_not_run(void **state)
{
	(void)state;
	context_start(2);
	context_act_as(1);
	struct vcpu *a = context_vcpu(0, BIT(0));
	struct vcpu *b = context_vcpu(1, BIT(0));
	assert_int_equal(context_go(0), IN_GUEST);
	assert_ptr_equal(context_guest(0), a);
	end_vm(b->vm);
	end_vm(a->vm);
	assert_int_equal(context_go(0), ASLEEP);
	assert_int_equal(a->state, VCPU_ENDED);
	assert_int_equal(b->state, VCPU_ENDED);
	assert_true(scheduler_retire(a->vm));
	assert_true(scheduler_retire(b->vm));
	assert_int_equal(run_queues[0].member_count, 0);
}

static unsigned pauses_of_the_first;

/* CPU 0 waits for the others: each comes to its loop because it was kicked, and stays there. */
static void others_come(void)
{
	if (context_running < CONTEXTS) {
		context_stop_at(WAITING);
	} else {
		unsigned cpu = 1 + pauses_of_the_first++ % 2;
		assert_true(fake_kicks[cpu] > 0 && run_queues[cpu].wanted);
		(void)context_go(cpu);
	}
}

static void others_go_on(void)
{
	(void)context_go(1 + pauses_of_the_first++ % 2);
}

static void parking_stops_all(void **state)
{
	(void)state;
	context_start(3);
	context_act_as(0);
	struct vcpu *a = context_vcpu(0, BIT(1));
	assert_int_equal(context_go(1), IN_GUEST);
	assert_int_equal(context_go(2), ASLEEP);
	pauses_of_the_first = 0;
	fake_on_pause = others_come;
	stop_machine();
	assert_int_equal(contexts[1].place, WAITING);
	assert_int_equal(contexts[2].place, WAITING);
	assert_int_equal(a->state, VCPU_QUEUED);
	assert_int_equal(context_go(1), WAITING); /* and does not get on */
	fake_on_pause = others_go_on;
	stop_machine_release();
	assert_int_equal(contexts[1].place, IN_GUEST);
	assert_ptr_equal(context_guest(1), a);
	assert_int_equal(contexts[2].place, ASLEEP);
	fake_on_pause = context_on_pause;
	assert_int_equal(context_run_slice(1), IN_GUEST);
}

#define TEST(name) cmocka_unit_test_teardown(name, context_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(started_where_the_fewest_are),
		TEST(start_wakes_the_cpu),
		TEST(idle_cpu_steals),
		TEST(what_is_in_the_registers_stays),
		TEST(busy_cpus_balance),
		TEST(init_stops_it),
		TEST(notified_while_it_moves),
		TEST(retire_what_does_not_run),
		TEST(retire_what_runs_elsewhere),
		TEST(retire_what_is_in_registers_elsewhere),
		TEST(ended_guests_do_not_run),
		TEST(parking_stops_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
