/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/policy.c as what it is, a pure function: P1 to P5 and H7 by name, properties that must
 * hold for whatever guests say of themselves, and small simulations over a thousand periods.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bits.h"
#include "kernel/policy.h"

#define LOW 1000ull
#define HIGH 2000ull

static struct policy_host short_host = {.spare_pages = 500, .low_pages = LOW, .high_pages = HIGH};
static struct policy_host calm_host = {.spare_pages = 1500, .low_pages = LOW, .high_pages = HIGH};
static struct policy_host rich_host = {.spare_pages = 9000, .low_pages = LOW, .high_pages = HIGH};
static struct policy_host *const hosts[] = {&short_host, &calm_host, &rich_host};

/* Holds 8000 of 10000 pages, half of them idle, and may be asked down to 1000. */
static struct policy_vm typical(void)
{
	return (struct policy_vm){
		.min_pages = 1000,
		.mem_pages = 8000,
		.max_pages = 10000,
		.held_pages = 8000,
		.free_pages = 4000,
		.idle_pages = 4000,
		.shares = 100,
		.attached = true,
		.new_target_pages = 0x5a5a5a5a5a5a5a5a,
	};
}

static uint64_t random_state;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint64_t below(uint64_t limit)
{
	return next_random() % limit;
}

/* ---- By name ---- */

static void test_p5_no_pressure_no_targets(void **state)
{
	(void)state;
	for (uint64_t spare = LOW; spare < 3 * HIGH; spare += 7) {
		struct policy_host host = {spare, LOW, HIGH, 0};
		struct policy_vm vms[3] = {typical(), typical(), typical()};
		vms[1].idle_pages = 0;
		vms[2].held_pages = 10000;
		policy_decide(&host, vms, 3);
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(vms[i].new_target_pages, 0);
		}
	}
	policy_decide(&short_host, NULL, 0); /* nobody there */
}

static void test_never_below_min(void **state)
{
	(void)state;
	for (uint64_t held = 0; held <= 3000; held += 50) {
		for (unsigned waiting = 0; waiting < 2; waiting++) {
			struct policy_vm vms[2] = {typical(), typical()};
			vms[0].held_pages = held;
			vms[0].max_pages = vms[0].mem_pages; /* no room to grow */
			vms[1].idle_pages = 0;
			vms[1].free_pages = 0;
			vms[1].held_pages = 7000;
			vms[1].waiting = waiting != 0;
			policy_decide(&short_host, vms, 2);
			assert_true(vms[0].new_target_pages <= sub_floor_u64(held, 1000));
			assert_int_equal(vms[1].new_target_pages, 0);
		}
	}
}

static void test_p1_need_and_margin_stay(void **state)
{
	struct policy_host broke = {0, 100000, 200000, 0};
	(void)state;
	for (uint64_t idle = 0; idle <= 4000; idle += 13) {
		for (unsigned untouched = 0; untouched < 2; untouched++) {
			struct policy_vm vm = typical();
			vm.idle_pages = idle;
			vm.free_pages = idle + untouched * 400;
			policy_decide(&broke, &vm, 1);
			/* What is left to its allocator: free pages of either sort. */
			uint64_t margin = min_u64(max_u64(32, vm.free_pages / 16), vm.free_pages);
			assert_int_equal(vm.new_target_pages,
					 min_u64(idle, vm.free_pages - margin));
		}
	}
}

/* Asked when it had plenty; now it uses its pages itself: the rest of the request is void. */
static void test_p1_request_follows_use(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(hosts); i++) {
		struct policy_vm vm = typical();
		vm.target_pages = 3000;
		vm.ballooned_pages = 500;
		vm.held_pages = 7500;
		vm.free_pages = 100;
		vm.idle_pages = 100;
		policy_decide(hosts[i], &vm, 1);
		assert_true(vm.new_target_pages <= 600);
		assert_true(vm.new_target_pages >= 500 || hosts[i] == &rich_host);
	}
}

/* All that is idle, margin included, only for a VM that waits below its own allotment. */
static void test_idle_and_growth_only_for_the_entitled(void **state)
{
	struct policy_host broke = {0, 100000, 200000, 0};
	(void)state;
	for (unsigned entitled = 0; entitled < 2; entitled++) {
		struct policy_vm vms[2] = {typical(), typical()};
		vms[1].waiting = true;
		vms[1].held_pages = entitled ? 7999 : 8000;
		vms[0].mem_pages = 9500;
		policy_decide(&broke, vms, 2);
		assert_int_equal(vms[0].new_target_pages, entitled ? 4000 : 4000 - 4000 / 16);
		/* One that may grow beyond its allotment gives room never touched, too. */
		vms[0].idle_pages = 0;
		vms[0].mem_pages = 8500;
		policy_decide(&broke, vms, 2);
		assert_int_equal(vms[0].new_target_pages, entitled ? 1500 : 0);
	}
}

static void test_shares_decide(void **state)
{
	struct policy_host host = {0, 1000, 4000, 0};
	struct policy_vm vms[2] = {typical(), typical()};
	(void)state;
	vms[0].shares = 300;
	policy_decide(&host, vms, 2);
	assert_int_equal(vms[0].new_target_pages + vms[1].new_target_pages, 4000);
	/* Until what each has left to give stands to the other's as the shares do. */
	uint64_t left[2] = {3750 - vms[0].new_target_pages, 3750 - vms[1].new_target_pages};
	assert_in_range(left[0], sub_floor_u64(3 * left[1], 250), 3 * left[1] + 250);
	/* And who counts for more gets more back. */
	vms[0].target_pages = vms[0].ballooned_pages = 2000;
	vms[1].target_pages = vms[1].ballooned_pages = 2000;
	struct policy_host better = {3000, 1000, 2000, 0};
	policy_decide(&better, vms, 2);
	assert_int_equal(vms[0].new_target_pages + vms[1].new_target_pages, 3000);
	assert_true(vms[0].new_target_pages < vms[1].new_target_pages);
}

/* P3: nothing is expected of it, so others are asked for all that is missing. */
static void test_p3_who_cannot_give_is_not_counted(void **state)
{
	(void)state;
	for (unsigned why = 0; why < 3; why++) {
		struct policy_vm vms[2] = {typical(), typical()};
		vms[0].target_pages = 1500;
		vms[0].attached = why != 0;
		vms[0].unresponsive = why == 1;
		vms[0].waiting = why == 2;
		policy_decide(&short_host, vms, 2);
		assert_int_equal(vms[1].new_target_pages, HIGH - 500);
		assert_int_equal(vms[0].new_target_pages, why == 2 ? 1500 : 0);
		/* Nor is it asked for more when nobody else is there. */
		vms[0].target_pages = 0;
		policy_decide(&short_host, vms, 1);
		assert_int_equal(vms[0].new_target_pages, 0);
	}
}

/* One vCPU waits, another can answer: it is asked like others. */
static void test_p3_who_acts_while_waiting_is_asked(void **state)
{
	struct policy_vm vm = typical();
	(void)state;
	vm.waiting = true;
	vm.acts = true;
	policy_decide(&short_host, &vm, 1);
	assert_true(vm.new_target_pages > 0);
	vm.target_pages = 0;
	vm.unresponsive = true;
	policy_decide(&short_host, &vm, 1);
	assert_int_equal(vm.new_target_pages, 0);
}

static void test_p3_deaf_vm_keeps_its_balloon(void **state)
{
	struct policy_vm vm = typical();
	(void)state;
	vm.unresponsive = true;
	vm.ballooned_pages = 700;
	vm.target_pages = 1500;
	vm.wanted_pages = 700;
	policy_decide(&short_host, &vm, 1);
	assert_int_equal(vm.new_target_pages, 700);
}

static void test_p2_gap_changes_nothing(void **state)
{
	(void)state;
	for (uint64_t spare = LOW; spare <= HIGH; spare += 10) {
		struct policy_host host = {spare, LOW, HIGH, 0};
		struct policy_vm vms[2] = {typical(), typical()};
		vms[0].target_pages = 1234;
		vms[0].ballooned_pages = 1000;
		vms[1].target_pages = 77;
		vms[1].ballooned_pages = 300; /* deflating */
		policy_decide(&host, vms, 2);
		assert_int_equal(vms[0].new_target_pages, 1234);
		assert_int_equal(vms[1].new_target_pages, 77);
	}
}

static void test_p5_above_high_balloons_deflate(void **state)
{
	struct policy_vm vms[2] = {typical(), typical()};
	struct policy_host host = {HIGH + 1000, LOW, HIGH, 0};
	(void)state;
	vms[0].target_pages = 3000;
	vms[0].ballooned_pages = 2500;
	vms[1].target_pages = 100;
	vms[1].ballooned_pages = 100;
	policy_decide(&host, vms, 2);
	/* What was not given is not asked for any more; the surplus goes back, and no more. */
	assert_int_equal(vms[0].new_target_pages + vms[1].new_target_pages, 2600 - 1000);
	policy_decide(&rich_host, vms, 2);
	assert_int_equal(vms[0].new_target_pages + vms[1].new_target_pages, 0);
	/* What is on its way back already counts. */
	vms[0].target_pages = 1500;
	policy_decide(&host, vms, 2);
	assert_int_equal(vms[0].new_target_pages + vms[1].new_target_pages, 1600);
}

static void test_wanted_pages_come_from_the_own_balloon(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(hosts); i++) {
		struct policy_vm vm = typical();
		vm.target_pages = vm.ballooned_pages = 1000;
		vm.free_pages = vm.idle_pages = 0;
		vm.wanted_pages = 400;
		policy_decide(hosts[i], &vm, 1);
		assert_true(vm.new_target_pages <= 600);
		vm.wanted_pages = UINT64_MAX;
		policy_decide(hosts[i], &vm, 1);
		assert_int_equal(vm.new_target_pages, 0);
	}
}

/* One that wants the whole world gets its own balloon, and the host asks for no more than that. */
static void test_h7_liar_does_not_starve_others(void **state)
{
	struct policy_vm vms[2] = {typical(), typical()};
	(void)state;
	vms[0].wanted_pages = UINT64_MAX;
	vms[0].free_pages = vms[0].idle_pages = 0;
	vms[0].target_pages = vms[0].ballooned_pages = 200;
	policy_decide(&calm_host, vms, 2);
	assert_int_equal(vms[1].new_target_pages, 0);
	policy_decide(&short_host, vms, 2);
	assert_int_equal(vms[1].new_target_pages, HIGH - 500 + 200);
}

/* ---- Whatever guests say ---- */

/* What the configuration and the frame table allow; the guest's words are anything at all. */
static struct policy_vm random_vm(void)
{
	struct policy_vm vm = {0};
	uint64_t scale = 1ull << (3 + below(28));
	vm.max_pages = below(scale) + 1;
	vm.mem_pages = below(vm.max_pages) + 1;
	vm.min_pages = below(vm.mem_pages + 1);
	vm.ballooned_pages = below(3) == 0 ? below(vm.max_pages + 1) : 0;
	vm.held_pages = below(vm.max_pages - vm.ballooned_pages + 1);
	vm.target_pages = below(2) * below(vm.max_pages - vm.min_pages + 1);
	vm.shares = below(2) == 0 ? 100 : below(10000) + 1;
	vm.active_pages = below(8) == 0 ? UINT64_MAX : below(vm.held_pages + 1);
	vm.active_known = below(4) != 0;
	vm.attached = below(8) != 0;
	vm.unresponsive = below(8) == 0;
	vm.waiting = below(8) == 0;
	uint64_t *words[] = {&vm.free_pages, &vm.idle_pages, &vm.wanted_pages};
	for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
		uint64_t kind = below(8);
		*words[i] = kind == 0 ? UINT64_MAX : kind == 1 ? next_random() : below(2 * scale);
	}
	return vm;
}

static struct policy_host random_host(void)
{
	struct policy_host host = {.low_pages = below(1ull << (5 + below(20)))};
	host.high_pages = host.low_pages * 2;
	host.spare_pages = below(host.low_pages * 4 + 1);
	host.idle_tax_percent = (unsigned)below(3) * 50; /* 100 is too much, and is taken as 99 */
	return host;
}

struct situation {
	bool asking;	 /* the host is short, or somebody waits */
	bool entitled;	 /* ... below its own allotment */
	bool in_between; /* between low and high */
};

static struct situation judge(const struct policy_host *host, const struct policy_vm *vms,
			      unsigned count)
{
	struct situation now = {.asking = host->spare_pages < host->low_pages};
	for (unsigned i = 0; i < count; i++) {
		now.asking = now.asking || vms[i].waiting;
		now.entitled =
			now.entitled || (vms[i].waiting && vms[i].held_pages < vms[i].mem_pages);
	}
	now.in_between = !now.asking && host->spare_pages <= host->high_pages;
	return now;
}

static void check_vm(const struct policy_vm *vm, struct situation now)
{
	uint64_t target = vm->new_target_pages;
	assert_true(target <= vm->max_pages);
	if (!vm->attached) {
		assert_int_equal(target, 0);
		return;
	}
	if (target > vm->target_pages) { /* it is asked for more */
		uint64_t asked = target - vm->ballooned_pages;
		uint64_t above_min = sub_floor_u64(vm->held_pages, vm->min_pages);
		uint64_t growth = now.entitled ? vm->max_pages - vm->mem_pages : 0;
		assert_true(now.asking && !vm->unresponsive && !vm->waiting);
		assert_true(target > vm->ballooned_pages);
		assert_true(asked <= max_u64(vm->free_pages, vm->idle_pages));
		assert_true(asked <= above_min || target <= growth);
	}
	if (vm->unresponsive) {
		assert_true(target <= vm->ballooned_pages);
	}
	if (now.in_between && vm->wanted_pages == 0) {
		assert_true(target <= vm->target_pages);
		assert_true(target >= min_u64(vm->target_pages, vm->ballooned_pages));
	}
}

static void test_h7_random_statistics(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 60000; round++) {
		struct policy_vm vms[6];
		struct policy_vm again[6];
		random_state = 0x9e3779b97f4a7c15ull * (round + 1);
		struct policy_host host = random_host();
		unsigned count = (unsigned)below(6) + 1;
		for (unsigned i = 0; i < count; i++) {
			again[i] = vms[i] = random_vm();
		}
		policy_decide(&host, vms, count);
		policy_decide(&host, again, count); /* no memory of its own */
		struct situation now = judge(&host, vms, count);
		for (unsigned i = 0; i < count; i++) {
			check_vm(&vms[i], now);
			assert_int_equal(again[i].new_target_pages, vms[i].new_target_pages);
		}
	}
}

static void test_h7_absurd_statistics(void **state)
{
	struct policy_host all[] = {short_host,
				    calm_host,
				    rich_host,
				    {0, UINT64_MAX / 2, UINT64_MAX - 1, 75},
				    {UINT64_MAX, 1, 2, 99},
				    {0, 0, 0, 75}};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(all) * 64 * 3; i++) {
		struct policy_vm vms[3] = {typical(), typical(), typical()};
		unsigned bits = i / 3 % 64;
		unsigned count = i % 3 + 1;
		vms[0].free_pages = bits & 1 ? UINT64_MAX : 0;
		vms[0].idle_pages = bits & 2 ? UINT64_MAX : 5000;
		vms[0].wanted_pages = bits & 4 ? UINT64_MAX : 0;
		vms[0].target_pages = bits & 8 ? UINT64_MAX : 0;
		vms[0].shares = bits & 16 ? UINT64_MAX : 1;
		vms[0].ballooned_pages = bits & 32 ? 9000 : 0;
		vms[0].held_pages = bits & 32 ? 1000 : 8000;
		vms[2].waiting = true;
		vms[2].held_pages = 10;
		policy_decide(&all[i / 192], vms, count);
		for (unsigned j = 0; j < count; j++) {
			assert_true(vms[j].new_target_pages <= 9000); /* max less min */
		}
	}
}

static void test_thousands_of_vms(void **state)
{
	enum { COUNT = 5000 };
	struct policy_vm *vms = calloc(COUNT, sizeof(*vms));
	struct policy_host host = {0, 1ull << 24, 1ull << 25, 0};
	uint64_t sum = 0;
	(void)state;
	random_state = 77;
	for (unsigned i = 0; i < COUNT; i++) {
		vms[i] = typical();
		vms[i].idle_pages = below(4000);
		vms[i].shares = below(1000) + 1;
	}
	policy_decide(&host, vms, COUNT); /* all that they have is asked for */
	for (unsigned i = 0; i < COUNT; i++) {
		sum += vms[i].new_target_pages;
		vms[i].target_pages = vms[i].ballooned_pages = vms[i].new_target_pages;
	}
	assert_in_range(sum, COUNT * 1600ull, COUNT * 2000ull);
	host.spare_pages = host.high_pages + sum;
	policy_decide(&host, vms, COUNT);
	for (unsigned i = 0; i < COUNT; i++) {
		assert_int_equal(vms[i].new_target_pages, 0);
	}
	free(vms);
}

/* ---- Over time ---- */

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
	struct policy_host host = {sim_spare(sim), 400, 800, sim->tax};
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
		random_state = 5;
		sim_start(&sim, 500, tax);
		for (unsigned period = 0; period < 1000; period++) {
			sim_step(&sim, 6500 + below(200), 6500 + below(200));
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

/* ---- The tax on idle memory ---- */

static const struct policy_host taxed_host = {0, 1000, 4000, 75};

/* Two that have the same to give: the one that uses its memory keeps four times as much of it. */
static void test_tax_idle_memory_is_asked_first(void **state)
{
	struct policy_vm vms[2] = {typical(), typical()};
	(void)state;
	vms[0].active_known = vms[1].active_known = true;
	vms[0].active_pages = 8000;
	vms[1].active_pages = 0;
	policy_decide(&taxed_host, vms, 2);
	assert_int_equal(vms[0].new_target_pages + vms[1].new_target_pages, 4000);
	uint64_t left[2] = {3750 - vms[0].new_target_pages, 3750 - vms[1].new_target_pages};
	assert_in_range(left[0], sub_floor_u64(4 * left[1], 300), 4 * left[1] + 300);
	/* Four times the shares outweigh it. */
	vms[1].shares = 400;
	policy_decide(&taxed_host, vms, 2);
	uint64_t targets[2] = {vms[0].new_target_pages, vms[1].new_target_pages};
	assert_in_range(targets[0], sub_floor_u64(targets[1], 100), targets[1] + 100);
}

/* Off, or without estimates, or with equal ones, all is as if there were no tax. */
static void test_tax_off(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		struct policy_vm plain[5];
		struct policy_vm vms[5];
		random_state = 0x9e3779b97f4a7c15ull * (round + 1);
		struct policy_host host = random_host();
		for (unsigned i = 0; i < 5; i++) {
			plain[i] = vms[i] = random_vm();
			plain[i].active_known = false;
			if (round % 3 == 0) {
				vms[i].active_known = false;
			} else if (round % 3 == 1) {
				vms[i].active_known = true;
				vms[i].active_pages = round % 2 == 0 ? 0 : vms[i].held_pages;
			}
		}
		policy_decide(&host, plain, 5);
		if (round % 3 == 2) {
			host.idle_tax_percent = 0;
		}
		policy_decide(&host, vms, 5);
		for (unsigned i = 0; i < 5; i++) {
			if (round % 3 == 1 && vms[i].held_pages == 0) {
				continue;
			}
			assert_int_equal(vms[i].new_target_pages, plain[i].new_target_pages);
		}
	}
}

static uint64_t sum_of_targets(const struct policy_vm *vms, unsigned count)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < count; i++) {
		sum += vms[i].new_target_pages;
	}
	return sum;
}

/* Does as it was told, and wants nothing. */
static struct policy_vm settled_vm(void)
{
	struct policy_vm vm = random_vm();
	vm.ballooned_pages = min_u64(vm.ballooned_pages, vm.max_pages - vm.min_pages);
	vm.target_pages = vm.ballooned_pages;
	vm.wanted_pages = 0;
	return vm;
}

/* Who uses less is asked for no less, the others for no more; all together for the same. */
static void test_tax_is_monotonic(void **state)
{
	unsigned moved = 0;
	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		struct policy_vm busy[5];
		struct policy_vm idle[5];
		random_state = 0x9e3779b97f4a7c15ull * (round + 1);
		uint64_t idle_pages = 0;
		for (unsigned i = 0; i < 5; i++) {
			busy[i] = idle[i] = settled_vm();
			idle_pages += min_u64(busy[i].idle_pages, busy[i].held_pages);
		}
		uint64_t need = below(idle_pages + 1) / 4 + 1;
		struct policy_host host = {0, need, need, 75};
		busy[0].active_known = idle[0].active_known = true;
		idle[0].active_pages = below(min_u64(busy[0].active_pages, busy[0].held_pages) + 1);
		policy_decide(&host, busy, 5);
		policy_decide(&host, idle, 5);
		assert_int_equal(sum_of_targets(busy, 5), sum_of_targets(idle, 5));
		assert_true(idle[0].new_target_pages >= busy[0].new_target_pages);
		for (unsigned i = 1; i < 5; i++) {
			assert_true(idle[i].new_target_pages <= busy[i].new_target_pages);
		}
		moved += idle[0].new_target_pages > busy[0].new_target_pages ? 1 : 0;
	}
	print_message("asked for more because it uses less: %u of 20000\n", moved);
	assert_true(moved > 300);
}

/* A guest that has nothing to spare by its own word is asked for nothing, however idle it looks. */
static void test_tax_need_and_minimum_stay(void **state)
{
	struct policy_host broke = {0, 100000, 200000, 99};
	(void)state;
	for (uint64_t idle = 0; idle <= 4000; idle += 100) {
		struct policy_vm vms[2] = {typical(), typical()};
		vms[0].active_known = true;
		vms[0].idle_pages = vms[0].free_pages = idle;
		policy_decide(&broke, vms, 2);
		assert_int_equal(vms[0].new_target_pages,
				 idle - min_u64(idle, max_u64(32, idle / 16)));
		vms[0].held_pages = 1000 + idle / 2;
		policy_decide(&broke, vms, 2);
		assert_true(vms[0].new_target_pages <= idle / 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_p5_no_pressure_no_targets),
		cmocka_unit_test(test_never_below_min),
		cmocka_unit_test(test_p1_need_and_margin_stay),
		cmocka_unit_test(test_p1_request_follows_use),
		cmocka_unit_test(test_idle_and_growth_only_for_the_entitled),
		cmocka_unit_test(test_shares_decide),
		cmocka_unit_test(test_p3_who_cannot_give_is_not_counted),
		cmocka_unit_test(test_p3_who_acts_while_waiting_is_asked),
		cmocka_unit_test(test_p3_deaf_vm_keeps_its_balloon),
		cmocka_unit_test(test_p2_gap_changes_nothing),
		cmocka_unit_test(test_p5_above_high_balloons_deflate),
		cmocka_unit_test(test_wanted_pages_come_from_the_own_balloon),
		cmocka_unit_test(test_h7_liar_does_not_starve_others),
		cmocka_unit_test(test_h7_random_statistics),
		cmocka_unit_test(test_h7_absurd_statistics),
		cmocka_unit_test(test_thousands_of_vms),
		cmocka_unit_test(test_p2_rivals_do_not_oscillate),
		cmocka_unit_test(test_p2_noise_does_not_oscillate),
		cmocka_unit_test(test_p2_alternating_need),
		cmocka_unit_test(test_p5_balloons_empty_after_pressure),
		cmocka_unit_test(test_tax_idle_memory_is_asked_first),
		cmocka_unit_test(test_tax_off),
		cmocka_unit_test(test_tax_is_monotonic),
		cmocka_unit_test(test_tax_need_and_minimum_stay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
