/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/exit/hypercall.c: every call with every kind of bad argument (F8, H2, H7), and an array
 * that another vCPU rewrites while the call works on it (H4).
 */
#include "fake/kernel.h"

#include <string.h>

#include "base/bits.h"
#include "fake/devices.h"
#include "kernel/balloon/balloon.h"
#include "kernel/exit/hypercall.h"
#include "kernel/sched/wake.h"
#include "mm/frame.h"

#define LIMIT 3000ull
#define ARRAY_GFN 40ull
#define ARRAY (ARRAY_GFN * PAGE_BYTES)

static struct vm *vm;
static struct vcpu *vcpu;

static void start(void)
{
	kernel_start(5000, 1);
	vm = kernel_vm_with(3, "vm", LIMIT, 2000, 100);
	vcpu = &vm->vcpus[0];
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_ATTACH, 5, 0x40), 0);
}

static struct aerostat_range *array(void)
{
	return kernel_guest_page(vm, ARRAY_GFN);
}

static void test_privilege(void **state)
{
	(void)state;
	start();
	for (uint64_t number = 0; number < AEROSTAT_CALL_COUNT + 2; number++) {
		memset(vcpu->regs, 0, sizeof(vcpu->regs));
		vcpu->regs[GPR_RAX] = number;
		assert_int_equal(hypercall_handle(vcpu, false), EXIT_ADVANCE);
		assert_int_equal(vcpu->regs[GPR_RAX], AEROSTAT_ERROR_PRIVILEGE);
	}
	assert_int_equal(vm->state, VM_RUNNING);
	kernel_vm_end(vm);
}

/* A VM that sees another hypervisor calls that one, in user code, too, and never ours. */
static void test_calls_of_another_hypervisor(void **state)
{
	(void)state;
	start();
	unsigned calls = fake_devices.calls;
	vcpu->calls_platform = true;
	for (unsigned privileged = 0; privileged < 2; privileged++) {
		vcpu->regs[GPR_RAX] = AEROSTAT_CALL_EXIT;
		assert_int_equal(hypercall_handle(vcpu, privileged), EXIT_RESUME);
		assert_int_equal(fake_devices.calls, ++calls);
		assert_int_equal(fake_devices.call_privileged, privileged);
		assert_int_equal(vm->state, VM_RUNNING);
	}
	vcpu->calls_platform = false;
	kernel_vm_end(vm);
}

static void test_unknown_numbers(void **state)
{
	static const uint64_t numbers[] = {
		AEROSTAT_CALL_COUNT,	     1000, BIT(32), BIT(63), UINT64_MAX,
		BIT(32) | AEROSTAT_CALL_EXIT};
	(void)state;
	start();
	for (unsigned i = 0; i < ARRAY_COUNT(numbers); i++) {
		assert_int_equal(kernel_call(vm, numbers[i], 0, 0), AEROSTAT_ERROR_UNKNOWN_CALL);
	}
	kernel_vm_end(vm);
}

/* An argument that a call does not use must be zero; only RAX changes. */
static void test_unused_arguments(void **state)
{
	static const uint8_t used[AEROSTAT_CALL_COUNT] = {0, 2, 2, 1, 2, 0, 2, 2, 2, 2, 3, 1, 1};
	static const enum gpr arguments[] = {GPR_RDI, GPR_RSI, GPR_RDX, GPR_R10};
	(void)state;
	start();
	for (uint64_t number = 0; number < AEROSTAT_CALL_COUNT; number++) {
		for (unsigned i = used[number]; i < ARRAY_COUNT(arguments); i++) {
			for (unsigned bit = 0; bit < 64; bit += 21) {
				uint64_t before[GPR_COUNT];
				for (unsigned r = 0; r < GPR_COUNT; r++) {
					vcpu->regs[r] = 0x1111111111111111u * r;
				}
				for (unsigned r = 0; r < ARRAY_COUNT(arguments); r++) {
					vcpu->regs[arguments[r]] = 0;
				}
				vcpu->regs[arguments[i]] = BIT(bit);
				vcpu->regs[GPR_RAX] = number;
				memcpy(before, vcpu->regs, sizeof(before));
				assert_int_equal(hypercall_handle(vcpu, true), EXIT_ADVANCE);
				before[GPR_RAX] = (uint64_t)AEROSTAT_ERROR_RESERVED;
				assert_memory_equal(before, vcpu->regs, sizeof(before));
			}
		}
	}
	assert_int_equal(vm->state, VM_RUNNING);
	kernel_vm_end(vm);
}

static void test_null(void **state)
{
	(void)state;
	start();
	uint64_t calls = vm_hypercall_count(vm);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_NULL, 0, 0), 0);
	assert_int_equal(vm_hypercall_count(vm), calls + 1);
	kernel_vm_end(vm);
}

static void test_exit(void **state)
{
	(void)state;
	start();
	(void)kernel_call(vm, AEROSTAT_CALL_EXIT, 3, 0xabcdef);
	assert_int_equal(vm->state, VM_FINISHED);
	assert_int_equal(vm->exit_code, 3);
	assert_int_equal(vm->digest, 0xabcdef);
	assert_int_equal(vcpu->state, VCPU_ENDED);
	kernel_vm_end(vm);
	assert_int_equal(frame_count_free(), 5000);
}

static void test_console(void **state)
{
	(void)state;
	start();
	memcpy(kernel_guest_page(vm, 7), "hello", 5);
	fake_log_clear();
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_CONSOLE_WRITE, 7 * PAGE_BYTES, 5), 0);
	assert_non_null(strstr(fake_log_text, "vm says: hello\n"));
	static const struct {
		uint64_t address;
		uint64_t bytes;
		int64_t answer;
	} cases[] = {
		{7 * PAGE_BYTES, 0, AEROSTAT_ERROR_COUNT},
		{7 * PAGE_BYTES, 201, AEROSTAT_ERROR_COUNT},
		{7 * PAGE_BYTES, UINT64_MAX, AEROSTAT_ERROR_COUNT},
		{7 * PAGE_BYTES, 200, 0},
		{LIMIT * PAGE_BYTES, 1, AEROSTAT_ERROR_ADDRESS},
		{LIMIT * PAGE_BYTES - 1, 2, AEROSTAT_ERROR_ADDRESS},
		{UINT64_MAX, 1, AEROSTAT_ERROR_ADDRESS},
		{UINT64_MAX - 3, 8, AEROSTAT_ERROR_ADDRESS},
		{9 * PAGE_BYTES, 1, AEROSTAT_ERROR_ADDRESS}, /* in the balloon */
		{9 * PAGE_BYTES - 1, 2, AEROSTAT_ERROR_ADDRESS},
	};
	*array() = (struct aerostat_range){.gfn = 9, .count = 1};
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_SURRENDER, ARRAY, 1), 1);
	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		int64_t answer = kernel_call(vm, AEROSTAT_CALL_CONSOLE_WRITE, cases[i].address,
					     cases[i].bytes);
		if (answer != cases[i].answer) {
			fail_msg("case %u answers %lld", i, (long long)answer);
		}
	}
	kernel_vm_end(vm);
}

/* H11: a storm of lines is cut down, and says so afterwards. */
static void test_console_storm(void **state)
{
	(void)state;
	start();
	*(char *)kernel_guest_page(vm, 7) = 'x';
	fake_log_clear();
	unsigned lines = 0;
	for (unsigned i = 0; i < 10000; i++) {
		assert_int_equal(kernel_call(vm, AEROSTAT_CALL_CONSOLE_WRITE, 7 * PAGE_BYTES, 1),
				 0);
	}
	for (const char *at = fake_log_text; (at = strstr(at, "says")) != NULL; at++) {
		lines++;
	}
	assert_int_equal(lines, VM_LOG_LINES_PER_SECOND);
	fake_tsc += 1000 * 1000 + 1;
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_CONSOLE_WRITE, 7 * PAGE_BYTES, 1), 0);
	assert_non_null(strstr(fake_log_text, "suppressed lines=9980"));
	kernel_vm_end(vm);
}

static void test_attach_arguments(void **state)
{
	(void)state;
	start();
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_ATTACH, 6, 0), AEROSTAT_ERROR_STATE);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_DETACH, 0, 0), 0);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_DETACH, 0, 0), AEROSTAT_ERROR_STATE);
	static const uint64_t vectors[] = {1, 31, 256, 0x140, BIT(32) | 0x40, UINT64_MAX};
	for (unsigned i = 0; i < ARRAY_COUNT(vectors); i++) {
		assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_ATTACH, 5, vectors[i]),
				 AEROSTAT_ERROR_VECTOR);
	}
	static const uint64_t gfns[] = {LIMIT, BIT(20), BIT(52) - 1, UINT64_MAX, BIT(32) | 5};
	for (unsigned i = 0; i < ARRAY_COUNT(gfns); i++) {
		assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_ATTACH, gfns[i], 0x40),
				 AEROSTAT_ERROR_ADDRESS);
	}
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_ATTACH, 5, 32), 0);
	kernel_vm_end(vm);
}

static void test_wait(void **state)
{
	(void)state;
	start();
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_WAIT, fake_tsc + 77, 0), 0);
	assert_int_equal(vcpu->state, VCPU_ASLEEP);
	assert_int_equal(vcpu->wait, WAIT_EVENT);
	assert_int_equal(vcpu->wake_tsc, fake_tsc + 77);
	balloon_set_target(vm, 9, AEROSTAT_PRESSURE_LOW);
	assert_int_equal(vcpu->state, VCPU_QUEUED);
	assert_false(vcpu->event);	/* it has been told */
	vcpu->doorbell_pending = false; /* the guest has taken it */
	balloon_set_target(vm, 10, AEROSTAT_PRESSURE_LOW);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_WAIT, 0, 0), 0);
	assert_int_equal(vcpu->state, VCPU_RUNNING); /* the event was there already */
	vcpu->doorbell_pending = false;
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_WAIT, 0, 0), 0);
	assert_int_equal(vcpu->state, VCPU_ASLEEP);
	assert_true(vcpu->wake_tsc == WAKE_NEVER);
	kernel_vm_end(vm);
}

/*
 * Regression: a doorbell that had rung and was held off ended every WAIT at once, 8,546 times in
 * 50 ms. Each ring ends one.
 */
static void test_wait_with_a_doorbell_held_off(void **state)
{
	(void)state;
	start();
	fake_interrupts_on = false;
	vcpu_set_doorbell(vcpu, 0x40);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(vcpu_ring(vcpu), STATUS_OK);
		assert_int_equal(kernel_call(vm, AEROSTAT_CALL_WAIT, fake_tsc + 77, 0), 0);
		assert_int_equal(vcpu->state, VCPU_RUNNING); /* it rang before: news */
		assert_int_equal(kernel_call(vm, AEROSTAT_CALL_WAIT, fake_tsc + 77, 0), 0);
		assert_int_equal(vcpu->state, VCPU_ASLEEP);
		assert_int_equal(vcpu_ring(vcpu), STATUS_OK); /* while it sleeps: news as well */
		assert_int_equal(vcpu->state, VCPU_QUEUED);
		assert_int_equal(kernel_call(vm, AEROSTAT_CALL_WAIT, fake_tsc + 77, 0), 0);
		assert_int_equal(vcpu->state, VCPU_ASLEEP);
		balloon_set_target(vm, 9 + i, AEROSTAT_PRESSURE_LOW);
		assert_int_equal(vcpu->state, VCPU_QUEUED);
		assert_true(vcpu->doorbell_pending);
	}
	/* Let through, it ends a WAIT though it is no news; and there is none without a vector. */
	fake_interrupts_on = true;
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_WAIT, fake_tsc + 77, 0), 0);
	assert_int_equal(vcpu->state, VCPU_RUNNING);
	vcpu_set_doorbell(vcpu, 0);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_WAIT, fake_tsc + 77, 0), 0);
	assert_int_equal(vcpu->state, VCPU_ASLEEP);
	kernel_vm_end(vm);
}

/* A ring that comes while another one is being forgotten is not forgotten with it. */
static void test_ring_in_the_middle_of_forgetting(void **state)
{
	(void)state;
	start();
	fake_interrupts_on = false;
	vcpu_set_doorbell(vcpu, 0x40);
	vcpu->doorbell_open = false;
	vcpu->doorbell_pending = true; /* the first half of vcpu_ring on another CPU */
	assert_false(vcpu_has_news(vcpu));
	vcpu_forget_news(vcpu);
	vcpu->rang = true; /* the second half */
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_WAIT, 0, 0), 0);
	assert_int_equal(vcpu->state, VCPU_RUNNING);
	kernel_vm_end(vm);
}

/* The only vCPU of a VM waits for what nobody can send. */
static void test_wait_for_nothing(void **state)
{
	(void)state;
	kernel_start(5000, 1);
	vm = kernel_vm("vm", LIMIT, 2000, 100);
	(void)kernel_call(vm, AEROSTAT_CALL_WAIT, 0, 0);
	assert_int_equal(vm->state, VM_KILLED);
	assert_int_equal(vm->vcpus[0].state, VCPU_ENDED);
	kernel_vm_end(vm);
}

static void test_array_arguments(void **state)
{
	static const struct {
		uint64_t address;
		uint64_t count;
		int64_t answer;
	} cases[] = {
		{ARRAY, 0, AEROSTAT_ERROR_COUNT},
		{ARRAY, AEROSTAT_RANGES_MAX + 1, AEROSTAT_ERROR_COUNT},
		{ARRAY, UINT64_MAX, AEROSTAT_ERROR_COUNT},
		{ARRAY, BIT(32) | 1, AEROSTAT_ERROR_COUNT},
		{ARRAY + 1, 1, AEROSTAT_ERROR_ADDRESS},
		{ARRAY + 4, 1, AEROSTAT_ERROR_ADDRESS},
		{ARRAY + 4096 - 16, 1, AEROSTAT_ERROR_ADDRESS}, /* crosses the page's end */
		{ARRAY + 24, AEROSTAT_RANGES_MAX, AEROSTAT_ERROR_ADDRESS},
		{LIMIT * PAGE_BYTES, 1, AEROSTAT_ERROR_ADDRESS},
		{LIMIT * PAGE_BYTES - 16, 1, AEROSTAT_ERROR_ADDRESS},
		{UINT64_MAX - 7, 1, AEROSTAT_ERROR_ADDRESS},
		{0xfee00000, 1, AEROSTAT_ERROR_ADDRESS},
		{9 * PAGE_BYTES, 1, AEROSTAT_ERROR_ADDRESS}, /* in the balloon */
	};
	(void)state;
	start();
	*array() = (struct aerostat_range){.gfn = 9, .count = 1};
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_SURRENDER, ARRAY, 1), 1);
	struct world_image before = world_image();
	for (uint64_t number = AEROSTAT_CALL_BALLOON_SURRENDER;
	     number <= AEROSTAT_CALL_BALLOON_EMERGENCY; number++) {
		for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
			int64_t answer = kernel_call(vm, number, cases[i].address, cases[i].count);
			if (answer != cases[i].answer) {
				fail_msg("call %u case %u answers %lld", (unsigned)number, i,
					 (long long)answer);
			}
		}
	}
	struct world_image after = world_image();
	assert_true(world_image_equal(&before, &after));
	world_image_free(&before);
	world_image_free(&after);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_DETACH, 0, 0), 0);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_SURRENDER, ARRAY, 1),
			 AEROSTAT_ERROR_STATE);
	kernel_vm_end(vm);
}

/* As many ranges as fit into a page, each written back. */
static void test_full_page_of_ranges(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < AEROSTAT_RANGES_MAX; i++) {
		array()[i] = (struct aerostat_range){.gfn = 100 + 2 * i, .count = 1};
	}
	/* The first call also cuts the tables that are needed, and may end early for it. */
	int64_t done = 0;
	for (unsigned calls = 0; done < AEROSTAT_RANGES_MAX; calls++) {
		uint64_t count = AEROSTAT_RANGES_MAX - (uint64_t)done;
		int64_t more =
			kernel_call(vm, AEROSTAT_CALL_BALLOON_SURRENDER,
				    ARRAY + (uint64_t)done * sizeof(struct aerostat_range), count);
		assert_in_range(more, 0, count);
		done += more;
		assert_true(calls < 5);
	}
	for (unsigned i = 0; i < AEROSTAT_RANGES_MAX; i++) {
		assert_int_equal(array()[i].status, AEROSTAT_RANGE_OK);
		assert_int_equal(array()[i].done, 1);
	}
	assert_int_equal(vm->s2.ballooned_pages, AEROSTAT_RANGES_MAX);
	const uint64_t *tail = kernel_guest_page(vm, ARRAY_GFN);
	assert_int_equal(tail[511], 0); /* not a byte behind the array */
	kernel_vm_end(vm);
}

/* The array's own page and the balloon page are not for sale. */
static void test_own_pages(void **state)
{
	(void)state;
	start();
	array()[0] = (struct aerostat_range){.gfn = ARRAY_GFN, .count = 1};
	array()[1] = (struct aerostat_range){.gfn = 5, .count = 1};
	array()[2] = (struct aerostat_range){.gfn = 0, .count = 1, .order = ORDER_2M};
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_SURRENDER, ARRAY, 3), 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(array()[i].status, AEROSTAT_RANGE_IN_USE);
	}
	kernel_vm_end(vm);
}

/* ---- H4
 * ----------------------------------------------------------------------------------------*/

static struct aerostat_range *shared;
static unsigned rewrites;

/* The other vCPU: turns every range into one that asks for what must not be given. */
static void rewrite(void)
{
	for (unsigned i = 0; i < 4; i++) {
		shared[i] = (struct aerostat_range){
			.gfn = i % 2 == 0 ? 5 : UINT64_MAX,
			.count = UINT32_MAX,
			.order = 63,
			.done = 0x80000000,
			.reserved = 7,
		};
	}
	rewrites++;
}

static void test_array_rewritten_during_the_call(void **state)
{
	(void)state;
	start();
	for (uint64_t gfn = 100; gfn < 110; gfn++) {
		*(uint64_t *)kernel_guest_page(vm, gfn) = gfn;
	}
	shared = array();
	for (unsigned i = 0; i < 4; i++) {
		shared[i] = (struct aerostat_range){.gfn = 100 + i, .count = 1};
	}
	fake_on_unlock = rewrite;
	int64_t answer = kernel_call(vm, AEROSTAT_CALL_BALLOON_SURRENDER, ARRAY, 4);
	fake_on_unlock = NULL;
	assert_int_equal(answer, 4);
	assert_true(rewrites > 0);
	for (unsigned i = 0; i < 4; i++) {
		/* What was asked for first was judged, done and written back. */
		assert_int_equal(shared[i].gfn, 100 + i);
		assert_int_equal(shared[i].status, AEROSTAT_RANGE_OK);
		assert_int_equal(shared[i].done, 1);
		world_expect_slot(&vm->s2, 100 + i, S2_BALLOONED, 0);
	}
	assert_int_equal(vm->s2.ballooned_pages, 4);
	world_check();
	kernel_vm_end(vm);
}

#define TEST(name) cmocka_unit_test_teardown(name, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_privilege),
		TEST(test_calls_of_another_hypervisor),
		TEST(test_unknown_numbers),
		TEST(test_unused_arguments),
		TEST(test_null),
		TEST(test_exit),
		TEST(test_console),
		TEST(test_console_storm),
		TEST(test_attach_arguments),
		TEST(test_wait),
		TEST(test_wait_with_a_doorbell_held_off),
		TEST(test_ring_in_the_middle_of_forgetting),
		TEST(test_wait_for_nothing),
		TEST(test_array_arguments),
		TEST(test_full_page_of_ranges),
		TEST(test_own_pages),
		TEST(test_array_rewritten_during_the_call),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
