/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel/sched/run_queue.c: who is first, what a slice costs, who sleeps, who may move. */
#include "fake/panic.h"

#include <string.h>

#include "base/bits.h"
#include "kernel/sched/run_queue.h"
#include "kernel/vm/vm.h"

#define VCPUS 8
#define MS 1000ull
#define CREDIT (2 * MS)
#define AHEAD (8 * MS)

static struct vm vm_table[VCPUS];
static struct vcpu *vcpus[VCPUS];
static struct run_queue *queue;

static uint64_t fake_tsc;
static uint64_t fake_khz;

struct lock frame_lock = LOCK_INITIALIZER(LOCK_FRAMES);

uint64_t arch_tsc_khz(void)
{
	return fake_khz;
}

/* A VM with one vCPU for each, all of weight 100, none in a queue. */
static int setup(void **state)
{
	(void)state;
	fake_locks_reset();
	fake_tsc = 1000 * MS;
	fake_khz = MS;
	memset(vm_table, 0, sizeof(vm_table));
	for (unsigned i = 0; i < VCPUS; i++) {
		struct vm *vm = &vm_table[i];
		vm->state = VM_RUNNING;
		vm->config.vcpus = 1;
		vm->config.cpu_mask = ~0ull;
		vm->config.weight = 100;
		vcpus[i] = &vm->vcpus[0];
		vcpus[i]->vm = vm;
		vcpus[i]->resident = CPU_NONE;
		vcpus[i]->timer_tsc = WAKE_NEVER;
		vcpus[i]->doorbell_open = true;
	}
	queue = &run_queues[0];
	run_queue_init(queue);
	return 0;
}

static void add(unsigned i, uint64_t virtual_ticks)
{
	vcpus[i]->virtual_ticks = virtual_ticks;
	queue->member_count++;
	run_queue_add(queue, vcpus[i]);
}

static void take(unsigned i)
{
	assert_ptr_equal(run_queue_take(queue), vcpus[i]);
	assert_int_equal(vcpus[i]->state, VCPU_RUNNING);
	assert_ptr_equal(queue->current, vcpus[i]);
}

static void put(unsigned i, uint64_t ticks)
{
	fake_tsc += ticks;
	run_queue_put(queue, vcpus[i], ticks, fake_tsc);
	assert_ptr_equal(queue->current, NULL);
}

/* What the counts say is what is there. */
static void expect_counts(unsigned queued, unsigned asleep, unsigned members)
{
	unsigned count = 0;
	uint64_t last = 0;
	list_for_each(link, &queue->queued)
	{
		const struct vcpu *vcpu = list_entry(link, struct vcpu, link);
		assert_int_equal(vcpu->state, VCPU_QUEUED);
		assert_int_equal(vcpu->wait, WAIT_NOTHING);
		/* In order, but for those that were in a hurry (granted_go_first). */
		assert_true(vcpu->virtual_ticks >= last || last <= queue->virtual_now + AHEAD);
		last = vcpu->virtual_ticks;
		count++;
	}
	assert_int_equal(count, queued);
	assert_int_equal(queue->queued_count, queued);
	count = 0;
	list_for_each(link, &queue->asleep)
	{
		assert_int_equal(list_entry(link, struct vcpu, link)->state, VCPU_ASLEEP);
		count++;
	}
	assert_int_equal(count, asleep);
	assert_int_equal(queue->member_count, members);
}

static void least_virtual_time_first(void **state)
{
	(void)state;
	assert_ptr_equal(run_queue_take(queue), NULL);
	add(0, 500);
	add(1, 300);
	add(2, 900);
	add(3, 500); /* of equals the one that came first */
	expect_counts(4, 0, 4);
	take(1);
	take(0);
	take(3);
	take(2);
	assert_ptr_equal(run_queue_take(queue), NULL);
	expect_counts(0, 0, 4);
}

/* Whoever has the least runs one slice of 2 ms; answers how many slices each had. */
static void run_slices(unsigned count, unsigned *slices)
{
	for (unsigned i = 0; i < count; i++) {
		struct vcpu *vcpu = run_queue_take(queue);
		assert_non_null(vcpu);
		slices[vcpu->vm - vm_table]++;
		put((unsigned)(vcpu->vm - vm_table), 2 * MS);
	}
}

static void weights_share_the_time(void **state)
{
	unsigned slices[VCPUS] = {0};
	(void)state;
	vm_table[1].config.weight = 300;
	vm_table[2].config.weight = 50;
	for (unsigned i = 0; i < 3; i++) {
		add(i, 0);
	}
	run_slices(900, slices);
	assert_in_range(slices[0], 199, 201);
	assert_in_range(slices[1], 598, 602);
	assert_in_range(slices[2], 99, 101);
	expect_counts(3, 0, 3);
}

/* A processor that stood still, or a clock that jumped, is not held against who ran. */
static void charge_is_bounded(void **state)
{
	(void)state;
	add(0, 0);
	take(0);
	put(0, UINT64_MAX / 2);
	assert_int_equal(vcpus[0]->virtual_ticks, 128 * MS);
	vm_table[1].config.weight = 10000;
	add(1, 128 * MS);
	take(0);
	put(0, 10);
	take(1);
	put(1, 5000);
	assert_int_equal(vcpus[1]->virtual_ticks, 128 * MS + 50);
}

/* On a fast processor one run is more ticks than 32 bits hold once they are weighted. */
static void charge_on_a_fast_processor(void **state)
{
	(void)state;
	fake_khz = 5000000;
	add(0, 0);
	take(0);
	put(0, 128 * fake_khz);
	assert_true(vcpus[0]->virtual_ticks == 128 * fake_khz);
	assert_true(vcpus[0]->ran_ticks == 128 * fake_khz);
}

/* Time out of turn is not saved up: 20 ms, however long nobody was boosted. */
static void cpu_saves_up_for_boosts_no_more_than_once(void **state)
{
	unsigned slices[VCPUS] = {0};
	(void)state;
	add(0, 0);
	queue->boost_ticks = 0;
	queue->boost_at_rest = false;
	run_slices(20, slices);
	assert_int_equal(queue->boost_ticks, 10 * MS); /* one part in four */
	run_slices(100, slices);
	assert_int_equal(queue->boost_ticks, 20 * MS);
	assert_true(queue->boost_at_rest);
}

/* It slept for long: it is ahead of the others by a little, not by all that it has missed. */
static void sleep_saves_up_no_more_than_the_credit(void **state)
{
	unsigned slices[VCPUS] = {0};
	(void)state;
	add(0, 0);
	add(1, 0);
	take(0);
	vcpus[0]->wait = WAIT_DOORBELL;
	put(0, 0);
	expect_counts(1, 1, 2);
	run_slices(100, slices);
	assert_int_equal(slices[1], 100);
	vcpus[0]->doorbell_pending = true;
	assert_true(run_queue_wake(queue, fake_tsc) == UINT64_MAX);
	expect_counts(2, 0, 2);
	assert_int_equal(vcpus[0]->virtual_ticks, queue->virtual_now - CREDIT);
	memset(slices, 0, sizeof(slices));
	run_slices(20, slices);
	assert_in_range(slices[0], 10, 12);
	/* Who was ahead of the others before keeps that: sleep makes nobody poorer either. */
	vcpus[2]->virtual_ticks = queue->virtual_now + 7 * MS;
	queue->member_count++;
	run_queue_add(queue, vcpus[2]);
	assert_int_equal(vcpus[2]->virtual_ticks, queue->virtual_now + 7 * MS);
}

static void virtual_now_never_goes_back(void **state)
{
	(void)state;
	add(0, 10 * MS);
	take(0);
	assert_int_equal(queue->virtual_now, 10 * MS);
	add(1, 0);
	assert_int_equal(vcpus[1]->virtual_ticks, 8 * MS);
	put(0, 0);
	take(1);
	assert_int_equal(queue->virtual_now, 10 * MS);
}

/* Which of the reasons ends which wait. */
static void reasons_to_wake(void **state)
{
	(void)state;
	for (unsigned given = 0; given < 128; given++) {
		bool doorbell = (given & 1) != 0;
		bool event = (given & 2) != 0;
		bool granted = (given & 4) != 0;
		bool late = (given & 8) != 0;
		bool open = (given & 16) != 0;
		bool rang = (given & 32) != 0;
		bool timer = (given & 64) != 0;
		struct vcpu vcpu = {.vm = &vm_table[0],
				    .doorbell_pending = doorbell,
				    .doorbell_open = open,
				    .rang = rang,
				    .event = event,
				    .granted = granted,
				    .timer_tsc = timer ? fake_tsc : fake_tsc + 1,
				    .wake_tsc = late ? fake_tsc : fake_tsc + 1};
		vcpu.wait = WAIT_NOTHING;
		assert_true(run_queue_wait_is_over(&vcpu, fake_tsc));
		vcpu.wait = WAIT_DOORBELL;
		/* A timer that expires is an interrupt of a VM's own devices. */
		assert_int_equal(run_queue_wait_is_over(&vcpu, fake_tsc),
				 (doorbell || timer) && open);
		vcpu.wait = WAIT_EVENT;
		assert_int_equal(run_queue_wait_is_over(&vcpu, fake_tsc),
				 event || late || (doorbell && (open || rang)));
		vcpu.wait = WAIT_MEMORY;
		assert_int_equal(run_queue_wait_is_over(&vcpu, fake_tsc), granted);
	}
}

/* What ends a WAIT is no news to the next one; what ends another wait still is. */
static void news_is_told_once(void **state)
{
	static const enum vcpu_wait waits[] = {WAIT_DOORBELL, WAIT_EVENT, WAIT_MEMORY};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(waits); i++) {
		struct vcpu *vcpu = vcpus[i];
		bool told = waits[i] == WAIT_EVENT;
		vcpu->doorbell_open = !told; /* or nothing would end HLT */
		add(i, 0);
		take(i);
		vcpu->wait = waits[i];
		vcpu->wake_tsc = WAKE_NEVER;
		put(i, 0);
		assert_int_equal(vcpu->state, VCPU_ASLEEP);
		vcpu->doorbell_pending = vcpu->rang = vcpu->event = vcpu->granted = true;
		(void)run_queue_wake(queue, fake_tsc);
		assert_int_equal(vcpu->state, VCPU_QUEUED);
		assert_true(vcpu->doorbell_pending);
		assert_int_equal(vcpu->rang, !told);
		assert_int_equal(vcpu->event, !told);
		take(i);
		vcpu->event = vcpu->rang = false;
		vcpu->doorbell_open = false;
		vcpu->wait = WAIT_EVENT;
		put(i, 0);
		assert_int_equal(vcpu->state, VCPU_ASLEEP); /* it is held off, and known */
	}
}

/* Whose reason is there when it is put never sleeps; whose is not does. */
static void put_looks_at_the_reason(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		add(i, 10 * i);
	}
	take(0);
	vcpus[0]->wait = WAIT_EVENT;
	vcpus[0]->wake_tsc = WAKE_NEVER;
	vcpus[0]->event = true;
	put(0, 1);
	assert_int_equal(vcpus[0]->state, VCPU_QUEUED);
	take(0);
	vcpus[0]->wait = WAIT_MEMORY; /* the event brings no frame */
	put(0, 1);
	assert_int_equal(vcpus[0]->state, VCPU_ASLEEP);
	assert_int_equal(vcpus[0]->wait, WAIT_MEMORY);
	expect_counts(3, 1, 4);
}

static void deadlines_of_sleepers(void **state)
{
	static const uint64_t after[] = {70, 30, 50};
	uint64_t begin = fake_tsc;
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		add(i, i);
		take(i);
		vcpus[i]->wait = i < 3 ? WAIT_EVENT : WAIT_DOORBELL;
		vcpus[i]->wake_tsc = i < 3 ? begin + after[i] : 0; /* of no meaning in the last */
		put(i, 0);
	}
	expect_counts(0, 4, 4);
	assert_int_equal(run_queue_wake(queue, begin + 29), begin + 30);
	expect_counts(0, 4, 4);
	assert_int_equal(run_queue_wake(queue, begin + 30), begin + 50);
	expect_counts(1, 3, 4);
	assert_true(run_queue_wake(queue, begin + 100) == UINT64_MAX);
	expect_counts(3, 1, 4);
	take(0);
}

static void give_respects_affinity_and_residency(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		add(i, i);
	}
	vm_table[0].config.cpu_mask = BIT(0);
	vcpus[1]->resident = 0;
	vm_table[2].config.cpu_mask = BIT(0) | BIT(63);
	vcpus[3]->resident = 5;
	assert_ptr_equal(run_queue_give(queue, 3), NULL);
	expect_counts(4, 0, 4);
	assert_ptr_equal(run_queue_give(queue, 63), vcpus[2]);
	assert_int_equal(vcpus[2]->state, VCPU_RUNNING);
	assert_int_equal(vcpus[2]->home, 63);
	assert_ptr_equal(queue->current, NULL);
	expect_counts(3, 0, 3);
	vcpus[1]->resident = CPU_NONE;
	assert_ptr_equal(run_queue_give(queue, 3), vcpus[1]);
	expect_counts(2, 0, 2);
	assert_ptr_equal(run_queue_give(queue, 3), NULL);
}

/* What it may claim counts from where the queue is that it leaves. */
static void give_takes_the_claim_along(void **state)
{
	(void)state;
	add(0, 50 * MS);
	take(0);
	add(1, 57 * MS);
	add(2, 0);
	assert_ptr_equal(run_queue_give(queue, 1), vcpus[2]);
	assert_int_equal(vcpus[2]->virtual_ticks, 0);
	assert_ptr_equal(run_queue_give(queue, 1), vcpus[1]);
	assert_int_equal(vcpus[1]->virtual_ticks, 7 * MS);
}

/* Of an ended VM nobody is queued again, and what is in a list goes. */
static void ended_vms(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		add(i, i);
	}
	take(0);
	take(1);
	vcpus[1]->wait = WAIT_DOORBELL;
	put(1, 0);
	expect_counts(2, 1, 4);
	for (unsigned i = 0; i < 4; i++) {
		vm_table[i].state = i & 1 ? VM_KILLED : VM_FINISHED;
	}
	put(0, 1);
	assert_int_equal(vcpus[0]->state, VCPU_ENDED);
	expect_counts(2, 1, 3);
	run_queue_end(queue, vcpus[1]);
	assert_int_equal(vcpus[1]->state, VCPU_ENDED);
	expect_counts(2, 0, 2);
	run_queue_end(queue, vcpus[2]);
	expect_counts(1, 0, 1);
	run_queue_end(queue, vcpus[2]); /* once */
	expect_counts(1, 0, 1);
	take(3);
	run_queue_end(queue, vcpus[3]); /* not while somebody has it in his hands */
	assert_int_equal(vcpus[3]->state, VCPU_RUNNING);
	put(3, 1);
	assert_int_equal(vcpus[3]->state, VCPU_ENDED);
	expect_counts(0, 0, 0);
	queue->member_count = 1;
	run_queue_end(queue, vcpus[4]); /* never started */
	assert_int_equal(vcpus[4]->state, VCPU_ENDED);
	expect_counts(0, 0, 0);
}

/* Anything in any order: the lists stay in order, and the counts are true. */
static void random_operations(void **state)
{
	uint64_t seed = 7;
	unsigned members = 0;
	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		seed = seed * 6364136223846793005 + 1442695040888963407;
		unsigned i = seed >> 40 & (VCPUS - 1);
		struct vcpu *vcpu = vcpus[i];
		if (vcpu->state == VCPU_OFF) {
			add(i, seed >> 50);
			members++;
		} else if (queue->current != NULL) {
			struct vcpu *current = queue->current;
			current->wait = seed >> 33 & 3;
			current->doorbell_pending = (seed >> 36 & 1) != 0;
			current->granted = (seed >> 37 & 1) != 0;
			current->wake_tsc = fake_tsc + (seed >> 54);
			put((unsigned)(current->vm - vm_table), seed >> 52);
		} else if (seed >> 62 == 0) {
			vcpu->doorbell_pending = true;
			vcpu->granted = true;
			(void)run_queue_wake(queue, fake_tsc);
		} else {
			(void)run_queue_take(queue);
		}
		unsigned queued = 0;
		unsigned asleep = 0;
		for (unsigned j = 0; j < VCPUS; j++) {
			queued += vcpus[j]->state == VCPU_QUEUED;
			asleep += vcpus[j]->state == VCPU_ASLEEP;
		}
		expect_counts(queued, asleep, members);
	}
}

/* Who waited for a frame goes first, whatever it has run, unless that is far more than the rest. */
static void granted_go_first(void **state)
{
	(void)state;
	queue->virtual_now = 100 * MS;
	add(0, 100 * MS);
	vcpus[1]->wait = WAIT_MEMORY;
	add(1, 105 * MS);
	vcpus[2]->wait = WAIT_MEMORY;
	add(2, 109 * MS); /* too far ahead */
	vcpus[3]->wait = WAIT_EVENT;
	add(3, 105 * MS);
	take(1);
	assert_int_equal(queue->virtual_now, 100 * MS); /* the others' claims are what they were */
	queue->current = NULL;
	take(0);
	queue->current = NULL;
	take(3);
	queue->current = NULL;
	take(2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(least_virtual_time_first, setup),
		cmocka_unit_test_setup(weights_share_the_time, setup),
		cmocka_unit_test_setup(charge_is_bounded, setup),
		cmocka_unit_test_setup(charge_on_a_fast_processor, setup),
		cmocka_unit_test_setup(cpu_saves_up_for_boosts_no_more_than_once, setup),
		cmocka_unit_test_setup(sleep_saves_up_no_more_than_the_credit, setup),
		cmocka_unit_test_setup(virtual_now_never_goes_back, setup),
		cmocka_unit_test_setup(reasons_to_wake, setup),
		cmocka_unit_test_setup(news_is_told_once, setup),
		cmocka_unit_test_setup(put_looks_at_the_reason, setup),
		cmocka_unit_test_setup(deadlines_of_sleepers, setup),
		cmocka_unit_test_setup(give_respects_affinity_and_residency, setup),
		cmocka_unit_test_setup(give_takes_the_claim_along, setup),
		cmocka_unit_test_setup(granted_go_first, setup),
		cmocka_unit_test_setup(ended_vms, setup),
		cmocka_unit_test_setup(random_operations, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
