/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guests' page allocator, argument parser and console, against a fake hypervisor
 * (fake/hypervisor.c). Their RAM is real memory here, at its real address.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guest_fixture.h"
#include "guests/lib/arguments.h"
#include "guests/lib/balloon.h"
#include "guests/lib/console.h"

/* ---- Allocator ---- */

static void hands_out_from_the_lowest_page_on(void **state)
{
	(void)state;
	guest_start(2 * EXTENT + 10, 100);
	assert_int_equal(palloc_counts.total, 2 * EXTENT + 10 - 100);
	assert_int_equal(palloc_page(NULL), hv->first_page + 100);
	assert_int_equal(palloc_page(NULL), hv->first_page + 101);
	guest_check_sum();
}

static void hands_out_every_page_once(void **state)
{
	bool seen[2 * EXTENT + 10] = {false};
	uint64_t page;
	uint64_t taken = 0;

	(void)state;
	guest_start(2 * EXTENT + 10, 7);
	palloc_exclude(hv->first_page + 900);
	palloc_exclude(hv->first_page - 1);
	while ((page = palloc_page(NULL)) != PALLOC_NONE) {
		assert_true(page - hv->first_page < 2 * EXTENT + 10);
		assert_false(seen[page - hv->first_page]);
		seen[page - hv->first_page] = true;
		taken++;
	}
	assert_false(seen[900]);
	assert_false(seen[6]);
	assert_true(seen[7] && seen[2 * EXTENT + 9]);
	assert_int_equal(taken, palloc_counts.total);
	assert_int_equal(palloc_counts.wanted, 1);
	guest_check_sum();
}

static void prefers_idle_pages(void **state)
{
	uint64_t page;

	(void)state;
	guest_start(4 * EXTENT, 0);
	page = guest_take(600);
	palloc_free(page + 550, 1);
	palloc_free(page + 3, 1);
	/* All of the second extent is IDLE by now: the host may have one large frame there. */
	assert_int_equal(guest_count(PAGE_IDLE), 2 * EXTENT - 598);
	assert_int_equal(palloc_page(NULL), page + 3);
	assert_int_equal(guest_count(PAGE_FRESH), 2 * EXTENT);
	guest_check_sum();
}

static void knows_which_pages_are_zero(void **state)
{
	bool zero = false;
	uint64_t page;

	(void)state;
	guest_start(EXTENT, 0);
	page = palloc_page(&zero);
	assert_true(zero);
	palloc_free(page, 1);
	guest_take(EXTENT - 1);
	assert_int_equal(palloc_page(&zero), page);
	assert_false(zero);
	/* Through the balloon and back, it is zero again, if the hypervisor says so. */
	assert_int_equal(balloon_surrender(&page, 1), 1);
	balloon_work();
	assert_int_equal(palloc_page(&zero), page);
	assert_true(zero);
	hv->zero_promised = false;
	assert_int_equal(balloon_surrender(&page, 1), 1);
	balloon_work();
	assert_int_equal(palloc_page(&zero), page);
	assert_false(zero);
}

static void extents_are_whole_and_aligned(void **state)
{
	bool zero;
	uint64_t page;
	uint64_t extent;

	(void)state;
	guest_start(3 * EXTENT, 1);
	page = palloc_page(NULL);
	extent = palloc_extent(&zero);
	assert_true(zero);
	assert_int_equal(extent, hv->first_page + EXTENT);
	palloc_free(extent, EXTENT);
	/* The IDLE one, not the FRESH one. */
	assert_int_equal(palloc_extent(&zero), extent);
	assert_false(zero);
	assert_int_equal(palloc_extent(NULL), hv->first_page + 2 * EXTENT);
	assert_int_equal(palloc_extent(NULL), PALLOC_NONE);
	assert_int_equal(palloc_counts.wanted, EXTENT);
	palloc_free(page, 1);
	guest_check_sum();
}

/* ---- Arguments and console ---- */

static const char *const words[] = {"red", "green", NULL};

static bool parse(const char *text, uint64_t *size, uint64_t *number, uint64_t *word)
{
	const struct argument known[] = {
		{"size", ARGUMENT_SIZE, true, size, NULL},
		{"count", ARGUMENT_COUNT, false, number, NULL},
		{"colour", ARGUMENT_WORD, false, word, words},
	};

	memset(hv->console, 0, sizeof(hv->console));
	return arguments_parse(text, known, 3);
}

static void arguments_are_understood(void **state)
{
	uint64_t size = 0;
	uint64_t number = 5;
	uint64_t word = 0;

	(void)state;
	guest_start(1, 0);
	assert_true(parse("  size=3M   colour=green ", &size, &number, &word));
	assert_int_equal(size, 768);
	assert_int_equal(number, 5);
	assert_int_equal(word, 1);
	assert_true(parse("count=12 size=2G", &size, &number, &word));
	assert_int_equal(size, 524288);
	assert_int_equal(number, 12);
	assert_true(parse("size=8192", &size, &number, &word));
	assert_int_equal(size, 2);
	assert_true(parse("size=64K", &size, &number, &word));
	assert_int_equal(size, 16);
}

static void test_bad_argument_is_named(void **state)
{
	static const struct {
		const char *text;
		const char *message;
	} cases[] = {
		{"", "argument size= is missing\n"},
		{"size", "argument \"size\" is not of the form key=value\n"},
		{"size=", "argument \"size=\" has no acceptable value\n"},
		{"size=0", "argument \"size=0\" has no acceptable value\n"},
		{"size=4097", "argument \"size=4097\" has no acceptable value\n"},
		{"size=1T", "argument \"size=1T\" has no acceptable value\n"},
		{"size=1MM", "argument \"size=1MM\" has no acceptable value\n"},
		{"size=-4K", "argument \"size=-4K\" has no acceptable value\n"},
		{"size=99999999999999999999999K",
		 "argument \"size=99999999999999999999999K\" has no acceptable value\n"},
		{"size=17592186044416G",
		 "argument \"size=17592186044416G\" has no acceptable value\n"},
		{"size=1M size=1M", "argument \"size=1M\" has a key that was there before\n"},
		{"size=1M count=x", "argument \"count=x\" has no acceptable value\n"},
		{"size=1M count=1x", "argument \"count=1x\" has no acceptable value\n"},
		{"size=1M colour=blue", "argument \"colour=blue\" has no acceptable value\n"},
		{"size=1M colour=gree", "argument \"colour=gree\" has no acceptable value\n"},
		{"sizes=1M", "argument \"sizes=1M\" has a key that this guest does not know\n"},
		{"siz=1M", "argument \"siz=1M\" has a key that this guest does not know\n"},
		{"=1M", "argument \"=1M\" has a key that this guest does not know\n"},
	};

	(void)state;
	guest_start(1, 0);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t size = 0;
		uint64_t number = 0;
		uint64_t word = 0;

		assert_false(parse(cases[i].text, &size, &number, &word));
		assert_string_equal(hv->console, cases[i].message);
	}
}

static void console_formats_and_cuts_lines(void **state)
{
	char expected[AEROSTAT_CONSOLE_BYTES_MAX + 2];

	(void)state;
	guest_start(1, 0);
	console_print("%s %c %d %ld ", "text", 'x', -7, INT64_MIN);
	console_print("%u %lu 0x%x 0x%lx %%\n", 7u, UINT64_MAX, 0xabcu, UINT64_MAX);
	assert_string_equal(hv->console,
			    "text x -7 -9223372036854775808 7 18446744073709551615 0xabc "
			    "0xffffffffffffffff %\n");
	memset(hv->console, 0, sizeof(hv->console));
	for (unsigned i = 0; i < 300; i++) {
		console_print("a");
	}
	console_print("\n");
	memset(expected, 'a', AEROSTAT_CONSOLE_BYTES_MAX);
	strcpy(expected + AEROSTAT_CONSOLE_BYTES_MAX, "\n");
	assert_string_equal(hv->console, expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hands_out_from_the_lowest_page_on),
		TEST(hands_out_every_page_once),
		TEST(prefers_idle_pages),
		TEST(knows_which_pages_are_zero),
		TEST(extents_are_whole_and_aligned),
		TEST(arguments_are_understood),
		TEST(test_bad_argument_is_named),
		TEST(console_formats_and_cuts_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
