/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every policy of the table against what none may break, whatever guests say: bounds of targets, no
 * targets without pressure, no more asked for than is missing, shares, determinism, and quiet when
 * nothing changes, also when one policy follows another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/bits.h"
#include "fake/policy.h"
#include "kernel/lib/tunables.h"

#define ROUNDS 4000
#define VMS 6

static struct policy_vm vms[VMS];
static struct policy_host host;

/* A world from a number: what the fake draws, and the inputs that only some policies read. */
static void draw_world(unsigned round)
{
	policy_random = 0x9e3779b97f4a7c15ull * (round + 1);
	host = policy_random_host();
	uint64_t total = 0;
	for (unsigned i = 0; i < VMS; i++) {
		vms[i] = policy_random_vm();
		vms[i].refault_pages = policy_draw(4) == 0 ? policy_draw(100000) : 0;
		vms[i].refault_pages = policy_draw(64) == 0 ? UINT64_MAX : vms[i].refault_pages;
		vms[i].buffer_percent = policy_draw(2001);
		vms[i].slow = policy_draw(8) == 0;
		vms[i].acts = policy_draw(2) == 0;
		for (unsigned k = 0; k < POLICY_MEMORY_WORDS; k++) {
			vms[i].memory[k] = policy_draw(4) == 0 ? policy_draw(1000000) : 0;
		}
		memset(&vms[i].rank, (int)policy_draw(256) & 1, sizeof(vms[i].rank));
		total += vms[i].held_pages;
	}
	host.total_pages = total + host.spare_pages;
	host.passed_us = policy_draw(3) == 0 ? policy_draw(1ull << 40) : 10000;
}

static const struct policy *use(unsigned index)
{
	const struct policy *policy = policy_at(index);
	struct error error;
	if (policy != NULL) {
		assert_int_equal(policy_select(policy->name, strlen(policy->name), &error),
				 STATUS_OK);
		assert_ptr_equal(policy_now(), policy);
	}
	return policy;
}

#define FOR_EACH_POLICY(policy)                                                                    \
	for (unsigned policy##_i = 0; (policy = use(policy##_i)) != NULL; policy##_i++)

static int back_to_default(void **state)
{
	(void)state;
	(void)use(0);
	return 0;
}

/* ---- The table ---- */

static void test_table(void **state)
{
	const struct policy *policy;
	unsigned count = 0;
	(void)state;
	assert_string_equal(policy_now()->name, "spare");
	FOR_EACH_POLICY(policy)
	{
		assert_true(strlen(policy->rule) > 20 && strlen(policy->source) > 20);
		for (unsigned i = 0; i < count; i++) {
			assert_string_not_equal(policy->name, policy_at(i)->name);
		}
		count++;
	}
	assert_true(count >= 7);
}

static void test_unknown_names_change_nothing(void **state)
{
	static const char *const names[] = {"", "share", "shares ", "Shares", "sharesx", "none"};
	(void)state;
	(void)use(2);
	unsigned changes = policy_changes();
	for (unsigned i = 0; i < ARRAY_COUNT(names); i++) {
		struct error error;
		assert_int_equal(policy_select(names[i], strlen(names[i]), &error),
				 STATUS_NOT_FOUND);
		for (unsigned k = 0; policy_at(k) != NULL; k++) {
			assert_non_null(strstr(error.text, policy_at(k)->name));
		}
		assert_ptr_equal(policy_now(), policy_at(2));
	}
	(void)use(2);
	assert_int_equal(policy_changes(), changes);
	(void)use(3);
	assert_int_equal(policy_changes(), changes + 1);
}

/* ---- Whatever guests say ---- */

static void check_bounds(const struct policy_vm *vm)
{
	assert_true(vm->new_target_pages <= vm->max_pages - vm->min_pages);
	assert_true(vm->reason < POLICY_REASONS);
	if (!vm->attached) {
		assert_int_equal(vm->new_target_pages, 0);
		assert_int_equal(vm->reason, POLICY_DETACHED);
		return;
	}
	assert_int_equal(vm->reason == POLICY_KEEPS, vm->new_target_pages == vm->target_pages);
	if (vm->new_target_pages <= vm->target_pages) {
		return;
	}
	/* It is asked for more: then it answers, and has it, by its own word, beyond its minimum.
	 */
	uint64_t asked = vm->new_target_pages - vm->ballooned_pages;
	assert_true(vm->new_target_pages > vm->ballooned_pages);
	assert_true(!vm->unresponsive && (!vm->waiting || vm->acts));
	assert_true(asked <= max_u64(vm->free_pages, vm->idle_pages));
	if (vm->reason != POLICY_GROWTH) {
		assert_true(asked <= vm->idle_pages);
		assert_true(vm->held_pages - asked >= vm->min_pages);
	}
}

static void test_bounds(void **state)
{
	const struct policy *policy;
	(void)state;
	FOR_EACH_POLICY(policy)
	{
		unsigned raised = 0;
		unsigned lowered = 0;
		for (unsigned round = 0; round < ROUNDS; round++) {
			draw_world(round);
			host.total_pages = round % 2 == 0 ? host.total_pages : 0;
			policy_decide(&host, vms, round % VMS + 1);
			for (unsigned i = 0; i <= round % VMS; i++) {
				check_bounds(&vms[i]);
				raised += vms[i].new_target_pages > vms[i].target_pages ? 1 : 0;
				lowered += vms[i].reason == POLICY_RETURNED ? 1 : 0;
			}
		}
		assert_true(raised > ROUNDS / 100);
		assert_true(lowered > ROUNDS / 500);
	}
}

static void test_no_pressure_no_targets(void **state)
{
	const struct policy *policy;
	(void)state;
	FOR_EACH_POLICY(policy)
	{
		for (unsigned round = 0; round < ROUNDS; round++) {
			draw_world(round);
			/* Beyond what any policy calls plenty. */
			host.spare_pages = max_u64(host.high_pages, host.total_pages / 2) + 1;
			host.total_pages += host.spare_pages;
			for (unsigned i = 0; i < VMS; i++) {
				vms[i].waiting = false;
			}
			policy_decide(&host, vms, VMS);
			for (unsigned i = 0; i < VMS; i++) {
				assert_true(vms[i].new_target_pages <= vms[i].target_pages);
			}
		}
	}
}

/* All requests together are no more than what the host lacks and what is given back meanwhile. */
static void test_no_more_than_is_missing(void **state)
{
	const struct policy *policy;
	(void)state;
	FOR_EACH_POLICY(policy)
	{
		for (unsigned round = 0; round < ROUNDS; round++) {
			draw_world(round);
			host.low_pages = max_u64(host.low_pages, host.total_pages / 4);
			host.high_pages = host.low_pages * 2;
			uint64_t most = sub_floor_u64(host.high_pages, host.spare_pages);
			uint64_t raised = 0;
			for (unsigned i = 0; i < VMS; i++) {
				vms[i].wanted_pages = vms[i].refault_pages = 0;
			}
			policy_decide(&host, vms, VMS);
			for (unsigned i = 0; i < VMS; i++) {
				struct policy_vm *vm = &vms[i];
				uint64_t stood =
					min_u64(vm->target_pages, vm->max_pages - vm->min_pages);
				/* Given back, and maybe asked for again at once for one that waits.
				 */
				bool again =
					vm->reason == POLICY_IDLE || vm->reason == POLICY_GROWTH;
				most += again ? stood : sub_floor_u64(stood, vm->new_target_pages);
				raised += sub_floor_u64(vm->new_target_pages,
							max_u64(stood, vm->ballooned_pages));
			}
			assert_true(raised <= most);
		}
	}
}

/* What is given back is what the host has beyond its threshold: it is not short the next moment. */
static void test_no_more_than_the_surplus_returns(void **state)
{
	const struct policy *policy;
	(void)state;
	FOR_EACH_POLICY(policy)
	{
		for (unsigned round = 0; round < ROUNDS; round++) {
			draw_world(round);
			host.total_pages = 0; /* no thresholds but these */
			uint64_t returned = 0;
			for (unsigned i = 0; i < VMS; i++) {
				vms[i].ballooned_pages =
					min_u64(vms[i].ballooned_pages,
						vms[i].max_pages - vms[i].min_pages);
				vms[i].target_pages = vms[i].ballooned_pages;
				vms[i].attached = true;
				vms[i].waiting = false;
				vms[i].wanted_pages = vms[i].refault_pages = 0;
			}
			policy_decide(&host, vms, VMS);
			for (unsigned i = 0; i < VMS; i++) {
				bool is = vms[i].reason == POLICY_RETURNED;
				returned += is ? vms[i].target_pages - vms[i].new_target_pages : 0;
			}
			assert_true(returned <= sub_floor_u64(host.spare_pages, host.high_pages));
		}
	}
}

static void test_deterministic(void **state)
{
	const struct policy *policy;
	(void)state;
	FOR_EACH_POLICY(policy)
	{
		for (unsigned round = 0; round < ROUNDS / 4; round++) {
			uint64_t first[VMS];
			draw_world(round);
			policy_decide(&host, vms, VMS);
			for (unsigned i = 0; i < VMS; i++) {
				first[i] = vms[i].new_target_pages;
			}
			draw_world(round);
			for (unsigned i = 0; i < VMS; i++) {
				memset(&vms[i].rank, 0x5a, sizeof(vms[i].rank));
				vms[i].weight = vms[i].new_target_pages = UINT64_MAX;
			}
			policy_decide(&host, vms, VMS);
			for (unsigned i = 0; i < VMS; i++) {
				assert_int_equal(vms[i].new_target_pages, first[i]);
			}
		}
	}
}

/* A VM of more shares is asked for no more, but for one portion. */
static void test_monotone_in_shares(void **state)
{
	const struct policy *policy;
	(void)state;
	FOR_EACH_POLICY(policy)
	{
		unsigned moved = 0;
		for (unsigned round = 0; round < ROUNDS; round++) {
			uint64_t targets[2];
			uint64_t need = 0;
			for (unsigned more = 0; more < 2; more++) {
				draw_world(round);
				for (unsigned i = 0; i < VMS; i++) {
					vms[i].waiting = vms[i].unresponsive = false;
					vms[i].wanted_pages = vms[i].refault_pages = 0;
					vms[i].target_pages = vms[i].ballooned_pages = 0;
					vms[i].attached = true;
					vms[i].idle_pages = policy_draw(vms[i].held_pages + 1);
					vms[i].buffer_percent = policy_draw(30);
				}
				host.total_pages = 0;
				host.spare_pages = 0;
				need = host.high_pages;
				vms[0].shares *= more == 0 ? 1 : 1 + round % 9;
				policy_decide(&host, vms, VMS);
				targets[more] = vms[0].new_target_pages;
			}
			if (policy->uses_shares) {
				assert_true(targets[1] <= targets[0] + need / 64 + 64);
				moved += targets[1] < targets[0] ? 1 : 0;
			} else {
				assert_int_equal(targets[1], targets[0]);
			}
		}
		assert_true(moved > ROUNDS / 50 || !policy->uses_shares);
	}
}

/* Ten thousand VMs: the sum is right, and each has its turn. */
static void test_many(void **state)
{
	static struct policy_vm many[10000];
	const struct policy *policy;
	(void)state;
	FOR_EACH_POLICY(policy)
	{
		if (policy == policy_at(0)) {
			continue; /* its loops are quadratic: too slow for this */
		}
		for (unsigned i = 0; i < ARRAY_COUNT(many); i++) {
			many[i] = policy_typical();
			many[i].buffer_percent = 20;
			many[i].shares = 100 + i % 7;
		}
		/* An equal part is 2000 pages, so all have as much beyond it as beyond their
		 * margins. */
		host = (struct policy_host){.spare_pages = 0,
					    .low_pages = 1000000,
					    .high_pages = 20000000,
					    .total_pages = 20000000,
					    .passed_us = 10000};
		uint64_t sum = 0;
		unsigned asked = 0;
		policy_decide(&host, many, ARRAY_COUNT(many));
		for (unsigned i = 0; i < ARRAY_COUNT(many); i++) {
			sum += many[i].new_target_pages;
			asked += many[i].new_target_pages > 0 ? 1 : 0;
			check_bounds(&many[i]);
		}
		assert_int_equal(sum, 20000000);
		assert_true(asked >= 5000);
	}
}

/* What is on its way back already counts: no more is given back than the host can spare. */
static void test_what_deflates_counts(void **state)
{
	const struct policy *policy;
	(void)state;
	FOR_EACH_POLICY(policy)
	{
		host = (struct policy_host){
			.spare_pages = 3000, .low_pages = 1000, .high_pages = 2000};
		vms[0] = vms[1] = policy_typical();
		vms[0].ballooned_pages = 2500;
		vms[0].target_pages = 2100;
		vms[1].ballooned_pages = vms[1].target_pages = 2500;
		policy_decide(&host, vms, 2);
		assert_int_equal(vms[0].new_target_pages + vms[1].new_target_pages, 5000 - 1000);
	}
}

/* The one with the most to give is asked first, wherever it stands in the table. */
static void test_most_first_at_each_place(void **state)
{
	struct policy_vm all[9];
	const struct policy *policy;
	(void)state;
	FOR_EACH_POLICY(policy)
	{
		for (unsigned most = 0; most < ARRAY_COUNT(all); most++) {
			for (unsigned i = 0; i < ARRAY_COUNT(all); i++) {
				all[i] = policy_typical();
				all[i].max_pages = 20000;
				all[i].held_pages += 10 * i + (i == most ? 4000 : 0);
				all[i].idle_pages += 10 * i + (i == most ? 4000 : 0);
				all[i].free_pages = all[i].idle_pages;
			}
			host = (struct policy_host){.low_pages = 1, .high_pages = 64};
			policy_decide(&host, all, ARRAY_COUNT(all));
			for (unsigned i = 0; i < ARRAY_COUNT(all); i++) {
				assert_int_equal(all[i].new_target_pages, i == most ? 64 : 0);
			}
		}
	}
}

/*
 * A vCPU waits, of a VM that has its allotment: the host would give up on a VM in the end. No
 * policy keeps idle memory from it, but for the minimum and the guest's own margin.
 */
static void test_no_idle_memory_beside_a_waiting_vcpu(void **state)
{
	const struct policy *policy;
	(void)state;
	FOR_EACH_POLICY(policy)
	{
		host = (struct policy_host){
			.low_pages = 1000, .high_pages = 20000, .total_pages = 40000};
		for (unsigned i = 0; i < 3; i++) {
			vms[i] = policy_typical();
			vms[i].buffer_percent = 2000;
			vms[i].refault_pages = i == 1 ? 1 : 0; /* refault: it backs off */
		}
		vms[0].waiting = true;
		vms[0].held_pages = vms[0].mem_pages;
		vms[0].idle_pages = vms[0].free_pages = 0;
		policy_decide(&host, vms, 3);
		for (unsigned i = 1; i < 3; i++) {
			uint64_t margin = max_u64(tunables.margin_least_pages,
						  vms[i].free_pages / tunables.margin_parts);
			assert_int_equal(vms[i].new_target_pages, vms[i].idle_pages - margin);
			assert_int_equal(vms[i].reason, POLICY_SPARE);
		}
		/* Of a VM with little above its minimum, no more than that. */
		vms[1].min_pages = vms[1].held_pages - 100;
		policy_decide(&host, vms, 3);
		assert_int_equal(vms[1].new_target_pages, 100);
	}
}

/* ---- Over time ---- */

#define PAGES 20000ull /* of the host */

static struct {
	uint64_t used[VMS];
	int direction[VMS];
	unsigned reversals;
	uint64_t unmet;
} sim;

static void sim_start(void)
{
	memset(&sim, 0, sizeof(sim));
	for (unsigned i = 0; i < VMS; i++) {
		vms[i] = (struct policy_vm){
			.min_pages = 1000,
			.mem_pages = 4000,
			.max_pages = 8000,
			.shares = 100 + 100 * (i % 3),
			.buffer_percent = 20,
			.attached = true,
		};
	}
}

static uint64_t sim_spare(void)
{
	uint64_t held = 0;
	for (unsigned i = 0; i < VMS; i++) {
		held += vms[i].held_pages;
	}
	assert_true(held <= PAGES); /* nothing is lost, nothing comes from nowhere */
	return PAGES - held;
}

/* The guest uses what it wants, as far as it can; its driver goes towards the target. */
static void sim_guest(unsigned i, uint64_t wants)
{
	struct policy_vm *vm = &vms[i];
	uint64_t room = min_u64(wants, vm->max_pages - vm->ballooned_pages);
	sim.used[i] = min_u64(room, vm->held_pages + sim_spare());
	vm->held_pages = max_u64(vm->held_pages, sim.used[i]);
	vm->waiting = sim.used[i] < room;
	vm->wanted_pages = wants - room;
	sim.unmet += wants - sim.used[i];
	if (!vm->waiting && vm->target_pages > vm->ballooned_pages) {
		uint64_t move = min_u64(vm->target_pages - vm->ballooned_pages,
					vm->held_pages - sim.used[i]);
		move = min_u64(move, 300);
		vm->ballooned_pages += move;
		vm->held_pages -= move;
	} else if (vm->target_pages < vm->ballooned_pages) {
		vm->ballooned_pages -= min_u64(vm->ballooned_pages - vm->target_pages, 300);
	}
	vm->idle_pages = vm->held_pages - sim.used[i];
	vm->free_pages = vm->max_pages - vm->ballooned_pages - sim.used[i];
	vm->active_pages = sim.used[i];
	vm->active_known = true;
}

static void sim_step(const uint64_t *wants)
{
	for (unsigned i = 0; i < VMS; i++) {
		sim_guest(i, wants[i]);
	}
	host = (struct policy_host){sim_spare(), 600, 1200, 75, PAGES, 10000, false};
	policy_decide(&host, vms, VMS);
	for (unsigned i = 0; i < VMS; i++) {
		struct policy_vm *vm = &vms[i];
		int direction = (vm->new_target_pages > vm->target_pages) -
				(vm->new_target_pages < vm->target_pages);
		if (direction != 0 && direction != sim.direction[i]) {
			sim.reversals++;
			sim.direction[i] = direction;
		}
		check_bounds(vm);
		vm->target_pages = vm->new_target_pages;
	}
}

/* Needs that are more than there is, and do not change: targets settle. */
static void test_few_reversals(void **state)
{
	static const uint64_t wants[][VMS] = {{3000, 3000, 3000, 3000, 3000, 3000},
					      {7000, 500, 3000, 6000, 1000, 2000},
					      {8000, 8000, 8000, 100, 100, 100},
					      {5000, 5000, 5000, 5000, 5000, 5000}};
	const struct policy *policy;
	(void)state;
	FOR_EACH_POLICY(policy)
	{
		for (unsigned k = 0; k < ARRAY_COUNT(wants); k++) {
			const uint64_t before[VMS] = {4000, 4000, 4000, 2500, 2500, 2500};
			sim_start();
			for (unsigned period = 0; period < 1000; period++) {
				sim_step(period < 100 ? before : wants[k]);
			}
			if (sim.reversals > 4 * VMS) {
				fail_msg("%s: %u reversals, needs %u", policy->name, sim.reversals,
					 k);
			}
		}
	}
}

/* Needs that flicker by a little every period. */
static void test_noise(void **state)
{
	const struct policy *policy;
	(void)state;
	FOR_EACH_POLICY(policy)
	{
		sim_start();
		policy_random = 7;
		for (unsigned period = 0; period < 1000; period++) {
			uint64_t wants[VMS];
			for (unsigned i = 0; i < VMS; i++) {
				wants[i] = 3200 + policy_draw(30); /* less than a margin */
			}
			sim_step(wants);
		}
		print_message("%s: %u reversals with noise\n", policy->name, sim.reversals);
		assert_true(sim.reversals <= 20 * VMS);
	}
}

/* Each policy after each other one, under pressure: no storm, and the needs are met again. */
static void test_switching(void **state)
{
	static const uint64_t wants[VMS] = {4500, 500, 4500, 500, 4500, 500};
	static const uint64_t before[VMS] = {500, 4500, 500, 4500, 500, 4500};
	const struct policy *policy;
	(void)state;
	for (unsigned from = 0; policy_at(from) != NULL; from++) {
		FOR_EACH_POLICY(policy)
		{
			(void)use(from);
			sim_start();
			for (unsigned period = 0; period < 200; period++) {
				sim_step(period < 50 ? before : wants);
			}
			unsigned until = sim.reversals;
			(void)use(policy_i);
			for (unsigned i = 0; i < VMS; i++) {
				memset(vms[i].memory, 0, sizeof(vms[i].memory));
			}
			for (unsigned period = 0; period < 400; period++) {
				sim.unmet = 0;
				sim_step(wants);
			}
			if (sim.reversals - until > 3 * VMS) {
				fail_msg("%s after %s: %u reversals", policy->name,
					 policy_at(from)->name, sim.reversals - until);
			}
			assert_true(sim.unmet == 0 || policy == policy_at(3)); /* static */
		}
	}
}

/* For a reclaim at `harder` no vCPU needs to wait: each policy asks for the margin, too. */
static void test_harder_asks_for_the_margin(void **state)
{
	const struct policy *policy;
	(void)state;
	FOR_EACH_POLICY(policy)
	{
		uint64_t targets[2];
		for (unsigned harder = 0; harder < 2; harder++) {
			struct policy_vm vm = policy_typical();
			host = (struct policy_host){0, 100000, 100000, 0, 100000, 10000, harder};
			vm.waiting = false;
			policy_decide(&host, &vm, 1);
			check_bounds(&vm);
			targets[harder] = vm.new_target_pages;
		}
		if (targets[1] <= targets[0]) {
			fail_msg("%s asks for %u, and for %u at harder", policy->name,
				 (unsigned)targets[0], (unsigned)targets[1]);
		}
	}
}

/* What a policy keeps for a VM goes before its guest's margin. */
static void test_harder_asks_for_what_is_kept_first(void **state)
{
	struct error error;
	(void)state;
	assert_int_equal(policy_select("demand", 6, &error), STATUS_OK);
	for (unsigned harder = 0; harder < 2; harder++) {
		struct policy_vm vm = policy_typical();
		vm.waiting = false;
		vm.buffer_percent = 2000;
		host = (struct policy_host){0, 50, 50, 0, 100000, 10000, harder};
		policy_decide(&host, &vm, 1);
		assert_int_equal(vm.new_target_pages, harder ? 50 : 0);
		assert_int_equal(vm.reason, harder ? POLICY_SPARE : POLICY_KEEPS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_table, back_to_default),
		cmocka_unit_test_teardown(test_unknown_names_change_nothing, back_to_default),
		cmocka_unit_test_teardown(test_bounds, back_to_default),
		cmocka_unit_test_teardown(test_no_pressure_no_targets, back_to_default),
		cmocka_unit_test_teardown(test_no_more_than_is_missing, back_to_default),
		cmocka_unit_test_teardown(test_no_more_than_the_surplus_returns, back_to_default),
		cmocka_unit_test_teardown(test_deterministic, back_to_default),
		cmocka_unit_test_teardown(test_monotone_in_shares, back_to_default),
		cmocka_unit_test_teardown(test_what_deflates_counts, back_to_default),
		cmocka_unit_test_teardown(test_most_first_at_each_place, back_to_default),
		cmocka_unit_test_teardown(test_many, back_to_default),
		cmocka_unit_test_teardown(test_no_idle_memory_beside_a_waiting_vcpu,
					  back_to_default),
		cmocka_unit_test_teardown(test_few_reversals, back_to_default),
		cmocka_unit_test_teardown(test_noise, back_to_default),
		cmocka_unit_test_teardown(test_switching, back_to_default),
		cmocka_unit_test_teardown(test_harder_asks_for_the_margin, back_to_default),
		cmocka_unit_test_teardown(test_harder_asks_for_what_is_kept_first, back_to_default),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
