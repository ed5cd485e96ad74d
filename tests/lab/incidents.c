/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What users of other balloons reported, as replays: each is a small world in which the incident
 * can happen, and a number that says how bad it was. The result is of one policy, the one that
 * decides.
 */
#include "tests/lab/cells.h"

#include <stddef.h>

#include "base/bits.h"

#define GIB_PAGES 262144ull
#define MIB_PAGES 256ull
#define LEAK_SECONDS 19 /* until its leak has used up the host */

static void run_until(struct lab_world *world, uint64_t period)
{
	while (world->period < period) {
		lab_step(world);
	}
}

static void needs(struct lab_vm *vm, uint64_t hot, uint64_t warm)
{
	vm->hot_wanted = hot;
	vm->warm_wanted = warm;
}

static uint64_t lacking_ms(const struct lab_vm *vm)
{
	return vm->lacking * LAB_PERIOD_MS;
}

/*
 * A guest of 4 GiB has given most of its memory to another one, and needs it again when that one
 * has ended its work: a little was given back each time, and it had no liveness for ten minutes.
 */
static uint64_t partial_release(struct lab_world *world)
{
	lab_start(world, 5 * GIB_PAGES);
	struct lab_vm *guest = lab_add(world, GIB_PAGES / 8, 3 * GIB_PAGES, 4 * GIB_PAGES, 100);
	struct lab_vm *other = lab_add(world, GIB_PAGES / 8, 3 * GIB_PAGES, 4 * GIB_PAGES, 100);
	guest->speed = other->speed = 16384;
	needs(guest, 3 * GIB_PAGES, 0);
	run_until(world, 200);
	needs(guest, GIB_PAGES / 2, 0);
	needs(other, 4 * GIB_PAGES, 0);
	run_until(world, 1000);
	guest->lacking = 0;
	needs(guest, 3 * GIB_PAGES, 0);
	needs(other, GIB_PAGES / 2, 0);
	run_until(world, 3000);
	return lacking_ms(guest);
}

/* The statistics stand still while the guest begins to use its memory, and its driver gives any. */
static uint64_t stale_statistics(struct lab_world *world)
{
	lab_start(world, GIB_PAGES);
	struct lab_vm *guest =
		lab_add(world, 128 * MIB_PAGES, 512 * MIB_PAGES, 512 * MIB_PAGES, 100);
	struct lab_vm *other = lab_add(world, 128 * MIB_PAGES, 640 * MIB_PAGES, GIB_PAGES, 100);
	needs(guest, 512 * MIB_PAGES, 0);
	run_until(world, 200);
	needs(guest, 128 * MIB_PAGES, 0);
	run_until(world, 300);
	guest->frozen = guest->blind = true;
	needs(guest, 512 * MIB_PAGES, 0);
	needs(other, 576 * MIB_PAGES, 0);
	run_until(world, 2000);
	return guest->refaults / MIB_PAGES;
}

/* The pressure is over, but balloons stay: a threshold that is never left. */
static uint64_t pressure_never_left(struct lab_world *world)
{
	lab_start(world, GIB_PAGES);
	struct lab_vm *guest = lab_add(world, 128 * MIB_PAGES, 640 * MIB_PAGES, GIB_PAGES, 100);
	struct lab_vm *other = lab_add(world, 128 * MIB_PAGES, 640 * MIB_PAGES, GIB_PAGES, 100);
	needs(guest, 512 * MIB_PAGES, 0);
	run_until(world, 200);
	needs(guest, 192 * MIB_PAGES, 0);
	needs(other, 768 * MIB_PAGES, 0);
	run_until(world, 1000);
	/* It ends: all that it held is free. */
	needs(other, 0, 0);
	other->hot = other->warm = other->idle = 0;
	uint64_t left = 0;
	while (world->period < 3000) {
		lab_step(world);
		left = guest->view.ballooned_pages > 0 ? world->period : left;
	}
	return left > 1000 ? (left - 1000) * LAB_PERIOD_MS : 0;
}

/* A guest has more than half of its memory free, another one of the same host swaps. */
static uint64_t idle_beside_swap(struct lab_world *world)
{
	lab_start(world, 12 * GIB_PAGES);
	struct lab_vm *idle = lab_add(world, GIB_PAGES, 8 * GIB_PAGES, 8 * GIB_PAGES, 100);
	struct lab_vm *busy = lab_add(world, GIB_PAGES, 6 * GIB_PAGES, 10 * GIB_PAGES, 100);
	idle->speed = 4096;
	needs(idle, 7 * GIB_PAGES, 0);
	run_until(world, 100);
	needs(idle, 3 * GIB_PAGES, 0);
	run_until(world, 600);
	needs(busy, 8 * GIB_PAGES, 0);
	run_until(world, 3000);
	return lacking_ms(busy);
}

/* The host is at 87 %, no guest lacks anything, and all that they hold is of use to them. */
static uint64_t host_headroom(struct lab_world *world)
{
	lab_start(world, 4 * GIB_PAGES);
	for (unsigned i = 0; i < 4; i++) {
		struct lab_vm *vm = lab_add(world, GIB_PAGES / 4, GIB_PAGES, GIB_PAGES, 100);
		needs(vm, GIB_PAGES / 2, GIB_PAGES * 3 / 8);
	}
	run_until(world, 2000);
	uint64_t refaults = 0;
	for (unsigned i = 0; i < 4; i++) {
		refaults += world->vms[i].refaults;
	}
	return refaults / MIB_PAGES;
}

/* One VM leaks until the host has no more; what the others lack, that need their allotments then.
 */
static uint64_t leak(struct lab_world *world)
{
	lab_start(world, 4 * GIB_PAGES);
	struct lab_vm *leaky = lab_add(world, GIB_PAGES / 4, GIB_PAGES, 4 * GIB_PAGES, 100);
	for (unsigned i = 0; i < 2; i++) {
		(void)lab_add(world, GIB_PAGES / 4, GIB_PAGES, GIB_PAGES, 100);
		needs(&world->vms[1 + i], GIB_PAGES / 2, GIB_PAGES / 8);
	}
	for (unsigned second = 0; second < LEAK_SECONDS; second++) {
		needs(leaky, second * GIB_PAGES / 6, 0);
		run_until(world, (second + 1) * 100);
	}
	/* Now they need all of their allotment. */
	needs(&world->vms[1], GIB_PAGES * 7 / 8, 0);
	needs(&world->vms[2], GIB_PAGES * 7 / 8, 0);
	run_until(world, 4000);
	return lacking_ms(&world->vms[1]) + lacking_ms(&world->vms[2]);
}

/* Two VMs have free memory within their allotments, and a third one gets none. */
static uint64_t third_refused(struct lab_world *world)
{
	lab_start(world, 3 * GIB_PAGES);
	for (unsigned i = 0; i < 3; i++) {
		struct lab_vm *vm =
			lab_add(world, GIB_PAGES / 8, 5 * GIB_PAGES / 4, 3 * GIB_PAGES / 2, 100);
		vm->speed = 2048;
		needs(vm, i < 2 ? GIB_PAGES * 5 / 4 : 0, 0);
	}
	run_until(world, 200);
	needs(&world->vms[0], GIB_PAGES / 2, GIB_PAGES / 4);
	needs(&world->vms[1], GIB_PAGES / 2, GIB_PAGES / 4);
	run_until(world, 500);
	needs(&world->vms[2], GIB_PAGES, 0);
	run_until(world, 2000);
	return lacking_ms(&world->vms[2]);
}

/* Bursts of 50 ms, each half a second, shorter than any reaction: do targets run after them? */
static uint64_t short_bursts(struct lab_world *world)
{
	uint64_t reversals = 0;
	lab_start(world, 2 * GIB_PAGES);
	for (unsigned i = 0; i < 4; i++) {
		struct lab_vm *vm =
			lab_add(world, GIB_PAGES / 8, 3 * GIB_PAGES / 4, GIB_PAGES, 100);
		vm->delay = 10;
	}
	for (unsigned period = 0; period < 3000; period++) {
		for (unsigned i = 0; i < 4; i++) {
			bool burst = (period + 12 * i) % 50 < 5;
			needs(&world->vms[i], GIB_PAGES * (burst ? 5 : 3) / 8, GIB_PAGES / 16);
		}
		lab_step(world);
	}
	for (unsigned i = 0; i < 4; i++) {
		reversals += world->vms[i].reversals;
	}
	return reversals;
}

static const struct incident incidents[] = {
	{"partial release", "a starving guest gets its own memory back bit by bit", "ms without it",
	 partial_release},
	{"stale statistics", "a guest is shrunk by what it said before it needed its memory",
	 "MiB taken back", stale_statistics},
	{"pressure never left", "balloons stay when the need for them is over", "ms until empty",
	 pressure_never_left},
	{"idle beside swap", "a guest keeps free memory while another one lacks it",
	 "ms without it", idle_beside_swap},
	{"host headroom", "guests lose what they use so that the host has headroom",
	 "MiB read again", host_headroom},
	{"leak", "one VM eats the host, others lack their allotment", "ms without it", leak},
	{"third refused", "two VMs have free memory, a third one gets none", "ms without it",
	 third_refused},
	{"short bursts", "targets run after bursts that are over before they act", "reversals",
	 short_bursts},
};

const struct incident *incident_at(unsigned index)
{
	return index < ARRAY_COUNT(incidents) ? &incidents[index] : NULL;
}
