/* SPDX-License-Identifier: BSD-2-Clause */
/* base/time.h against arithmetic in 128 bits: every result is exact, or as large as can be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bits.h"
#include "base/time.h"

#define KHZ_LEAST 1000ull /* of tsc.c */
#define KHZ_MOST 10000000ull

static uint64_t machine_khz;

uint64_t arch_tsc_khz(void)
{
	return machine_khz;
}

static const uint64_t frequencies[] = {KHZ_LEAST, 1001, 1000000, 2399876, 4000000, KHZ_MOST};

static const uint64_t values[] = {0,
				  1,
				  2,
				  999,
				  1000,
				  1001,
				  59999,
				  UINT32_MAX - 1ull,
				  UINT32_MAX,
				  UINT32_MAX + 1ull,
				  UINT32_MAX * 1000ull,
				  UINT64_MAX / KHZ_MOST,
				  UINT64_MAX / KHZ_MOST + 1,
				  UINT64_MAX / 1000,
				  UINT64_MAX / 1000 + 1,
				  UINT64_MAX / 2,
				  UINT64_MAX - 1,
				  UINT64_MAX};

typedef unsigned __int128 wide;

static uint64_t at_most(wide value)
{
	return value > UINT64_MAX ? UINT64_MAX : (uint64_t)value;
}

static void check_all(uint64_t value, uint64_t khz)
{
	assert_int_equal(ticks_from_ms_at(value, khz), at_most((wide)value * khz));
	assert_int_equal(ticks_from_us_at(value, khz), at_most((wide)value * khz / 1000));
	assert_int_equal(us_from_ticks_at(value, khz), at_most((wide)value * 1000 / khz));
	machine_khz = khz;
	assert_int_equal(ticks_from_ms(value), at_most((wide)value * khz));
	assert_int_equal(ticks_from_us(value), at_most((wide)value * khz / 1000));
	assert_int_equal(ticks_from_seconds(value), at_most((wide)value * 1000 * khz));
	assert_int_equal(us_from_ticks(value), at_most((wide)value * 1000 / khz));
	assert_int_equal(ms_from_ticks(value), at_most((wide)value * 1000 / khz) / 1000);
}

static void test_limits(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(values); i++) {
		for (unsigned j = 0; j < ARRAY_COUNT(frequencies); j++) {
			check_all(values[i], frequencies[j]);
		}
	}
}

static void test_values_of_every_length(void **state)
{
	uint64_t random = 0x9e3779b97f4a7c15ull;
	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		check_all(random >> (i % 64),
			  KHZ_LEAST + (random >> 20) % (KHZ_MOST - KHZ_LEAST + 1));
	}
}

/* Before tsc_init() no time has passed, and no division is by 0. */
static void test_no_frequency_yet(void **state)
{
	(void)state;
	machine_khz = 0;
	assert_int_equal(us_from_ticks(UINT64_MAX), 0);
	assert_int_equal(ms_from_ticks(12345), 0);
	assert_int_equal(ticks_from_ms(1000), 0);
	assert_int_equal(ticks_from_us(UINT64_MAX), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_values_of_every_length),
		cmocka_unit_test(test_no_frequency_yet),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
