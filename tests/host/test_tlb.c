/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/tlb.c and tlb.h: the flush contract on the processor's side, with a backend that counts
 * its flush instruction.
 */
#include "fake/panic.h"

#include <string.h>

#include "kernel/tlb.h"
#include "mm/tlb.h"

static unsigned cpu_now;
static unsigned flushes[4];
static struct s2 s2;

unsigned arch_cpu_index(void)
{
	return cpu_now;
}

static void count_flush(const struct s2 *flushed)
{
	assert_ptr_equal(flushed, &s2);
	flushes[cpu_now]++;
}

static const struct backend counting_backend = {.name = "counting", .flush_s2 = count_flush};
const struct backend *backend = &counting_backend;

/* The fake panic knows it; nothing here takes it. */
struct lock frame_lock = LOCK_INITIALIZER(LOCK_FRAMES);

static int setup(void **state)
{
	(void)state;
	memset(&s2, 0, sizeof(s2));
	memset(flushes, 0, sizeof(flushes));
	cpu_now = 0;
	return 0;
}

/* One entry, and the exit from it, on a CPU. */
static void run_on(unsigned cpu)
{
	cpu_now = cpu;
	tlb_run_begin(&s2, cpu);
	tlb_enter(&s2, cpu);
	tlb_run_end(&s2, cpu);
}

static void every_request_is_a_new_epoch(void **state)
{
	(void)state;
	uint64_t first = tlb_epoch_request(&s2);
	uint64_t second = tlb_epoch_request(&s2);
	assert_true(first > 0 && second > first);
}

static void cpu_that_never_ran_needs_no_flush(void **state)
{
	(void)state;
	uint64_t epoch = tlb_epoch_request(&s2);
	assert_true(tlb_epoch_reached(&s2, epoch));
	tlb_epoch_enforce(&s2, epoch);
	assert_int_equal(flushes[0], 0);
}

static void enforce_flushes_once(void **state)
{
	(void)state;
	run_on(0);
	uint64_t epoch = tlb_epoch_request(&s2);
	assert_false(tlb_epoch_reached(&s2, epoch));
	tlb_epoch_enforce(&s2, epoch);
	assert_true(tlb_epoch_reached(&s2, epoch));
	assert_int_equal(flushes[0], 1);
	tlb_epoch_enforce(&s2, epoch);
	assert_int_equal(flushes[0], 1);
}

/* One flush serves all requests before it, on the way into the guest too. */
static void one_flush_for_many_requests(void **state)
{
	(void)state;
	run_on(0);
	uint64_t first = tlb_epoch_request(&s2);
	uint64_t last = tlb_epoch_request(&s2);
	tlb_epoch_enforce(&s2, first);
	assert_int_equal(flushes[0], 1);
	assert_true(tlb_epoch_reached(&s2, last));
	run_on(0);
	assert_int_equal(flushes[0], 1);
}

static void entry_flushes_what_was_requested(void **state)
{
	(void)state;
	run_on(0);
	assert_int_equal(flushes[0], 0);
	uint64_t epoch = tlb_epoch_request(&s2);
	run_on(0);
	assert_int_equal(flushes[0], 1);
	assert_true(tlb_epoch_reached(&s2, epoch));
	run_on(0);
	assert_int_equal(flushes[0], 1);
}

static void every_cpu_counts(void **state)
{
	(void)state;
	run_on(0);
	run_on(2);
	run_on(3);
	uint64_t epoch = tlb_epoch_request(&s2);
	run_on(0);
	assert_false(tlb_epoch_reached(&s2, epoch));
	run_on(3);
	assert_false(tlb_epoch_reached(&s2, epoch));
	run_on(2);
	assert_true(tlb_epoch_reached(&s2, epoch));
	assert_int_equal(flushes[0], 1);
	assert_int_equal(flushes[1], 0);
	assert_int_equal(flushes[2], 1);
	assert_int_equal(flushes[3], 1);
}

static void last_cpu_counts(void **state)
{
	(void)state;
	s2.tlb.ran_mask = 1ull << (S2_CPUS_MAX - 1);
	uint64_t epoch = tlb_epoch_request(&s2);
	assert_false(tlb_epoch_reached(&s2, epoch));
	s2.tlb.seen[S2_CPUS_MAX - 1] = epoch;
	assert_true(tlb_epoch_reached(&s2, epoch));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_request_is_a_new_epoch, setup),
		cmocka_unit_test_setup(cpu_that_never_ran_needs_no_flush, setup),
		cmocka_unit_test_setup(enforce_flushes_once, setup),
		cmocka_unit_test_setup(one_flush_for_many_requests, setup),
		cmocka_unit_test_setup(entry_flushes_what_was_requested, setup),
		cmocka_unit_test_setup(every_cpu_counts, setup),
		cmocka_unit_test_setup(last_cpu_counts, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
