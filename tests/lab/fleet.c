/* SPDX-License-Identifier: BSD-2-Clause */
/* See fleet.h. */
#include "tests/lab/fleet.h"

#include <string.h>

#include "base/bits.h"
#include "kernel/overcommit/host_state.h"

#define PAGES_PER_MIB 256
#define PLACED_PERCENT 90 /* of LAB_VMS_MAX are on a host on average, at most */

bool fleet_fits(unsigned vms, unsigned hosts)
{
	return vms >= 2 && vms <= FLEET_VMS_MAX && hosts >= 1 && hosts <= FLEET_HOSTS_MAX &&
	       hosts * 2 <= vms && vms * 100ull <= hosts * (uint64_t)LAB_VMS_MAX * PLACED_PERCENT;
}

/* Four of ten have 16 MiB, three 32, two 64, one 128. */
static uint64_t draw_mem_pages(uint64_t *seed)
{
	static const unsigned upto[] = {4, 7, 9, 10};
	uint64_t drawn = lab_draw(seed, 10);
	unsigned size = 0;
	while (drawn >= upto[size]) {
		size++;
	}
	return (16ull << size) * PAGES_PER_MIB;
}

static bool has_room(const struct fleet_plan *plan, unsigned host, uint64_t min_pages)
{
	return plan->vms_of_host[host] < LAB_VMS_MAX &&
	       plan->promised[host] + min_pages <= plan->host_pages;
}

/* Of those with room, the one with the least allotted; FLEET_HOSTS_MAX: none. */
static unsigned choose_host(const struct fleet_plan *plan, uint64_t min_pages)
{
	unsigned best = FLEET_HOSTS_MAX;
	for (unsigned host = 0; host < plan->hosts; host++) {
		if (has_room(plan, host, min_pages) &&
		    (best == FLEET_HOSTS_MAX || plan->allotted[host] < plan->allotted[best])) {
			best = host;
		}
	}
	return best;
}

void fleet_place(struct fleet_plan *plan, unsigned vms, unsigned hosts, uint64_t seed)
{
	uint64_t total = 0;
	memset(plan, 0, sizeof(*plan));
	plan->vms = vms;
	plan->hosts = hosts;
	for (unsigned i = 0; i < vms; i++) {
		uint64_t own = pattern_seed(seed << 16, FLEET_VMS_MAX + i);
		plan->mem_pages[i] = draw_mem_pages(&own);
		total += plan->mem_pages[i];
	}
	plan->host_pages = total * 5 / 8 / hosts;
	for (unsigned i = 0; i < vms; i++) {
		uint64_t min_pages = plan->mem_pages[i] / PATTERN_MIN_PARTS;
		unsigned host = choose_host(plan, min_pages);
		plan->host[i] = host;
		if (host == FLEET_HOSTS_MAX) {
			plan->refused++;
			continue;
		}
		plan->allotted[host] += plan->mem_pages[i];
		plan->promised[host] += min_pages;
		plan->vms_of_host[host]++;
	}
}

static bool is_short(const struct lab_world *world)
{
	for (unsigned i = 0; i < world->count; i++) {
		if (world->vms[i].view.waiting) {
			return true;
		}
	}
	return lab_spare(world) < host_state_bounds(world->total_pages).low_pages;
}

struct totals {
	uint64_t demanded;
	uint64_t unmet;
};

static struct totals totals_of(const struct lab_world *world)
{
	struct totals totals = {0, 0};
	for (unsigned i = 0; i < world->count; i++) {
		totals.demanded += world->vms[i].demanded;
		totals.unmet += world->vms[i].unmet;
	}
	return totals;
}

static void add_sample(struct fleet_sample *sample, const struct lab_world *world,
		       const struct totals *before)
{
	struct totals now = totals_of(world);
	sample->demanded += now.demanded - before->demanded;
	sample->unmet += now.unmet - before->unmet;
	for (unsigned i = 0; i < world->count; i++) {
		const struct lab_vm *vm = &world->vms[i];
		sample->held_pages += vm->hot + vm->warm + vm->idle;
		sample->ballooned_pages += vm->view.ballooned_pages;
	}
	sample->spare_pages += lab_spare(world);
	sample->hosts_short += is_short(world) ? 1 : 0;
}

static void add_host(struct fleet_result *result, const struct lab_world *world)
{
	for (unsigned i = 0; i < world->count; i++) {
		const struct lab_vm *vm = &world->vms[i];
		uint64_t part = (vm->demanded - vm->unmet) * 1000 / max_u64(vm->demanded, 1);
		result->demanded += vm->demanded;
		result->unmet += vm->unmet;
		result->refaults += vm->refaults;
		result->reversals += vm->reversals;
		result->changes += vm->changes;
		result->ended += vm->ended ? 1 : 0;
		result->parts += part;
		result->parts_squared += part * part;
	}
	for (unsigned i = 0; i < LAB_LATENCIES; i++) {
		result->short_for[i] += world->latencies[i];
		result->reclaimed[i] += world->reclaimed[i];
	}
	result->vms += world->count;
	result->used += world->used;
	result->shortages += world->shortages;
	result->host_periods_pages += world->total_pages * world->period;
}

static void run_host(struct lab_world *world, struct source *sources, unsigned pattern,
		     unsigned periods, struct fleet_result *result)
{
	struct totals before = {0, 0};
	for (unsigned period = 1; period <= periods; period++) {
		pattern_step(world, sources, pattern);
		if (period % (periods / FLEET_SAMPLES) == 0) {
			unsigned at = period / (periods / FLEET_SAMPLES) - 1;
			add_sample(&result->samples[at], world, &before);
			before = totals_of(world);
		}
	}
	add_host(result, world);
}

void fleet_run(struct lab_world *world, const struct fleet_plan *plan, unsigned pattern,
	       uint64_t seed, unsigned periods, struct fleet_result *result)
{
	struct source sources[LAB_VMS_MAX];
	memset(result, 0, sizeof(*result));
	result->periods = periods;
	for (unsigned host = 0; host < plan->hosts; host++) {
		lab_start(world, plan->host_pages);
		for (unsigned i = 0; i < plan->vms; i++) {
			if (plan->host[i] == host) {
				(void)pattern_add(world, &sources[world->count],
						  pattern_seed(seed << 16, i), plan->mem_pages[i],
						  i);
			}
		}
		if (world->count > 0) {
			run_host(world, sources, pattern, periods, result);
		}
	}
}

uint64_t fleet_quantile(const uint64_t counts[LAB_LATENCIES], unsigned permille)
{
	uint64_t total = 0;
	uint64_t sum = 0;
	for (unsigned i = 0; i < LAB_LATENCIES; i++) {
		total += counts[i];
	}
	for (unsigned i = 0; i < LAB_LATENCIES; i++) {
		sum += counts[i];
		if (sum > 0 && sum * 1000 >= total * permille) {
			return i;
		}
	}
	return 0;
}

uint64_t fleet_fairness(const struct fleet_result *result)
{
	uint64_t bottom = result->parts_squared * result->vms;
	return bottom > 0 ? result->parts * result->parts * 1000 / bottom : 1000;
}
