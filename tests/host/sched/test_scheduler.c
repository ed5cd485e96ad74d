/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/sched/scheduler.c: who runs when on one CPU, how vCPUs and CPUs sleep, and that no wake-up
 * is lost. CPUs are contexts (fake/contexts.h).
 */
#include "fake/contexts.h"

#include "base/bits.h"
#include "kernel/sched/run_queue.h"
#include "kernel/sched/scheduler.h"

/* ---- One CPU ---- */

static void weights_decide_who_runs(void **state)
{
	unsigned slices[3] = {0};
	(void)state;
	context_start(1);
	for (unsigned i = 0; i < 3; i++) {
		(void)context_vcpu(i, 1);
	}
	context_vms[1].config.weight = 200;
	context_vms[2].config.weight = 100;
	assert_int_equal(context_go(0), IN_GUEST);
	for (unsigned i = 0; i < 400; i++) {
		slices[context_guest(0)->vm - context_vms]++;
		assert_int_equal(contexts[0].deadline, fake_tsc + SLICE);
		assert_int_equal(context_run_slice(0), IN_GUEST);
	}
	assert_in_range(slices[0], 99, 101);
	assert_in_range(slices[1], 199, 201);
	assert_in_range(slices[2], 99, 101);
	struct scheduler_counts counts = scheduler_counts(0);
	assert_int_equal(counts.slices, 400);
	assert_int_equal(counts.busy_ticks, 400 * SLICE);
	assert_int_equal(counts.steals + counts.kicks, 0);
}

/* Another guest gets the processor only after the one before has let go of it, and only then. */
static void evicted_only_for_another(void **state)
{
	(void)state;
	context_start(1);
	struct vcpu *a = context_vcpu(0, 1);
	assert_int_equal(context_go(0), IN_GUEST);
	assert_int_equal(context_run_slice(0), IN_GUEST);
	assert_int_equal(context_halt_guest(0), ASLEEP);
	assert_int_equal(contexts[0].evictions, 0);
	assert_int_equal(a->resident, 0);
	context_ring(a);
	assert_int_equal(context_go(0), IN_GUEST);
	assert_ptr_equal(context_guest(0), a);
	assert_int_equal(contexts[0].evictions, 0);
	a->doorbell_pending = false;
	struct vcpu *b = context_vcpu(1, 1);
	assert_int_equal(context_halt_guest(0), IN_GUEST);
	assert_ptr_equal(context_guest(0), b);
	assert_int_equal(contexts[0].evictions, 1);
	assert_int_equal(a->resident, CPU_NONE);
}

static void sleeper_wakes_by_the_clock(void **state)
{
	(void)state;
	context_start(1);
	struct vcpu *a = context_vcpu(0, 1);
	struct vcpu *b = context_vcpu(1, 1);
	uint64_t begin = fake_tsc;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(context_go(0), IN_GUEST);
		struct vcpu *vcpu = context_guest(0);
		vcpu->wait = WAIT_EVENT;
		vcpu->wake_tsc = begin + (vcpu == a ? 300 : 200);
	}
	assert_int_equal(context_go(0), ASLEEP);
	assert_int_equal(contexts[0].deadline, begin + 200);
	fake_tsc = begin + 100; /* woken too early: nothing happens */
	assert_int_equal(context_go(0), ASLEEP);
	fake_tsc = begin + 200;
	assert_int_equal(context_go(0), IN_GUEST);
	assert_ptr_equal(context_guest(0), b);
	assert_int_equal(context_halt_guest(0), ASLEEP);
	assert_int_equal(contexts[0].deadline, begin + 300);
	fake_tsc = begin + 1000;
	assert_int_equal(context_go(0), IN_GUEST);
	assert_ptr_equal(context_guest(0), a);
}

static void house_is_kept_between_guests(void **state)
{
	(void)state;
	context_start(2);
	(void)context_vcpu(0, 1);
	assert_int_equal(context_go(0), IN_GUEST);
	assert_false(scheduler_is_idle(1));
	assert_int_equal(context_go(1), ASLEEP); /* on_house() sees that it is not CPU 1's */
	assert_true(scheduler_is_idle(1));
	assert_false(scheduler_is_idle(0));
	assert_int_equal(contexts[1].deadline, fake_tsc + 20 * MS);
	assert_int_equal(contexts[0].rounds, 1);
	assert_int_equal(context_run_slice(0), IN_GUEST);
	assert_int_equal(contexts[0].rounds, 2);
	context_more_to_do = true; /* then it does not sleep before the next round */
	assert_int_equal(context_halt_guest(0), ASLEEP);
	assert_int_equal(contexts[0].rounds, 4);
	assert_int_equal(contexts[0].deadline, fake_tsc + 5 * MS);
	context_dirty_frames =
		3; /* nor while there is something to scrub, but interrupts need not wait */
	context_windows = 0;
	assert_int_equal(context_go(0), ASLEEP);
	assert_int_equal(contexts[0].rounds, 8);
	assert_int_equal(context_dirty_frames, 0);
	assert_int_equal(context_windows, 3);
}

/*
 * Regression: the slice counted from before the housekeeping, so that the boot CPU's guests came to
 * a stand while an audit or a teardown took longer than a slice.
 */
static void house_does_not_eat_the_slice(void **state)
{
	(void)state;
	context_start(1);
	(void)context_vcpu(0, 1);
	context_house_ticks = 3 * SLICE;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(context_go(0), IN_GUEST);
		assert_int_equal(contexts[0].deadline, fake_tsc + SLICE);
	}
}

/* While an operator types the boot CPU looks for keys more often than a serial port overflows. */
static void typing_shortens_slices(void **state)
{
	(void)state;
	context_start(1);
	(void)context_vcpu(0, 1);
	for (unsigned i = 0; i < 4; i++) {
		scheduler_set_typing(i % 2 != 0);
		assert_int_equal(context_go(0), IN_GUEST);
		assert_int_equal(contexts[0].deadline, fake_tsc + (i % 2 != 0 ? SLICE / 2 : SLICE));
	}
}

/* Out of turn it runs for what is left of its budget, not for a whole slice. */
static void boosted_slice_is_cut(void **state)
{
	(void)state;
	context_start(1);
	for (unsigned i = 0; i < 3; i++) {
		(void)context_vcpu(i, 1);
		context_vms[i].boost.left_ticks = 0;
	}
	assert_int_equal(context_go(0), IN_GUEST);
	context_vms[2].boost.left_ticks = 500;
	scheduler_boost(&context_vms[2].vcpus[0]);
	assert_int_equal(context_run_slice(0), IN_GUEST);
	assert_ptr_equal(context_guest(0), &context_vms[2].vcpus[0]);
	assert_int_equal(contexts[0].deadline, fake_tsc + 500);
}

/* ---- Waking ---- */

/* Rung before it is put back, by another CPU: it does not go to sleep over it. */
static void ring_while_it_runs(void **state)
{
	(void)state;
	context_start(2);
	struct vcpu *a = context_vcpu(0, 1);
	assert_int_equal(context_go(0), IN_GUEST);
	context_act_as(1);
	a->wait = WAIT_DOORBELL; /* it has looked: nothing there */
	context_ring(a);
	assert_int_equal(fake_kicks[0], 1); /* out of the guest, should it be in there */
	assert_int_equal(context_go(0), IN_GUEST);
	assert_ptr_equal(context_guest(0), a);
	a->doorbell_pending = false;
	assert_int_equal(context_halt_guest(0), ASLEEP);
	context_ring(a);
	assert_int_equal(fake_kicks[0], 2);
	assert_int_equal(context_go(0), IN_GUEST);
}

static struct vcpu *ring_whom;
static unsigned ring_after; /* how many releases of the queue's lock, before it is rung */

static void ring_at_release(const struct lock *lock)
{
	if (lock != &run_queues[0].lock || ring_after == 0 || --ring_after > 0) {
		return;
	}
	fake_on_release = NULL;
	fake_cpu = 1;
	context_ring(ring_whom);
	fake_cpu = 0;
}

/*
 * No lost wake-up: between the moment that a guest waits and the moment that its CPU sleeps, it is
 * rung from elsewhere after each release of the lock. Either it runs again at once, or the CPU goes
 * to sleep with an interrupt pending that ends the sleep.
 */
static void ring_at_every_moment_before_the_sleep(void **state)
{
	unsigned pending_kicks = 0;
	unsigned moment = 1;
	bool reached = true;
	for (; reached; moment++) {
		context_start(2);
		struct vcpu *a = context_vcpu(0, 1);
		assert_int_equal(context_go(0), IN_GUEST);
		ring_whom = a;
		ring_after = moment;
		fake_on_release = ring_at_release;
		enum place place = context_halt_guest(0);
		reached = ring_after == 0;
		fake_on_release = NULL;
		if (reached && place == ASLEEP) {
			assert_true(fake_kicks[0] > 0);
			pending_kicks++;
			place = context_go(0);
		}
		if (reached) {
			assert_int_equal(place, IN_GUEST);
			assert_ptr_equal(context_guest(0), a);
		} else {
			assert_int_equal(place, ASLEEP);
		}
		assert_int_equal(context_teardown(state), 0);
	}
	assert_true(moment > 3 && pending_kicks > 0);
}

static void kick_oneself_at_release(const struct lock *lock)
{
	if (lock != &run_queues[0].lock || ring_after == 0 || --ring_after > 0) {
		return;
	}
	fake_on_release = NULL;
	scheduler_kick(0);
}

/* A CPU that kicks itself sends no interrupt: the word alone keeps it from sleeping over that. */
static void own_kick_at_every_moment_before_the_sleep(void **state)
{
	unsigned moment = 1;
	bool reached = true;
	for (; reached; moment++) {
		context_start(2);
		ring_after = moment;
		fake_on_release = kick_oneself_at_release;
		assert_int_equal(context_go(0), ASLEEP);
		reached = ring_after == 0;
		fake_on_release = NULL;
		assert_false(run_queues[0].wanted);
		assert_int_equal(context_teardown(state), 0);
	}
	assert_true(moment > 2);
}

/* The same for a CPU that is prodded, because it holds something that is wanted back. */
static void prod_before_the_sleep(void **state)
{
	(void)state;
	context_start(2);
	assert_int_equal(context_go(1), ASLEEP);
	unsigned kicks = fake_kicks[1];
	scheduler_kick(1);
	assert_int_equal(fake_kicks[1], kicks + 1);
	fake_cpu = 1;
	assert_true(scheduler_wants_cpu());
	fake_cpu = 0;
	assert_false(scheduler_wants_cpu());
	assert_int_equal(context_go(1), ASLEEP);
	fake_cpu = 1;
	assert_false(scheduler_wants_cpu()); /* it has come to its loop */
	scheduler_kick(1);		     /* no interrupt to itself */
	assert_int_equal(fake_kicks[1], kicks + 1);
}

/* Who is told when a vCPU wakes: its sleeping home, else an idle CPU, else who is to be overtaken.
 */
static void woken_while_its_home_is_busy(void **state)
{
	(void)state;
	context_start(2);
	struct vcpu *a = context_vcpu(0, 1);
	assert_int_equal(context_go(0), IN_GUEST);
	assert_int_equal(context_halt_guest(0), ASLEEP);
	struct vcpu *b = context_vcpu(1, 1);
	assert_int_equal(context_go(0), IN_GUEST);
	assert_ptr_equal(context_guest(0), b);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(context_run_slice(0), IN_GUEST);
	}
	context_act_as(1);
	unsigned kicks = fake_kicks[0];
	context_ring(a); /* has run less: the other one's slice ends now */
	assert_int_equal(fake_kicks[0], kicks + 1);
	assert_true(run_queues[0].wanted);
	assert_int_equal(context_go(0), IN_GUEST);
	assert_ptr_equal(context_guest(0), a);
	assert_false(run_queues[0].wanted);
}

static void woken_with_more_virtual_time_waits_its_turn(void **state)
{
	(void)state;
	context_start(2);
	struct vcpu *a = context_vcpu(0, 1);
	struct vcpu *b = context_vcpu(1, 1);
	assert_int_equal(context_go(0), IN_GUEST);
	assert_ptr_equal(context_guest(0), a);
	fake_tsc += 20 * MS;
	assert_int_equal(context_halt_guest(0), IN_GUEST);
	assert_ptr_equal(context_guest(0), b);
	context_act_as(1);
	unsigned kicks = fake_kicks[0];
	context_ring(a);
	assert_int_equal(a->state, VCPU_QUEUED);
	assert_int_equal(fake_kicks[0], kicks);
	assert_false(run_queues[0].wanted);
}

static void woken_while_another_cpu_is_idle(void **state)
{
	(void)state;
	for (unsigned allowed = 0; allowed < 2; allowed++) {
		context_start(3);
		context_act_as(0);
		struct vcpu *a = context_vcpu(0, allowed ? BIT(0) | BIT(2) : BIT(0));
		assert_int_equal(a->home, 0);
		assert_int_equal(context_go(0), IN_GUEST);
		fake_tsc += 20 * MS;
		assert_int_equal(context_halt_guest(0), ASLEEP);
		struct vcpu *b = context_vcpu(1, 1);
		assert_int_equal(context_go(0), IN_GUEST);
		assert_ptr_equal(context_guest(0), b);
		assert_int_equal(context_go(1), ASLEEP);
		assert_int_equal(context_go(2), ASLEEP);
		context_ring(a);
		assert_int_equal(fake_kicks[1], 0);
		assert_int_equal(fake_kicks[2], allowed);
		if (allowed) {
			assert_int_equal(context_go(2), IN_GUEST);
			assert_ptr_equal(context_guest(2), a);
		} else {
			assert_int_equal(context_go(2), ASLEEP);
			assert_int_equal(a->state, VCPU_QUEUED);
		}
		assert_int_equal(context_teardown(state), 0);
	}
}

#define TEST(name) cmocka_unit_test_teardown(name, context_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(weights_decide_who_runs),
		TEST(evicted_only_for_another),
		TEST(sleeper_wakes_by_the_clock),
		TEST(house_is_kept_between_guests),
		TEST(house_does_not_eat_the_slice),
		TEST(ring_while_it_runs),
		TEST(typing_shortens_slices),
		TEST(boosted_slice_is_cut),
		TEST(ring_at_every_moment_before_the_sleep),
		TEST(own_kick_at_every_moment_before_the_sleep),
		TEST(prod_before_the_sleep),
		TEST(woken_while_its_home_is_busy),
		TEST(woken_with_more_virtual_time_waits_its_turn),
		TEST(woken_while_another_cpu_is_idle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
