/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel/overcommit/working_set.c over a world of VMs: periods, smoothing, processors that cannot
 * tell. */
#include "fake/kernel.h"

#include "kernel/overcommit/working_set.h"
#include "kernel/lifecycle/end.h"

#define SECOND (1000 * 1000) /* ticks of the fake clock */

/* VMs of 1000 mapped pages each. */
static struct vm *start_vm(const char *name)
{
	struct vm *vm = kernel_vm(name, 2000, 1500, 100);
	for (uint64_t gfn = 0; gfn < 1000; gfn++) {
		assert_int_equal(kernel_touch(vm, gfn), EXIT_RESUME);
	}
	return vm;
}

/* Each of the VMs that are due has its turn. */
static void poll_all(void)
{
	for (unsigned i = 0; i < vm_count; i++) {
		working_set_poll(fake_tsc);
	}
	world_check();
}

static void second(struct vm *vm, uint64_t used)
{
	fake_tlb_enter(&vm->s2, 0);
	for (uint64_t gfn = 0; gfn < used; gfn++) {
		assert_non_null(fake_tlb_access(&vm->s2, 0, (gfn_t){gfn}));
	}
	fake_tsc += SECOND;
	poll_all();
}

static void test_smoothing(void **state)
{
	(void)state;
	assert_int_equal(working_set_smooth(0, 500), 500); /* up at once */
	assert_int_equal(working_set_smooth(500, 501), 501);
	assert_int_equal(working_set_smooth(500, 500), 500);
	assert_int_equal(working_set_smooth(500, 100), 400); /* down by a quarter of it */
	uint64_t active = 100000;
	unsigned seconds = 0;
	for (; active > 10; seconds++) {
		uint64_t next = working_set_smooth(active, 10);
		assert_true(next < active && next >= 10);
		active = next;
	}
	assert_in_range(seconds, 10, 50); /* and gets there */
}

static void test_estimate_follows_use(void **state)
{
	(void)state;
	kernel_start(6000, 0);
	struct vm *vm = start_vm("a");
	poll_all();
	assert_false(vm->working_set.begun); /* it has just started */
	second(vm, 0);
	assert_true(vm->working_set.begun);
	assert_false(vm->working_set.known);
	second(vm, 1000);
	assert_true(vm->working_set.known);
	assert_int_equal(vm->working_set.active_pages, 1000);
	second(vm, 0);
	assert_int_equal(vm->working_set.active_pages, 750);
	for (unsigned i = 0; i < 40; i++) {
		second(vm, 0);
	}
	assert_int_equal(vm->working_set.active_pages, 0);
	second(vm, 500);
	assert_in_range(vm->working_set.active_pages, 300, 700);
	kernel_vm_end(vm);
}

/* Once a second and no more often; each VM by itself, not all at once. */
static void test_periods(void **state)
{
	(void)state;
	kernel_start(6000, 0);
	struct vm *one = start_vm("a");
	struct vm *two = start_vm("b");
	poll_all();
	fake_tsc += SECOND;
	working_set_poll(fake_tsc);
	assert_true(one->working_set.begun);
	assert_false(two->working_set.begun);
	working_set_poll(fake_tsc);
	assert_true(two->working_set.begun);
	uint64_t random = one->working_set.sample.random;
	for (unsigned i = 0; i < 9; i++) {
		fake_tsc += SECOND / 10;
		poll_all();
	}
	assert_int_equal(one->working_set.sample.random, random);
	fake_tsc += SECOND / 10;
	poll_all();
	assert_int_not_equal(one->working_set.sample.random, random);
	/* One that is over is let alone. */
	vm_finish(two, 0, 0);
	random = two->working_set.sample.random;
	fake_tsc += SECOND;
	poll_all();
	assert_int_equal(two->working_set.sample.random, random);
	kernel_vm_end(one);
	kernel_vm_end(two);
}

/* The lock is somebody's: the sample waits, the other VM's does not. */
static void test_busy_lock(void **state)
{
	(void)state;
	kernel_start(6000, 0);
	struct vm *one = start_vm("a");
	struct vm *two = start_vm("b");
	fake_tsc += SECOND;
	one->working_set.due_tsc = two->working_set.due_tsc = fake_tsc;
	one->s2.lock.next++; /* another CPU has it */
	working_set_poll(fake_tsc);
	assert_false(one->working_set.begun);
	assert_true(two->working_set.begun);
	one->s2.lock.next--;
	working_set_poll(fake_tsc);
	assert_true(one->working_set.begun);
	kernel_vm_end(one);
	kernel_vm_end(two);
}

static void test_processor_that_does_not_tell(void **state)
{
	const uint64_t flag = fake_format.accessed_flag;
	(void)state;
	kernel_start(6000, 0);
	struct vm *vm = start_vm("a");
	fake_format.accessed_flag = 0;
	second(vm, 10);
	second(vm, 10);
	assert_false(vm->working_set.known);
	assert_false(vm->working_set.begun);
	fake_format.accessed_flag = flag;
	kernel_vm_end(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_smoothing),
		cmocka_unit_test_teardown(test_estimate_follows_use, kernel_teardown),
		cmocka_unit_test_teardown(test_periods, kernel_teardown),
		cmocka_unit_test_teardown(test_busy_lock, kernel_teardown),
		cmocka_unit_test_teardown(test_processor_that_does_not_tell, kernel_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
