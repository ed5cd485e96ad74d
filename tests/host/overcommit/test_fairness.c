/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guests that try to have more than their turn: kernel/overcommit/governor.c and the balloon over a
 * world in which memory is short. Each test is a pattern of giving and taking by which one VM kept
 * another one from its frames, got it ended in its place, or was never judged.
 */
#include "fake/kernel.h"

#include <string.h>

#include "base/bits.h"
#include "kernel/overcommit/governor.h"
#include "kernel/sched/scheduler.h"
#include "kernel/overcommit/wait_queue.h"
#include "kernel/balloon/admission.h"
#include "mm/frame.h"
#include "mm/promise.h"

#define PAGE_GFN 4
#define FRAMES 6000
#define SECOND 100 /* periods of the governor */

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

/* What the driver says: it has so many pages lying idle. */
static void say_idle(struct aerostat_balloon_page *page, uint64_t pages)
{
	page->total_pages = FRAMES;
	page->free_pages = pages;
	page->idle_pages = pages;
}

/* Touches pages from `gfn` on until the vCPU blocks or `count` are touched; answers how many. */
static uint64_t touch(struct vm *vm, uint64_t gfn, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		if (kernel_touch(vm, gfn + i) != EXIT_RESUME) {
			return i;
		}
	}
	return count;
}

static void run(struct vm *vm, enum balloon_operation operation, uint64_t gfn, uint32_t count)
{
	struct aerostat_range range = {.gfn = gfn, .count = count};
	while (kernel_ranges(vm, operation, &range, 1, 1) == 0) {
	}
	assert_int_equal(range.status, AEROSTAT_RANGE_OK);
	world_check();
}

static bool can_run(const struct vm *vm)
{
	return vm->state == VM_RUNNING && vm->vcpus[0].state != VCPU_ASLEEP;
}

/* Takes all memory that is left; `vm` waits then. */
static void exhaust(struct vm *vm)
{
	uint64_t gfn = 200;
	while (touch(vm, gfn, 1) == 1) {
		gfn++;
	}
	assert_int_equal(promise_spare(), 0);
}

/* ---- Frames taken by calls, past those who wait for them -------------------------------------*/

/* `greedy` is above its allotment and runs, `entitled` has less than its own and waits. */
static void start_greedy(struct vm **greedy, struct vm **entitled, struct vm **donor)
{
	kernel_start(FRAMES, 1);
	*donor = kernel_vm("donor", 3000, 1000, 100);
	(void)attach(*donor);
	touch(*donor, 200, 1000);
	*greedy = kernel_vm("greedy", 6000, 500, 50);
	(void)attach(*greedy);
	touch(*greedy, 200, 1000);
	run(*greedy, BALLOON_SURRENDER, 1500, 100);
	*entitled = kernel_vm("entitled", 6000, 5800, 50);
	exhaust(*entitled);
	periods(1);
	assert_false(admission_allows_fill(*greedy));
	(*greedy)->balloon.driver_debt_pages = 4 * 32; /* nothing from the reserve */
	run(*donor, BALLOON_SURRENDER, 200, 10);
}

/* Regression: EMERGENCY gave a VM above its allotment what others waited for. */
static void test_emergency_waits_its_turn(void **state)
{
	struct vm *greedy, *entitled, *donor;
	(void)state;
	start_greedy(&greedy, &entitled, &donor);
	uint64_t held = greedy->s2.mapped_pages;
	struct aerostat_range range = {.gfn = 1500, .count = 50};
	assert_int_equal(kernel_ranges(greedy, BALLOON_EMERGENCY, &range, 1, 1), 1);
	assert_int_equal(range.status, AEROSTAT_RANGE_OK);
	assert_int_equal(range.flags, AEROSTAT_RANGE_FLAG_ZERO);
	assert_int_equal(greedy->s2.mapped_pages, held);
	periods(1);
	assert_true(can_run(entitled));
}

/* Regression: so did an array of ranges in a page that was not there, and ATTACH. */
static void test_calls_wait_their_turn(void **state)
{
	struct vm *greedy, *entitled, *donor;
	(void)state;
	start_greedy(&greedy, &entitled, &donor);
	uint64_t held = greedy->s2.mapped_pages;
	for (uint64_t gfn = 3000; gfn < 3010; gfn++) {
		assert_int_equal(
			kernel_call(greedy, AEROSTAT_CALL_BALLOON_REPORT, gfn * PAGE_BYTES, 1),
			AEROSTAT_ERROR_ADDRESS);
	}
	assert_int_equal(kernel_call(greedy, AEROSTAT_CALL_BALLOON_DETACH, 0, 0), 0);
	assert_int_equal(kernel_call(greedy, AEROSTAT_CALL_BALLOON_ATTACH, 3000, 0),
			 AEROSTAT_ERROR_ADDRESS);
	assert_int_equal(kernel_call(greedy, AEROSTAT_CALL_BALLOON_ATTACH, 6000, 0),
			 AEROSTAT_ERROR_ADDRESS);
	assert_int_equal(kernel_call(greedy, AEROSTAT_CALL_BALLOON_ATTACH, PAGE_GFN, 0), 0);
	assert_int_equal(greedy->s2.mapped_pages, held);
	periods(1);
	assert_true(can_run(entitled));
	assert_int_equal(touch(entitled, 100, 10), 10);
}

/*
 * Regression: an address beyond RAM was looked up all the same while others waited: a check of the
 * hypervisor's own failed, at any guest's wish.
 */
static void test_array_beyond_ram_while_others_wait(void **state)
{
	struct vm *greedy, *entitled, *donor;
	(void)state;
	start_greedy(&greedy, &entitled, &donor);
	const uint64_t beyond[] = {6000 * PAGE_BYTES, BIT(52), UINT64_MAX - 7};
	for (uint64_t call = AEROSTAT_CALL_BALLOON_SURRENDER;
	     call <= AEROSTAT_CALL_BALLOON_EMERGENCY; call++) {
		for (unsigned i = 0; i < ARRAY_COUNT(beyond); i++) {
			assert_int_equal(kernel_call(greedy, call, beyond[i], 1),
					 AEROSTAT_ERROR_ADDRESS);
		}
	}
	periods(1);
	assert_true(can_run(entitled));
}

/* ---- Judgement that is put off ---------------------------------------------------------------*/

/*
 * Regression: a VM that gave and took pages of its guaranteed minimum, which nobody else can have,
 * made it look as if memory came back: nobody was ever given up on, and others waited for ever.
 */
static void test_giving_what_is_promised_is_no_progress(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *churn = kernel_vm("churn", 2000, 1000, 500);
	(void)attach(churn);
	touch(churn, 200, 300);
	struct vm *greedy = kernel_vm("greedy", 5000, 1000, 100);
	touch(greedy, 200, 3500);
	struct vm *waiter = kernel_vm("waiter", 5000, 4000, 100);
	exhaust(waiter);
	for (unsigned i = 0; i < 5 * SECOND; i++) {
		run(churn, BALLOON_REPORT, 200, 1);
		assert_int_equal(touch(churn, 200, 1), 1);
		periods(1);
	}
	assert_int_equal(greedy->state, VM_KILLED);
	assert_int_equal(waiter->state, VM_RUNNING);
	assert_int_equal(churn->state, VM_RUNNING);
}

/*
 * A VM that holds no more than its allotment says that it has a lot of idle pages, and does what it
 * can not to count as unresponsive without giving them. Another one would give if it were asked.
 */
static void drip(void (*pretend)(struct vm *vm, unsigned period))
{
	kernel_start(FRAMES, 1);
	struct vm *miser = kernel_vm("miser", 20000, 3000, 100);
	say_idle(attach(miser), 2800);
	touch(miser, 200, 2900);
	struct vm *donor = kernel_vm("donor", 4000, 500, 100);
	struct aerostat_balloon_page *page = attach(donor);
	say_idle(page, 800);
	touch(donor, 200, 1500);
	struct vm *waiter = kernel_vm("waiter", 5000, 4000, 100);
	exhaust(waiter);
	uint64_t held = waiter->s2.mapped_pages;
	for (unsigned i = 0; i < 5 * SECOND; i++) {
		periods(1);
		pretend(miser, i);
		uint64_t missing =
			sub_floor_u64(donor->balloon.target_pages, donor->s2.ballooned_pages);
		if (missing > 0) {
			run(donor, BALLOON_SURRENDER, 200 + donor->s2.ballooned_pages,
			    (uint32_t)missing);
			say_idle(page, 800 - donor->s2.ballooned_pages);
		}
		if (can_run(waiter)) {
			(void)touch(waiter, 200 + waiter->s2.mapped_pages, 5);
		}
	}
	assert_int_equal(donor->state, VM_RUNNING);
	assert_int_equal(waiter->state, VM_RUNNING);
	assert_true(waiter->s2.mapped_pages > held + 100);
	assert_non_null(strstr(fake_log_text, "miser driver does not answer"));
}

static void give_one_untouched(struct vm *vm, unsigned period)
{
	if (period % 90 == 89) {
		run(vm, BALLOON_SURRENDER, 4000 + period, 1);
	}
}

/*
 * H7, regression: a driver that surrendered a page now and then answered, whatever it was asked
 * for. What it said that it could give counted as on its way, so nobody else was asked; and when
 * nothing came for seconds, an honest VM above its allotment was ended.
 */
static void test_untouched_page_is_no_answer(void **state)
{
	(void)state;
	drip(give_one_untouched);
}

static void give_one(struct vm *vm, unsigned period)
{
	if (period % 90 == 89) {
		run(vm, BALLOON_SURRENDER, 200 + period, 1);
	}
}

static void test_one_page_is_no_answer(void **state)
{
	(void)state;
	drip(give_one);
}

/* All that it is asked for, out of pages that have no frames, and back again. */
static void give_all_untouched(struct vm *vm, unsigned period)
{
	uint32_t missing =
		(uint32_t)sub_floor_u64(vm->balloon.target_pages, vm->s2.ballooned_pages);
	if (period % 20 == 0 && vm->s2.ballooned_pages > 0) {
		run(vm, BALLOON_RETURN, 3500, (uint32_t)vm->s2.ballooned_pages);
	} else if (missing > 0 && vm->s2.ballooned_pages + missing < 16000) {
		run(vm, BALLOON_SURRENDER, 3500 + vm->s2.ballooned_pages, missing);
	}
}

static void test_balloon_without_frames_is_no_answer(void **state)
{
	(void)state;
	drip(give_all_untouched);
}

static void attach_again(struct vm *vm, unsigned period)
{
	if (period % 90 == 89) {
		assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_DETACH, 0, 0), 0);
		(void)attach(vm);
	}
}

static void test_attaching_again_is_no_answer(void **state)
{
	(void)state;
	drip(attach_again);
}

/* ---- Turns -----------------------------------------------------------------------------------*/

static void start_rivals(struct vm **churn, struct vm **waiter)
{
	kernel_start(FRAMES, 1);
	*churn = kernel_vm("churn", 5000, 4000, 100);
	(void)attach(*churn);
	touch(*churn, 200, 3000);
	*waiter = kernel_vm("waiter", 5000, 4000, 100);
	exhaust(*waiter);
	(*churn)->balloon.driver_debt_pages = 4 * 32;
}

/*
 * H7, regression: two VMs below their allotments; one gave a page and took it back before anybody
 * looked. The other one waited for ever, and as frames came back all the time, nobody was ended.
 */
static void test_page_taken_back_at_once(void **state)
{
	struct vm *churn, *waiter;
	(void)state;
	start_rivals(&churn, &waiter);
	unsigned served = 0;
	for (unsigned i = 0; i < 2 * SECOND; i++) {
		if (can_run(churn)) {
			run(churn, BALLOON_REPORT, 200 + i, 1);
			(void)touch(churn, 200 + i, 1);
		}
		periods(1);
		if (can_run(waiter)) {
			served += (unsigned)touch(waiter, 200 + waiter->s2.mapped_pages, 1);
		}
	}
	assert_int_equal(churn->state, VM_RUNNING);
	assert_int_equal(waiter->state, VM_RUNNING);
	assert_true(served > 0);
}

/* Regression: or it let the other one be told of the page, and took it all the same. */
static void test_page_taken_before_the_turn(void **state)
{
	struct vm *churn, *waiter;
	(void)state;
	start_rivals(&churn, &waiter);
	unsigned served = 0;
	for (unsigned i = 0; i < 2 * SECOND; i++) {
		bool runs = can_run(churn);
		if (runs) {
			run(churn, BALLOON_REPORT, 200 + i, 1);
		}
		periods(1);
		if (runs && can_run(churn)) {
			(void)touch(churn, 200 + i, 1);
		}
		if (can_run(waiter)) {
			served += (unsigned)touch(waiter, 200 + waiter->s2.mapped_pages, 1);
		}
	}
	assert_int_equal(churn->state, VM_RUNNING);
	assert_int_equal(waiter->state, VM_RUNNING);
	assert_true(served > 0);
}

/*
 * Regression: it filled the reserve with one page and had another one out of it, so that frames
 * came back all the time, and nobody was given up on while the other one waited.
 */
static void test_reserve_in_circles(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *churn = kernel_vm("churn", 3000, 2000, 100);
	(void)attach(churn);
	touch(churn, 200, 1000);
	run(churn, BALLOON_SURRENDER, 2000, 2);
	struct vm *greedy = kernel_vm("greedy", 5000, 1000, 100);
	touch(greedy, 200, 2500);
	struct vm *waiter = kernel_vm("waiter", 5000, 4000, 100);
	exhaust(waiter);
	uint64_t gfn = 2000;
	for (unsigned i = 0; i < 17 * SECOND; i++) {
		run(churn, BALLOON_EMERGENCY, gfn, 1);
		gfn = 4001 - gfn;
		run(churn, BALLOON_SURRENDER, gfn == 2000 ? 2001 : 2000, 1);
		periods(1);
	}
	assert_int_equal(greedy->state, VM_KILLED);
	assert_int_equal(waiter->state, VM_RUNNING);
	assert_int_equal(churn->state, VM_RUNNING);
}

/* Who does not come when it is its turn has not waited, and keeps others waiting but for a moment.
 */
static void test_turn_that_is_not_taken(void **state)
{
	struct vm *churn, *waiter;
	(void)state;
	start_rivals(&churn, &waiter);
	periods(20);
	assert_false(admission_allows_fill(churn));
	assert_true(admission_allows_fill(waiter));
	run(churn, BALLOON_REPORT, 200, 2);
	periods(1);
	assert_int_equal(waiter->vcpus[0].state, VCPU_QUEUED);
	kernel_pick(&waiter->vcpus[0]);
	periods(1);
	assert_false(admission_allows_fill(churn));
	periods(2);
	assert_true(admission_allows_fill(churn));
	assert_int_equal(touch(churn, 200, 2), 2);
	waiter->vcpus[0].ran_ticks += 21 * 1000;
	uint64_t now = fake_tsc;
	assert_int_equal(touch(waiter, 200 + waiter->s2.mapped_pages, 1), 0);
	assert_int_equal(vm_blocked_since(waiter), now);
}

/*
 * Regression: one that could not come because it had no CPU lost its turn after a moment, and what
 * it had waited was forgotten, again and again.
 */
static void test_turn_without_a_cpu(void **state)
{
	struct vm *churn, *waiter;
	(void)state;
	start_rivals(&churn, &waiter);
	uint64_t since = vm_blocked_since(waiter);
	periods(20);
	run(churn, BALLOON_REPORT, 200, 2);
	periods(10);
	assert_int_equal(waiter->vcpus[0].state, VCPU_QUEUED);
	assert_false(admission_allows_fill(churn));
	periods(15); /* but not for ever */
	assert_true(admission_allows_fill(churn));
	assert_int_equal(touch(churn, 200, 2), 2);
	assert_int_equal(touch(waiter, 200 + waiter->s2.mapped_pages, 1), 0);
	assert_int_equal(vm_blocked_since(waiter), since);
}

/*
 * Regression: of two that had both waited for too long each took the turn from the other one that
 * was coming for its frame, and neither had any of those that were there.
 */
static void test_turn_is_not_taken_away(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *donor = kernel_vm("donor", 3000, 1000, 100);
	(void)attach(donor);
	touch(donor, 200, 1000);
	struct vm *one = kernel_vm("one", 5000, 4000, 100);
	struct vm *other = kernel_vm("other", 5000, 4000, 100);
	touch(one, 200, 1000);
	exhaust(other);
	fake_tsc++;
	assert_int_equal(touch(one, 1200, 1), 0);
	periods(SECOND);
	run(donor, BALLOON_SURRENDER, 200, 10);
	governor_poll(fake_tsc);
	unsigned served = 0;
	for (unsigned i = 0; i < 10 && served == 0; i++) {
		governor_poll(fake_tsc);
		struct vm *comes = i % 2 == 0 ? other : one;
		if (can_run(comes)) {
			served += (unsigned)touch(comes, 200 + comes->s2.mapped_pages, 1);
		}
	}
	assert_int_equal(served, 1);
	assert_true(can_run(other)); /* it was the first to wait */
	fake_tsc += 21 * 1000;
	governor_poll(fake_tsc); /* and then the next one */
	assert_true(can_run(one));
	assert_int_equal(touch(one, 1200, 1), 1);
}

/* ---- Who can act -----------------------------------------------------------------------------*/

/*
 * Regression: a VM with a vCPU that waited for a frame was not asked while its driver's vCPU slept
 * in HLT until its doorbell, as docs/abi.md allows. So it was ended for what it would have given.
 */
static void test_driver_in_halt_is_asked(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm_with(2, "halted", 4000, 500, 100);
	struct vcpu *driver = &vm->vcpus[1];
	say_idle(attach(vm), 800);
	touch(vm, 200, 1500);
	assert_int_equal(scheduler_start(driver, 0x5000, 0), STATUS_OK);
	kernel_pick(driver);
	vcpu_set_doorbell(driver, 0x40);
	driver->wait = WAIT_DOORBELL;
	kernel_settle(driver);
	exhaust(kernel_vm("taker", 6000, 6000, 100));
	vm->balloon.driver_debt_pages = 4 * 32;
	assert_int_equal(touch(vm, 2000, 1), 0);
	periods(2);
	assert_true(vm->balloon.target_pages > 0);
	assert_int_equal(driver->state, VCPU_QUEUED);
}

#define TEST(name) cmocka_unit_test_teardown(name, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_emergency_waits_its_turn),
		TEST(test_calls_wait_their_turn),
		TEST(test_array_beyond_ram_while_others_wait),
		TEST(test_giving_what_is_promised_is_no_progress),
		TEST(test_untouched_page_is_no_answer),
		TEST(test_one_page_is_no_answer),
		TEST(test_balloon_without_frames_is_no_answer),
		TEST(test_attaching_again_is_no_answer),
		TEST(test_page_taken_back_at_once),
		TEST(test_page_taken_before_the_turn),
		TEST(test_reserve_in_circles),
		TEST(test_turn_that_is_not_taken),
		TEST(test_turn_without_a_cpu),
		TEST(test_turn_is_not_taken_away),
		TEST(test_driver_in_halt_is_asked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
