/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guests/lib/verified_pages.c and pattern.c: a guest notices each byte of its memory that has
 * changed, and over a long life with the balloon none has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guest_fixture.h"
#include "guests/lib/balloon.h"
#include "guests/lib/verified_pages.h"
#include "guests/lib/page_set.h"
#include "guests/lib/pattern.h"

static void a_changed_byte_is_noticed(void **state)
{
	static struct keeper keeper;
	uint8_t *byte;

	(void)state;
	guest_start(EXTENT, 0);
	keeper.seed = 7;
	assert_true(keeper_grow(&keeper, 20));
	assert_true(keeper_round(&keeper));
	byte = (uint8_t *)page_set_address(&keeper.pages, 13) + 4095;
	*byte ^= 1;
	assert_false(keeper_round(&keeper));
	assert_non_null(strstr(hv->console, "wrong bytes at 0x"));
}

static void sums_are_as_computed(void **state)
{
	static uint64_t page[PATTERN_WORDS] __attribute__((aligned(16)));
	uint64_t sum = 1;

	(void)state;
	guest_start(1, 0);
	pattern_fill(page, 0x1234567890abcdef);
	assert_int_equal(page[511], 0x1234567890abcdef + 511 * PATTERN_STEP);
	assert_int_equal(pattern_sum(page), pattern_expected_sum(0x1234567890abcdef));
	assert_true(pattern_matches(page, 0x1234567890abcdef, &sum));
	assert_int_equal(sum, 1 + pattern_sum(page));
	for (unsigned i = 0; i < sizeof(page); i++) {
		((uint8_t *)page)[i] ^= 0x80;
		assert_false(pattern_matches(page, 0x1234567890abcdef, &sum));
		((uint8_t *)page)[i] ^= 0x80;
	}
}

static uint32_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % limit;
}

static void a_long_life_keeps_every_byte(void **state)
{
	static struct keeper keeper;
	const uint64_t pages = 6 * EXTENT;

	(void)state;
	guest_start(pages, 40);
	keeper.seed = 42;
	random_state = 1;
	for (unsigned round = 0; round < 300; round++) {
		hv->work_max = 1 + random_below(300);
		hv->zero_promised = random_below(2);
		hv->refused_page = random_below(4) ? UINT64_MAX
						   : hv->first_page + random_below((uint32_t)pages);
		hv->refused_status = AEROSTAT_RANGE_NO_MEMORY;
		hv->error = random_below(10) ? 0 : AEROSTAT_ERROR_ADDRESS;
		fake_hypervisor_set_target(random_below(4) ? random_below((uint32_t)pages) : 0);
		if (random_below(2)) {
			page_set_shrink(&keeper.pages,
					random_below((uint32_t)keeper.pages.count + 1));
		} else {
			keeper_grow(&keeper, keeper.pages.count + random_below(1200));
			/* Those that came before memory ran out were not filled. */
			page_set_shrink(&keeper.pages, 0);
			assert_true(keeper_grow(&keeper, random_below(64)));
		}
		assert_true(keeper_round(&keeper));
		assert_int_equal(guest_count(PAGE_SURRENDERED), hv->size_pages);
		for (uint64_t i = 0; i < keeper.pages.count; i++) {
			assert_false(fake_hypervisor_holds(page_set_page(&keeper.pages, i)));
		}
		guest_check_sum();
		memset(hv->console, 0, sizeof(hv->console));
	}
	hv->refused_page = UINT64_MAX;
	hv->error = 0;
	fake_hypervisor_set_target(0);
	page_set_shrink(&keeper.pages, 0);
	assert_int_equal(hv->size_pages, 0);
	assert_int_equal(palloc_free_pages(), palloc_counts.total);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_changed_byte_is_noticed),
		TEST(sums_are_as_computed),
		TEST(a_long_life_keeps_every_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
