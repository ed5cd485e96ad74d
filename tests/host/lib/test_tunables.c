/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel/lib/tunables.c: each tunable by its name, its range, its way to be switched off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "kernel/lib/tunables.h"

uint64_t arch_tsc_khz(void)
{
	return 1000;
}

static const struct {
	const char *name;
	uint32_t *value;
	uint32_t normal;
	uint32_t least;
	uint32_t most;
	const char *off;
} all[] = {
#define TUNABLE(name, unit, normal, least, most, off, meaning)                                     \
	{#name, &tunables.name, normal, least, most, #off},
#include "kernel/lib/tunables.def"
#undef TUNABLE
};

static struct error error;

static int setup(void **state)
{
	(void)state;
	tunables_reset();
	return 0;
}

static enum status set_number(const char *name, uint64_t value)
{
	char text[24];
	snprintf(text, sizeof(text), "%lu", value);
	return tunable_set(name, text, &error);
}

/* Only the one that is named changes; outside of its range nothing does. */
static void test_ranges(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(all); i++) {
		assert_int_equal(*all[i].value, all[i].normal);
		assert_int_equal(set_number(all[i].name, all[i].most), STATUS_OK);
		assert_int_equal(*all[i].value, all[i].most);
		assert_int_equal(set_number(all[i].name, all[i].most + 1ul), STATUS_INVALID);
		assert_int_equal(*all[i].value, all[i].most);
		assert_int_equal(set_number(all[i].name, all[i].least), STATUS_OK);
		assert_int_equal(*all[i].value, all[i].least);
		if (all[i].least > 0) {
			assert_int_equal(set_number(all[i].name, all[i].least - 1ul),
					 STATUS_INVALID);
			assert_non_null(strstr(error.text, all[i].name));
		}
		for (unsigned j = i + 1; j < ARRAY_COUNT(all); j++) {
			assert_int_equal(*all[j].value, all[j].normal);
		}
	}
	tunables_reset();
	for (unsigned i = 0; i < ARRAY_COUNT(all); i++) {
		assert_int_equal(*all[i].value, all[i].normal);
	}
}

static void test_off(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(all); i++) {
		enum status status = tunable_set(all[i].name, "off", &error);
		if (strcmp(all[i].off, "NONE") == 0) {
			assert_int_equal(status, STATUS_INVALID);
			assert_non_null(strstr(error.text, "cannot be switched off"));
			assert_int_equal(*all[i].value, all[i].normal);
		} else {
			assert_int_equal(status, STATUS_OK);
			assert_int_equal(*all[i].value,
					 strcmp(all[i].off, "ZERO") == 0 ? 0 : TUNABLE_NEVER);
		}
	}
}

static void test_bad_input_changes_nothing(void **state)
{
	static const char *const values[] = {
		"",	"-1", "1x", "0x10", " 1", "1 ", "Off", "4294967296", "18446744073709551617",
		"never"};
	struct tunables before = tunables;
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(values); i++) {
		assert_int_equal(tunable_set("oom_after_ms", values[i], &error), STATUS_INVALID);
		assert_non_null(strstr(error.text, "oom_after_ms"));
	}
	assert_int_equal(tunable_set("oom_after", "1", &error), STATUS_INVALID);
	assert_string_equal(error.text, "there is no tunable oom_after");
	assert_int_equal(tunable_set("", "1", &error), STATUS_INVALID);
	assert_memory_equal(&before, &tunables, sizeof(before));
}

static void test_policy_is_all_or_nothing(void **state)
{
	static const struct tuning good[] = {
		{"oom_after_ms", "off"}, {"idle_tax_percent", "0"}, {NULL, NULL}};
	static const struct tuning bad[] = {
		{"decide_ms", "20"}, {"decide_ms", "0"}, {"low_parts", "64"}, {NULL, NULL}};
	(void)state;
	assert_int_equal(tunables_set(good, &error), STATUS_OK);
	assert_int_equal(tunables.oom_after_ms, TUNABLE_NEVER);
	assert_int_equal(tunables.idle_tax_percent, 0);
	assert_int_equal(tunables_set(bad, &error), STATUS_INVALID);
	assert_string_equal(error.text, "decide_ms=0 is not a number from 1 to 1000");
	assert_int_equal(tunables.decide_ms, 10);
	assert_int_equal(tunables.low_parts, 32);
	assert_int_equal(tunables.oom_after_ms, TUNABLE_NEVER);
}

/* Even from the last moment of a TSC of 62 bits. */
static void test_deadline_that_never_passes(void **state)
{
	uint64_t latest = 1ull << 62;
	(void)state;
	assert_int_equal(deadline_ticks(5), 5000);
	assert_true(latest + deadline_ticks(TUNABLE_NEVER) > latest);
	assert_true(latest < deadline_ticks(TUNABLE_NEVER));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_ranges, setup),
		cmocka_unit_test_setup(test_off, setup),
		cmocka_unit_test_setup(test_bad_input_changes_nothing, setup),
		cmocka_unit_test_setup(test_policy_is_all_or_nothing, setup),
		cmocka_unit_test_setup(test_deadline_that_never_passes, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
