/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/overcommit/policies/spare.c: the tax on idle memory, which decides who is asked first and
 * nothing else (P7).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bits.h"
#include "fake/policy.h"

static const struct policy_host taxed_host = {0, 1000, 4000, 75, 0, 0, false};

/* Two that have the same to give: the one that uses its memory keeps four times as much of it. */
static void test_tax_idle_memory_is_asked_first(void **state)
{
	struct policy_vm vms[2] = {policy_typical(), policy_typical()};
	(void)state;
	vms[0].active_known = vms[1].active_known = true;
	vms[0].active_pages = 8000;
	vms[1].active_pages = 0;
	policy_decide(&taxed_host, vms, 2);
	assert_int_equal(vms[0].new_target_pages + vms[1].new_target_pages, 4000);
	uint64_t left[2] = {3750 - vms[0].new_target_pages, 3750 - vms[1].new_target_pages};
	assert_in_range(left[0], sub_floor_u64(4 * left[1], 300), 4 * left[1] + 300);
	/* Four times the shares outweigh it. */
	vms[1].shares = 400;
	policy_decide(&taxed_host, vms, 2);
	uint64_t targets[2] = {vms[0].new_target_pages, vms[1].new_target_pages};
	assert_in_range(targets[0], sub_floor_u64(targets[1], 100), targets[1] + 100);
}

/* Off, or without estimates, or with equal ones, all is as if there were no tax. */
static void test_tax_off(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		struct policy_vm plain[5];
		struct policy_vm vms[5];
		policy_random = 0x9e3779b97f4a7c15ull * (round + 1);
		struct policy_host host = policy_random_host();
		for (unsigned i = 0; i < 5; i++) {
			plain[i] = vms[i] = policy_random_vm();
			plain[i].active_known = false;
			if (round % 3 == 0) {
				vms[i].active_known = false;
			} else if (round % 3 == 1) {
				vms[i].active_known = true;
				vms[i].active_pages = round % 2 == 0 ? 0 : vms[i].held_pages;
			}
		}
		policy_decide(&host, plain, 5);
		if (round % 3 == 2) {
			host.idle_tax_percent = 0;
		}
		policy_decide(&host, vms, 5);
		for (unsigned i = 0; i < 5; i++) {
			if (round % 3 == 1 && vms[i].held_pages == 0) {
				continue;
			}
			assert_int_equal(vms[i].new_target_pages, plain[i].new_target_pages);
		}
	}
}

static uint64_t sum_of_targets(const struct policy_vm *vms, unsigned count)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < count; i++) {
		sum += vms[i].new_target_pages;
	}
	return sum;
}

/* Does as it was told, and wants nothing. */
static struct policy_vm settled_vm(void)
{
	struct policy_vm vm = policy_random_vm();
	vm.ballooned_pages = min_u64(vm.ballooned_pages, vm.max_pages - vm.min_pages);
	vm.target_pages = vm.ballooned_pages;
	vm.wanted_pages = 0;
	return vm;
}

/* Who uses less is asked for no less, the others for no more; all together for the same. */
static void test_tax_is_monotonic(void **state)
{
	unsigned moved = 0;
	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		struct policy_vm busy[5];
		struct policy_vm idle[5];
		policy_random = 0x9e3779b97f4a7c15ull * (round + 1);
		uint64_t idle_pages = 0;
		for (unsigned i = 0; i < 5; i++) {
			busy[i] = idle[i] = settled_vm();
			idle_pages += min_u64(busy[i].idle_pages, busy[i].held_pages);
		}
		uint64_t need = policy_draw(idle_pages + 1) / 4 + 1;
		struct policy_host host = {0, need, need, 75, 0, 0, false};
		busy[0].active_known = idle[0].active_known = true;
		idle[0].active_pages =
			policy_draw(min_u64(busy[0].active_pages, busy[0].held_pages) + 1);
		policy_decide(&host, busy, 5);
		policy_decide(&host, idle, 5);
		assert_int_equal(sum_of_targets(busy, 5), sum_of_targets(idle, 5));
		assert_true(idle[0].new_target_pages >= busy[0].new_target_pages);
		for (unsigned i = 1; i < 5; i++) {
			assert_true(idle[i].new_target_pages <= busy[i].new_target_pages);
		}
		moved += idle[0].new_target_pages > busy[0].new_target_pages ? 1 : 0;
	}
	print_message("asked for more because it uses less: %u of 20000\n", moved);
	assert_true(moved > 300);
}

/* A guest that has nothing to spare by its own word is asked for nothing, however idle it looks. */
static void test_tax_need_and_minimum_stay(void **state)
{
	struct policy_host broke = {0, 100000, 200000, 99, 0, 0, false};
	(void)state;
	for (uint64_t idle = 0; idle <= 4000; idle += 100) {
		struct policy_vm vms[2] = {policy_typical(), policy_typical()};
		vms[0].active_known = true;
		vms[0].idle_pages = vms[0].free_pages = idle;
		policy_decide(&broke, vms, 2);
		assert_int_equal(vms[0].new_target_pages,
				 idle - min_u64(idle, max_u64(32, idle / 16)));
		vms[0].held_pages = 1000 + idle / 2;
		policy_decide(&broke, vms, 2);
		assert_true(vms[0].new_target_pages <= idle / 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tax_idle_memory_is_asked_first),
		cmocka_unit_test(test_tax_off),
		cmocka_unit_test(test_tax_is_monotonic),
		cmocka_unit_test(test_tax_need_and_minimum_stay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
