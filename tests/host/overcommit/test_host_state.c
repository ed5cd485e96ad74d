/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/overcommit/host_state.c: the bounds of the four states by hand, and what holds for all:
 * the same value twice changes nothing the second time, what moves within a band between two bounds
 * does not make the state go down and up again, and less to spare is never a better state.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bits.h"
#include "fake/policy.h"
#include "kernel/lib/tunables.h"
#include "kernel/overcommit/host_state.h"

#define ROUNDS 20000
#define STEPS 40
#define GIB_PAGES 262144ull

static const struct host_bounds by_hand = {100, 200};

static void test_bounds_by_hand(void **state)
{
	static const struct {
		enum host_state old;
		uint64_t spare;
		enum host_state now;
	} cases[] = {
		{HOST_HIGH, 100, HOST_HIGH}, {HOST_HIGH, 99, HOST_SOFT},
		{HOST_HIGH, 50, HOST_SOFT},  {HOST_HIGH, 49, HOST_HARD},
		{HOST_HIGH, 25, HOST_HARD},  {HOST_HIGH, 24, HOST_LOW},
		{HOST_HIGH, 0, HOST_LOW},    {HOST_LOW, 50, HOST_LOW},
		{HOST_LOW, 51, HOST_HARD},   {HOST_LOW, 100, HOST_HARD},
		{HOST_LOW, 101, HOST_SOFT},  {HOST_LOW, 200, HOST_SOFT},
		{HOST_LOW, 201, HOST_HIGH},  {HOST_HARD, 25, HOST_HARD},
		{HOST_HARD, 24, HOST_LOW},   {HOST_HARD, 100, HOST_HARD},
		{HOST_HARD, 101, HOST_SOFT}, {HOST_SOFT, 50, HOST_SOFT},
		{HOST_SOFT, 49, HOST_HARD},  {HOST_SOFT, 200, HOST_SOFT},
		{HOST_SOFT, 201, HOST_HIGH},
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		assert_int_equal(host_state_next(cases[i].old, cases[i].spare, by_hand),
				 cases[i].now);
	}
}

/* low_parts is off: there is nothing that the host could be short of. */
static void test_no_floor_no_state(void **state)
{
	struct host_bounds none = {0, 0};
	(void)state;
	for (unsigned old = HOST_HIGH; old < HOST_STATES; old++) {
		assert_int_equal(host_state_next((enum host_state)old, 0, none), HOST_HIGH);
	}
}

static struct host_bounds random_bounds(void)
{
	uint64_t low = 1 + policy_draw(policy_draw(2) == 0 ? 1 << 12 : 1 << 20);
	return (struct host_bounds){low, low * (1 + policy_draw(4))};
}

static void test_same_again_changes_nothing(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		policy_random = 0x9e3779b97f4a7c15ull * (round + 1);
		struct host_bounds bounds = random_bounds();
		enum host_state old = (enum host_state)policy_draw(HOST_STATES);
		uint64_t spare = policy_draw(2 * bounds.high_pages + 2);
		enum host_state now = host_state_next(old, spare, bounds);
		assert_int_equal(host_state_next(now, spare, bounds), now);
		/* Less is never better, nor is what it came from. */
		uint64_t less = policy_draw(spare + 1);
		assert_true(host_state_next(old, less, bounds) >= now);
		if (old > HOST_HIGH) {
			assert_true(host_state_next(old - 1, spare, bounds) <= now);
		}
	}
}

/* The narrowest band is the one of `low`: between a quarter of low_pages and a half. */
static void test_no_flapping_within_a_band(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		policy_random = 0xd1342543de82ef95ull * (round + 1);
		struct host_bounds bounds = random_bounds();
		bounds.high_pages = max_u64(bounds.high_pages, bounds.low_pages * 2);
		uint64_t band = bounds.low_pages / 2 - bounds.low_pages / 4;
		uint64_t least = policy_draw(2 * bounds.high_pages);
		enum host_state now = (enum host_state)policy_draw(HOST_STATES);
		bool rises = false;
		bool falls = false;
		for (unsigned i = 0; i < STEPS; i++) {
			uint64_t spare = least + policy_draw(band + 1);
			enum host_state next = host_state_next(now, spare, bounds);
			rises |= next < now;
			falls |= next > now;
			now = next;
		}
		assert_false(rises && falls);
	}
}

static void test_small_hosts_are_as_they_were(void **state)
{
	(void)state;
	tunables_reset();
	for (uint64_t pages = 0; pages <= 4 * GIB_PAGES; pages += 997) {
		struct host_bounds bounds = host_state_bounds(pages);
		assert_int_equal(bounds.low_pages, max_u64(128, pages / 32));
		assert_int_equal(bounds.high_pages, 2 * bounds.low_pages);
	}
}

static void test_floor_scales_with_memory(void **state)
{
	uint64_t before = 0;
	(void)state;
	assert_int_equal(host_state_scaled(4 * GIB_PAGES), 4 * GIB_PAGES);
	assert_int_equal(host_state_scaled(10 * GIB_PAGES), 8 * GIB_PAGES);
	assert_in_range(host_state_scaled(12 * GIB_PAGES), 28 * GIB_PAGES / 3 - 2,
			28 * GIB_PAGES / 3);
	assert_in_range(host_state_scaled(64 * GIB_PAGES), 62 * GIB_PAGES / 3 - 4,
			62 * GIB_PAGES / 3);
	for (uint64_t pages = 0; pages < 100 * GIB_PAGES; pages += 12345) {
		uint64_t now = host_state_scaled(pages);
		assert_true(now >= before && now <= pages);
		before = now;
	}
	assert_true(host_state_scaled(UINT64_MAX) > before);
}

static void test_off_switches_bounds_off(void **state)
{
	struct error error;
	(void)state;
	assert_int_equal(tunable_set("low_parts", "off", &error), STATUS_OK);
	assert_int_equal(host_state_bounds(GIB_PAGES).low_pages, 0);
	assert_int_equal(host_state_bounds(GIB_PAGES).high_pages, 0);
	tunables_reset();
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(host_state_name(HOST_HIGH), "high");
	assert_string_equal(host_state_name(HOST_SOFT), "soft");
	assert_string_equal(host_state_name(HOST_HARD), "hard");
	assert_string_equal(host_state_name(HOST_LOW), "low");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds_by_hand),
		cmocka_unit_test(test_no_floor_no_state),
		cmocka_unit_test(test_same_again_changes_nothing),
		cmocka_unit_test(test_no_flapping_within_a_band),
		cmocka_unit_test(test_small_hosts_are_as_they_were),
		cmocka_unit_test(test_floor_scales_with_memory),
		cmocka_unit_test(test_off_switches_bounds_off),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
