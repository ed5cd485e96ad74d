/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/overcommit/host_limits.c over a real world of VMs: what the operator sets takes effect or
 * is refused whole, by the option and by the command alike; and what is told of the state.
 */
#include "fake/kernel.h"

#include <stdio.h>
#include <string.h>

#include "base/trace.h"
#include "fake/trace.h"
#include "kernel/lib/tunables.h"
#include "kernel/lib/options.h"
#include "kernel/overcommit/decisions.h"
#include "kernel/overcommit/governor.h"
#include "kernel/overcommit/host_limits.h"
#include "kernel/overcommit/policy.h"
#include "mm/frame.h"
#include "mm/promise.h"

#define FRAMES 6000
#define LOW (FRAMES / 32)

static struct error error;
static struct options options;

static enum status set(const char *key, const char *value)
{
	struct word words[] = {{key, strlen(key)}, {value, strlen(value)}};
	return host_limits_set(words[0], words[1], &error);
}

static void refused(const char *key, const char *value, const char *why)
{
	struct host_report before = host_limits_report();
	assert_int_equal(set(key, value), STATUS_INVALID);
	assert_non_null(strstr(error.text, why));
	struct host_report after = host_limits_report();
	assert_memory_equal(&before, &after, sizeof(before));
}

/* So much is to spare, in the next period. */
static enum host_state spare_is(uint64_t pages)
{
	promise_reserve_set(0);
	uint64_t spare = promise_spare();
	assert_true(pages <= spare);
	promise_reserve_set(spare - pages);
	kernel_periods(1);
	return host_limits_report().state;
}

static unsigned count_of(const char *text)
{
	unsigned count = 0;
	for (const char *at = fake_log_text; (at = strstr(at, text)) != NULL; at++) {
		count++;
	}
	return count;
}

static void test_floor_is_set(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	kernel_periods(1);
	uint64_t low = decisions_last_host()->low_pages;
	assert_in_range(low, LOW - 20, LOW);
	assert_int_equal(host_limits_report().floor_pages, 2 * low);
	assert_false(host_limits_report().floor_is_set);
	uint64_t fewest = governor_free_low();
	struct vm *vm = kernel_vm("vm", 4000, 3000, 100);
	kernel_touch_pages(vm, 100, 2000);
	kernel_periods(1);
	assert_true(governor_free_low() < fewest);
	fewest = governor_free_low();
	kernel_vm_end(vm);

	assert_int_equal(set("floor", "8M"), STATUS_OK);
	kernel_periods(1);
	assert_int_equal(decisions_last_host()->high_pages, 2048);
	assert_int_equal(decisions_last_host()->low_pages, 1024);
	assert_int_equal(host_limits_report().floor_pages, 2048);
	tunables.high_times = 4;
	governor_renew();
	kernel_periods(1);
	assert_int_equal(decisions_last_host()->low_pages, 512);
	assert_int_equal(decisions_last_host()->high_pages, 2048);
	tunables.high_times = 2;
	governor_renew();
	kernel_periods(1);
	assert_true(host_limits_report().floor_is_set);
	assert_int_equal(governor_free_low(), fewest); /* of the whole run, not since then */

	assert_int_equal(set("floor", "auto"), STATUS_OK);
	kernel_periods(1);
	assert_int_equal(decisions_last_host()->low_pages, low);
	assert_false(host_limits_report().floor_is_set);
}

/* VMs are asked by the floor that was set, and by the old one no more. */
static void test_floor_decides_who_is_asked(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm("vm", 4000, 3000, 100);
	struct aerostat_balloon_page *page = kernel_attach(vm);
	kernel_touch_pages(vm, 200, 3000);
	page->free_pages = page->idle_pages = 2000;
	kernel_periods(10);
	assert_int_equal(vm->balloon.target_pages, 0);
	assert_int_equal(host_limits_report().state, HOST_HIGH);
	assert_true(promise_spare() < 2900);
	assert_int_equal(set("reserve", "1M"), STATUS_OK);
	assert_int_equal(set("floor", "11M"), STATUS_OK);
	kernel_periods(1);
	assert_int_equal(vm->balloon.target_pages, 0);
	struct vm *other = kernel_vm("other", 2500, 2500, 100);
	while (promise_spare() > 1300) {
		kernel_touch_pages(other, other->s2.mapped_pages, 1);
	}
	kernel_periods(1);
	assert_int_equal(host_limits_report().state, HOST_SOFT);
	assert_true(vm->balloon.target_pages > 0);
}

static void test_reserve_is_set(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	uint64_t before = promise_spare();
	assert_int_equal(host_limits_report().reserve_pages, 512);
	assert_int_equal(set("reserve", "1M"), STATUS_OK);
	assert_int_equal(promise_spare(), before + 256);
	assert_int_equal(host_limits_report().reserve_pages, 256);
	assert_int_equal(set("reserve", "0"), STATUS_OK);
	assert_int_equal(promise_spare(), before + 512);
}

/* No more than is spare: VMs hold the rest, or were promised it. */
static void test_reserve_takes_nothing_from_vms(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm("vm", 8000, 8000, 100);
	assert_int_equal(set("reserve", "1M"), STATUS_OK);
	while (promise_spare() > 300) {
		kernel_touch_pages(vm, vm->s2.mapped_pages, 1);
	}
	uint64_t spare = promise_spare();
	char value[16];
	(void)snprintf(value, sizeof(value), "%uK", (unsigned)(256 + spare + 1) * 4);
	refused("reserve", value, "takes what VMs hold or were promised");
	assert_int_equal(promise_spare(), spare);
	(void)snprintf(value, sizeof(value), "%uK", (unsigned)(256 + spare) * 4);
	assert_int_equal(set("reserve", value), STATUS_OK);
	assert_int_equal(promise_spare(), 0);
	char more[16];
	(void)snprintf(more, sizeof(more), "%uK", (unsigned)(256 + spare + 1) * 4);
	refused("reserve", more, ": 0K is spare");
	assert_int_equal(set("reserve", value), STATUS_OK);
	assert_int_equal(set("reserve", "1M"), STATUS_OK);
	assert_int_equal(promise_spare(), spare);
}

static void test_nothing_else_is_accepted(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	refused("floor", "13M", "a floor of 13312K is not between 1024K and ");
	refused("floor", "1020K", "is not between 1024K and ");
	refused("floor", "0", "is not between");
	refused("floor", "much", "much is not a size");
	refused("reserve", "auto", "auto is not a size");
	refused("reserve", "3M", "a reserve of 3072K is not between 0K and ");
	refused("ceiling", "8M", "ceiling is not floor or reserve");
}

/* The options go by the same way, and what is wrong with one leaves the others. */
static void test_options_go_the_same_way(void **state)
{
	struct options_complaints complaints;
	(void)state;
	kernel_start(FRAMES, 1);
	fake_log_clear();
	options_parse("host-floor=8M host-reserve=1M policy=spare", &options, &complaints);
	assert_int_equal(complaints.count, 0);
	host_limits_boot(&options);
	assert_int_equal(host_limits_report().floor_pages, 2048);
	assert_int_equal(host_limits_report().reserve_pages, 256);
	assert_string_equal(fake_log_text, "");
}

static void test_bad_options_are_told(void **state)
{
	struct options_complaints complaints;
	(void)state;
	kernel_start(FRAMES, 1);
	options_parse("host-floor=900G host-reserve=1M policy=best", &options, &complaints);
	host_limits_boot(&options);
	assert_false(host_limits_report().floor_is_set);
	assert_int_equal(host_limits_report().reserve_pages, 256);
	assert_non_null(
		strstr(fake_log_text, "the option host-floor=900G is ignored: a floor of "));
	assert_non_null(strstr(fake_log_text, "the option policy=best is ignored: there is no"));
}

/* Each change is counted, timed and recorded, by the period. */
static void test_states_are_timed(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	kernel_periods(10);
	uint64_t low = decisions_last_host()->low_pages;
	uint64_t high_ms = host_limits_report().ms[HOST_HIGH];
	fake_trace_count = 0;
	trace_mask = 1u << TRACE_state;
	assert_int_equal(spare_is(low - 1), HOST_SOFT);
	kernel_periods(4);
	assert_int_equal(spare_is(low / 4), HOST_HARD);
	assert_int_equal(spare_is(2 * low), HOST_SOFT);
	assert_int_equal(spare_is(2 * low + 1), HOST_HIGH);
	kernel_periods(1);
	trace_mask = 0;
	struct host_report report = host_limits_report();
	assert_int_equal(report.changes, 4);
	assert_in_range(report.ms[HOST_SOFT], 59, 61);
	assert_in_range(report.ms[HOST_HARD], 9, 11);
	assert_int_equal(report.ms[HOST_LOW], 0);
	assert_in_range(report.ms[HOST_HIGH] - high_ms, 19, 21);
	assert_int_equal(fake_trace_count, 4);
	assert_int_equal(fake_trace_records[1].what, TRACE_state);
	assert_int_equal(fake_trace_records[1].first, HOST_SOFT << 8 | HOST_HARD);
	assert_int_equal(fake_trace_records[1].second, low / 4);
}

/* A vCPU waits though memory is to spare, for what others are promised: that is no plenty. */
static void test_a_waiting_vcpu_is_no_plenty(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	host_limits_note(2000, true, 1000);
	assert_int_equal(host_limits_report().state, HOST_SOFT);
	host_limits_note(2000, true, 2000);
	assert_int_equal(host_limits_report().state, HOST_SOFT);
	host_limits_note(2000, false, 3000);
	assert_int_equal(host_limits_report().state, HOST_HIGH);
	assert_int_equal(host_limits_report().changes, 2);
}

/* From state to state, twice a second at most. */
static void test_states_are_told_now_and_then(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	kernel_periods(60);
	uint64_t low = decisions_last_host()->low_pages;
	fake_log_clear();
	(void)spare_is(low - 1);
	assert_int_equal(count_of("state=soft"), 1);
	assert_int_equal(count_of("memory short spare="), 1);
	(void)spare_is(0);
	kernel_periods(40);
	assert_int_equal(count_of("state="), 1);
	kernel_periods(20);
	assert_int_equal(count_of("state=low"), 1);
	(void)spare_is(2 * low + 1);
	kernel_periods(60);
	assert_int_equal(count_of("memory plentiful spare="), 1);
	assert_int_equal(count_of("state=high"), 1);
	assert_int_equal(count_of("state="), 3);
}

#define TEST(name) cmocka_unit_test_teardown(name, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_floor_is_set),
		TEST(test_floor_decides_who_is_asked),
		TEST(test_reserve_is_set),
		TEST(test_reserve_takes_nothing_from_vms),
		TEST(test_nothing_else_is_accepted),
		TEST(test_options_go_the_same_way),
		TEST(test_bad_options_are_told),
		TEST(test_states_are_timed),
		TEST(test_a_waiting_vcpu_is_no_plenty),
		TEST(test_states_are_told_now_and_then),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
