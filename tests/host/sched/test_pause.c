/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A paused VM: nothing runs it, whatever wakes it; it is asked for nothing, waits for no frame, and
 * is not ended for what it could not do. What it does afterwards counts from then.
 */
#include "fake/kernel.h"

#include <string.h>

#include "kernel/lib/tunables.h"
#include "kernel/lifecycle/end.h"
#include "kernel/overcommit/driver_health.h"
#include "kernel/sched/clock.h"
#include "kernel/sched/pause.h"
#include "kernel/sched/run_queue.h"
#include "kernel/sched/scheduler.h"
#include "kernel/sched/wake.h"

#define FRAMES 6000

static struct run_queue *queue = &run_queues[0];

static uint64_t wake(uint64_t now_tsc)
{
	lock_acquire(&queue->lock);
	uint64_t next = run_queue_wake(queue, now_tsc);
	lock_release(&queue->lock);
	return next;
}

static void resume(struct vm *vm)
{
	driver_health_note_resumed(vm, clock_now());
	pause_end(vm);
}

static void test_a_running_vcpu_comes_out(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm("a", 4000, 3000, 100);
	pause_begin(vm);
	assert_true(scheduler_wants_cpu());
	kernel_settle(&vm->vcpus[0]);
	assert_int_equal(vm->vcpus[0].state, VCPU_ASLEEP);
	assert_int_equal(wake(fake_tsc), UINT64_MAX);
	assert_int_equal(vm->vcpus[0].state, VCPU_ASLEEP);
	resume(vm);
	assert_int_equal(vm->vcpus[0].state, VCPU_QUEUED);
}

/* Neither a doorbell nor a time nor a frame. */
static void test_nothing_wakes_it(void **state)
{
	static const enum vcpu_wait waits[] = {WAIT_DOORBELL, WAIT_EVENT, WAIT_MEMORY};
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		kernel_start(FRAMES, 1);
		struct vm *vm = kernel_vm("a", 4000, 3000, 100);
		struct vcpu *vcpu = &vm->vcpus[0];
		vcpu->wait = waits[i];
		vcpu->wake_tsc = fake_tsc + 50;
		vcpu->timer_tsc = fake_tsc + 60;
		vcpu->doorbell_open = true;
		vcpu->doorbell_vector = 0x40;
		kernel_settle(vcpu);
		assert_int_equal(vcpu->state, VCPU_ASLEEP);
		pause_begin(vm);
		assert_int_equal(vcpu_ring(vcpu), STATUS_OK);
		vcpu_wake_for_memory(vcpu);
		fake_tsc += 100;
		/* No clock of it makes the CPU come back at once, either. */
		assert_int_equal(wake(fake_tsc), UINT64_MAX);
		assert_int_equal(vcpu->state, VCPU_ASLEEP);
		assert_false(vm_is_stuck(vm));
		resume(vm);
		assert_int_equal(vcpu->state, VCPU_QUEUED);
		world_teardown(NULL);
	}
	kernel_start(FRAMES, 1);
}

/* Where its driver owes pages, and where it waits for a frame, time begins anew. */
static void test_its_time_does_not_count(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *donor = kernel_vm("donor", 5000, 3000, 100);
	struct aerostat_balloon_page *page = kernel_attach(donor);
	kernel_touch_pages(donor, 200, 3000);
	page->free_pages = 2000;
	page->idle_pages = 2000;
	struct vm *taker = kernel_vm("taker", 5000, 4000, 100);
	kernel_exhaust(taker);
	kernel_periods(1);
	assert_true(donor->balloon.target_pages > 0);
	pause_begin(donor);
	kernel_settle(&donor->vcpus[0]);
	pause_begin(taker);
	assert_false(vm_waits_for_memory(taker));
	kernel_periods(10 * tunables.driver_answer_ms / tunables.decide_ms);
	assert_false(donor->balloon.unresponsive);
	assert_int_equal(taker->state, VM_RUNNING);
	assert_int_equal(donor->state, VM_RUNNING);
	resume(taker);
	resume(donor);
	kernel_periods(1);
	assert_false(donor->balloon.unresponsive);
	assert_true(clock_now() - taker->vcpus[0].blocked_since_tsc <
		    1000 * tunables.decide_ms * 3);
	/* And then it does. */
	kernel_pick(&donor->vcpus[0]);
	kernel_periods(3 * tunables.driver_answer_ms / tunables.decide_ms);
	assert_true(donor->balloon.unresponsive);
}

static void test_a_paused_vm_can_be_ended(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm("a", 4000, 3000, 100);
	pause_begin(vm);
	kernel_settle(&vm->vcpus[0]);
	vm_kill(vm, "test");
	assert_true(scheduler_retire(vm));
	assert_int_equal(vm->vcpus[0].state, VCPU_ENDED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_a_running_vcpu_comes_out, kernel_teardown),
		cmocka_unit_test_teardown(test_nothing_wakes_it, kernel_teardown),
		cmocka_unit_test_teardown(test_its_time_does_not_count, kernel_teardown),
		cmocka_unit_test_teardown(test_a_paused_vm_can_be_ended, kernel_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
