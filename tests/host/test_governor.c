/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/governor.c over a real world of VMs: who is woken, who counts as deaf, who is given up on.
 * Named after the failures of balloons that they stand for (P1 to P5, H7).
 */
#include "fake/kernel.h"

#include <string.h>

#include "base/bits.h"
#include "kernel/balloon.h"
#include "kernel/governor.h"
#include "kernel/run_queue.h"
#include "kernel/scheduler.h"
#include "kernel/waiters.h"
#include "mm/frame.h"
#include "mm/promise.h"

#define PAGE_GFN 4
#define FRAMES 6000
#define LOW (FRAMES / 32)
#define HIGH (2 * LOW)

/* Lets a second period of the governor pass `count` times. */
static void periods(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		fake_tsc += 10 * 1000;
		governor_poll(fake_tsc);
		world_check();
	}
}

static struct aerostat_balloon_page *attach(struct vm *vm)
{
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_ATTACH, PAGE_GFN, 0), 0);
	return kernel_guest_page(vm, PAGE_GFN);
}

static bool waits(const struct vm *vm)
{
	bool asleep = vm->vcpus[0].state == VCPU_ASLEEP;
	assert_int_equal(asleep, vm_waits_for_memory(vm));
	return asleep;
}

/* Touches pages from `gfn` on until the vCPU blocks or `count` are touched; answers how many. */
static uint64_t touch(struct vm *vm, uint64_t gfn, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		if (kernel_touch(vm, gfn + i) != EXIT_RESUME) {
			assert_true(waits(vm));
			return i;
		}
	}
	return count;
}

static void give(struct vm *vm, uint64_t gfn, uint32_t count)
{
	struct aerostat_range range = {.gfn = gfn, .count = count};
	while (kernel_ranges(vm, BALLOON_SURRENDER, &range, 1, 1) == 0) {
	}
	assert_int_equal(range.status, AEROSTAT_RANGE_OK);
	world_check();
}

/* Uses up all memory: `vm` waits then. */
static void exhaust(struct vm *vm)
{
	uint64_t gfn = 200;
	while (touch(vm, gfn, 1) == 1) {
		gfn++;
	}
	assert_int_equal(promise_spare(), 0);
}

/* P5: nobody is short, so nobody is asked, whatever he has lying idle. */
static void test_no_pressure_no_targets(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm("a", 4000, 3000, 100);
	struct aerostat_balloon_page *page = attach(vm);
	touch(vm, 100, 2000);
	page->free_pages = 2000;
	page->idle_pages = 2000;
	periods(100);
	assert_int_equal(vm->balloon.target_pages, 0);
	assert_int_equal(page->pressure, AEROSTAT_PRESSURE_NONE);
	assert_int_equal(page->doorbells, 0);
	assert_true(governor_next_tsc() > fake_tsc);
	assert_true(governor_is_plentiful());
	exhaust(kernel_vm("taker", 6000, 6000, 100));
	assert_false(governor_is_plentiful());
}

/* The donor is asked in the period in which memory becomes short, and asked no more after it. */
static void test_asks_within_one_period(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *donor = kernel_vm("donor", 5000, 3000, 100);
	struct aerostat_balloon_page *page = attach(donor);
	touch(donor, 100, 3000);
	page->free_pages = 2000;
	page->idle_pages = 2000;
	struct vm *taker = kernel_vm("taker", 5000, 3000, 100);
	while (promise_spare() >= LOW) {
		assert_int_equal(touch(taker, taker->s2.mapped_pages, 1), 1);
	}
	periods(1);
	assert_true(donor->balloon.target_pages > 0);
	assert_int_equal(page->pressure, AEROSTAT_PRESSURE_LOW);
	assert_int_equal(page->doorbells, 1);
	give(donor, 100, (uint32_t)donor->balloon.target_pages);
	page->free_pages -= donor->s2.ballooned_pages;
	page->idle_pages -= donor->s2.ballooned_pages;
	uint64_t target = donor->balloon.target_pages;
	periods(100);
	assert_int_equal(donor->balloon.target_pages, target);
	assert_int_equal(page->doorbells, 1);
}

/* Both have as much to give; the one that does not use what it holds is asked for more of it. */
static void test_idle_memory_is_asked_for_first(void **state)
{
	(void)state;
	kernel_start(FRAMES, 0);
	struct vm *pair[2] = {kernel_vm("busy", 5000, 3000, 100),
			      kernel_vm("idle", 5000, 3000, 100)};
	for (unsigned i = 0; i < 2; i++) {
		struct aerostat_balloon_page *page = attach(pair[i]);
		touch(pair[i], 100, 2000);
		page->free_pages = 1000;
		page->idle_pages = 1000;
		pair[i]->working_set.known = true;
		pair[i]->working_set.active_pages = i == 0 ? 2000 : 0;
	}
	struct vm *taker = kernel_vm("taker", 5000, 3000, 100);
	while (promise_spare() >= LOW) {
		assert_int_equal(touch(taker, taker->s2.mapped_pages, 1), 1);
	}
	periods(1);
	assert_true(pair[1]->balloon.target_pages > 0);
	assert_int_equal(pair[0]->balloon.target_pages, 0);
}

/* P1: a guest that misses pages has its target lowered in the next period. */
static void test_gives_back_within_one_period(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm("a", 5000, 3000, 100);
	struct aerostat_balloon_page *page = attach(vm);
	touch(vm, 100, 2000);
	balloon_set_target(vm, 500, AEROSTAT_PRESSURE_LOW);
	give(vm, 100, 500);
	struct vm *other = kernel_vm("other", 5000, 5000, 100);
	while (promise_spare() > (LOW + HIGH) / 2) {
		touch(other, other->s2.mapped_pages, 1);
	}
	periods(1);
	assert_int_equal(vm->balloon.target_pages, 500);
	page->wanted_pages = 200;
	periods(1);
	assert_int_equal(vm->balloon.target_pages, 300);
	assert_int_equal(page->target_pages, 300);
}

/* P3: a driver that has idle pages and does not move is left alone, noted, and forgiven. */
static void test_deaf_driver_is_noticed(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *deaf = kernel_vm("deaf", 5000, 3000, 100);
	struct aerostat_balloon_page *page = attach(deaf);
	touch(deaf, 200, 3000);
	page->free_pages = 2000;
	page->idle_pages = 2000;
	struct vm *taker = kernel_vm("taker", 5000, 4000, 100);
	exhaust(taker);
	periods(1);
	assert_true(deaf->balloon.target_pages > 0);
	assert_int_equal(page->pressure, AEROSTAT_PRESSURE_HIGH);
	periods(105);
	assert_true(deaf->balloon.unresponsive);
	assert_non_null(strstr(fake_log_text, "driver does not answer"));
	periods(1);
	assert_int_equal(deaf->balloon.target_pages, 0);
	assert_int_equal(deaf->state, VM_RUNNING);
}

/* It is left out for two seconds, not for ever: then it is asked again. */
static void test_deaf_driver_is_forgiven(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *deaf = kernel_vm("deaf", 5000, 3000, 100);
	struct aerostat_balloon_page *page = attach(deaf);
	touch(deaf, 200, 3000);
	page->free_pages = 2000;
	page->idle_pages = 2000;
	struct vm *taker = kernel_vm("taker", 5000, 4000, 100);
	exhaust(taker);
	periods(106);
	assert_true(deaf->balloon.unresponsive);
	periods(190);
	assert_true(deaf->balloon.unresponsive);
	assert_int_equal(deaf->balloon.target_pages, 0);
	periods(12);
	assert_false(deaf->balloon.unresponsive);
	assert_true(deaf->balloon.target_pages > 0);
	give(deaf, 200, (uint32_t)deaf->balloon.target_pages);
	periods(1);
	assert_int_equal(taker->vcpus[0].state, VCPU_QUEUED);
}

/* P3: and when nobody gives for seconds, the one that holds the most beyond its due has to go. */
static void test_starvation_ends(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	kernel_vm_end(kernel_vm("gone", 5000, 1000, 100)); /* cannot be ended twice */
	struct vm *modest = kernel_vm("modest", 5000, 1000, 100);
	touch(modest, 200, 900);
	struct vm *greedy = kernel_vm("greedy", 5000, 1000, 100);
	touch(greedy, 200, 3500);
	struct vm *waiter = kernel_vm("waiter", 5000, 4000, 100);
	exhaust(waiter);
	periods(390);
	assert_int_equal(greedy->state, VM_RUNNING);
	periods(20);
	assert_int_equal(greedy->state, VM_KILLED);
	assert_int_equal(modest->state, VM_RUNNING);
	assert_int_equal(waiter->state, VM_RUNNING);
	assert_true(waits(waiter));
	periods(10); /* one victim is enough: its frames are on their way */
	assert_int_equal(modest->state, VM_RUNNING);
	kernel_vm_end(greedy);
	periods(1);
	assert_int_equal(waiter->vcpus[0].state, VCPU_QUEUED);
	assert_true(governor_free_low() < FRAMES);
}

/* What was promised comes first: a VM below its minimum never waits for a policy. */
static void test_minimum_needs_no_policy(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *poor = kernel_vm("poor", 2000, 1000, 300);
	struct vm *taker = kernel_vm("taker", 6000, 6000, 100);
	exhaust(taker);
	periods(1);
	assert_int_equal(touch(poor, 0, 300), 300);
	assert_int_equal(touch(poor, 300, 1), 0);
	periods(3);
	assert_true(waits(poor));
	assert_true(waits(taker));
}

/* Who is below its allotment goes first when little came back. */
static void test_entitled_goes_first(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *donor = kernel_vm("donor", 3000, 1000, 100);
	(void)attach(donor);
	touch(donor, 200, 1000);
	struct vm *sated = kernel_vm("sated", 6000, 100, 50);
	struct vm *entitled = kernel_vm("entitled", 3000, 2000, 50);
	touch(entitled, 0, 100);
	exhaust(sated);
	assert_int_equal(touch(entitled, 1000, 1), 0);
	periods(1);
	assert_true(waits(sated));
	assert_false(waiters_allow_fill(sated));
	give(donor, 200, 10);
	periods(1);
	assert_int_equal(entitled->vcpus[0].state, VCPU_QUEUED);
	assert_true(waits(sated));
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
	struct aerostat_balloon_page *page = attach(donor);
	page->total_pages = 3000;
	page->free_pages = 800;
	page->idle_pages = 800;
	touch(donor, 200, 900);
	struct vm *taker = kernel_vm("taker", 6000, 6000, 100);
	exhaust(taker);
	assert_int_equal(touch(donor, 1500, 20), 20); /* it has less than its allotment */
	periods(1);
	assert_true(donor->balloon.target_pages > 0);
	give(donor, 200, 10); /* it answers, and may have one more for each four */
	assert_int_equal(promise_spare(), 0);
	assert_int_equal(touch(donor, 1520, 40), 32 - 20 + 10 / 4);
	assert_true(waits(donor));
	assert_true(waits(taker)); /* the reserve is not for it: it has no driver */
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
	(void)attach(trader);
	touch(trader, 200, 900);
	exhaust(kernel_vm("taker", 6000, 6000, 100));
	uint64_t free_before = frame_count_free();
	uint64_t gfn = 1500;
	for (uint64_t i = 0; i < 20; i++) {
		while (kernel_touch(trader, gfn) == EXIT_RESUME) {
			gfn++;
		}
		vcpu_grant(&trader->vcpus[0]);
		give(trader, 200 + i, 1);
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
	struct aerostat_balloon_page *page = attach(churn);
	page->total_pages = 6000;
	page->free_pages = 4000;
	page->idle_pages = 4000;
	struct vm *waiter = kernel_vm("waiter", 3000, 2000, 0);
	exhaust(churn);
	uint64_t mapped = churn->s2.mapped_pages;
	uint64_t reached = touch(waiter, 0, 2000);
	uint64_t given = 0;
	vcpu_grant(&churn->vcpus[0]);
	for (unsigned i = 0; i < 1000 && churn->state == VM_RUNNING; i++) {
		if (!waits(churn)) {
			give(churn, 200 + given, 1);
			(void)touch(churn, 200 + given++, 1);
		}
		periods(1);
		if (!waits(waiter)) {
			reached += touch(waiter, reached, 10);
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
	*page = attach(vm);
	touch(vm, 200, 1500);
	(*page)->total_pages = 4000;
	(*page)->free_pages = 800;
	(*page)->idle_pages = 800;
	assert_int_equal(scheduler_start(&vm->vcpus[1], 0x5000, 0), STATUS_OK);
	exhaust(kernel_vm("taker", 6000, 6000, 100));
	assert_int_equal(touch(vm, 2000, 1), 0);
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
	periods(2);
	assert_int_equal(vm->balloon.target_pages, 0);
	second->doorbell_vector = 0x40;
	assert_int_equal(vcpu_ring(second), STATUS_OK);
	periods(1);
	assert_true(vm->balloon.target_pages > 0);
	assert_true(waits(vm));
	periods(1);
	assert_int_equal(vm->vcpus[0].state, VCPU_QUEUED);
	assert_int_equal(touch(vm, 2000, 1), 1);
}

/* Regression: with one vCPU that waited for ever a driver never counted as deaf. */
static void test_deaf_while_one_vcpu_waits(void **state)
{
	struct aerostat_balloon_page *page;
	(void)state;
	struct vm *vm = half_waiting(&page);
	vm->balloon.driver_debt_pages = 4 * 32; /* it has used up what is meant for its driver */
	periods(50);
	assert_true(waits(vm));
	assert_false(vm->balloon.unresponsive);
	periods(60);
	assert_true(waits(vm));
	assert_true(vm->balloon.unresponsive);
}

/*
 * H11, regression: guests that gave and touched one page again and again on another CPU got the
 * boot CPU's guest out of it each time, which could not get on.
 */
static void test_boot_cpu_is_not_called_without_end(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	fake_cpu_count = 2;
	governor_poll(fake_tsc);
	fake_cpu = 1;
	for (unsigned i = 0; i < 249; i++) {
		governor_somebody_waits();
		fake_tsc++;
	}
	assert_int_equal(fake_kicks[0], 0);
	fake_tsc++;
	governor_somebody_waits();
	assert_int_equal(fake_kicks[0], 1);
	assert_true(run_queues[0].wanted);
	/* By one on the boot CPU itself nobody else is disturbed. */
	fake_cpu = 0;
	run_queues[0].wanted = false;
	governor_poll(fake_tsc);
	governor_somebody_waits();
	assert_true(run_queues[0].wanted);
}

/*
 * H11, regression: the boot CPU queued up for the lock of a VM whose vCPUs were always calling, in
 * each period.
 */
static void test_busy_vm_is_not_waited_for(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm("busy", 6000, 3000, 100);
	struct aerostat_balloon_page *page = attach(vm);
	for (uint64_t gfn = 0; promise_spare() >= LOW; gfn++) {
		assert_int_equal(touch(vm, gfn, 1), 1);
	}
	periods(1);
	page->total_pages = 6000;
	page->free_pages = 2000;
	page->idle_pages = 2000;
	struct s2_locked locked = s2_lock(&vm->s2);
	for (unsigned i = 0; i < 8; i++) {
		fake_tsc += 10 * 1000;
		governor_poll(fake_tsc); /* would wait for ever */
		assert_int_equal(vm->balloon.target_pages, 0);
	}
	s2_unlock(locked);
	periods(1);
	assert_true(vm->balloon.target_pages > 0);
}

/*
 * Regression: fills went on with 2 MiB until the boot CPU looked the next time, and left nothing
 * when those who could give were asked at last.
 */
static void test_large_fills_stop_in_time(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm("large", 30000, 30000, 100);
	periods(1);
	for (uint64_t i = 0; i < 30; i++) {
		assert_int_equal(touch(vm, i * 512, 1), 1);
	}
	assert_true(vm->s2.large_pages >= 5 * 512);
	assert_in_range(promise_spare(), HIGH - 30, HIGH + 512);
	periods(1);
}

/* H7: whatever a guest writes into its page, targets stay within its RAM. */
static void test_lies_stay_within_bounds(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *liar = kernel_vm("liar", 3000, 2000, 100);
	struct aerostat_balloon_page *page = attach(liar);
	struct vm *taker = kernel_vm("taker", 6000, 5000, 100);
	exhaust(taker);
	uint64_t word = 1;
	for (unsigned i = 0; i < 300; i++) {
		word = word * 6364136223846793005 + 1442695040888963407;
		page->total_pages = word;
		page->free_pages = word >> (i & 63);
		page->idle_pages = ~word >> (i & 31);
		page->wanted_pages = word << (i & 63);
		page->size_pages = word;
		page->target_pages = ~word;
		periods(1);
		assert_true(liar->balloon.target_pages <= liar->s2.limit_pages);
	}
	assert_int_equal(liar->state, VM_RUNNING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_no_pressure_no_targets, kernel_teardown),
		cmocka_unit_test_teardown(test_asks_within_one_period, kernel_teardown),
		cmocka_unit_test_teardown(test_idle_memory_is_asked_for_first, kernel_teardown),
		cmocka_unit_test_teardown(test_gives_back_within_one_period, kernel_teardown),
		cmocka_unit_test_teardown(test_deaf_driver_is_noticed, kernel_teardown),
		cmocka_unit_test_teardown(test_deaf_driver_is_forgiven, kernel_teardown),
		cmocka_unit_test_teardown(test_starvation_ends, kernel_teardown),
		cmocka_unit_test_teardown(test_minimum_needs_no_policy, kernel_teardown),
		cmocka_unit_test_teardown(test_entitled_goes_first, kernel_teardown),
		cmocka_unit_test_teardown(test_driver_gets_the_frame_it_needs_to_give,
					  kernel_teardown),
		cmocka_unit_test_teardown(test_reserve_is_not_for_sale, kernel_teardown),
		cmocka_unit_test_teardown(test_taking_back_starves_nobody, kernel_teardown),
		cmocka_unit_test_teardown(test_asked_while_one_vcpu_waits, kernel_teardown),
		cmocka_unit_test_teardown(test_deaf_while_one_vcpu_waits, kernel_teardown),
		cmocka_unit_test_teardown(test_boot_cpu_is_not_called_without_end, kernel_teardown),
		cmocka_unit_test_teardown(test_busy_vm_is_not_waited_for, kernel_teardown),
		cmocka_unit_test_teardown(test_large_fills_stop_in_time, kernel_teardown),
		cmocka_unit_test_teardown(test_lies_stay_within_bounds, kernel_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
