/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel/overcommit/decisions.c, and that the policy gives the right reason for what it does. */
#include "fake/kernel.h"

#include <string.h>

#include "base/log.h"
#include "kernel/overcommit/decisions.h"
#include "kernel/overcommit/policy.h"

#define FRAMES 6000

static struct policy_host short_host = {.spare_pages = 100, .low_pages = 200, .high_pages = 400};
static struct policy_host rich_host = {.spare_pages = 2000, .low_pages = 200, .high_pages = 400};

static struct policy_vm vm_with(uint64_t target, uint64_t ballooned, uint64_t idle)
{
	return (struct policy_vm){
		.min_pages = 100,
		.mem_pages = 1000,
		.max_pages = 4000,
		.held_pages = 2000,
		.ballooned_pages = ballooned,
		.target_pages = target,
		.free_pages = idle,
		.idle_pages = idle,
		.shares = 100,
		.attached = true,
	};
}

static void test_reasons(void **state)
{
	struct policy_vm vms_seen[2];
	(void)state;
	vms_seen[0] = vm_with(0, 0, 1000);
	policy_decide(&short_host, vms_seen, 1);
	assert_true(vms_seen[0].new_target_pages > 0);
	assert_int_equal(vms_seen[0].reason, POLICY_SPARE);

	vms_seen[0] = vm_with(0, 0, 0);
	policy_decide(&short_host, vms_seen, 1);
	assert_int_equal(vms_seen[0].reason, POLICY_KEEPS);

	vms_seen[0] = vm_with(0, 0, 1000);
	vms_seen[0].attached = false;
	policy_decide(&short_host, vms_seen, 1);
	assert_int_equal(vms_seen[0].reason, POLICY_DETACHED);

	vms_seen[0] = vm_with(500, 100, 50);
	struct policy_host middle = {.spare_pages = 300, .low_pages = 200, .high_pages = 400};
	policy_decide(&middle, vms_seen, 1);
	assert_int_equal(vms_seen[0].new_target_pages, 150);
	assert_int_equal(vms_seen[0].reason, POLICY_USED);

	vms_seen[0] = vm_with(500, 100, 500);
	vms_seen[0].unresponsive = true;
	policy_decide(&middle, vms_seen, 1);
	assert_int_equal(vms_seen[0].new_target_pages, 100);
	assert_int_equal(vms_seen[0].reason, POLICY_SILENT);

	vms_seen[0] = vm_with(3950, 3950, 0);
	policy_decide(&middle, vms_seen, 1);
	assert_int_equal(vms_seen[0].new_target_pages, 3900);
	assert_int_equal(vms_seen[0].reason, POLICY_BOUND);

	vms_seen[0] = vm_with(500, 500, 0);
	vms_seen[0].wanted_pages = 200;
	policy_decide(&middle, vms_seen, 1);
	assert_int_equal(vms_seen[0].new_target_pages, 300);
	assert_int_equal(vms_seen[0].reason, POLICY_WANTED);

	vms_seen[0] = vm_with(500, 100, 400);
	policy_decide(&rich_host, vms_seen, 1);
	assert_int_equal(vms_seen[0].new_target_pages, 0);
	assert_int_equal(vms_seen[0].reason, POLICY_RETURNED);

	struct policy_host just = {.spare_pages = 401, .low_pages = 200, .high_pages = 400};
	vms_seen[0] = vm_with(500, 100, 400);
	vms_seen[1] = vm_with(101, 101, 0);
	policy_decide(&just, vms_seen, 2);
	assert_int_equal(vms_seen[0].new_target_pages, 100);
	assert_int_equal(vms_seen[0].reason, POLICY_VOID);

	/* One waits below its allotment: margins are asked for, too, and then room to grow. */
	vms_seen[0] = vm_with(0, 0, 40);
	vms_seen[1] = vm_with(0, 0, 0);
	vms_seen[1].held_pages = 500;
	vms_seen[1].waiting = true;
	policy_decide(&short_host, vms_seen, 2);
	assert_int_equal(vms_seen[0].reason, POLICY_IDLE);
	vms_seen[0] = vm_with(0, 0, 0);
	vms_seen[0].free_pages = 1000;
	policy_decide(&short_host, vms_seen, 2);
	assert_int_equal(vms_seen[0].reason, POLICY_GROWTH);
}

static void test_the_last_ones_are_kept(void **state)
{
	struct decision decision;
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm("a", 4000, 3000, 100);
	struct policy_vm view = vm_with(7, 0, 0);
	view.reason = POLICY_SPARE;
	decisions_init(&short_host, &view);
	assert_false(decisions_read(vm, 0, &decision));
	decisions_note(vm, view.target_pages, 7, false, 1); /* no change */
	assert_false(decisions_read(vm, 0, &decision));
	assert_int_equal(decisions_last_view(vm)->held_pages, 2000);
	assert_int_equal(decisions_last_host()->low_pages, 200);
	for (unsigned i = 0; i < 3 * DECISIONS_KEPT; i++) {
		decisions_note(vm, view.target_pages, 100 + i, true, i);
	}
	for (unsigned back = 0; back < DECISIONS_KEPT; back++) {
		assert_true(decisions_read(vm, back, &decision));
		assert_int_equal(decision.new_target_pages, 100 + 3 * DECISIONS_KEPT - 1 - back);
		assert_int_equal(decision.tsc, 3 * DECISIONS_KEPT - 1 - back);
		assert_int_equal(decision.reason, POLICY_SPARE);
		assert_true(decision.waiting);
		assert_false(decision.overridden);
	}
	assert_false(decisions_read(vm, DECISIONS_KEPT, &decision));
	for (unsigned i = 0; i < POLICY_REASONS; i++) {
		assert_true(strlen(decisions_reason_text((enum policy_reason)i)) > 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reasons),
		cmocka_unit_test_teardown(test_the_last_ones_are_kept, kernel_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
