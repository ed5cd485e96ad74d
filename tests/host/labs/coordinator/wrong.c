/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See wrong.h. One sound coordinator with numbers and switches; each wrong one has some of them
 * set wrongly, or does something to the targets afterwards.
 */
#include "labs/coordinator/wrong.h"

#include "base/bits.h"
#include "kernel/overcommit/policies/rules.h"

#define MIB_PAGES 256ull

static struct settings {
	unsigned floor_parts; /* of max_pages; 0: no floor */
	uint64_t ask_most;
	uint64_t release_most;
	uint64_t want_most;
	unsigned low_percent;  /* of low_pages, where asking begins */
	unsigned high_percent; /* of high_pages, where it ends */
	unsigned leave_parts;  /* balloons shrink above this part of the host; 0: above high */
	bool trusts_idle;
	bool unbounded;
	bool only_waiting;
	unsigned first;	 /* VMs before this one get nothing of what they want */
	unsigned only;	 /* so many VMs are asked, from the first */
	uint64_t leaves; /* in each balloon */
	bool by_size;	 /* asks in proportion to max, not to what is givable */
} now;

static const struct settings sound = {
	.floor_parts = 24,
	.ask_most = 4 * MIB_PAGES,
	.release_most = MIB_PAGES,
	.want_most = UINT64_MAX,
	.low_percent = 100,
	.high_percent = 100,
	.only = UINT32_MAX,
};

static uint64_t floor_of(const struct policy_vm *vm)
{
	return now.floor_parts > 0 ? vm->max_pages / now.floor_parts : 0;
}

static uint64_t stand(const struct policy_vm *vm, unsigned index)
{
	uint64_t target = vm->target_pages;
	if (now.unbounded) {
		return target;
	}
	target = min_u64(target, vm->attached ? vm->max_pages - vm->min_pages : 0);
	target = min_u64(target, vm->ballooned_pages + sub_floor_u64(vm->free_pages, floor_of(vm)));
	if (vm->wanted_pages == 0 || index < now.first) {
		return target;
	}
	return sub_floor_u64(min_u64(target, vm->ballooned_pages),
			     min_u64(vm->wanted_pages, now.want_most));
}

static uint64_t givable(const struct policy_vm *vm)
{
	uint64_t use = vm->active_known && !now.trusts_idle ? vm->active_pages : 0;
	uint64_t most = min_u64(vm->idle_pages, sub_floor_u64(vm->free_pages, floor_of(vm)));
	most = min_u64(most, sub_floor_u64(vm->held_pages, max_u64(use, vm->min_pages)));
	most = sub_floor_u64(most, rules_asked_pages(vm));
	most = min_u64(most, sub_floor_u64(vm->max_pages - vm->min_pages,
					   max_u64(vm->new_target_pages, vm->ballooned_pages)));
	return rules_can_give(vm) && vm->wanted_pages == 0 ? most : 0;
}

static uint64_t weight(const struct policy_vm *vm)
{
	return now.by_size ? vm->max_pages : givable(vm);
}

static void ask(struct policy_vm *vms, unsigned count, uint64_t need)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < count; i++) {
		sum += weight(&vms[i]);
		need = sub_floor_u64(need, rules_pending_pages(&vms[i]));
	}
	for (unsigned i = 0; i < count && i < now.only && sum > 0; i++) {
		uint64_t most = weight(&vms[i]);
		uint64_t part = min_u64(min_u64(most, (need * most + sum - 1) / sum), now.ask_most);
		if (part > 0) {
			vms[i].new_target_pages =
				max_u64(vms[i].new_target_pages, vms[i].ballooned_pages) + part;
		}
	}
}

static void release(struct policy_vm *vms, unsigned count, uint64_t surplus)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < count; i++) {
		vms[i].new_target_pages = min_u64(vms[i].new_target_pages, vms[i].ballooned_pages);
		sum += vms[i].new_target_pages;
	}
	for (unsigned i = 0; i < count && sum > 0; i++) {
		uint64_t has = vms[i].new_target_pages;
		uint64_t part = min_u64(surplus, sum) * has / sum;
		part = min_u64(part, sub_floor_u64(has, now.leaves));
		vms[i].new_target_pages -= min_u64(part, now.release_most);
	}
}

static void decide(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	uint64_t low = host->low_pages * now.low_percent / 100;
	uint64_t high = host->high_pages * now.high_percent / 100;
	uint64_t leave =
		now.leave_parts > 0 ? host->total_pages / now.leave_parts : host->high_pages;
	bool waiting = false;
	for (unsigned i = 0; i < count; i++) {
		vms[i].new_target_pages = stand(&vms[i], i);
		waiting = waiting || vms[i].waiting;
	}
	if (host->spare_pages > max_u64(leave, high)) {
		release(vms, count, host->spare_pages - host->high_pages);
	} else if (host->spare_pages < high &&
		   (waiting || (!now.only_waiting && host->spare_pages < low))) {
		ask(vms, count, high - host->spare_pages);
	}
}

/* A wrong one that is the sound one but for these settings. */
#define WRONG(name, ...)                                                                           \
	static void name(const struct policy_host *host, struct policy_vm *vms, unsigned count)    \
	{                                                                                          \
		now = sound;                                                                       \
		__VA_ARGS__;                                                                       \
		decide(host, vms, count);                                                          \
	}

WRONG(no_floor, now.floor_parts = 0)
WRONG(floor_of_pages, now.floor_parts = 24 * 256)
WRONG(half_a_floor, now.floor_parts = 48)
WRONG(asks_at_once, now.ask_most = UINT64_MAX)
WRONG(asks_twice_as_fast, now.ask_most = 8 * MIB_PAGES)
WRONG(asks_too_slowly, now.ask_most = 16)
WRONG(releases_at_once, now.release_most = UINT64_MAX)
WRONG(releases_never, now.release_most = 0)
WRONG(ignores_wants, now.want_most = 0)
WRONG(wants_bit_by_bit, now.want_most = MIB_PAGES)
WRONG(ignores_wants_of_the_first, now.first = 1)
WRONG(trusts_statistics, now.trusts_idle = true)
WRONG(leaves_at_a_quarter, now.leave_parts = 4)
WRONG(leaves_a_rest, now.leaves = 16 * MIB_PAGES)
WRONG(asks_in_plenty, now.low_percent = now.high_percent = 300)
WRONG(waits_for_waiting, now.only_waiting = true)
WRONG(begins_too_late, now.low_percent = 25)
WRONG(asks_only_the_first, now.only = 1)
WRONG(asks_only_two, now.only = 2)
WRONG(keeps_no_bounds, now.unbounded = true)
WRONG(by_size, now.by_size = true)

static void does_nothing(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	(void)host;
	for (unsigned i = 0; i < count; i++) {
		vms[i].new_target_pages = 0;
	}
}

static void without_a_driver(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	now = sound;
	decide(host, vms, count);
	for (unsigned i = 0; i < count; i++) {
		vms[i].new_target_pages =
			vms[i].attached ? vms[i].new_target_pages : vms[i].target_pages;
	}
}

/* To and fro by half a MiB, while the host has no plenty. */
static void swings(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	now = sound;
	decide(host, vms, count);
	for (unsigned i = 0; i < count && host->spare_pages <= host->high_pages; i++) {
		struct policy_vm *vm = &vms[i];
		if (vm->new_target_pages == vm->target_pages && vm->target_pages > MIB_PAGES) {
			vm->new_target_pages += vm->memory[0]++ % 2 == 0 ? 0 : MIB_PAGES / 2;
			vm->new_target_pages -= vm->memory[0] % 2 == 0 ? 0 : MIB_PAGES / 2;
		}
	}
}

/* All have the same size, whatever they need, in small steps. */
static void equal_parts(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct policy_vm *vm = &vms[i];
		uint64_t most = vm->attached ? vm->max_pages - vm->min_pages : 0;
		uint64_t goal = sub_floor_u64(vm->max_pages, host->total_pages / count);
		uint64_t old = min_u64(vm->target_pages, most);
		goal = host->spare_pages > host->high_pages ? min_u64(goal, old)
							    : min_u64(goal, most);
		vm->new_target_pages = goal > old ? min_u64(goal, old + 4 * MIB_PAGES)
						  : max_u64(goal, sub_floor_u64(old, MIB_PAGES));
	}
}

/* Pressure is left only when all balloons are empty, which they never are while it lasts. */
static void never_relaxes(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	bool pressed = host->spare_pages < host->low_pages;
	now = sound;
	for (unsigned i = 0; i < count; i++) {
		pressed = pressed || vms[i].memory[0] > 0;
	}
	now.release_most = pressed ? 0 : MIB_PAGES;
	decide(host, vms, count);
	for (unsigned i = 0; i < count; i++) {
		vms[i].memory[0] = pressed;
	}
}

/* When one wants, all get. */
static void gives_all(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	uint64_t wanted = 0;
	for (unsigned i = 0; i < count; i++) {
		wanted = max_u64(wanted, vms[i].wanted_pages);
	}
	now = sound;
	decide(host, vms, count);
	for (unsigned i = 0; i < count; i++) {
		vms[i].new_target_pages = sub_floor_u64(vms[i].new_target_pages, wanted);
	}
}

/* Its idle pages are counted twice: as idle, and as free. */
static void counts_twice(const struct policy_host *host, struct policy_vm *vms, unsigned count)
{
	now = sound;
	for (unsigned i = 0; i < count; i++) {
		vms[i].free_pages += vms[i].idle_pages;
	}
	decide(host, vms, count);
	for (unsigned i = 0; i < count; i++) {
		vms[i].free_pages -= vms[i].idle_pages;
	}
}

static const struct wrong_policy wrong[] = {
	{"does nothing", does_nothing,
	 "gives one_grows_host_floor one_grows_met all_grow_host_floor "
	 "all_grow_met two_stop_host_floor two_stop_met trap_pinned:host_floor "
	 "trap_stale:host_floor trap_never_left:host_floor"},
	{"a VM keeps no floor", no_floor,
	 "one_grows_vm_floor all_grow_vm_floor two_stop_vm_floor "
	 "trap_pinned:vm_floor trap_stale:vm_floor trap_never_left:vm_floor"},
	{"the floor is too small by 256: MiB for pages", floor_of_pages,
	 "one_grows_vm_floor all_grow_vm_floor two_stop_vm_floor "
	 "trap_pinned:vm_floor trap_stale:vm_floor trap_never_left:vm_floor"},
	{"half of the floor", half_a_floor,
	 "one_grows_vm_floor all_grow_vm_floor two_stop_vm_floor "
	 "trap_pinned:vm_floor trap_stale:vm_floor trap_never_left:vm_floor"},
	{"asks for all at once", asks_at_once,
	 "one_grows_gradual all_grow_gradual two_stop_gradual "
	 "trap_pinned:gradual trap_stale:gradual trap_never_left:gradual"},
	{"asks twice as fast as allowed", asks_twice_as_fast,
	 "one_grows_gradual all_grow_gradual two_stop_gradual "
	 "trap_pinned:gradual trap_stale:gradual trap_never_left:gradual"},
	{"asks for 64 KiB in a decision", asks_too_slowly,
	 "one_grows_host_floor one_grows_met all_grow_host_floor all_grow_met "
	 "two_stop_host_floor two_stop_met trap_pinned:host_floor "
	 "trap_stale:host_floor trap_never_left:host_floor"},
	{"releases all at once", releases_at_once,
	 "one_grows_gradual trap_pinned:gradual trap_never_left:gradual"},
	{"never releases", releases_never, "one_grows_returned trap_never_left:returned"},
	{"what a guest wants is not looked at", ignores_wants,
	 "all_grow_met two_stop_met trap_pinned:met trap_stale:met"},
	{"what a guest wants it gets bit by bit", wants_bit_by_bit, "trap_pinned:met"},
	{"the loop over wants begins at 1", ignores_wants_of_the_first,
	 "two_stop_met trap_pinned:met"},
	{"believes statistics, whatever is in use", trusts_statistics, "trap_stale:in_use"},
	{"leaves the pressure at a quarter of the host", leaves_at_a_quarter,
	 "trap_never_left:returned"},
	{"leaves 16 MiB in each balloon", leaves_a_rest,
	 "one_grows_returned trap_never_left:returned"},
	{"asks until three times high", asks_in_plenty,
	 "bounds one_grows_plenty all_grow_plenty two_stop_plenty "
	 "trap_pinned:plenty trap_stale:plenty trap_never_left:plenty"},
	{"asks only when a VM waits", waits_for_waiting,
	 "one_grows_host_floor all_grow_host_floor two_stop_host_floor "
	 "trap_pinned:host_floor trap_stale:host_floor "
	 "trap_never_left:host_floor"},
	{"begins at a quarter of low", begins_too_late,
	 "one_grows_host_floor all_grow_host_floor two_stop_host_floor "
	 "trap_pinned:host_floor trap_stale:host_floor "
	 "trap_never_left:host_floor"},
	{"asks only the first VM", asks_only_the_first,
	 "gives one_grows_host_floor one_grows_met all_grow_host_floor "
	 "all_grow_met two_stop_host_floor two_stop_met trap_stale:host_floor "
	 "trap_never_left:host_floor"},
	{"asks only the first two VMs", asks_only_two,
	 "all_grow_host_floor all_grow_met two_stop_host_floor two_stop_met"},
	{"targets have no bounds", keeps_no_bounds,
	 "bounds all_grow_met two_stop_met trap_pinned:met trap_stale:met"},
	{"asks by size, not by what is idle", by_size,
	 "bounds one_grows_vm_floor all_grow_vm_floor all_grow_calm "
	 "two_stop_vm_floor two_stop_calm trap_pinned:vm_floor "
	 "trap_stale:vm_floor trap_never_left:vm_floor"},
	{"a target without a driver", without_a_driver, "bounds"},
	{"targets swing", swings,
	 "gives one_grows_vm_floor one_grows_calm all_grow_calm "
	 "two_stop_vm_floor two_stop_calm trap_pinned:calm trap_stale:calm "
	 "trap_never_left:calm"},
	{"equal parts, whatever is needed", equal_parts,
	 "one_grows_vm_floor one_grows_met one_grows_returned "
	 "all_grow_host_floor all_grow_met two_stop_vm_floor two_stop_host_floor "
	 "two_stop_met trap_pinned:vm_floor trap_stale:in_use "
	 "trap_never_left:vm_floor"},
	{"once pressed, always pressed", never_relaxes,
	 "one_grows_returned trap_never_left:returned"},
	{"when one wants, all get", gives_all,
	 "all_grow_calm two_stop_gradual two_stop_calm trap_pinned:gradual "
	 "trap_stale:calm"},
	{"counts idle pages twice", counts_twice,
	 "one_grows_vm_floor all_grow_vm_floor two_stop_vm_floor "
	 "trap_pinned:vm_floor trap_stale:vm_floor trap_never_left:vm_floor"},
};

const struct wrong_policy *wrong_policy_at(unsigned index)
{
	return index < ARRAY_COUNT(wrong) ? &wrong[index] : NULL;
}
