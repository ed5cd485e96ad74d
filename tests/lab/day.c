/* SPDX-License-Identifier: BSD-2-Clause */
/* See day.h. */
#include "tests/lab/day.h"

#include <string.h>

#include "base/bits.h"

#define GROUP_SEED 0x9e3779b97f4a7c15ull
#define PERIOD_US (LAB_PERIOD_MS * 1000ull)

uint64_t day_peak_pages(const struct demand *demand, unsigned vm)
{
	uint64_t peak = 0;
	for (unsigned i = 0; i < demand->samples; i++) {
		peak = max_u64(peak, demand->pages[i][vm]);
	}
	return peak;
}

/* Of the first so many VMs. */
static uint64_t peaks_of(const struct demand *demand, unsigned vms)
{
	uint64_t pages = 0;
	for (unsigned i = 0; i < vms; i++) {
		pages += day_peak_pages(demand, i % demand->vms);
	}
	return pages;
}

/* Leaves in numbers[i] which of the `vms` VMs the i-th one of the world is. */
static void admit(struct lab_world *world, const struct demand *demand, unsigned vms,
		  unsigned *numbers, struct day_result *result)
{
	uint64_t peaks = peaks_of(demand, vms);
	uint64_t promised = 0;
	for (unsigned i = 0; i < vms; i++) {
		uint64_t peak = day_peak_pages(demand, i % demand->vms);
		uint64_t guaranteed = peak / DAY_GUARANTEED_PARTS;
		if (promised + guaranteed > world->total_pages) {
			result->refused++;
			continue;
		}
		promised += guaranteed;
		uint64_t allotted = min_u64(peak * world->total_pages / peaks, peak);
		numbers[world->count] = i;
		(void)lab_add(world, guaranteed, max_u64(allotted, guaranteed), peak, 100);
	}
	result->vms = world->count;
}

static void need(struct lab_world *world, const struct demand *demand, const unsigned *numbers,
		 const uint64_t *phases, unsigned stretch)
{
	for (unsigned i = 0; i < world->count; i++) {
		struct lab_vm *vm = &world->vms[i];
		unsigned number = numbers[i];
		uint64_t at = (world->period + phases[number / demand->vms]) / stretch;
		uint64_t mem_pages = demand->mem_pages[number % demand->vms];
		uint64_t pages = demand_pages(demand, number, mem_pages, at);
		vm->hot_wanted = pages; /* nothing of it counts as a cache */
	}
}

static void note_losses(const struct lab_world *world, const uint64_t *lacking,
			struct day_result *result)
{
	for (unsigned i = 0; i < world->count; i++) {
		const struct lab_vm *vm = &world->vms[i];
		uint64_t lost_us = lacking[i] * PERIOD_US + vm->refaults * DAY_REFAULT_US;
		uint64_t lost = lost_us * 100 / (result->periods * (PERIOD_US / 10000));
		unsigned at = i;
		for (; at > 0 && result->lost_ppm[at - 1] > lost; at--) {
			result->lost_ppm[at] = result->lost_ppm[at - 1];
		}
		result->lost_ppm[at] = lost;
		result->ended += vm->ended ? 1 : 0;
	}
}

bool day_run(struct lab_world *world, const struct demand *demand, unsigned static_vms,
	     unsigned vms, unsigned stretch, struct day_result *result)
{
	unsigned numbers[LAB_VMS_MAX];
	uint64_t phases[LAB_VMS_MAX];
	uint64_t lacking[LAB_VMS_MAX] = {0};
	uint64_t seed = GROUP_SEED;
	memset(result, 0, sizeof(*result));
	result->host_pages = peaks_of(demand, static_vms);
	if (result->host_pages == 0 || peaks_of(demand, vms) == 0) {
		return false;
	}
	result->periods = (uint64_t)demand->samples * demand->step_periods * stretch;
	lab_start(world, result->host_pages);
	admit(world, demand, vms, numbers, result);
	for (unsigned i = 0; i < LAB_VMS_MAX; i++) {
		phases[i] = lab_draw(&seed, result->periods);
	}
	for (uint64_t period = 0; period < result->periods; period++) {
		need(world, demand, numbers, phases, stretch);
		lab_step(world);
		for (unsigned i = 0; i < world->count; i++) {
			lacking[i] += world->vms[i].hot < world->vms[i].hot_wanted ? 1 : 0;
		}
	}
	result->used_permille = world->used * 1000 / (world->total_pages * world->period);
	note_losses(world, lacking, result);
	return true;
}

uint64_t day_lost_ppm(const struct day_result *result, unsigned permille)
{
	unsigned rank = (result->vms * permille + 999) / 1000;
	return rank > 0 ? result->lost_ppm[rank - 1] : 0;
}
