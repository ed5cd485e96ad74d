/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests/lab/: the laboratory itself. It is deterministic, keeps its promises whatever decides,
 * tells policies apart where they are known to differ, and sees nothing where nothing is wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/bits.h"
#include "kernel/lib/tunables.h"
#include "tests/lab/cells.h"

static struct lab_world world;
static struct lab_world again;

static void use(const char *name)
{
	struct error error;
	assert_int_equal(policy_select(name, strlen(name), &error), STATUS_OK);
}

static int back_to_default(void **state)
{
	(void)state;
	use("spare");
	return 0;
}

/* A small cell of each kind: the same for the same seed, another for another one. */
static void test_cells_are_deterministic(void **state)
{
	(void)state;
	for (unsigned policy = 0; policy_at(policy) != NULL; policy++) {
		use(policy_at(policy)->name);
		for (unsigned pattern = 0; pattern_name(pattern) != NULL; pattern++) {
			pattern_run(&world, pattern, 4, 1, 400);
			pattern_run(&again, pattern, 4, 1, 400);
			assert_memory_equal(&world, &again, sizeof(world));
			pattern_run(&again, pattern, 4, 2, 400);
			assert_memory_not_equal(&world, &again, sizeof(world));
		}
	}
}

/* Pages are neither lost nor made: each VM has what the policy was shown, within its bounds. */
static void test_pages_are_conserved(void **state)
{
	(void)state;
	use("demand");
	pattern_run(&world, 2, 8, 3, 1000);
	uint64_t held = 0;
	for (unsigned i = 0; i < 8; i++) {
		const struct lab_vm *vm = &world.vms[i];
		uint64_t has = vm->hot + vm->warm + vm->idle;
		assert_int_equal(has, vm->view.held_pages);
		assert_true(has + vm->view.ballooned_pages <= vm->view.max_pages);
		assert_true(vm->hot <= vm->hot_wanted);
		assert_true(vm->unmet <= vm->demanded);
		held += has;
	}
	assert_true(held + lab_spare(&world) <= world.total_pages);
	assert_true(lab_fairness(&world) <= 1000);
	assert_true(lab_latency_ms(&world, 500) <= lab_latency_ms(&world, 990));
}

/* One VM in a host that is large enough: no target, nothing unmet, no refault. */
static void test_plenty(void **state)
{
	(void)state;
	for (unsigned policy = 0; policy_at(policy) != NULL; policy++) {
		use(policy_at(policy)->name);
		lab_start(&world, 100000);
		struct lab_vm *vm = lab_add(&world, 1000, 20000, 30000, 100);
		for (unsigned period = 0; period < 500; period++) {
			vm->hot_wanted = 5000 + period % 100 * 100;
			vm->warm_wanted = 2000;
			lab_step(&world);
		}
		assert_int_equal(vm->unmet + vm->refaults + vm->changes + world.shortages, 0);
		assert_int_equal(lab_fairness(&world), 1000);
	}
}

/*
 * A VM that has its allotment waits for more, and another one has memory idle that a policy would
 * keep for it: the waiting VM gets that, and the last resort is not needed.
 */
static void test_no_vm_is_ended_beside_idle_memory(void **state)
{
	(void)state;
	for (unsigned policy = 0; policy_at(policy) != NULL; policy++) {
		use(policy_at(policy)->name);
		lab_start(&world, 40000);
		struct lab_vm *wants = lab_add(&world, 1000, 10000, 30000, 100);
		struct lab_vm *idle = lab_add(&world, 1000, 20000, 25000, 100);
		idle->view.buffer_percent = 2000;
		for (unsigned period = 0; period < 2000; period++) {
			wants->hot_wanted = period < 200 ? 10000 : 28000;
			idle->hot_wanted = period < 100 ? 19000 : 2000;
			lab_step(&world);
		}
		assert_false(wants->ended || idle->ended);
		assert_int_equal(wants->hot, 28000);
	}
}

static uint64_t incident(const char *policy, const char *name)
{
	unsigned i = 0;
	use(policy);
	while (strcmp(incident_at(i)->name, name) != 0) {
		i++;
	}
	return incident_at(i)->run(&world);
}

/* What the policies are known for shows. */
static void test_incidents_tell_policies_apart(void **state)
{
	(void)state;
	for (unsigned policy = 0; policy_at(policy) != NULL; policy++) {
		assert_true(incident(policy_at(policy)->name, "idle beside swap") < 3000);
	}
	assert_true(incident("threshold", "host headroom") > 1000);
	assert_int_equal(incident("spare", "host headroom"), 0);
	assert_int_equal(incident("demand", "host headroom"), 0);
	assert_true(incident("spare", "stale statistics") > 0);
	assert_true(incident("refault", "short bursts") > incident("spare", "short bursts"));
	assert_true(incident("spare", "partial release") < 1000);
	assert_true(incident("spare", "leak") >= 4000); /* before the last resort comes */
}

#define TEST(function) cmocka_unit_test_teardown(function, back_to_default)

#define LEAK 5
#define THIRD_REFUSED 6
#define BURSTS 7

/* 1.5 times, or a single page or period more than nothing. */
static bool is_near(uint64_t value, uint64_t best)
{
	return value * 2 <= best * 3 + 2;
}

static void run_incidents(uint64_t *values)
{
	for (unsigned i = 0; incident_at(i) != NULL; i++) {
		values[i] = incident_at(i)->run(&world);
	}
}

/*
 * The default is within 1.5 times of the best policy for each incident but two, which
 * docs/policy.md explains: what is better there is worse elsewhere, or is a matter of the floor.
 * With a floor of a quarter of the host the first of them is met, and nothing else is lost.
 */
static void test_default_is_near_the_best(void **state)
{
	uint64_t plain[8], best[8], values[8];
	struct error error;
	(void)state;
	use("spare");
	run_incidents(plain);
	memcpy(best, plain, sizeof(best));
	for (unsigned policy = 0; policy_at(policy) != NULL; policy++) {
		use(policy_at(policy)->name);
		run_incidents(values);
		for (unsigned i = 0; i < 8; i++) {
			best[i] = min_u64(best[i], values[i]);
		}
	}
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(is_near(plain[i], best[i]), i != LEAK && i != THIRD_REFUSED);
	}
	use("spare");
	assert_int_equal(tunable_set("low_parts", "8", &error), STATUS_OK);
	run_incidents(values);
	tunables_reset();
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(is_near(values[i], best[i]), i != THIRD_REFUSED);
		assert_true(values[i] <= plain[i] || i == BURSTS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_cells_are_deterministic),
		TEST(test_pages_are_conserved),
		TEST(test_plenty),
		TEST(test_no_vm_is_ended_beside_idle_memory),
		TEST(test_incidents_tell_policies_apart),
		TEST(test_default_is_near_the_best),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
