/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/monitor/results.c: when the trace comes to its end, and what is said about it. VMs, memory
 * and the trace are real.
 */
#include "fake/kernel.h"

#include <string.h>

#include "arch/arch.h"
#include "base/trace.h"
#include "fake/cpus.h"
#include "fake/trace_port.h"
#include "kernel/log/log.h"
#include "kernel/monitor/display.h"
#include "kernel/monitor/handovers.h"
#include "kernel/monitor/results.h"
#include "kernel/monitor/script.h"
#include "kernel/overcommit/host_limits.h"
#include "kernel/overcommit/timed_reclaim.h"
#include "kernel/trace/trace.h"

#define FRAMES 6000
#define EVENTS (1u << TRACE_fault)

static struct error error;

uint64_t log_origin_tsc(void)
{
	return 0;
}

uint64_t arch_predictor_barriers(unsigned cpu)
{
	(void)cpu;
	return 0;
}

void display_tell(void)
{
}

static unsigned handovers_printed;

void handovers_print_results(void)
{
	handovers_printed++;
}

bool script_has_failed(void)
{
	return false;
}

static int setup(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	fake_log_clear();
	trace_reset();
	trace_port_reset();
	handovers_printed = 0;
	return 0;
}

static int teardown(void **state)
{
	trace_reset();
	return kernel_teardown(state);
}

/* The results of a machine that goes on: VMs that start again are traced. */
static void test_a_machine_that_goes_on_is_traced_still(void **state)
{
	(void)state;
	assert_null(trace_use_port(NULL));
	assert_int_equal(trace_set(EVENTS, &error), STATUS_OK);
	trace_note(TRACE_fault, 0, 1, 0);
	(void)report_results(false);
	assert_int_equal(trace_port_used, 0);
	assert_int_equal(trace_mask, EVENTS);
	trace_note(TRACE_fault, 0, 2, 0);
	assert_int_equal(trace_sums().written, 2);
	(void)report_results(true);
	assert_int_equal(trace_mask, 0);
	assert_true(trace_port_used > 0);
	assert_int_equal(trace_sums().unsent, 0);
}

static void test_what_is_sent_is_said_before(void **state)
{
	(void)state;
	/* Neither without a trace nor without a port. */
	(void)report_results(true);
	assert_null(strstr(fake_log_text, "trace:"));
	assert_int_equal(trace_set(EVENTS, &error), STATUS_OK);
	trace_note(TRACE_fault, 0, 1, 0);
	trace_note(TRACE_fault, 0, 2, 0);
	(void)report_results(true);
	assert_null(strstr(fake_log_text, "trace:"));
	assert_null(trace_use_port(NULL));
	(void)report_results(false);
	assert_null(strstr(fake_log_text, "trace:"));
	(void)report_results(true);
	assert_non_null(strstr(fake_log_text, "trace: 2 records are sent before the results"));
}

static void test_the_state_of_the_host_is_a_result(void **state)
{
	(void)state;
	(void)report_results(true);
	assert_int_equal(handovers_printed, 1);
	assert_non_null(strstr(fake_log_text, "result state=high state_changes=0 high_ms=0 "));
	assert_non_null(strstr(fake_log_text, " low_ms=0 floor_pages="));
	assert_null(strstr(fake_log_text, "reclaims="));
}

static void test_reclaims_are_a_result(void **state)
{
	(void)state;
	kernel_periods(1);
	assert_int_equal(timed_reclaim_begin(host_limits_report().managed_pages, 10, &error),
			 STATUS_OK);
	kernel_periods(2);
	fake_log_clear();
	(void)report_results(true);
	assert_non_null(strstr(fake_log_text, "result reclaims=1 reclaims_late=1 reclaim_pages="));
	assert_non_null(strstr(fake_log_text, " reclaim_999_us=2560000 reclaim_step="));
}

/* A module that waits for its command is not missed; one that was started and failed is. */
static void test_one_that_was_never_started(void **state)
{
	(void)state;
	struct vm *one = kernel_vm("one", 4000, 3000, 500);
	struct vm *later = kernel_vm("later", 1000, 500, 100);
	kernel_vm_end(one);
	kernel_vm_end(later);
	one->state = VM_FINISHED;
	one->exit_code = 0;
	later->state = VM_LATER;
	assert_true(report_results(true));
	assert_non_null(strstr(fake_log_text, "later result state=later"));
	one->exit_code = 1;
	assert_false(report_results(false));
	one->exit_code = 0;
	later->state = VM_KILLED;
	assert_false(report_results(false));
	/* None that ran: nothing was shown. */
	one->state = VM_LATER;
	later->state = VM_LATER;
	assert_false(report_results(false));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_machine_that_goes_on_is_traced_still),
		TEST(test_what_is_sent_is_said_before),
		TEST(test_one_that_was_never_started),
		TEST(test_the_state_of_the_host_is_a_result),
		TEST(test_reclaims_are_a_result),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
