/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/virt/vballoon_statistics.c: what drivers say, and what the balloon page says of that. */
#include "cmocka.h"

#include <string.h>

#include "drivers/virt/vballoon_statistics.h"

#define MIB 256u /* pages */

static uint8_t buffer[600];
static size_t filled;
static struct vballoon_statistics statistics, before;
static struct aerostat_balloon_page page;
static struct vballoon_host host;

static void say(uint16_t tag, uint64_t value)
{
	memcpy(buffer + filled, &tag, 2);
	memcpy(buffer + filled + 2, &value, 8);
	filled += 10;
}

static int setup(void **state)
{
	(void)state;
	filled = 0;
	memset(&before, 0, sizeof(before));
	memset(&page, 0xa5, sizeof(page));
	host = (struct vballoon_host){.max_pages = 256 * MIB, .held_pages = 100 * MIB};
	return 0;
}

static void parse(void)
{
	vballoon_statistics_parse(&statistics, buffer, filled);
}

static void publish(void)
{
	parse();
	host.refaults += vballoon_statistics_swapped_in(&statistics, &before);
	vballoon_statistics_publish(&statistics, &before, &host, &page);
	before = statistics;
	filled = 0;
}

static uint64_t bytes_of(uint64_t pages)
{
	return pages << 12;
}

/* The orders in which Linux writes them (ten tags, later sixteen), and unknown ones among them. */
static void test_any_order_and_unknown_tags(void **state)
{
	static const uint16_t orders[][16] = {
		{0, 1, 2, 3, 8, 9, 4, 5, 6, 7},
		{0, 1, 2, 3, 10, 11, 12, 13, 14, 15, 8, 9, 4, 5, 6, 7},
		{6, 77, 5, 0xffff, 4, 0x8000, 3, 0x100, 2, 0x106, 1, 0x200, 0, 7},
	};
	static const unsigned counts[] = {10, 16, 14};
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		filled = 0;
		for (unsigned j = 0; j < counts[i]; j++) {
			say(orders[i][j], 0x1122334455000000 + orders[i][j]);
		}
		parse();
		assert_int_equal(statistics.known, 0x7f);
		for (unsigned tag = 0; tag < VBALLOON_TAGS; tag++) {
			assert_int_equal(statistics.values[tag], 0x1122334455000000 + tag);
		}
	}
}

static void test_rest_and_repetition(void **state)
{
	(void)state;
	say(4, 1);
	say(4, 2);
	say(5, 3);
	for (unsigned cut = 0; cut < 10; cut++) {
		vballoon_statistics_parse(&statistics, buffer, 20 + cut);
		assert_int_equal(statistics.values[4], 2);
		assert_int_equal(statistics.known, 0x10);
	}
	vballoon_statistics_parse(&statistics, buffer, 9);
	assert_int_equal(statistics.known, 0);
	/* No more than the limit of entries is looked at. */
	filled = 0;
	for (unsigned i = 0; i < VBALLOON_ENTRIES_MAX; i++) {
		say(99, 0);
	}
	say(5, 1);
	parse();
	assert_int_equal(statistics.known, 0);
}

static void test_free_and_idle(void **state)
{
	(void)state;
	say(5, bytes_of(250 * MIB));
	say(4, bytes_of(10 * MIB));
	say(6, bytes_of(180 * MIB));
	publish();
	assert_int_equal(page.total_pages, 250 * MIB);
	assert_int_equal(page.free_pages, 180 * MIB); /* with what caches hold */
	/* It uses 256 - 180 = 76 MiB and holds frames for 100. */
	assert_int_equal(page.idle_pages, 24 * MIB);
	assert_int_equal(page.wanted_pages, 0);
	assert_int_equal(page.refault_count, 0);
	/* Without AVAILABLE there is what is free. */
	say(5, bytes_of(250 * MIB));
	say(4, bytes_of(170 * MIB));
	publish();
	assert_int_equal(page.free_pages, 170 * MIB);
	assert_int_equal(page.idle_pages, 14 * MIB);
	host.held_pages = 86 * MIB;
	say(5, bytes_of(250 * MIB));
	say(4, bytes_of(170 * MIB));
	publish();
	assert_int_equal(page.idle_pages, 0);
}

/* With DEFLATE_ON_OOM the guest counts its balloon as memory that it has; otherwise it does not. */
static void test_balloon_in_the_total(void **state)
{
	(void)state;
	host.ballooned_pages = 100 * MIB;
	say(5, bytes_of(250 * MIB));
	say(6, bytes_of(100 * MIB));
	publish();
	assert_int_equal(page.total_pages, 250 * MIB);
	assert_int_equal(page.idle_pages, 44 * MIB); /* it uses 256 - 100 - 100 */
	host.total_falls = true;
	say(5, bytes_of(150 * MIB));
	say(6, bytes_of(100 * MIB));
	publish();
	assert_int_equal(page.total_pages, 250 * MIB);
	assert_int_equal(page.idle_pages, 44 * MIB);
}

static void test_impossible_values(void **state)
{
	(void)state;
	host.ballooned_pages = 56 * MIB;
	host.total_falls = true;
	for (uint16_t tag = 0; tag < VBALLOON_TAGS; tag++) {
		say(tag, UINT64_MAX);
	}
	publish();
	assert_int_equal(page.total_pages, 256 * MIB);
	assert_int_equal(page.free_pages, 200 * MIB);
	assert_int_equal(page.idle_pages, 100 * MIB);
	assert_int_equal(page.wanted_pages, 0);
	publish(); /* of an empty buffer */
	assert_int_equal(page.total_pages, 56 * MIB);
	assert_int_equal(page.free_pages, 0);
	assert_int_equal(page.idle_pages, 0);
	host.ballooned_pages = UINT64_MAX;
	publish();
	assert_int_equal(page.total_pages, 256 * MIB);
}

/* What goes to swap or comes back is missing; major faults are missing beyond what is available. */
static void test_what_is_wanted(void **state)
{
	static const struct {
		uint64_t in, out, faults, available, wanted, refaults;
	} steps[] = {
		{500, 900, 70, 10, 0, 0}, /* before the driver came */
		{500, 900, 75, 10, 0, 0}, /* as many as are available: files */
		{500, 900, 90, 10, 5, 0},   {520, 900, 90, 10, 20, 20},
		{520, 930, 90, 10, 30, 20}, {540, 930, 400, 10, 300, 40},
		{540, 930, 400, 10, 0, 40}, {0, 0, 0, 10, 0, 40}, /* never backwards */
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		say(2, steps[i].faults);
		say(1, bytes_of(steps[i].out));
		say(0, bytes_of(steps[i].in));
		say(5, bytes_of(250 * MIB));
		say(6, bytes_of(steps[i].available));
		publish();
		assert_int_equal(page.wanted_pages, steps[i].wanted);
		assert_int_equal(page.refault_count, steps[i].refaults);
	}
	host.refaults += 7; /* taken back unasked */
	say(0, bytes_of(3));
	publish();
	assert_int_equal(page.refault_count, 50);
	/* A buffer without the count: the next one with it is a first one again. */
	publish();
	say(0, bytes_of(1000));
	publish();
	assert_int_equal(page.refault_count, 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_any_order_and_unknown_tags, setup),
		cmocka_unit_test_setup(test_rest_and_repetition, setup),
		cmocka_unit_test_setup(test_free_and_idle, setup),
		cmocka_unit_test_setup(test_balloon_in_the_total, setup),
		cmocka_unit_test_setup(test_impossible_values, setup),
		cmocka_unit_test_setup(test_what_is_wanted, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
