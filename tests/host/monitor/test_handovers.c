/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/monitor/handovers.c: frames that were one VM's and are another's, against a second account
 * of the frame table that the test keeps itself; what no handover is; what it costs, and where
 * there is no memory for it.
 */
#include "fake/commands.h"

#include <stdio.h>
#include <string.h>

#include "kernel/monitor/command.h"
#include "kernel/monitor/handovers.h"
#include "mm/alloc.h"
#include "mm/frame.h"
#include "mm/promise.h"

#define FRAMES 12000

static vm_id_t last[2 * FRAMES]; /* the VM that had each frame last */
static uint64_t moved[4][4];	 /* frames, by the ids of the VMs */

static vm_id_t owner_now(uint64_t pfn)
{
	for (unsigned order = 0; order <= ORDER_2M; order++) {
		struct frame_tag tag = frame_tag_now((pfn_t){pfn & ~((1ull << order) - 1)});

		if (tag.state != FRAME_TAIL) {
			return tag.state == FRAME_GUEST ? tag.owner : VM_ID_HOST;
		}
	}
	return VM_ID_HOST;
}

static uint64_t touched; /* pages of `three` from 10000 on */

/* The test's own look. */
static void account(void)
{
	assert_true(frame_table_count <= 2 * FRAMES);
	for (uint64_t pfn = 0; pfn < frame_table_count; pfn++) {
		vm_id_t owner = owner_now(pfn);

		if (owner != VM_ID_HOST) {
			moved[last[pfn]][owner] += last[pfn] != owner;
			last[pfn] = owner;
		}
	}
}

static void look(void)
{
	account();
	assert_int_equal(command_type("handovers"), STATUS_OK);
}

static void expect_pair(unsigned from, unsigned to)
{
	char line[80];

	assert_true(moved[from][to] > 0);
	snprintf(line, sizeof(line), "%s handover to=%s pages=%llu\n", vm_name(&vms[from - 1]),
		 vm_name(&vms[to - 1]), (unsigned long long)moved[from][to]);
	fake_log_clear();
	handovers_print_results();
	if (strstr(fake_log_text, line) == NULL) {
		fail_msg("%s is not in:\n%s", line, fake_log_text);
	}
}

static int setup(void **state)
{
	(void)state;
	commands_start();
	memset(last, 0, sizeof(last));
	memset(moved, 0, sizeof(moved));
	touched = 10000;
	fake_log_clear();
	return 0;
}

static int teardown(void **state)
{
	(void)command_type("handovers off");
	return kernel_teardown(state);
}

/* VMs `one` and `two` have 1000 pages each, and `three` all others; it waits for more. */
static void exhaust(void)
{
	promise_reserve_set(0);
	(void)kernel_vm("three", 12000, 100, 0);
	kernel_exhaust(&vms[2]);
}

/* What `from` gives is what the waiting `to` has next. */
static void hand_over(struct vm *from, uint64_t gfn, uint32_t count, struct vm *to)
{
	kernel_give(from, gfn, count);
	kernel_periods(1);
	kernel_pick(&to->vcpus[0]);
	(void)kernel_touch_pages(to, touched, count);
	touched += count;
}

static void test_pairs(void **state)
{
	char line[80];
	(void)state;
	look();
	assert_non_null(strstr(terminal, "from now on it is noted"));
	exhaust();
	look();
	assert_non_null(strstr(terminal, "handovers since the last time: 0K"));
	handovers_print_results();
	assert_null(strstr(fake_log_text, "handover"));
	hand_over(&vms[0], 200, 300, &vms[2]);
	look();
	snprintf(line, sizeof(line), "  one -> three: %lluK, so far %lluK\n",
		 (unsigned long long)moved[1][3] * 4, (unsigned long long)moved[1][3] * 4);
	assert_non_null(strstr(terminal, line));
	expect_pair(1, 3);
	uint64_t before = moved[1][3];
	hand_over(&vms[0], 600, 200, &vms[2]);
	hand_over(&vms[1], 200, 200, &vms[2]);
	look();
	snprintf(line, sizeof(line), "  one -> three: %lluK, so far %lluK\n",
		 (unsigned long long)(moved[1][3] - before) * 4,
		 (unsigned long long)moved[1][3] * 4);
	assert_non_null(strstr(terminal, line));
	expect_pair(1, 3);
	expect_pair(2, 3);
	assert_null(strstr(fake_log_text, "three handover"));
	assert_null(strstr(fake_log_text, "to=one"));
}

/* A frame that is nobody's for a while is handed over when the other VM has it. */
static void test_free_in_between(void **state)
{
	(void)state;
	look();
	exhaust();
	kernel_give(&vms[1], 200, 400);
	look();
	assert_int_equal(moved[2][3], 0);
	handovers_print_results();
	assert_null(strstr(fake_log_text, "handover"));
	kernel_periods(1);
	kernel_pick(&vms[2].vcpus[0]);
	assert_true(kernel_touch_pages(&vms[2], 11000, 200) > 0);
	look();
	expect_pair(2, 3);
}

/* What a VM left behind when it ended, and what it had back itself. */
static void test_no_handovers(void **state)
{
	(void)state;
	look();
	exhaust();
	look();
	kernel_vm_end(&vms[0]);
	kernel_periods(1);
	kernel_pick(&vms[2].vcpus[0]);
	assert_true(kernel_touch_pages(&vms[2], 11000, 300) > 0);
	look();
	assert_true(moved[1][3] > 0);
	kernel_give(&vms[1], 200, 300);
	assert_true(kernel_touch_pages(&vms[1], 200, 100) > 0);
	look();
	handovers_print_results();
	assert_null(strstr(fake_log_text, "one handover"));
	assert_null(strstr(fake_log_text, "two handover to=two"));
}

static void test_memory_of_the_notes(void **state)
{
	(void)state;
	uint64_t before = frame_count(FRAME_HYPERVISOR);
	assert_int_equal(command_type("handovers on"), STATUS_INVALID);
	assert_non_null(strstr(terminal, "on is not off"));
	look();
	assert_int_equal(frame_count(FRAME_HYPERVISOR), before + 16);
	look();
	assert_int_equal(frame_count(FRAME_HYPERVISOR), before + 16);
	assert_int_equal(command_type("handovers off"), STATUS_OK);
	assert_non_null(strstr(terminal, "handovers are not noted"));
	assert_int_equal(frame_count(FRAME_HYPERVISOR), before);
	assert_int_equal(command_type("handovers off"), STATUS_OK);
	look();
	assert_non_null(strstr(terminal, "from now on it is noted"));
	assert_int_equal(command_type("handovers off"), STATUS_OK);
	exhaust();
	before = frame_count(FRAME_HYPERVISOR);
	assert_int_equal(command_type("handovers"), STATUS_NO_MEMORY);
	assert_string_equal(terminal,
			    "there are no 64K of free memory in one piece for the notes\n");
	assert_int_equal(frame_count(FRAME_HYPERVISOR), before);
	assert_false(command_is_busy());
}

/* A look that the operator stops has noted what it has seen; the next one goes on from there. */
static void test_stopped(void **state)
{
	struct error error;
	(void)state;
	look();
	exhaust();
	look();
	kernel_give(&vms[0], 200, 300);
	kernel_periods(1);
	kernel_pick(&vms[2].vcpus[0]);
	(void)kernel_touch_pages(&vms[2], 11000, 200);
	account();
	assert_int_equal(command_run("handovers", false, &error), STATUS_OK);
	command_step(0, -1);
	command_stop();
	look();
	expect_pair(1, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pairs),	 TEST(test_free_in_between),
		TEST(test_no_handovers), TEST(test_memory_of_the_notes),
		TEST(test_stopped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
