/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel/scripts.c: where a script comes from, and that its module is given back whatever it says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "arch/arch.h"
#include "base/log.h"
#include "kernel/monitor/results.h"
#include "kernel/monitor/script.h"
#include "kernel/scripts.h"
#include "mm/phys.h"

static struct boot_info info;
static char taken[100];
static unsigned takes, options_taken, releases, incomplete, lines;
static bool refuse;
uintptr_t direct_map_base;

uint64_t arch_module_release(struct boot_module *module)
{
	assert_false(module->released);
	module->released = true;
	releases++;
	return 3;
}

enum status script_take(const char *text, size_t bytes, struct error *error)
{
	assert_true(bytes < sizeof(taken));
	memcpy(taken, text, bytes);
	taken[bytes] = '\0';
	takes++;
	return refuse ? error_set(error, STATUS_EXISTS, "refused here") : STATUS_OK;
}

enum status script_take_option(const char *text, struct error *error)
{
	(void)error;
	assert_string_equal(text, "vms");
	options_taken++;
	return STATUS_OK;
}

void report_incomplete(unsigned absent)
{
	assert_int_equal(absent, 0);
	incomplete++;
}

void log_event(const char *vm, const char *format, ...)
{
	(void)vm;
	(void)format;
	lines++;
}

static int setup(void **state)
{
	static const char text[] = "host\nvms\n";
	(void)state;
	memset(&info, 0, sizeof(info));
	info.module_count = 3;
	info.modules[0].text = "name=a mem=1M";
	info.modules[1] = (struct boot_module){
		.start = (uintptr_t)text, .end = (uintptr_t)text + strlen(text), .text = "script"};
	info.modules[2].text = "of=a";
	takes = options_taken = releases = incomplete = lines = 0;
	refuse = false;
	return 0;
}

static void test_a_module(void **state)
{
	static const struct options options;
	(void)state;
	assert_int_equal(scripts_take(&options, &info), 3);
	assert_string_equal(taken, "host\nvms\n");
	assert_true(info.modules[1].released);
	assert_int_equal(releases, 1);
	assert_int_equal(options_taken + incomplete + lines, 0);
}

static void test_an_option(void **state)
{
	static const struct options options = {.exec = "vms"};
	(void)state;
	info.module_count = 1;
	assert_int_equal(scripts_take(&options, &info), 0);
	assert_int_equal(options_taken, 1);
	assert_int_equal(takes, 0);
}

static void test_a_refused_one_is_told_and_given_back(void **state)
{
	static const struct options options;
	(void)state;
	refuse = true;
	assert_int_equal(scripts_take(&options, &info), 3);
	assert_int_equal(incomplete, 1);
	assert_int_equal(lines, 1);
	assert_int_equal(releases, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_module, setup),
		cmocka_unit_test_setup(test_an_option, setup),
		cmocka_unit_test_setup(test_a_refused_one_is_told_and_given_back, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
