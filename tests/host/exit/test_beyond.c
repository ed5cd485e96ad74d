/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Second-stage faults beyond RAM in kernel/exit/exit.c: the end of a VM without devices, and what
 * becomes of each answer of arch_device_access() for one that has some.
 */
#include "fake/kernel.h"

#include <string.h>

#include "base/bits.h"
#include "fake/devices.h"
#include "kernel/vm/exit.h"
#include "kernel/lifecycle/end.h"

#define PAGES 1000
#define BEYOND 0xfee000b0ull

static struct vm *vm;

static void start(bool devices)
{
	kernel_start(3000, 1);
	vm = kernel_vm_with(1, "vm", PAGES, PAGES, 100);
	vm->platform = devices ? fake_devices_of_a_vm() : NULL;
	fake_device_accesses = 0;
	fake_log_clear();
}

static enum exit_action fault(uint64_t address)
{
	const struct vm_exit vm_exit = {
		.kind = VM_EXIT_S2_FAULT,
		.fault.address = {address},
	};

	kernel_pick(&vm->vcpus[0]);
	return vm_exit_handle(&vm->vcpus[0], &vm_exit);
}

static void end(void)
{
	vm->platform = NULL;
	kernel_settle(&vm->vcpus[0]);
	kernel_vm_end(vm);
	assert_int_equal(kernel_teardown(NULL), 0);
}

static void expect_killed(const char *reason, bool line)
{
	assert_int_equal(vm->state, VM_KILLED);
	assert_string_equal(vm->end_reason, reason);
	assert_int_equal(strstr(fake_log_text, "touched address=0xfee000b0 beyond its RAM") != NULL,
			 line);
}

static void test_without_devices(void **state)
{
	(void)state;
	start(false);
	fake_device = ARCH_DEVICE_DONE;
	assert_int_equal(fault(BEYOND), EXIT_KILL);
	expect_killed("it touched memory beyond its RAM", true);
	assert_int_equal(fake_device_accesses, 0);
	end();
}

static void test_with_devices(void **state)
{
	static const struct {
		enum arch_device answer;
		enum exit_action action;
	} cases[] = {
		{ARCH_DEVICE_DONE, EXIT_ADVANCE_DECODED},
		{ARCH_DEVICE_AGAIN, EXIT_RESUME},
		{ARCH_DEVICE_NONE, EXIT_KILL},
		{ARCH_DEVICE_REFUSED, EXIT_KILL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		start(true);
		fake_device = cases[i].answer;
		assert_int_equal(fault(BEYOND), cases[i].action);
		assert_int_equal(fake_device_accesses, 1);
		assert_int_equal(fake_device_address, BEYOND);
		if (cases[i].action != EXIT_KILL) {
			assert_int_equal(vm->state, VM_RUNNING);
			assert_string_equal(fake_log_text, "");
		} else if (cases[i].answer == ARCH_DEVICE_NONE) {
			expect_killed("it touched memory beyond its RAM", true);
		} else {
			expect_killed("it reached beyond its RAM with an instruction that is not "
				      "understood",
				      false);
		}
		end();
	}
}

/* RAM is RAM, up to its last byte. */
static void test_ram_of_a_vm_with_devices(void **state)
{
	(void)state;
	start(true);
	fake_device = ARCH_DEVICE_DONE;
	assert_int_equal(fault(PAGES * PAGE_BYTES - 1), EXIT_RESUME);
	assert_int_equal(fake_device_accesses, 0);
	assert_int_equal(fault(PAGES * PAGE_BYTES), EXIT_ADVANCE_DECODED);
	assert_int_equal(fake_device_accesses, 1);
	end();
}

#define TEST(name) cmocka_unit_test_teardown(name, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_without_devices),
		TEST(test_with_devices),
		TEST(test_ram_of_a_vm_with_devices),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
