/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel/sched/stop_machine.c with real threads for the other CPUs: while they are parked, nothing
 * moves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>

#include "arch/arch.h"
#include "kernel/sched/stop_machine.h"
#include "kernel/sched/scheduler.h"

#define CPUS 3
#define ROUNDS 150

static __thread unsigned cpu_now;
static unsigned cpu_count;
static unsigned prods[CPUS];
static uint64_t laps[CPUS];
static uint64_t words[CPUS][64]; /* written by its CPU outside of the barrier, without atomics */
static bool stop;

unsigned arch_cpu_index(void)
{
	return cpu_now;
}

unsigned arch_cpu_count(void)
{
	return cpu_count;
}

void arch_pause(void)
{
	sched_yield();
}

void scheduler_kick(unsigned cpu)
{
	__atomic_fetch_add(&prods[cpu], 1, __ATOMIC_RELAXED);
}

/* Relaxed, here and below: only the barrier puts what is written into an order. */
static uint64_t laps_of(unsigned cpu)
{
	return __atomic_load_n(&laps[cpu], __ATOMIC_RELAXED);
}

/* The loop of a CPU: some laps between two looks at the barrier. */
static void *run_cpu(void *number)
{
	cpu_now = (unsigned)(uintptr_t)number;
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		stop_machine_here();
		for (unsigned i = 0; i < 64; i++) {
			words[cpu_now][i]++;
		}
		__atomic_fetch_add(&laps[cpu_now], 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static bool all_words_are(unsigned cpu, uint64_t value)
{
	for (unsigned i = 0; i < 64; i++) {
		if (words[cpu][i] != value) {
			return false;
		}
	}
	return true;
}

static void parked_cpus_stand_still(void **state)
{
	pthread_t threads[CPUS];
	bool torn = false;
	bool moved = false;
	(void)state;
	cpu_count = CPUS;
	for (uintptr_t i = 1; i < CPUS; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, run_cpu, (void *)i), 0);
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t before[CPUS];
		stop_machine();
		for (unsigned i = 1; i < CPUS; i++) {
			before[i] = laps_of(i);
			torn = torn || !all_words_are(i, before[i]);
		}
		for (unsigned i = 0; i < round % 7; i++) {
			sched_yield();
		}
		for (unsigned i = 1; i < CPUS; i++) {
			moved = moved || !all_words_are(i, before[i]);
		}
		stop_machine_release();
		/* All go on, and the next round may come at once. */
		for (unsigned i = 1; round % 3 == 0 && i < CPUS; i++) {
			while (laps_of(i) == before[i]) {
				sched_yield();
			}
		}
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	for (unsigned i = 1; i < CPUS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	}
	assert_false(torn);
	assert_false(moved);
	/* Each was told, and nobody told himself. */
	assert_int_equal(prods[0], 0);
	assert_int_equal(prods[1], ROUNDS);
	assert_int_equal(prods[2], ROUNDS);
}

static void one_cpu_waits_for_nobody(void **state)
{
	(void)state;
	cpu_count = 1;
	stop_machine();
	stop_machine_release();
	stop_machine_here();
	assert_int_equal(prods[0], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parked_cpus_stand_still),
		cmocka_unit_test(one_cpu_waits_for_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
