/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/overcommit/wait_queue.c and oom.c over a real world of VMs: who of those that wait for
 * memory is served first, what a driver may have to be able to give, and who is given up on when
 * nobody gives.
 */
#include "fake/kernel.h"

#include <string.h>

#include "base/bits.h"
#include "kernel/balloon/balloon.h"
#include "kernel/lib/tunables.h"
#include "kernel/overcommit/governor.h"
#include "kernel/sched/scheduler.h"
#include "kernel/overcommit/wait_queue.h"
#include "kernel/balloon/admission.h"
#include "kernel/sched/wake.h"
#include "mm/frame.h"
#include "mm/promise.h"

#define FRAMES 6000

/* P3: and when nobody gives for seconds, the one that holds the most beyond its due has to go. */
static void test_starvation_ends(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	kernel_vm_end(kernel_vm("gone", 5000, 1000, 100)); /* cannot be ended twice */
	struct vm *modest = kernel_vm("modest", 5000, 1000, 100);
	kernel_touch_pages(modest, 200, 900);
	struct vm *greedy = kernel_vm("greedy", 5000, 1000, 100);
	kernel_touch_pages(greedy, 200, 3500);
	struct vm *waiter = kernel_vm("waiter", 5000, 4000, 100);
	kernel_exhaust(waiter);
	kernel_periods(390);
	assert_int_equal(greedy->state, VM_RUNNING);
	kernel_periods(20);
	assert_int_equal(greedy->state, VM_KILLED);
	assert_int_equal(modest->state, VM_RUNNING);
	assert_int_equal(waiter->state, VM_RUNNING);
	assert_true(kernel_waits(waiter));
	kernel_periods(10); /* one victim is enough: its frames are on their way */
	assert_int_equal(modest->state, VM_RUNNING);
	kernel_vm_end(greedy);
	kernel_periods(1);
	assert_int_equal(waiter->vcpus[0].state, VCPU_QUEUED);
	assert_true(governor_free_low() < FRAMES);
}

/* A policy may say that no VM is ended for want of memory: the one that waits goes on waiting. */
static void test_policy_that_ends_no_vm(void **state)
{
	static const struct tuning policy[] = {
		{"oom_after_ms", "off"}, {"oom_overdue_ms", "off"}, {NULL, NULL}};
	struct error error;
	(void)state;
	kernel_start(FRAMES, 1);
	assert_int_equal(tunables_set(policy, &error), STATUS_OK);
	struct vm *greedy = kernel_vm("greedy", 5000, 1000, 100);
	kernel_touch_pages(greedy, 200, 3500);
	struct vm *waiter = kernel_vm("waiter", 5000, 4000, 100);
	kernel_exhaust(waiter);
	kernel_periods(2000);
	assert_int_equal(greedy->state, VM_RUNNING);
	assert_int_equal(waiter->state, VM_RUNNING);
	assert_true(kernel_waits(waiter));
}

/* What was promised comes first: a VM below its minimum never waits for a policy. */
static void test_minimum_needs_no_policy(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *poor = kernel_vm("poor", 2000, 1000, 300);
	struct vm *taker = kernel_vm("taker", 6000, 6000, 100);
	kernel_exhaust(taker);
	kernel_periods(1);
	assert_int_equal(kernel_touch_pages(poor, 0, 300), 300);
	assert_int_equal(kernel_touch_pages(poor, 300, 1), 0);
	kernel_periods(3);
	assert_true(kernel_waits(poor));
	assert_true(kernel_waits(taker));
}

/* Who is below its allotment goes first when little came back. */
static void test_entitled_goes_first(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *donor = kernel_vm("donor", 3000, 1000, 100);
	(void)kernel_attach(donor);
	kernel_touch_pages(donor, 200, 1000);
	struct vm *sated = kernel_vm("sated", 6000, 100, 50);
	struct vm *entitled = kernel_vm("entitled", 3000, 2000, 50);
	kernel_touch_pages(entitled, 0, 100);
	kernel_exhaust(sated);
	assert_int_equal(kernel_touch_pages(entitled, 1000, 1), 0);
	kernel_periods(1);
	assert_true(kernel_waits(sated));
	assert_false(admission_allows_fill(sated));
	kernel_give(donor, 200, 10);
	kernel_periods(1);
	assert_int_equal(entitled->vcpus[0].state, VCPU_QUEUED);
	assert_true(kernel_waits(sated));
}

/*
 * Regression: givers whose drivers needed a page of their own waited for the taker's frames, and
 * the taker for theirs, until one was ended.
 */
static void test_driver_gets_the_frame_it_needs_to_give(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *donor = kernel_vm("donor", 3000, 2000, 100);
	struct aerostat_balloon_page *page = kernel_attach(donor);
	page->total_pages = 3000;
	page->free_pages = 800;
	page->idle_pages = 800;
	kernel_touch_pages(donor, 200, 900);
	struct vm *taker = kernel_vm("taker", 6000, 6000, 100);
	kernel_exhaust(taker);
	assert_int_equal(kernel_touch_pages(donor, 1500, 20),
			 20); /* it has less than its allotment */
	kernel_periods(1);
	assert_true(donor->balloon.target_pages > 0);
	kernel_give(donor, 200, 10); /* it answers, and may have one more for each four */
	assert_int_equal(promise_spare(), 0);
	assert_int_equal(kernel_touch_pages(donor, 1520, 40), 32 - 20 + 10 / 4);
	assert_true(kernel_waits(donor));
	assert_true(kernel_waits(taker)); /* the reserve is not for it: it has no driver */
}

/*
 * Regression: who gave one page again and again had 32 from the reserve each time, until it was
 * empty and nothing was left for emergencies.
 */
static void test_reserve_is_not_for_sale(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *trader = kernel_vm("trader", 4000, 3000, 100);
	(void)kernel_attach(trader);
	kernel_touch_pages(trader, 200, 900);
	kernel_exhaust(kernel_vm("taker", 6000, 6000, 100));
	uint64_t free_before = frame_count_free();
	uint64_t gfn = 1500;
	for (uint64_t i = 0; i < 20; i++) {
		while (kernel_touch(trader, gfn) == EXIT_RESUME) {
			gfn++;
		}
		vcpu_wake_for_memory(&trader->vcpus[0]);
		kernel_give(trader, 200 + i, 1);
	}
	assert_true(frame_count_free() + 32 >= free_before);
}

/*
 * H7, regression: a VM above its allotment gave a page and took one from the reserve instead, again
 * and again. It answered, so memory was always about to come back; but to the one that waited for
 * its allotment nothing came, for ever.
 */
static void test_taking_back_starves_nobody(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *churn = kernel_vm("churn", 6000, 1000, 100);
	struct aerostat_balloon_page *page = kernel_attach(churn);
	page->total_pages = 6000;
	page->free_pages = 4000;
	page->idle_pages = 4000;
	struct vm *waiter = kernel_vm("waiter", 3000, 2000, 0);
	kernel_exhaust(churn);
	uint64_t mapped = churn->s2.mapped_pages;
	uint64_t reached = kernel_touch_pages(waiter, 0, 2000);
	uint64_t given = 0;
	vcpu_wake_for_memory(&churn->vcpus[0]);
	for (unsigned i = 0; i < 1000 && churn->state == VM_RUNNING; i++) {
		if (!kernel_waits(churn)) {
			kernel_give(churn, 200 + given, 1);
			(void)kernel_touch_pages(churn, 200 + given++, 1);
		}
		kernel_periods(1);
		if (!kernel_waits(waiter)) {
			reached += kernel_touch_pages(waiter, reached, 10);
		}
	}
	assert_int_equal(churn->state, VM_KILLED);
	assert_int_equal(waiter->state, VM_RUNNING);
	assert_true(churn->s2.mapped_pages < mapped);
}

/* A VM above its allotment with two vCPUs, of which the first waits for a frame. */
static struct vm *half_waiting(struct aerostat_balloon_page **page)
{
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm_with(2, "two", 4000, 500, 100);
	*page = kernel_attach(vm);
	kernel_touch_pages(vm, 200, 1500);
	(*page)->total_pages = 4000;
	(*page)->free_pages = 800;
	(*page)->idle_pages = 800;
	assert_int_equal(scheduler_start(&vm->vcpus[1], 0x5000, 0), STATUS_OK);
	kernel_exhaust(kernel_vm("taker", 6000, 6000, 100));
	assert_int_equal(kernel_touch_pages(vm, 2000, 1), 0);
	return vm;
}

/*
 * Regression: a VM was not asked while one of its vCPUs waited, whatever the others could have
 * given; and when it was asked at last, nobody told the one that waited that there is a frame for
 * its driver now.
 */
static void test_asked_while_one_vcpu_waits(void **state)
{
	struct aerostat_balloon_page *page;
	(void)state;
	struct vm *vm = half_waiting(&page);
	struct vcpu *second = &vm->vcpus[1];
	kernel_pick(second);
	second->wait = WAIT_DOORBELL; /* it may sleep for ever */
	kernel_settle(second);
	kernel_periods(2);
	assert_int_equal(vm->balloon.target_pages, 0);
	second->doorbell_vector = 0x40;
	assert_int_equal(vcpu_ring(second), STATUS_OK);
	kernel_periods(1);
	assert_true(vm->balloon.target_pages > 0);
	assert_true(kernel_waits(vm));
	kernel_periods(1);
	assert_int_equal(vm->vcpus[0].state, VCPU_QUEUED);
	assert_int_equal(kernel_touch_pages(vm, 2000, 1), 1);
}

/* Regression: with one vCPU that waited for ever a driver never counted as unresponsive. */
static void test_unresponsive_while_one_vcpu_waits(void **state)
{
	struct aerostat_balloon_page *page;
	(void)state;
	struct vm *vm = half_waiting(&page);
	vm->balloon.driver_debt_pages = 4 * 32; /* it has used up what is meant for its driver */
	kernel_pick(&vm->vcpus[1]);
	kernel_periods(50);
	assert_true(kernel_waits(vm));
	assert_false(vm->balloon.unresponsive);
	kernel_periods(60);
	assert_true(kernel_waits(vm));
	assert_true(vm->balloon.unresponsive);
}

/*
 * Regression: time in which no CPU was free for the vCPU that could have given counted against the
 * driver.
 */
static void test_time_without_a_cpu_does_not_count(void **state)
{
	struct aerostat_balloon_page *page;
	(void)state;
	struct vm *vm = half_waiting(&page);
	struct vcpu *second = &vm->vcpus[1];
	vm->balloon.driver_debt_pages = 4 * 32;
	assert_int_equal(second->state, VCPU_QUEUED);
	kernel_periods(350);
	assert_true(vm->balloon.target_pages > 0);
	assert_false(vm->balloon.unresponsive);
	/* It is long past its deadline now; as soon as it has had time to run, that counts. */
	second->ran_ticks += 5 * 1000;
	kernel_periods(1);
	assert_false(vm->balloon.unresponsive);
	for (unsigned i = 0; i < 5; i++) {
		second->ran_ticks += 10 * 1000;
		kernel_periods(1);
	}
	assert_true(vm->balloon.unresponsive);
}

/* Regression: a machine that stood still for a minute was the fault of all that were asked. */
static void test_standstill_does_not_count(void **state)
{
	struct aerostat_balloon_page *page;
	(void)state;
	struct vm *vm = half_waiting(&page);
	vm->balloon.driver_debt_pages = 4 * 32;
	kernel_pick(&vm->vcpus[1]);
	kernel_periods(50);
	for (unsigned i = 0; i < 5; i++) {
		fake_tsc += 60 * 1000 * 1000;
		kernel_periods(1);
	}
	assert_false(vm->balloon.unresponsive);
	assert_true(kernel_waits(vm));
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(vms[i].state, VM_RUNNING);
	}
	kernel_periods(60);
	assert_true(vm->balloon.unresponsive);
}

/*
 * Nobody is given up on while a driver that was asked has only lacked a CPU; and a VM that had no
 * time to attach is due its allotment.
 */
static void test_killing_is_the_last_step(void **state)
{
	struct aerostat_balloon_page *page;
	(void)state;
	struct vm *vm = half_waiting(&page);
	vm->balloon.driver_debt_pages = 4 * 32;
	kernel_periods(1000);
	assert_int_equal(vm->state, VM_RUNNING);
	assert_int_equal(vms[1].state, VM_RUNNING);
	kernel_pick(&vm->vcpus[1]); /* now it could, and does not */
	kernel_periods(120);
	assert_int_equal(vm->state, VM_RUNNING);
	assert_int_equal(vms[1].state, VM_KILLED);
	assert_non_null(strstr(fake_log_text, "taker given up on: held="));
	assert_non_null(strstr(fake_log_text, " due=100 waiting=two for_ms="));
	assert_non_null(strstr(vms[1].end_reason, "because it has no driver"));
}

#define TEST(name) cmocka_unit_test_teardown(name, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_starvation_ends),
		TEST(test_policy_that_ends_no_vm),
		TEST(test_minimum_needs_no_policy),
		TEST(test_entitled_goes_first),
		TEST(test_driver_gets_the_frame_it_needs_to_give),
		TEST(test_reserve_is_not_for_sale),
		TEST(test_taking_back_starves_nobody),
		TEST(test_asked_while_one_vcpu_waits),
		TEST(test_unresponsive_while_one_vcpu_waits),
		TEST(test_time_without_a_cpu_does_not_count),
		TEST(test_standstill_does_not_count),
		TEST(test_killing_is_the_last_step),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
