/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls of VMs with several vCPUs: those that start and ring them, and calls of two of them
 * that meet. Each call holds the lock of the address space from its first look to its last word, so
 * the other one's happens before or after; the tests let it happen at the first moment that the
 * lock is free.
 */
#include "fake/kernel.h"

#include <string.h>

#include "base/bits.h"
#include "kernel/exit/hypercall.h"
#include "kernel/sched/scheduler.h"

#define LIMIT 1000ull
#define ARRAY_GFN 40ull
#define OTHER_ARRAY_GFN 41ull
#define ARRAY (ARRAY_GFN * PAGE_BYTES)
#define OTHER_ARRAY (OTHER_ARRAY_GFN * PAGE_BYTES)
#define ENTRY 0x5000

static struct vm *vm;
static struct vcpu *first;
static struct vcpu *second;

static void start(void)
{
	kernel_start(3000, 1);
	vm = kernel_vm_with(3, "vm", LIMIT, 1000, 100);
	first = &vm->vcpus[0];
	second = &vm->vcpus[1];
}

static int64_t vcpu_start_call(uint64_t index, uint64_t entry, uint64_t argument)
{
	return kernel_vcpu_call(first, AEROSTAT_CALL_VCPU_START, index, entry, argument);
}

static void start_second(void)
{
	assert_int_equal(vcpu_start_call(1, ENTRY, 0), 0);
	kernel_pick(second);
}

/* ---- VCPU_START ------------------------------------------------------------------------------*/

static void test_start(void **state)
{
	(void)state;
	start();
	assert_int_equal(vcpu_start_call(1, LIMIT * PAGE_BYTES - 1, UINT32_MAX), 0);
	assert_int_equal(second->state, VCPU_QUEUED);
	assert_int_equal(second->entry, LIMIT * PAGE_BYTES - 1);
	for (unsigned r = 0; r < GPR_COUNT; r++) {
		assert_int_equal(second->regs[r], r == GPR_RBX ? UINT32_MAX : 0);
	}
	assert_int_equal(vcpu_start_call(2, 0, 0), 0);
	assert_int_equal(vm->vcpus[2].entry, 0);
	kernel_vm_end(vm);
}

static void test_start_errors(void **state)
{
	static const struct {
		uint64_t index;
		uint64_t entry;
		uint64_t argument;
		int64_t answer;
	} cases[] = {
		{3, ENTRY, 0, AEROSTAT_ERROR_VCPU}, /* there could be 8, but there are 3 */
		{8, ENTRY, 0, AEROSTAT_ERROR_VCPU},
		{UINT64_MAX, ENTRY, 0, AEROSTAT_ERROR_VCPU},
		{BIT(32) | 1, ENTRY, 0, AEROSTAT_ERROR_VCPU},
		{1, LIMIT * PAGE_BYTES, 0, AEROSTAT_ERROR_ADDRESS},
		{1, UINT32_MAX, 0, AEROSTAT_ERROR_ADDRESS},
		{1, BIT(32) | ENTRY, 0, AEROSTAT_ERROR_ADDRESS},
		{1, UINT64_MAX, 0, AEROSTAT_ERROR_ADDRESS},
		{1, ENTRY, BIT(32), AEROSTAT_ERROR_RESERVED},
		{1, ENTRY, UINT64_MAX, AEROSTAT_ERROR_RESERVED},
		{0, ENTRY, 0, AEROSTAT_ERROR_STATE}, /* itself */
	};
	(void)state;
	start();
	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		int64_t answer = vcpu_start_call(cases[i].index, cases[i].entry, cases[i].argument);
		if (answer != cases[i].answer) {
			fail_msg("case %u answers %lld", i, (long long)answer);
		}
		assert_int_equal(second->state, VCPU_OFF);
		assert_int_equal(second->entry, 0);
	}
	assert_int_equal(vcpu_start_call(1, ENTRY, 0), 0);
	assert_int_equal(vcpu_start_call(1, ENTRY, 0), AEROSTAT_ERROR_STATE);
	kernel_vm_end(vm);
}

/* RAM may reach beyond 4 GiB; an entry may not. */
static void test_start_beyond_four_gigabytes(void **state)
{
	(void)state;
	kernel_start(6000, 1);
	vm = kernel_vm_with(2, "large", 5 * order_pages(ORDER_1G), 1000, 100);
	first = &vm->vcpus[0];
	assert_int_equal(vcpu_start_call(1, BIT(32), 0), AEROSTAT_ERROR_ADDRESS);
	assert_int_equal(vcpu_start_call(1, BIT(32) - 1, 0), 0);
	kernel_vm_end(vm);
}

/* A VM that does not ask for more has one vCPU, and the calls say so. */
static void test_single_vcpu(void **state)
{
	(void)state;
	kernel_start(3000, 1);
	vm = kernel_vm("vm", LIMIT, 1000, 100);
	first = &vm->vcpus[0];
	assert_int_equal(vcpu_start_call(1, ENTRY, 0), AEROSTAT_ERROR_VCPU);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_VCPU_RING, 1, 0), AEROSTAT_ERROR_VCPU);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_VCPU_RING, 0, 0), AEROSTAT_ERROR_STATE);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_VCPU_DOORBELL, 32, 0), 0);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_VCPU_RING, 0, 0), 0);
	assert_true(first->doorbell_pending);
	kernel_vm_end(vm);
}

/* What a call does not use must be zero; RDX is START's alone, and R10 nobody's. */
static void test_unused_registers(void **state)
{
	static const struct {
		uint64_t number;
		uint64_t rsi;
		uint64_t rdx;
		uint64_t r10;
	} cases[] = {
		{AEROSTAT_CALL_VCPU_START, ENTRY, 0, 1},
		{AEROSTAT_CALL_VCPU_DOORBELL, 1, 0, 0},
		{AEROSTAT_CALL_VCPU_DOORBELL, 0, 1, 0},
		{AEROSTAT_CALL_VCPU_DOORBELL, 0, 0, BIT(63)},
		{AEROSTAT_CALL_VCPU_RING, BIT(32), 0, 0},
		{AEROSTAT_CALL_VCPU_RING, 0, BIT(32), 0},
		{AEROSTAT_CALL_VCPU_RING, 0, 0, 1},
		{AEROSTAT_CALL_BALLOON_ATTACH, 0, 1, 0},
		{AEROSTAT_CALL_EXIT, 0, 1, 0},
	};
	(void)state;
	start();
	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		memset(first->regs, 0, sizeof(first->regs));
		first->regs[GPR_RAX] = cases[i].number;
		first->regs[GPR_RDI] = 1;
		first->regs[GPR_RSI] = cases[i].rsi;
		first->regs[GPR_RDX] = cases[i].rdx;
		first->regs[GPR_R10] = cases[i].r10;
		assert_int_equal(hypercall_handle(first, true), EXIT_ADVANCE);
		if ((int64_t)first->regs[GPR_RAX] != AEROSTAT_ERROR_RESERVED) {
			fail_msg("case %u answers %lld", i, (long long)first->regs[GPR_RAX]);
		}
	}
	assert_int_equal(second->state, VCPU_OFF);
	assert_int_equal(vm->state, VM_RUNNING);
	kernel_vm_end(vm);
}

/* ---- VCPU_DOORBELL and VCPU_RING -------------------------------------------------------------*/

static void test_doorbell(void **state)
{
	static const uint64_t bad[] = {1, 31, 256, 0x120, BIT(32) | 32, UINT64_MAX};
	(void)state;
	start();
	start_second();
	for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
		assert_int_equal(
			kernel_vcpu_call(second, AEROSTAT_CALL_VCPU_DOORBELL, bad[i], 0, 0),
			AEROSTAT_ERROR_VECTOR);
	}
	assert_int_equal(second->doorbell_vector, 0);
	assert_int_equal(kernel_vcpu_call(second, AEROSTAT_CALL_VCPU_DOORBELL, 255, 0, 0), 0);
	assert_int_equal(second->doorbell_vector, 255);
	assert_int_equal(first->doorbell_vector, 0); /* its own only */
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_VCPU_RING, 1, 0), 0);
	assert_true(second->doorbell_pending);
	/* Who takes the bell away takes what it has rung along. */
	assert_int_equal(kernel_vcpu_call(second, AEROSTAT_CALL_VCPU_DOORBELL, 0, 0, 0), 0);
	assert_false(second->doorbell_pending);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_VCPU_RING, 1, 0), AEROSTAT_ERROR_STATE);
	kernel_vm_end(vm);
}

static void test_ring(void **state)
{
	(void)state;
	start();
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_VCPU_RING, 3, 0), AEROSTAT_ERROR_VCPU);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_VCPU_RING, UINT64_MAX, 0),
			 AEROSTAT_ERROR_VCPU);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_VCPU_RING, BIT(32), 0), AEROSTAT_ERROR_VCPU);
	second->doorbell_vector = 0x40;
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_VCPU_RING, 1, 0), AEROSTAT_ERROR_STATE);
	start_second();
	(void)kernel_vcpu_call(second, AEROSTAT_CALL_WAIT, 0, 0, 0);
	assert_int_equal(second->state, VCPU_ASLEEP);
	assert_int_equal(vm->state, VM_RUNNING); /* one of several may wait without a balloon */
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_VCPU_RING, 1, 0), 0);
	assert_int_equal(second->state, VCPU_QUEUED);
	kernel_vm_end(vm);
}

/* ATTACH sets the caller's doorbell, DETACH by whomever lets the balloon go. */
static void test_attach_by_any(void **state)
{
	(void)state;
	start();
	start_second();
	assert_int_equal(kernel_vcpu_call(second, AEROSTAT_CALL_BALLOON_ATTACH, 5, 0x50, 0), 0);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_ATTACH, 6, 0x51),
			 AEROSTAT_ERROR_STATE);
	assert_int_equal(first->doorbell_vector, 0);
	assert_int_equal(second->doorbell_vector, 0x50);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_DETACH, 0, 0), 0);
	assert_int_equal(second->doorbell_vector, 0x50); /* for VCPU_RING */
	assert_int_equal(kernel_vcpu_call(second, AEROSTAT_CALL_BALLOON_DETACH, 0, 0, 0),
			 AEROSTAT_ERROR_STATE);
	kernel_vm_end(vm);
}

/* Regression: DETACH took the caller's vector away wherever it came from. */
static void test_detach_leaves_other_doorbells(void **state)
{
	(void)state;
	start();
	start_second();
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_ATTACH, 5, 0x50), 0);
	assert_int_equal(kernel_vcpu_call(second, AEROSTAT_CALL_VCPU_DOORBELL, 0x60, 0, 0), 0);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_VCPU_RING, 1, 0), 0);
	assert_int_equal(kernel_vcpu_call(second, AEROSTAT_CALL_BALLOON_DETACH, 0, 0, 0), 0);
	assert_int_equal(second->doorbell_vector, 0x60);
	assert_true(second->doorbell_pending);
	assert_int_equal(first->doorbell_vector, 0x50);
	/* The last to set it is who counts. */
	assert_int_equal(kernel_vcpu_call(second, AEROSTAT_CALL_BALLOON_ATTACH, 5, 0x61, 0), 0);
	assert_int_equal(kernel_vcpu_call(second, AEROSTAT_CALL_VCPU_DOORBELL, 0x62, 0, 0), 0);
	assert_int_equal(kernel_vcpu_call(second, AEROSTAT_CALL_BALLOON_DETACH, 0, 0, 0), 0);
	assert_int_equal(second->doorbell_vector, 0x62);
	assert_int_equal(kernel_vcpu_call(second, AEROSTAT_CALL_BALLOON_ATTACH, 5, 0x63, 0), 0);
	assert_int_equal(kernel_vcpu_call(second, AEROSTAT_CALL_BALLOON_DETACH, 0, 0, 0), 0);
	assert_int_equal(second->doorbell_vector, 0);
	kernel_vm_end(vm);
}

/* Any of them ends the VM for all. */
static void test_exit_by_any(void **state)
{
	(void)state;
	start();
	start_second();
	(void)kernel_vcpu_call(second, AEROSTAT_CALL_EXIT, 9, 0x77, 0);
	assert_int_equal(vm->state, VM_FINISHED);
	assert_int_equal(vm->exit_code, 9);
	assert_int_equal(second->state, VCPU_ENDED);
	assert_int_equal(first->state, VCPU_RUNNING);
	kernel_settle(first);
	assert_int_equal(first->state, VCPU_ENDED);
	kernel_vm_end(vm);
}

/* ---- Calls that meet -------------------------------------------------------------------------*/

/* The other vCPU's call, made at the first moment that the lock is free. */
static uint64_t other_number;
static uint64_t other_rdi;
static uint64_t other_rsi;
static int64_t other_answer;
static struct aerostat_range seen; /* the first one's range, when the other one's turn came */
static const struct aerostat_range *watched;

static void other_calls(const struct lock *lock)
{
	if (lock != &vm->s2.lock) {
		return;
	}
	fake_on_release = NULL;
	if (watched != NULL) {
		seen = *watched;
	}
	memset(second->regs, 0, sizeof(second->regs));
	second->regs[GPR_RAX] = other_number;
	second->regs[GPR_RDI] = other_rdi;
	second->regs[GPR_RSI] = other_rsi;
	(void)hypercall_handle(second, true);
	other_answer = (int64_t)second->regs[GPR_RAX];
}

static struct aerostat_range *ranges_at(uint64_t gfn)
{
	return kernel_guest_page(vm, gfn);
}

/* vCPU 0 surrenders page 100 (or does `number` to it) while vCPU 1 does something else. */
static int64_t call_while(uint64_t number, uint64_t other, uint64_t rdi, uint64_t rsi)
{
	struct aerostat_range *ranges = ranges_at(ARRAY_GFN);
	ranges[0] = (struct aerostat_range){.gfn = 100, .count = 1};
	watched = ranges;
	other_number = other;
	other_rdi = rdi;
	other_rsi = rsi;
	other_answer = 12345;
	fake_on_release = other_calls;
	int64_t answer = kernel_call(vm, number, ARRAY, 1);
	assert_ptr_equal(fake_on_release, NULL);
	fake_on_release = NULL;
	return answer;
}

/* A DETACH between the look whether a balloon is attached and the work on it. */
static void test_detach_between_look_and_work(void **state)
{
	(void)state;
	start();
	start_second();
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_ATTACH, 5, 0), 0);
	int64_t answer =
		call_while(AEROSTAT_CALL_BALLOON_SURRENDER, AEROSTAT_CALL_BALLOON_DETACH, 0, 0);
	assert_int_equal(answer, 1);
	assert_int_equal(other_answer, 0);
	assert_int_equal(seen.status, AEROSTAT_RANGE_OK); /* all was done and told by then */
	assert_int_equal(seen.done, 1);
	assert_int_equal(vm->s2.ballooned_pages, 1);
	assert_false(vm->balloon.attached);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_RETURN, ARRAY, 1),
			 AEROSTAT_ERROR_STATE);
	kernel_vm_end(vm);
}

/*
 * F8, H4: another vCPU surrenders the page with the ranges, or returns what the call has just
 * taken. Neither comes in the middle of it.
 */
static void test_array_surrendered_by_another(void **state)
{
	(void)state;
	start();
	start_second();
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_ATTACH, 5, 0), 0);
	ranges_at(OTHER_ARRAY_GFN)[0] = (struct aerostat_range){.gfn = ARRAY_GFN, .count = 1};
	int64_t answer = call_while(AEROSTAT_CALL_BALLOON_SURRENDER,
				    AEROSTAT_CALL_BALLOON_SURRENDER, OTHER_ARRAY, 1);
	assert_int_equal(answer, 1);
	assert_int_equal(other_answer, 1);
	assert_int_equal(seen.status, AEROSTAT_RANGE_OK);
	assert_int_equal(seen.done, 1);
	assert_int_equal(vm->s2.ballooned_pages, 2);
	world_expect_slot(&vm->s2, 100, S2_BALLOONED, 0);
	world_expect_slot(&vm->s2, ARRAY_GFN, S2_BALLOONED, 0);
	assert_int_equal(ranges_at(OTHER_ARRAY_GFN)[0].status, AEROSTAT_RANGE_OK);
	/* The next call finds no ranges there, and changes nothing. */
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_RETURN, ARRAY, 1),
			 AEROSTAT_ERROR_ADDRESS);
	assert_int_equal(vm->s2.ballooned_pages, 2);
	kernel_vm_end(vm);
}

static void test_return_of_what_is_being_surrendered(void **state)
{
	(void)state;
	start();
	start_second();
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_ATTACH, 5, 0), 0);
	*(uint64_t *)kernel_guest_page(vm, 100) = 0x5ec7e7;
	ranges_at(OTHER_ARRAY_GFN)[0] = (struct aerostat_range){.gfn = 100, .count = 1};
	int64_t answer = call_while(AEROSTAT_CALL_BALLOON_SURRENDER, AEROSTAT_CALL_BALLOON_RETURN,
				    OTHER_ARRAY, 1);
	assert_int_equal(answer, 1);
	assert_int_equal(other_answer, 1);
	assert_int_equal(ranges_at(OTHER_ARRAY_GFN)[0].status, AEROSTAT_RANGE_OK);
	assert_int_equal(vm->s2.ballooned_pages, 0);
	assert_int_equal(vm->s2.revoking_pages, 0);
	assert_int_equal(*(uint64_t *)kernel_guest_page(vm, 100), 0);
	kernel_vm_end(vm);
}

static void look_at_the_lock(void)
{
	assert_true(lock_is_taken(&vm->s2.lock));
}

/* Whenever frames go back and forth in the middle of a call, the address space is locked. */
static void test_call_is_under_one_lock(void **state)
{
	(void)state;
	start();
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_ATTACH, 5, 0), 0);
	for (uint64_t gfn = 100; gfn < 104; gfn++) {
		*(uint64_t *)kernel_guest_page(vm, gfn) = gfn;
	}
	for (uint64_t number = AEROSTAT_CALL_BALLOON_SURRENDER;
	     number <= AEROSTAT_CALL_BALLOON_EMERGENCY; number++) {
		ranges_at(ARRAY_GFN)[0] = (struct aerostat_range){.gfn = 100, .count = 4};
		fake_on_unlock = look_at_the_lock;
		assert_int_equal(kernel_call(vm, number, ARRAY, 1), 1);
		fake_on_unlock = NULL;
	}
	kernel_vm_end(vm);
}

#define TEST(name) cmocka_unit_test_teardown(name, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_start),
		TEST(test_start_errors),
		TEST(test_start_beyond_four_gigabytes),
		TEST(test_single_vcpu),
		TEST(test_unused_registers),
		TEST(test_doorbell),
		TEST(test_ring),
		TEST(test_attach_by_any),
		TEST(test_detach_leaves_other_doorbells),
		TEST(test_exit_by_any),
		TEST(test_detach_between_look_and_work),
		TEST(test_array_surrendered_by_another),
		TEST(test_return_of_what_is_being_surrendered),
		TEST(test_call_is_under_one_lock),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
