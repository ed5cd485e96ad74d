/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A random walk over several VMs, each compared with its reference after every step, while frames
 * run short, allocations are made to fail and VMs die. Every page carries its owner's number and
 * must be seen by nobody else, nor change.
 *
 *	MODEL_SEED=n MODEL_STEPS=n build/host/test_model		repeat a walk
 */
#include "fake/environment.h"
#include "fake/model.h"

#include <time.h>

#include "base/bits.h"
#include "mm/alloc.h"

#define VMS 4
#define FRAMES 3300u
#define LIMIT_MAX 2200u

static struct model *vms[VMS];
static vm_id_t next_owner;
static uint64_t random_state;
static uint64_t step;
static const char *last;

/* xorshift64*: the same numbers on every machine. */
static uint64_t draw(uint64_t below)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * 0x2545f4914f6cdd1d >> 33) % below;
}

static bool chance(unsigned percent)
{
	return draw(100) < percent;
}

/* Where the next operation happens: near the last one, near a border, or anywhere. */
static uint64_t draw_gfn(const struct model *vm, unsigned order)
{
	static uint64_t near;
	if (chance(60)) {
		near += draw(5);
	} else if (chance(30)) {
		near = vm->limit - 1 - draw(4);
	} else {
		near = draw(vm->limit);
	}
	near = near < vm->limit || chance(2) ? near : 0;
	return chance(97) ? align_down_u64(near, order_pages(order)) : near;
}

static unsigned draw_order(void)
{
	return chance(75) ? ORDER_4K : chance(95) ? ORDER_2M : ORDER_1G;
}

static void create(unsigned slot)
{
	uint64_t limit = 1 + draw(LIMIT_MAX);
	uint64_t min = draw(2) == 0 ? 0 : draw(min_u64(limit, 500) + 1);
	next_owner = next_owner % 100 + 1;
	last = "create";
	vms[slot] = model_create(next_owner, limit, min);
}

static void destroy(unsigned slot)
{
	last = "destroy";
	model_destroy(vms[slot], 4096 + draw(3000));
	vms[slot] = NULL;
}

/* The end of a hypercall: the guest runs on, on both CPUs, only after the flush. */
static void finish(struct model *vm)
{
	last = "flush";
	world_flush(vm->s2);
}

static void take_out(struct model *vm)
{
	unsigned order = draw_order();
	uint64_t gfn = draw_gfn(vm, order);
	enum world_operation operation = chance(80) ? WORLD_SURRENDER : WORLD_REPORT;
	last = operation == WORLD_SURRENDER ? "surrender" : "report";
	if (chance(40)) {
		(void)model_run(vm, operation, gfn, order, 1 + draw(600));
	} else if (operation == WORLD_SURRENDER) {
		(void)model_surrender(vm, gfn, order);
	} else {
		(void)model_report(vm, gfn, order);
	}
}

static void give_back(struct model *vm)
{
	unsigned order = draw_order();
	uint64_t gfn = draw_gfn(vm, order);
	last = "return";
	if (chance(40)) {
		(void)model_run(vm, WORLD_RETURN, gfn, order, 1 + draw(600));
	} else {
		(void)model_return(vm, gfn, order);
	}
}

static void pin_or_unpin(struct model *vm)
{
	uint64_t gfn = draw_gfn(vm, 0);
	last = "pin";
	if (gfn < vm->limit && vm->pinned[gfn]) {
		model_unpin(vm, gfn);
	} else if (chance(25)) {
		(void)model_pin(vm, gfn);
	}
}

/* Many single pages, so that whole regions come to be. */
static void fill_region(struct model *vm)
{
	uint64_t gfn = draw(vm->limit) & ~511ull;
	last = "fill";
	for (uint64_t i = 0; i < 512 && gfn + i < vm->limit; i++) {
		if (vm->kinds[gfn + i] != S2_BALLOONED &&
		    model_populate(vm, gfn + i, 0) != STATUS_OK) {
			return;
		}
	}
}

static void use_memory(struct model *vm)
{
	last = "access";
	for (unsigned i = 0; i < 4; i++) {
		uint64_t gfn = min_u64(draw_gfn(vm, 0), vm->limit - 1);
		if (chance(50)) {
			model_write(vm, (unsigned)draw(FAKE_CPUS), gfn);
		} else {
			model_read(vm, (unsigned)draw(FAKE_CPUS), gfn);
		}
	}
}

static void operate(struct model *vm)
{
	unsigned what = (unsigned)draw(100);
	if (what < 30) {
		last = "populate";
		uint64_t gfn = min_u64(draw_gfn(vm, 0), vm->limit - 1);
		(void)model_populate(vm, gfn, chance(60) ? ORDER_4K : ORDER_1G);
	} else if (what < 55) {
		for (unsigned batch = 1 + (unsigned)draw(4); batch > 0; batch--) {
			take_out(vm);
		}
		finish(vm);
	} else if (what < 75) {
		give_back(vm);
		finish(vm);
	} else if (what < 80) {
		pin_or_unpin(vm);
		finish(vm);
	} else if (what < 83) {
		last = "join";
		(void)model_join(vm, min_u64(draw_gfn(vm, 0), vm->limit - 1));
	} else if (what < 84) {
		fill_region(vm);
	} else {
		use_memory(vm);
	}
}

static void one_step(void)
{
	unsigned slot = (unsigned)draw(VMS);
	model_failures_injected = chance(5);
	frame_alloc_fail_at = model_failures_injected ? 1 + draw(4) : 0;
	if (vms[slot] == NULL) {
		create(slot);
	} else if (draw(1500) == 0) {
		destroy(slot);
	} else {
		operate(vms[slot]);
	}
	frame_alloc_fail_at = 0;
	model_failures_injected = false;
	if (draw(64) == 0) { /* much is lent, little, or nothing */
		frame_caches_floor_set(chance(30) ? FRAME_CACHES_OFF : draw(FRAMES / 2));
	}
	if (chance(10)) {
		last = "scrub";
		(void)scrub_step((unsigned)draw(11));
	}
	if (step % 256 == 0) {
		last = "verify";
		world_check_zeroed();
		for (unsigned i = 0; i < VMS; i++) {
			if (vms[i] != NULL) {
				model_verify(vms[i], true);
			}
		}
	}
}

static void walk(uint64_t seed, uint64_t steps, unsigned max_leaf_level)
{
	random_state = seed * 0x9e3779b97f4a7c15 + max_leaf_level + 1;
	next_owner = 0;
	world_start(300, FRAMES, max_leaf_level);
	for (step = 1; step <= steps; step++) {
		one_step();
	}
	for (unsigned i = 0; i < VMS; i++) {
		if (vms[i] != NULL) {
			destroy(i);
		}
	}
	world_scrub_all();
	world_check_zeroed();
	assert_int_equal(frame_count_free(), FRAMES);
	assert_int_equal(promise_owed(), 0);
}

static int teardown(void **state)
{
	print_message("the walk ended in step %llu (%s)\n", (unsigned long long)step, last);
	for (unsigned i = 0; i < VMS; i++) {
		vms[i] = NULL;
	}
	return model_teardown(state);
}

static uint64_t seed_of_this_run;

static void run(unsigned max_leaf_level)
{
	uint64_t steps = environment_number("MODEL_STEPS", 12000);
	print_message("MODEL_SEED=%llu MODEL_STEPS=%llu, leaves up to level %u\n",
		      (unsigned long long)seed_of_this_run, (unsigned long long)steps,
		      max_leaf_level);
	walk(seed_of_this_run, steps, max_leaf_level);
}

static void test_walk_4k(void **state)
{
	(void)state;
	run(0);
}

static void test_walk_2m(void **state)
{
	(void)state;
	run(1);
}

static void test_walk_1g(void **state)
{
	(void)state;
	run(2);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_walk_4k),
		TEST(test_walk_2m),
		TEST(test_walk_1g),
	};
	seed_of_this_run = environment_number("MODEL_SEED", (uint64_t)time(NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
