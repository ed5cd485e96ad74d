/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/overcommit/policies/spare.c over time: two guests, their drivers and the host for a
 * thousand periods (P2, P5).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/bits.h"
#include "fake/policy.h"

#define SIM_VMS 2
#define SIM_MAX 10000ull
#define SIM_MIN 1000ull
#define SIM_PAGES 14000ull /* of the host: less than two times SIM_MAX */

/*
 * Guests with a working set; what they hold beyond it is idle, what they lack is wanted, and each
 * follows its target by at most `speed` pages a period.
 */
struct simulation {
	struct policy_vm vms[SIM_VMS];
	uint64_t used[SIM_VMS];
	uint64_t speed;
	unsigned tax;
	unsigned reversals;
	int direction[SIM_VMS];
};

static uint64_t sim_spare(const struct simulation *sim)
{
	uint64_t held = 0;
	for (unsigned i = 0; i < SIM_VMS; i++) {
		held += sim->vms[i].held_pages;
	}
	assert_true(held <= SIM_PAGES);
	return SIM_PAGES - held;
}

static void sim_start(struct simulation *sim, uint64_t speed, unsigned tax)
{
	memset(sim, 0, sizeof(*sim));
	sim->speed = speed;
	sim->tax = tax;
	for (unsigned i = 0; i < SIM_VMS; i++) {
		sim->vms[i] = (struct policy_vm){
			.min_pages = SIM_MIN,
			.mem_pages = 6000,
			.max_pages = SIM_MAX,
			.shares = 100,
			.attached = true,
		};
	}
}

/* The guest allocates and frees until it uses what it wants, as far as it can. */
static void sim_guest(struct simulation *sim, unsigned i, uint64_t wants)
{
	struct policy_vm *vm = &sim->vms[i];
	uint64_t room = min_u64(wants, vm->max_pages - vm->ballooned_pages);
	uint64_t reachable = vm->held_pages + sim_spare(sim);
	sim->used[i] = min_u64(room, reachable);
	vm->held_pages = max_u64(vm->held_pages, sim->used[i]);
	vm->waiting = sim->used[i] < room;
	vm->wanted_pages = wants - room;
}

/* Its driver goes towards the target with idle pages, or back. */
static void sim_driver(struct simulation *sim, unsigned i)
{
	struct policy_vm *vm = &sim->vms[i];
	uint64_t idle = vm->held_pages - sim->used[i];
	if (vm->waiting) {
		return;
	}
	if (vm->target_pages > vm->ballooned_pages) {
		uint64_t move = vm->target_pages - vm->ballooned_pages;
		move = min_u64(min_u64(move, sim->speed), idle);
		vm->ballooned_pages += move;
		vm->held_pages -= move;
	} else {
		vm->ballooned_pages -= min_u64(vm->ballooned_pages - vm->target_pages, sim->speed);
	}
	vm->active_pages = sim->used[i];
	vm->active_known = sim->tax > 0;
	vm->idle_pages = vm->held_pages - sim->used[i];
	vm->free_pages = vm->max_pages - vm->ballooned_pages - sim->used[i];
}

static void sim_step(struct simulation *sim, uint64_t first, uint64_t second)
{
	const uint64_t wants[SIM_VMS] = {first, second};
	for (unsigned i = 0; i < SIM_VMS; i++) {
		sim_guest(sim, i, wants[i]);
		sim_driver(sim, i);
	}
	struct policy_host host = {sim_spare(sim), 400, 800, sim->tax, 0, 0, false};
	policy_decide(&host, sim->vms, SIM_VMS);
	for (unsigned i = 0; i < SIM_VMS; i++) {
		struct policy_vm *vm = &sim->vms[i];
		int direction = (vm->new_target_pages > vm->target_pages) -
				(vm->new_target_pages < vm->target_pages);
		if (direction != 0 && direction != sim->direction[i]) {
			sim->reversals++;
			sim->direction[i] = direction;
		}
		assert_true(vm->new_target_pages <= SIM_MAX - SIM_MIN);
		vm->target_pages = vm->new_target_pages;
	}
}

/* P2: two VMs that want the same memory, all the time. */
static void test_p2_rivals_do_not_oscillate(void **state)
{
	static const uint64_t speeds[] = {16, 200, 5000};
	(void)state;
	for (unsigned s = 0; s < 2 * ARRAY_COUNT(speeds); s++) {
		struct simulation sim;
		sim_start(&sim, speeds[s / 2], s % 2 * 75);
		for (unsigned period = 0; period < 1000; period++) {
			sim_step(&sim, 9000, 9000);
		}
		assert_true(sim.reversals <= 8);
	}
}

/* P2: the same, but need flickers by a little every period. */
static void test_p2_noise_does_not_oscillate(void **state)
{
	(void)state;
	for (unsigned tax = 0; tax <= 75; tax += 75) {
		struct simulation sim;
		policy_random = 5;
		sim_start(&sim, 500, tax);
		for (unsigned period = 0; period < 1000; period++) {
			sim_step(&sim, 6500 + policy_draw(200), 6500 + policy_draw(200));
		}
		print_message("reversals with noise: %u\n", sim.reversals);
		assert_true(sim.reversals <= 40);
	}
}

/* Memory follows need that moves, and targets turn only when the need does. */
static void alternate(unsigned tax)
{
	struct simulation sim;
	sim_start(&sim, 300, tax);
	for (unsigned period = 0; period < 1000; period++) {
		bool second = period / 100 % 2 == 1;
		sim_step(&sim, second ? 2000 : 9000, second ? 9000 : 2000);
		if (period % 100 > 60) { /* it has had time: the need is met */
			assert_int_equal(sim.used[second ? 1 : 0], 9000);
			assert_int_equal(sim.used[second ? 0 : 1], 2000);
		}
	}
	assert_true(sim.reversals <= 6 * 10);
}

static void test_p2_alternating_need(void **state)
{
	(void)state;
	for (unsigned tax = 0; tax <= 75; tax += 75) {
		alternate(tax);
	}
}
/* P5: a need that ends leaves no balloon behind. */
static void test_p5_balloons_empty_after_pressure(void **state)
{
	struct simulation sim;
	(void)state;
	sim_start(&sim, 300, 75);
	for (unsigned period = 0; period < 300; period++) {
		sim_step(&sim, period < 50 ? 9000 : 2000, period < 50 ? 0 : 9000);
	}
	assert_true(sim.vms[0].ballooned_pages > 0);
	sim.vms[1].held_pages = 0; /* it has ended */
	for (unsigned period = 0; period < 300; period++) {
		sim_step(&sim, 2000, 0);
	}
	assert_int_equal(sim.vms[0].target_pages, 0);
	assert_int_equal(sim.vms[0].ballooned_pages, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_p2_rivals_do_not_oscillate),
		cmocka_unit_test(test_p2_noise_does_not_oscillate),
		cmocka_unit_test(test_p2_alternating_need),
		cmocka_unit_test(test_p5_balloons_empty_after_pressure),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
