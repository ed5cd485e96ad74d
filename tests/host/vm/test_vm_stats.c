/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/vm/vm_stats.c: the lines of results and costs, byte for byte as scripts know them, and the
 * cells of the monitor's table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/bits.h"
#include "kernel/vm/exit_reasons.h"
#include "kernel/vm/vm_stats.h"

uint64_t arch_tsc_khz(void)
{
	return 2000;
}

uint64_t vm_fault_count(const struct vm *vm)
{
	(void)vm;
	return 13;
}

uint64_t vm_hypercall_count(const struct vm *vm)
{
	(void)vm;
	return 14;
}

uint64_t vm_exit_count(const struct vm *vm)
{
	(void)vm;
	return 28;
}

static struct vm vm;

/* Each value is another one, so that a mix-up shows. */
static int setup(void **state)
{
	(void)state;
	memset(&vm, 0, sizeof(vm));
	vm.state = VM_FINISHED;
	vm.exit_code = 2;
	vm.config = (struct vm_config){.mem_pages = 3, .min_pages = 4, .max_pages = 5, .vcpus = 20};
	vm.s2.mapped_pages = 6;
	vm.held_peak_pages = 7;
	vm.large_peak_pages = 8;
	vm.s2.ballooned_pages = 9;
	vm.s2.large_pages = 29;
	vm.s2.tlb.kick_count = 21;
	vm.balloon = (struct balloon){.size_peak_pages = 10,
				      .target_pages = 11,
				      .target_peak_pages = 12,
				      .surrendered_pages = 15,
				      .returned_pages = 16,
				      .touched_pages = 17,
				      .reported_pages = 18};
	vm.working_set.known = true;
	vm.working_set.active_pages = 19;
	vm.digest = 0x4bcb4895b624a50a;
	vm.wait_peak_ticks = 46999;
	vm.start_ticks = 25;
	vm.teardown_ticks = 26;
	vm.teardown_step_ticks = 27;
	vm.own_pages = 29;
	return 0;
}

static const char *line_of(enum vm_stat_line line)
{
	static char text[512];
	vm_stats_print_line(&vm, line, text, sizeof(text));
	return text;
}

static void test_lines_that_scripts_read(void **state)
{
	(void)state;
	assert_string_equal(
		line_of(STAT_RESULT),
		"state=finished code=2 mem_pages=3 min_pages=4 max_pages=5 held_pages=6 "
		"held_peak_pages=7 large_peak_pages=8 ballooned_pages=9 ballooned_peak_pages=10 "
		"target_pages=11 target_peak_pages=12 faults=13 hypercalls=14 surrendered_pages=15 "
		"returned_pages=16 touched_pages=17 reported_pages=18 active_pages=19 vcpus=20 "
		"flush_kicks=21 digest=0x4bcb4895b624a50a");
	assert_string_equal(line_of(STAT_RESULT_2),
			    "wait_peak_us=23499 restarts=0 devices_pages=0");
	vm.config.devices = DEVICES_PC;
	assert_string_equal(line_of(STAT_RESULT_2),
			    "wait_peak_us=23499 restarts=0 devices_pages=2");
	vm.config.devices = DEVICES_NONE;
	assert_string_equal(line_of(STAT_COSTS),
			    "start_ticks=25 teardown_ticks=26 teardown_step_ticks=27 exits=28 "
			    "own_pages=29");
}

/* Debug builds, as the host tests are: by the processor's numbers, all vCPUs together. */
static void test_exits_by_reason(void **state)
{
	char text[128];
	(void)state;
	vm.config.vcpus = 2;
	memset(vm.vcpus, 0, sizeof(vm.vcpus));
	assert_false(vm_stats_print_reasons(&vm, text, sizeof(text)));
	vcpu_count_reason(&vm.vcpus[0], 0x30);
	vcpu_count_reason(&vm.vcpus[1], 0x30);
	vcpu_count_reason(&vm.vcpus[1], 0x400);
	vcpu_count_reason(&vm.vcpus[0], 0x80000021);
	vcpu_count_reason(&vm.vcpus[0], 0);
	assert_true(vm_stats_print_reasons(&vm, text, sizeof(text)));
	assert_string_equal(text, "0x0=1 0x30=2 0x400=1 0xa1=1");
	/* A text that is too short ends in time. */
	assert_true(vm_stats_print_reasons(&vm, text, 8));
	assert_true(strlen(text) < 8);
}

static void test_states_and_unknown_values(void **state)
{
	static const char *const names[] = {
		[VM_UNUSED] = "state=unused ",	 [VM_REFUSED] = "state=refused ",
		[VM_RUNNING] = "state=running ", [VM_FINISHED] = "state=finished ",
		[VM_KILLED] = "state=killed ",
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(names); i++) {
		vm.state = (enum vm_state)i;
		assert_memory_equal(line_of(STAT_RESULT), names[i], strlen(names[i]));
	}
	vm.working_set.known = false;
	assert_non_null(strstr(line_of(STAT_RESULT), " active_pages=unknown "));
	/* Only an estimate may be unknown: this is -1. */
	vm.exit_code = UINT64_MAX;
	assert_non_null(strstr(line_of(STAT_RESULT), " code=18446744073709551615 "));
}

static const char *cell_of(enum vm_stat stat)
{
	static char text[24];
	vm_stat_print_column(&vm, stat, text, sizeof(text));
	return text;
}

static void test_cells_of_the_table(void **state)
{
	(void)state;
	assert_string_equal(cell_of(VM_STAT_max_pages), "20");
	assert_string_equal(cell_of(VM_STAT_large_pages), "116");
	assert_string_equal(cell_of(VM_STAT_faults), "13");
	assert_string_equal(cell_of(VM_STAT_active_pages), "76");
	vm.working_set.known = false;
	assert_string_equal(cell_of(VM_STAT_active_pages), "-");
}

/* Whatever the values are, the text ends inside its buffer. */
static void test_long_line_is_cut(void **state)
{
	struct {
		char text[60];
		char behind[8];
	} place;
	(void)state;
	for (size_t bytes = 1; bytes <= sizeof(place.text); bytes++) {
		memset(&place, 'x', sizeof(place));
		vm_stats_print_line(&vm, STAT_RESULT, place.text, bytes);
		assert_int_equal(strlen(place.text), bytes - 1);
		assert_memory_equal(place.text, line_of(STAT_RESULT), bytes - 1);
		assert_int_equal(((const char *)&place)[bytes], 'x');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_lines_that_scripts_read, setup),
		cmocka_unit_test_setup(test_states_and_unknown_values, setup),
		cmocka_unit_test_setup(test_exits_by_reason, setup),
		cmocka_unit_test_setup(test_cells_of_the_table, setup),
		cmocka_unit_test_setup(test_long_line_is_cut, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
