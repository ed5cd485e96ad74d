/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Generated demand. Each VM has a minimum of a quarter of its allotment, and RAM for half as much
 * again; the host has five eighths of what all VMs are allotted. pattern_run() allots each 64 MiB.
 */
#include "tests/lab/patterns.h"

#include <stddef.h>

#include "base/bits.h"

#include "tests/lab/cells.h"

#define MEM_PAGES 16384ull
#define DAY PATTERN_DAY

static uint64_t steady(struct source *source, const struct lab_vm *vm, uint64_t period)
{
	(void)vm;
	(void)period;
	return source->base + lab_draw(&source->seed, source->base / 100 + 1);
}

/* From a tenth to all that it has and back, over the run; half of the VMs the other way round. */
static uint64_t ramp(struct source *source, const struct lab_vm *vm, uint64_t period)
{
	uint64_t at = (period + source->phase % 2 * DAY / 2) % DAY;
	uint64_t up = at < DAY / 2 ? at : DAY - at;
	(void)vm;
	return source->mem_pages / 10 + source->mem_pages * up / (DAY / 2);
}

static uint64_t bursty(struct source *source, const struct lab_vm *vm, uint64_t period)
{
	(void)vm;
	if (period >= source->until) {
		bool burst = source->level == 0 && lab_draw(&source->seed, 4) == 0;
		source->level = burst ? source->mem_pages * 9 / 10 : 0;
		source->until = period + 20 + lab_draw(&source->seed, 300);
	}
	return source->base * 2 / 3 + source->level / 2;
}

static uint64_t phase_change(struct source *source, const struct lab_vm *vm, uint64_t period)
{
	(void)vm;
	return (period + source->phase) / 700 % 2 == 0 ? source->mem_pages / 4
						       : source->mem_pages * 5 / 4;
}

/* Needs what it gave, and more, as soon as it gave it; little as long as it is not asked. */
static uint64_t adversarial(struct source *source, const struct lab_vm *vm, uint64_t period)
{
	if (vm->view.ballooned_pages > source->level) {
		source->until = period + 50;
	}
	source->level = vm->view.ballooned_pages;
	return period < source->until ? source->mem_pages * 5 / 4 : source->base;
}

static uint64_t diurnal(struct source *source, const struct lab_vm *vm, uint64_t period)
{
	uint64_t at = (period + source->phase) % DAY;
	uint64_t up = at < DAY / 2 ? at : DAY - at;
	(void)vm;
	return source->mem_pages / 4 + source->mem_pages * 3 / 4 * up / (DAY / 2) +
	       lab_draw(&source->seed, source->mem_pages / 50);
}

const struct demand *pattern_recorded;

static uint64_t recorded(struct source *source, const struct lab_vm *vm, uint64_t period)
{
	(void)vm;
	return demand_pages(pattern_recorded, source->number, source->mem_pages,
			    period + source->phase);
}

static const struct {
	const char *name;
	uint64_t (*demand)(struct source *source, const struct lab_vm *vm, uint64_t period);
} patterns[] = {
	{"steady", steady},	      {"ramp", ramp},
	{"bursty", bursty},	      {"phases", phase_change},
	{"adversarial", adversarial}, {"diurnal", diurnal},
};

const char *pattern_name(unsigned pattern)
{
	return pattern < ARRAY_COUNT(patterns) ? patterns[pattern].name : NULL;
}

struct lab_vm *pattern_add(struct lab_world *world, struct source *source, uint64_t seed,
			   uint64_t mem_pages, unsigned number)
{
	struct lab_vm *vm = lab_add(world, mem_pages / PATTERN_MIN_PARTS, mem_pages,
				    mem_pages * 3 / 2, 100 + 100 * (number % 3));
	*source = (struct source){.seed = seed, .mem_pages = mem_pages, .number = number};
	source->base = mem_pages / 4 + lab_draw(&source->seed, mem_pages * 3 / 4);
	source->phase = lab_draw(&source->seed, DAY);
	vm->delay = 1 + (unsigned)lab_draw(&source->seed, 8);
	vm->hides_warm = number % 4 == 3;
	return vm;
}

static uint64_t demand_of(struct source *source, const struct lab_vm *vm, unsigned pattern,
			  uint64_t period)
{
	return pattern == PATTERN_RECORDED ? recorded(source, vm, period)
					   : patterns[pattern].demand(source, vm, period);
}

void pattern_step(struct lab_world *world, struct source *sources, unsigned pattern)
{
	for (unsigned i = 0; i < world->count; i++) {
		struct lab_vm *vm = &world->vms[i];
		uint64_t demand = demand_of(&sources[i], vm, pattern, world->period);
		vm->hot_wanted = min_u64(demand, vm->view.max_pages) * 7 / 8;
		vm->warm_wanted = sources[i].base / 6;
	}
	lab_step(world);
}

uint64_t pattern_seed(uint64_t seed, uint64_t number)
{
	return (seed * LAB_VMS_MAX + number + 1) * 0x9e3779b97f4a7c15ull;
}

void pattern_run(struct lab_world *world, unsigned pattern, unsigned vms, uint64_t seed,
		 unsigned periods)
{
	struct source sources[LAB_VMS_MAX];
	lab_start(world, vms * MEM_PAGES * 5 / 8);
	for (unsigned i = 0; i < vms; i++) {
		(void)pattern_add(world, &sources[i], pattern_seed(seed, i), MEM_PAGES, i);
	}
	for (unsigned period = 0; period < periods; period++) {
		pattern_step(world, sources, pattern);
	}
}
