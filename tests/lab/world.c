/* SPDX-License-Identifier: BSD-2-Clause */
/* See world.h. */
#include "tests/lab/world.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "kernel/overcommit/host_state.h"

#define WARM_TOUCHED_PARTS 32 /* of the cache are needed in a period */
#define SAMPLE_PERIODS 100
#define TAX_PERCENT 75
#define STARVING_PERIODS 400 /* oom_after_ms */
#define OVERDUE_PERIODS 1600 /* oom_overdue_ms */

uint64_t lab_draw(uint64_t *seed, uint64_t limit)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed % limit;
}

void lab_start(struct lab_world *world, uint64_t total_pages)
{
	memset(world, 0, sizeof(*world));
	world->total_pages = total_pages;
}

struct lab_vm *lab_add(struct lab_world *world, uint64_t min_pages, uint64_t mem_pages,
		       uint64_t max_pages, uint64_t shares)
{
	if (world->count == LAB_VMS_MAX) {
		abort();
	}
	struct lab_vm *vm = &world->vms[world->count++];
	vm->view = (struct policy_vm){
		.min_pages = min_pages,
		.mem_pages = mem_pages,
		.max_pages = max_pages,
		.shares = shares,
		.buffer_percent = 20,
		.attached = true,
	};
	vm->speed = 512;
	vm->delay = 1;
	return vm;
}

static uint64_t held_pages(const struct lab_vm *vm)
{
	return vm->hot + vm->warm + vm->idle;
}

/* Free frames, less what minimums are still owed. */
static int64_t balance(const struct lab_world *world)
{
	int64_t left = (int64_t)world->total_pages;
	for (unsigned i = 0; i < world->count; i++) {
		const struct lab_vm *vm = &world->vms[i];
		left -= (int64_t)max_u64(held_pages(vm), vm->view.min_pages);
	}
	return left;
}

uint64_t lab_spare(const struct lab_world *world)
{
	int64_t left = balance(world);
	return left > 0 ? (uint64_t)left : 0;
}

/* A VM below its allotment waits: those that have theirs get no frame. */
static bool others_wait(const struct lab_world *world, const struct lab_vm *vm)
{
	for (unsigned i = 0; i < world->count; i++) {
		const struct lab_vm *other = &world->vms[i];
		if (other != vm && other->view.waiting &&
		    held_pages(other) < other->view.mem_pages) {
			return held_pages(vm) >= vm->view.mem_pages;
		}
	}
	return false;
}

/* New frames for it, at most `pages`: within its size, and what the host can give. */
static uint64_t obtain(const struct lab_world *world, const struct lab_vm *vm, uint64_t pages)
{
	uint64_t held = held_pages(vm);
	uint64_t promised = sub_floor_u64(vm->view.min_pages, held);
	uint64_t spare = others_wait(world, vm) ? 0 : lab_spare(world);
	pages = min_u64(pages, sub_floor_u64(vm->view.max_pages - vm->view.ballooned_pages, held));
	return min_u64(pages, promised + spare);
}

static uint64_t take(uint64_t *from, uint64_t pages)
{
	uint64_t taken = min_u64(*from, pages);
	*from -= taken;
	return taken;
}

/* Hot pages: idle ones of its own, its cache, new frames, and its balloon at last. */
static void need_hot(struct lab_world *world, struct lab_vm *vm)
{
	if (vm->hot > vm->hot_wanted) {
		vm->idle += vm->hot - vm->hot_wanted;
		vm->hot = vm->hot_wanted;
	}
	vm->hot += take(&vm->idle, vm->hot_wanted - vm->hot);
	uint64_t size = vm->view.max_pages - vm->view.ballooned_pages;
	vm->hot += obtain(world, vm, vm->hot_wanted - vm->hot);
	if (vm->hot < vm->hot_wanted) {
		uint64_t cache = take(&vm->warm, vm->hot_wanted - vm->hot);
		vm->warm_lost += cache;
		vm->hot += cache;
	}
	uint64_t lacking = vm->hot_wanted - vm->hot;
	bool no_room = held_pages(vm) >= size;
	vm->view.waiting = lacking > 0 && !no_room;
	vm->view.wanted_pages = no_room ? lacking : 0;
	vm->view.refault_pages = 0;
	if (no_room && lacking > 0 && !vm->stays) {
		uint64_t out = take(&vm->view.ballooned_pages, min_u64(lacking, vm->speed));
		vm->view.refault_pages = out;
		vm->hot += obtain(world, vm, out);
	}
}

/* Warm pages: a part of those that it lacks is needed in each period. */
static void need_warm(struct lab_world *world, struct lab_vm *vm)
{
	if (vm->warm > vm->warm_wanted) {
		vm->idle += vm->warm - vm->warm_wanted;
		vm->warm = vm->warm_wanted;
		vm->warm_lost = 0;
	}
	uint64_t missing = vm->warm_wanted - vm->warm;
	uint64_t touched = (missing + WARM_TOUCHED_PARTS - 1) / WARM_TOUCHED_PARTS;
	uint64_t got = take(&vm->idle, touched);
	uint64_t again = min_u64(vm->warm_lost, touched);
	vm->warm += got;
	uint64_t more = obtain(world, vm, touched - got);
	vm->warm += more;
	got += more;
	vm->warm_lost -= min_u64(vm->warm_lost, got);
	vm->view.refault_pages += again;
	vm->refaults += vm->view.refault_pages;
}

static void follow_target(struct lab_world *world, struct lab_vm *vm)
{
	uint64_t target = vm->targets[(world->period + LAB_DELAY_MAX - vm->delay) % LAB_DELAY_MAX];
	if (target < vm->view.ballooned_pages) {
		(void)take(&vm->view.ballooned_pages,
			   min_u64(vm->view.ballooned_pages - target, vm->speed));
		return;
	}
	if (vm->view.waiting) {
		return; /* so its driver is, too */
	}
	uint64_t move = min_u64(target - vm->view.ballooned_pages, vm->speed);
	uint64_t given = take(&vm->idle, move);
	uint64_t cache = take(&vm->warm, move - given);
	vm->warm_lost += cache;
	given += cache;
	uint64_t in_use = vm->blind ? take(&vm->hot, move - given) : 0;
	vm->hot_taken += in_use;
	given += in_use;
	vm->view.ballooned_pages += given;
	lab_asks_given(&vm->asks, vm->view.ballooned_pages - given, vm->view.ballooned_pages,
		       world->period, world->reclaimed);
	world->last_given = given > 0 ? world->period : world->last_given;
}

static void report(struct lab_world *world, struct lab_vm *vm)
{
	struct policy_vm *view = &vm->view;
	view->held_pages = held_pages(vm);
	if ((world->period + (uint64_t)(vm - world->vms)) % SAMPLE_PERIODS == 0) {
		view->active_pages = max_u64(vm->hot + vm->warm, view->active_pages / 4 * 3);
		view->active_known = true;
	}
	if (!vm->frozen) {
		view->idle_pages = vm->idle + (vm->hides_warm ? 0 : vm->warm);
		view->free_pages =
			sub_floor_u64(view->max_pages - view->ballooned_pages, view->held_pages) +
			view->idle_pages;
	}
}

static void measure(struct lab_world *world, struct lab_vm *vm, uint64_t old_target)
{
	uint64_t lacking = vm->hot_wanted - min_u64(vm->hot, vm->hot_wanted);
	uint64_t target = vm->view.target_pages;
	int direction = (target > old_target) - (target < old_target);
	vm->unmet += lacking;
	vm->demanded += vm->hot_wanted;
	if (lacking > vm->hot_wanted / 100) {
		vm->lacking++;
		vm->last_lacking = world->period + 1;
	}
	world->used += vm->hot + vm->warm;
	vm->changes += direction != 0 ? 1 : 0;
	if (direction != 0 && direction != vm->direction) {
		vm->reversals += vm->direction != 0 ? 1 : 0;
		vm->direction = direction;
	}
}

/*
 * As kernel/overcommit/oom.c has it: a vCPU has waited for long, whatever its VM holds, and
 * meanwhile no VM gave a frame back; or for much longer, below its allotment.
 */
static bool is_starving(const struct lab_world *world, const struct lab_vm *vm)
{
	bool below_allotment = held_pages(vm) < vm->view.mem_pages;
	bool progress = world->period - world->last_given < STARVING_PERIODS;
	bool overdue = vm->starving > OVERDUE_PERIODS && below_allotment &&
		       world->period - world->last_ended > STARVING_PERIODS;
	return overdue || (vm->starving > STARVING_PERIODS && !progress);
}

/* The one that holds most beyond its allotment per share; if there is none, the first that waits.
 */
static struct lab_vm *choose_victim(struct lab_world *world)
{
	struct lab_vm *victim = NULL;
	uint64_t most = 0;
	for (unsigned i = 0; i < world->count; i++) {
		struct lab_vm *vm = &world->vms[i];
		uint64_t excess = sub_floor_u64(held_pages(vm), vm->view.mem_pages) * 10000;
		excess /= max_u64(vm->view.shares, 1);
		if (excess > most || (victim == NULL && vm->view.waiting)) {
			victim = vm;
			most = excess;
		}
	}
	return victim;
}

static void give_up_on_one(struct lab_world *world)
{
	bool starving = false;
	for (unsigned i = 0; i < world->count; i++) {
		struct lab_vm *vm = &world->vms[i];
		vm->starving = vm->view.waiting ? vm->starving + 1 : 0;
		starving = starving || is_starving(world, vm);
	}
	struct lab_vm *victim = starving ? choose_victim(world) : NULL;
	if (victim != NULL) {
		world->last_ended = world->last_given = world->period;
		victim->ended = true;
		victim->hot = victim->warm = victim->idle = 0;
		victim->view.attached = victim->view.waiting = false;
		victim->view.ballooned_pages = victim->view.min_pages = 0;
	}
}

static void note_shortage(struct lab_world *world, bool is_short)
{
	if (is_short && world->short_since == 0) {
		world->short_since = world->period + 1;
	} else if (!is_short && world->short_since != 0) {
		uint64_t periods = world->period + 1 - world->short_since;
		world->latencies[min_u64(periods, LAB_LATENCIES - 1)]++;
		world->shortages++;
		world->short_since = 0;
	}
}

void (*lab_decide)(const struct policy_host *host, struct policy_vm *vms,
		   unsigned count) = policy_decide;

static void decide(struct lab_world *world)
{
	for (unsigned i = 0; i < world->count; i++) {
		world->views[i] = world->vms[i].view;
	}
	struct host_bounds bounds = host_state_bounds(world->total_pages);
	world->host = (struct policy_host){
		.spare_pages = lab_spare(world),
		.low_pages = bounds.low_pages,
		.high_pages = bounds.high_pages,
		.idle_tax_percent = TAX_PERCENT,
		.total_pages = world->total_pages,
		.passed_us = LAB_PERIOD_MS * 1000,
	};
	lab_decide(&world->host, world->views, world->count);
	for (unsigned i = 0; i < world->count; i++) {
		struct lab_vm *vm = &world->vms[i];
		uint64_t old = vm->view.target_pages;
		memcpy(vm->view.memory, world->views[i].memory, sizeof(vm->view.memory));
		vm->view.target_pages = world->views[i].new_target_pages;
		vm->targets[world->period % LAB_DELAY_MAX] = vm->view.target_pages;
		lab_asks_target(&vm->asks, vm->view.ballooned_pages, vm->view.target_pages,
				world->period);
		measure(world, vm, old);
	}
}

void lab_step(struct lab_world *world)
{
	bool waiting = false;
	for (unsigned i = 0; i < world->count; i++) {
		/* Not always the same one first. */
		struct lab_vm *vm = &world->vms[(i + world->period) % world->count];
		if (vm->ended) {
			continue;
		}
		need_hot(world, vm);
		need_warm(world, vm);
		follow_target(world, vm);
		waiting = waiting || vm->view.waiting;
	}
	if (balance(world) < 0) {
		abort(); /* a promise is broken: the laboratory itself is wrong */
	}
	for (unsigned i = 0; i < world->count; i++) {
		report(world, &world->vms[i]);
	}
	give_up_on_one(world);
	note_shortage(world, waiting || lab_spare(world) <
						host_state_bounds(world->total_pages).low_pages);
	decide(world);
	world->period++;
}

uint64_t lab_latency_ms(const struct lab_world *world, unsigned permille)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < LAB_LATENCIES; i++) {
		sum += world->latencies[i];
		if (sum > 0 && sum * 1000 >= world->shortages * permille) {
			return (uint64_t)i * LAB_PERIOD_MS;
		}
	}
	return 0;
}

uint64_t lab_fairness(const struct lab_world *world)
{
	uint64_t sum = 0;
	uint64_t squares = 0;
	for (unsigned i = 0; i < world->count; i++) {
		const struct lab_vm *vm = &world->vms[i];
		uint64_t part = (vm->demanded - vm->unmet) * 1000 / max_u64(vm->demanded, 1);
		sum += part;
		squares += part * part;
	}
	return squares > 0 ? sum * sum * 1000 / (squares * world->count) : 1000;
}
