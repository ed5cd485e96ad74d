/* SPDX-License-Identifier: BSD-2-Clause */
/* tests/lab/demand.c: recorded demand is read as it was written, and anything else is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/lab/patterns.h"

#define GOOD                                                                                       \
	"aerostat-demand 1\nstep_ms 20\nvms 2\nvm even mem_pages 1000 max_pages 2000\n"            \
	"vm odd mem_pages 500 max_pages 500\nsamples 3\n100 500\n2000 0\n700 250\n"

static struct demand demand;
static char error[DEMAND_ERROR_SIZE];
static char text[4096];

static bool reads(const char *what, size_t length)
{
	memcpy(text, what, length);
	FILE *file = length > 0 ? fmemopen(text, length, "r") : fopen("/dev/null", "r");
	assert_non_null(file);
	memset(error, 0, sizeof(error));
	bool good = demand_read(&demand, file, error);
	fclose(file);
	assert_int_equal(good, error[0] == '\0');
	assert_null(strchr(error, '\n'));
	return good;
}

static void test_what_was_written(void **state)
{
	(void)state;
	assert_true(reads(GOOD, strlen(GOOD)));
	assert_int_equal(demand.vms, 2);
	assert_int_equal(demand.samples, 3);
	assert_int_equal(demand.step_periods, 2);
	assert_int_equal(demand.mem_pages[1], 500);
	assert_int_equal(demand.max_pages[0], 2000);
	/* By the part of its allotment, for two periods each, and again from the start. */
	const uint64_t even[] = {400, 400, 8000, 8000, 2800, 2800, 400};
	const uint64_t odd[] = {4000, 4000, 0, 0, 2000, 2000, 4000};
	for (uint64_t period = 0; period < 7; period++) {
		assert_int_equal(demand_pages(&demand, 0, 4000, period), even[period]);
		assert_int_equal(demand_pages(&demand, 2, 4000, period), even[period]);
		assert_int_equal(demand_pages(&demand, 5, 4000, period), odd[period]);
	}
}

static void test_cut_at_every_length(void **state)
{
	(void)state;
	for (size_t length = 0; length < strlen(GOOD); length++) {
		assert_false(reads(GOOD, length));
	}
}

/* Each replacement makes it a bad one, and the message names the line. */
static void test_bad_lines(void **state)
{
	static const struct {
		const char *old;
		const char *new;
		const char *line;
	} bad[] = {
		{"aerostat-demand 1", "aerostat-demand 2", "line 1:"},
		{"aerostat-demand 1", "something", "line 1:"},
		{"step_ms 20", "step_ms 25", "line 2:"},
		{"step_ms 20", "step_ms 0", "line 2:"},
		{"step_ms 20", "step_ms 20 30", "line 2:"},
		{"step_ms 20", "step_ms 70000", "line 2:"},
		{"vms 2", "vms 17", "line 3:"},
		{"vms 2", "vms -1", "line 3:"},
		{"vms 2", "vms 3", "line 6:"},
		{"vms 2", "vms 1", "line 5:"},
		{"vm even", "vm ", "line 4:"},
		{"mem_pages 1000", "mem_pages 0", "line 4:"},
		{"max_pages 2000", "max_pages 999", "line 4:"},
		{"max_pages 2000", "max_pages 99999999999999999999", "line 4:"},
		{"max_pages 2000", "max_pages 268435457", "line 4:"}, /* 2^28 and one */
		{"samples 3", "samples 4", "line 10:"},
		{"samples 3", "samples 2", "line 9:"},
		{"samples 3", "samples 4097", "line 6:"},
		{"2000 0", "2001 0", "line 8:"},
		{"2000 0", "2000", "line 8:"},
		{"2000 0", "2000 0 0", "line 8:"},
		{"2000 0", "2000  0", "line 8:"},
		{"2000 0", "2000 x", "line 8:"},
		{"2000 0", "2000 1x", "line 8:"},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char changed[512];
		const char *at = strstr(GOOD, bad[i].old);
		assert_non_null(at);
		int length = snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - GOOD), GOOD,
				      bad[i].new, at + strlen(bad[i].old));
		assert_false(reads(changed, (size_t)length));
		assert_true(strncmp(error, bad[i].line, strlen(bad[i].line)) == 0);
	}
}

static void test_long_lines_and_zeros(void **state)
{
	char bytes[2000];
	(void)state;
	memset(bytes, 'a', sizeof(bytes));
	assert_false(reads(bytes, sizeof(bytes)));
	memset(bytes, 0, sizeof(bytes));
	assert_false(reads(bytes, sizeof(bytes)));
}

/* A simulated VM needs what the recorded one did: seven eighths of it at once, no more than its
 * RAM. */
static void test_drives_a_simulation(void **state)
{
	static struct lab_world world;
	struct source sources[2];
	(void)state;
	assert_true(reads(GOOD, strlen(GOOD)));
	pattern_recorded = &demand;
	lab_start(&world, 40000);
	for (unsigned i = 0; i < 2; i++) {
		(void)pattern_add(&world, &sources[i], 77 + i, 8000, i);
	}
	for (unsigned period = 0; period < 12; period++) {
		pattern_step(&world, sources, PATTERN_RECORDED);
		for (unsigned i = 0; i < 2; i++) {
			uint64_t pages = demand_pages(&demand, i, 8000, period + sources[i].phase);
			pages = pages < 12000 ? pages : 12000;
			assert_int_equal(world.vms[i].hot_wanted, pages * 7 / 8);
		}
	}
	pattern_recorded = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_written),
		cmocka_unit_test(test_cut_at_every_length),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_long_lines_and_zeros),
		cmocka_unit_test(test_drives_a_simulation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
