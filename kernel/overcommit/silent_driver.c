/* SPDX-License-Identifier: BSD-2-Clause */
/* See silent_driver.h. What it keeps is in the VM's struct balloon. */
#include "kernel/overcommit/silent_driver.h"

#include "base/bits.h"
#include "kernel/lib/tunables.h"
#include "kernel/overcommit/host_limits.h"
#include "kernel/sched/clock.h"
#include "kernel/vm/vm.h"
#include "mm/frame.h"
#include "mm/promise.h"

#define COMES_AGAIN_MS 500 /* and not sooner: Linux comes once a second */

/* What the guest has besides its balloon, populated or not. */
static uint64_t size_pages(const struct vm *vm)
{
	return sub_floor_u64(vm->s2.limit_pages, vm->s2.ballooned_pages);
}

void silent_driver_begin(struct vm *vm)
{
	struct s2_locked locked = s2_lock(&vm->s2);
	vm->balloon.silent = true;
	vm->balloon.told_pages = 0;
	vm->balloon.under_way_pages = 0;
	vm->balloon.told_tsc = 0;
	vm->balloon.least_size_pages = 0;
	vm->balloon.needed = false;
	s2_unlock(locked);
}

/*
 * How many frames the guest may need before its driver gives the first page: as many as it has
 * pages without one, for it may take those, and may clear them.
 */
static uint64_t clearing_pages(const struct vm *vm)
{
	return sub_floor_u64(size_pages(vm), vm->s2.mapped_pages);
}

/*
 * The size that it is not asked to go below, and gets back. While another VM waits it is no more
 * than the allotment: a VM that is asked for nothing, though it has more than that, would be ended.
 */
static uint64_t least_size(const struct vm *vm, uint64_t now_tsc)
{
	const struct balloon *balloon = &vm->balloon;
	bool past = sub_floor_u64(now_tsc, balloon->least_size_tsc) >
		    deadline_ticks(tunables.silent_short_ms);
	uint64_t pages = past ? 0 : balloon->least_size_pages;
	bool needed = __atomic_load_n(&balloon->needed, __ATOMIC_RELAXED);
	return needed ? min_u64(pages, vm->config.mem_pages) : pages;
}

uint64_t silent_driver_target(const struct vm *vm)
{
	if (least_size(vm, clock_now()) > size_pages(vm)) {
		return min_u64(vm->balloon.target_pages, vm->s2.ballooned_pages);
	}
	uint64_t target = __atomic_load_n(&vm->balloon.target_pages, __ATOMIC_RELAXED);
	uint64_t spare = min_u64(promise_spare(), frame_count_free());
	uint64_t step = max_u64(order_pages(ORDER_2M), spare / 2);

	return clearing_pages(vm) <= step ? target : min_u64(target, vm->s2.ballooned_pages + step);
}

/* Its guest can do without no more. */
static void note_least_size(struct vm *vm)
{
	uint64_t size = size_pages(vm);
	vm->balloon.least_size_pages = size + size / tunables.silent_short_parts;
	vm->balloon.least_size_tsc = clock_now();
}

void silent_driver_scrapes(struct vm *vm)
{
	struct s2_locked locked = s2_lock(&vm->s2);
	note_least_size(vm);
	s2_unlock(locked);
}

/*
 * It was told a target when it came last, and has had all the time that it takes since. What is
 * missing now, it could not get from its guest.
 */
static void note_short(struct vm *vm)
{
	const struct balloon *balloon = &vm->balloon;
	uint64_t told = __atomic_load_n(&balloon->told_pages, __ATOMIC_RELAXED);
	uint64_t due = min_u64(told, balloon->target_pages);
	uint64_t ballooned = vm->s2.ballooned_pages;
	if (sub_floor_u64(due, ballooned) > tunables.portion_least_pages) {
		note_least_size(vm);
	}
}

/* One that comes at once again has had no time. */
void silent_driver_came(struct vm *vm)
{
	struct balloon *balloon = &vm->balloon;
	struct s2_locked locked = s2_lock(&vm->s2);
	uint64_t now = clock_now();
	if (sub_floor_u64(now, balloon->told_tsc) >= ticks_from_ms(COMES_AGAIN_MS)) {
		note_short(vm);
		__atomic_store_n(&balloon->told_pages, silent_driver_target(vm), __ATOMIC_RELAXED);
		balloon->under_way_pages = balloon->told_pages;
		balloon->told_tsc = now;
	}
	s2_unlock(locked);
}

/*
 * A target that was lower for a moment is no target that it had all the time to meet. That it may
 * overwrite a new one with an older, lower one is as good.
 */
static void note_lower_target(struct balloon *balloon)
{
	if (balloon->target_pages < __atomic_load_n(&balloon->told_pages, __ATOMIC_RELAXED)) {
		__atomic_store_n(&balloon->told_pages, balloon->target_pages, __ATOMIC_RELAXED);
	}
}

void silent_driver_note_waits(uint64_t now_tsc)
{
	const uint64_t most = deadline_ticks(tunables.silent_short_wait_ms);
	const struct vm *waiter = NULL;
	unsigned waiters = 0;
	for (unsigned i = 0; i < vm_count; i++) {
		if (sub_floor_u64(now_tsc, vm_blocked_since(&vms[i])) > most) {
			waiter = &vms[i];
			waiters++;
		}
	}
	for (unsigned i = 0; i < vm_count; i++) {
		bool another = waiters > 1 || (waiters == 1 && waiter != &vms[i]);
		__atomic_store_n(&vms[i].balloon.needed, another, __ATOMIC_RELAXED);
	}
}

static uint64_t kept_pages; /* in the reserve, besides what it has anyway */

static void keep(uint64_t pages)
{
	kept_pages = pages;
	host_limits_keep(pages);
}

void silent_driver_init(void)
{
	keep(0);
}

void silent_driver_keep_reserve(void)
{
	uint64_t devices = 0;
	for (unsigned i = 0; i < vm_count; i++) {
		devices += vms[i].state == VM_RUNNING && vms[i].balloon.by_device &&
			   !vms[i].balloon.unresponsive;
	}
	uint64_t pages = devices > 1 ? devices * tunables.device_reserve_pages : 0;
	if (pages != kept_pages) {
		keep(pages);
	}
}

struct balloon_statistics silent_driver_statistics(struct vm *vm, struct balloon_statistics said,
						   uint64_t now_tsc)
{
	if (!vm->balloon.attached || !vm->balloon.silent) {
		return said;
	}
	note_lower_target(&vm->balloon);
	struct balloon_statistics measured = {.total_pages = said.total_pages};
	uint64_t size = size_pages(vm);
	uint64_t held = min_u64(vm->s2.mapped_pages, size);
	uint64_t least = least_size(vm, now_tsc);
	measured.wanted_pages = sub_floor_u64(least, size);
	if (vm->working_set.known) {
		uint64_t active = min_u64(vm->working_set.active_pages, held);
		uint64_t kept = max_u64(active + active / tunables.silent_keep_parts, least);
		uint64_t needed = active + active / tunables.silent_want_parts;
		measured.free_pages = sub_floor_u64(size, kept);
		measured.idle_pages = min_u64(held - active, measured.free_pages);
		measured.wanted_pages = max_u64(measured.wanted_pages, sub_floor_u64(needed, size));
	}
	measured.wanted_pages = min_u64(measured.wanted_pages, vm->s2.ballooned_pages);
	return measured;
}
