/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See governor.h. Decides on the boot CPU, between guests; sums are read without locks. What other
 * CPUs tell it, or ask of it in the middle of a fault, are single words, atomic.
 * Longer than 400 lines: one decision from the sums to the targets, read from the end to the top.
 */
#include "kernel/overcommit/governor.h"

#include "base/bits.h"
#include "base/log.h"
#include "base/string.h"
#include "base/time.h"
#include "kernel/overcommit/decisions.h"
#include "kernel/overcommit/driver_health.h"
#include "kernel/overcommit/host_limits.h"
#include "arch/arch.h"
#include "kernel/balloon/balloon.h"
#include "kernel/sched/boost.h"
#include "kernel/sched/clock.h"
#include "kernel/overcommit/oom.h"
#include "kernel/overcommit/policy.h"
#include "kernel/overcommit/silent_driver.h"
#include "kernel/overcommit/timed_reclaim.h"
#include "kernel/sched/scheduler.h"
#include "kernel/vm/vm.h"
#include "kernel/overcommit/wait_queue.h"
#include "kernel/balloon/admission.h"
#include "kernel/lib/tunables.h"
#include "mm/cache.h"
#include "mm/frame.h"
#include "mm/promise.h"

#define REST_MICROS 250 /* so long the boot CPU's guest runs between two calls from other CPUs */

static struct governor {
	uint64_t managed_pages; /* all that VMs can have, and the thresholds that follow from it */
	uint64_t low_pages;
	uint64_t high_pages; /* atomic: `set host floor` while others fill */
	uint64_t free_low;
	unsigned fill_order;	/* judged now and then, so that a fault need not */
	int64_t unjudged_pages; /* may be filled large before that is judged again; atomic */
	uint64_t next_tsc;
	uint64_t decided_tsc; /* when it last decided, by the clock of deadlines */
	bool vcpu_waits;      /* when last looked, or since */
	bool frames_came_back;
	uint64_t looked_tsc;	 /* when it was last here; atomic */
	unsigned policy_changes; /* when last looked */
} governor;

static struct policy_host policy_host;
static struct policy_vm policy_vms[VMS_MAX];

/* Of each VM: what it said when it was last read, and for how many periods it has been too busy. */
static struct said {
	struct balloon_statistics statistics;
	uint64_t refaults; /* the count when the policy last looked */
	unsigned busy_periods;
	bool target_told; /* the log says last that it has one */
} said[VMS_MAX];

/* Without frame_lock: a sum that is a moment old decides as well as one that is not. */
static uint64_t spare_pages(void)
{
	return min_u64(promise_spare(), frame_count_free());
}

static uint64_t floor_pages(void)
{
	return __atomic_load_n(&governor.high_pages, __ATOMIC_RELAXED);
}

static void set_thresholds(uint64_t managed_pages)
{
	struct host_bounds bounds = host_limits_bounds(managed_pages);
	governor.managed_pages = managed_pages;
	governor.low_pages = bounds.low_pages;
	__atomic_store_n(&governor.high_pages, bounds.high_pages, __ATOMIC_RELAXED);
	frame_caches_floor_set(bounds.high_pages); /* lent only while the host has plenty */
}

void governor_note_released(uint64_t pages)
{
	set_thresholds(governor.managed_pages + pages);
	governor.free_low = frame_count_free();
}

void governor_init(void)
{
	clock_init(arch_tsc());
	host_limits_init(clock_now());
	governor.managed_pages = frame_count_free();
	governor_note_released(0);
	silent_driver_init();
	governor.fill_order = ORDER_4K;
	governor.unjudged_pages = 0;
	governor.next_tsc = 0;
	governor.decided_tsc = clock_now();
	governor.vcpu_waits = false;
	governor.frames_came_back = false;
	governor.looked_tsc = 0;
	governor.policy_changes = policy_changes() - 1; /* what is remembered is void */
	memset(said, 0, sizeof(said));
	wait_queue_init();
	timed_reclaim_init();
	oom_init(clock_now());
	decisions_init(&policy_host, policy_vms);
}

static bool flag(const bool *value)
{
	return __atomic_load_n(value, __ATOMIC_ACQUIRE);
}

static void flag_set(bool *flag, bool value)
{
	__atomic_store_n(flag, value, __ATOMIC_SEQ_CST);
}

/*
 * The boot CPU is to look soon. Guests on other CPUs can cause that at will, so they do not get its
 * own guest out of it without end: what is not told is seen at the end of the slice.
 */
static void call_housekeeping(void)
{
	uint64_t looked = __atomic_load_n(&governor.looked_tsc, __ATOMIC_RELAXED);
	uint64_t rest = ticks_from_us(REST_MICROS);
	if (arch_cpu_index() == BOOT_CPU || scheduler_is_idle(BOOT_CPU) ||
	    sub_floor_u64(arch_tsc(), looked) >= rest) {
		scheduler_kick(BOOT_CPU);
	}
}

void admission_note_waiter(void)
{
	flag_set(&governor.vcpu_waits, true);
	call_housekeeping();
}

uint64_t governor_next_tsc(void)
{
	return governor.next_tsc;
}

uint64_t governor_free_low(void)
{
	return governor.free_low;
}

bool governor_is_plentiful(void)
{
	return spare_pages() > floor_pages() + order_pages(ORDER_2M);
}

/* What a demand fill may take at most, from what is spare now. */
static unsigned judge_fill_order(uint64_t spare)
{
	uint64_t floor = floor_pages();
	uint64_t enough = floor + order_pages(ORDER_2M);
	__atomic_store_n(&governor.unjudged_pages, (int64_t)(sub_floor_u64(spare, enough) / 2),
			 __ATOMIC_RELAXED);
	if (spare <= enough) {
		return ORDER_4K;
	}
	uint64_t generous = floor + tunables.generous_gib * order_pages(ORDER_1G);
	return spare > generous ? ORDER_1G : ORDER_2M;
}

void governor_renew(void)
{
	set_thresholds(governor.managed_pages);
	__atomic_store_n(&governor.fill_order, judge_fill_order(spare_pages()), __ATOMIC_RELAXED);
	governor.next_tsc = 0;
}

/*
 * Not only when the boot CPU looks again: until then another CPU could take all that is left, past
 * both thresholds, and VMs that could give would be asked when there is not even a frame for
 * their driver. But not after each fill either: sums take frame_lock. Half of what is left above
 * the threshold may go before the sums are read again.
 */
void admission_filled_large(uint64_t pages)
{
	if (__atomic_sub_fetch(&governor.unjudged_pages, (int64_t)pages, __ATOMIC_RELAXED) <= 0) {
		__atomic_store_n(&governor.fill_order, judge_fill_order(spare_pages()),
				 __ATOMIC_RELAXED);
	}
}

unsigned admission_fill_order(const struct vm *vm)
{
	/* A VM that is asked to give, and a host that is short, count in small change. */
	unsigned order = __atomic_load_n(&governor.fill_order, __ATOMIC_RELAXED);
	return vm->balloon.target_pages == 0 ? order : ORDER_4K;
}

void admission_frames_freed(struct vm *vm, uint64_t freed_pages)
{
	/* Frames within its own promise help no other VM. */
	uint64_t held = vm->s2.promise.held_pages;
	uint64_t useful =
		min_u64(freed_pages, sub_floor_u64(held + freed_pages, vm->config.min_pages));
	if (useful == 0) {
		return;
	}
	driver_health_note_given(vm, useful);
	oom_note_progress(clock_now());
	flag_set(&governor.frames_came_back, true);
	if (flag(&governor.vcpu_waits)) {
		call_housekeeping();
	}
}

/*
 * The calls of many vCPUs can keep a VM's lock busy without a gap. The boot CPU and its guests do
 * not queue up behind them every period; what the VM said last will do for a while.
 */
static void listen(struct vm *vm, struct said *to, uint64_t now)
{
	if (lock_is_taken(&vm->s2.lock) && to->busy_periods < tunables.busy_periods) {
		to->busy_periods++;
		return;
	}
	to->busy_periods = 0;
	to->statistics = silent_driver_statistics(vm, balloon_read_statistics(vm), now);
}

/*
 * Pages that it took back, or swapped in, since the last decision: a difference of two counts of a
 * driver, whose first one says nothing, and neither does one that is less than it was.
 */
static uint64_t refaults(const struct vm *vm, struct said *of)
{
	uint64_t now = of->statistics.refault_count;
	uint64_t before = of->refaults;
	of->refaults = vm->balloon.attached ? now : UINT64_MAX;
	return sub_floor_u64(now, before);
}

/* What the policy remembers of a VM, while both stay what they are. */
static void remember(const struct vm *vm, struct policy_vm *view, bool changed)
{
	if (changed || !vm->balloon.attached) {
		memset(view->memory, 0, sizeof(view->memory));
	}
}

/* A policy sees a VM whose max was lowered as one with less RAM and so much less of a balloon. */
static unsigned gather(uint64_t now)
{
	uint64_t passed = sub_floor_u64(now, governor.decided_tsc);
	bool changed = governor.policy_changes != policy_changes();
	governor.policy_changes = policy_changes();
	policy_host.passed_us = us_from_ticks(passed);
	governor.decided_tsc = now;
	silent_driver_note_waits(now);
	silent_driver_keep_reserve();
	for (unsigned i = 0; i < vm_count; i++) {
		struct vm *vm = &vms[i];
		listen(vm, &said[i], now);
		struct balloon_statistics statistics = said[i].statistics;
		bool alive = vm->state == VM_RUNNING && !vm_is_paused(vm);
		boost_fill(vm, passed);
		if (alive) {
			driver_health_judge(vm, passed, statistics.idle_pages, now);
		}
		remember(vm, &policy_vms[i], changed);
		const uint64_t *memory = policy_vms[i].memory;
		uint64_t floor = vm->balloon.floor_pages;
		policy_vms[i] = (struct policy_vm){
			.min_pages = vm->config.min_pages,
			.mem_pages = vm->config.mem_pages,
			.max_pages = vm_max_pages(vm),
			.held_pages = vm->s2.mapped_pages,
			.ballooned_pages = sub_floor_u64(vm->s2.ballooned_pages, floor),
			.target_pages = sub_floor_u64(vm->balloon.target_pages, floor),
			.free_pages = statistics.free_pages,
			.idle_pages = statistics.idle_pages,
			.wanted_pages = statistics.wanted_pages,
			.refault_pages = refaults(vm, &said[i]),
			.active_pages = vm->working_set.active_pages,
			.active_known = vm->working_set.known,
			.shares = max_u64(vm->config.shares, 1),
			.buffer_percent = vm->config.buffer_percent,
			.attached = alive && vm->balloon.attached && !vm->balloon.fixed,
			.slow = driver_health_is_slow(vm, now),
			.unresponsive = vm->balloon.unresponsive,
			.waiting = vm_waits_for_memory(vm),
			.acts = vm_acts_while_waiting(vm),
			.memory = {memory[0], memory[1], memory[2]},
		};
	}
	return vm_count;
}

/*
 * Until the target is met its vCPUs go before others, as far as kernel/sched/boost.h lets them:
 * those that wake from now on, and those that wait for a CPU already. The VM's budget is soon used
 * up: driver_health_next_boosted() says which vCPU comes first.
 */
static void boost(struct vm *vm, uint64_t target_pages, uint64_t idle_pages)
{
	bool wanted = !vm->balloon.unresponsive && idle_pages > 0 &&
		      target_pages > vm->s2.ballooned_pages;
	boost_want(vm, wanted);
	unsigned first = driver_health_next_boosted(vm);
	for (unsigned i = 0; wanted && i < vm->config.vcpus; i++) {
		scheduler_boost(&vm->vcpus[(first + i) % vm->config.vcpus]);
	}
}

/* What the operator has set goes before what the policy has decided, within what it may ask. */
static uint64_t target_of(const struct vm *vm, const struct policy_vm *decided)
{
	uint64_t most = sub_floor_u64(vm->config.max_pages, vm->config.min_pages);
	uint64_t floor = vm->balloon.floor_pages;
	uint64_t target = vm->balloon.fixed ? max_u64(vm->balloon.fixed_pages, floor)
					    : decided->new_target_pages + floor;
	return min_u64(target, most);
}

static void publish(const struct policy_host *host, unsigned count, uint64_t now)
{
	bool waiting = false;
	for (unsigned i = 0; i < count; i++) {
		waiting = waiting || policy_vms[i].waiting;
	}
	bool is_short = waiting || host->spare_pages < host->low_pages;
	uint32_t pressure = waiting    ? AEROSTAT_PRESSURE_HIGH
			    : is_short ? AEROSTAT_PRESSURE_LOW
				       : AEROSTAT_PRESSURE_NONE;
	host_limits_note(host->spare_pages, waiting, now);
	for (unsigned i = 0; i < count; i++) {
		uint64_t old = vms[i].balloon.target_pages;
		uint64_t target = target_of(&vms[i], &policy_vms[i]);
		if (vms[i].state != VM_RUNNING || vm_is_paused(&vms[i]) ||
		    !vms[i].balloon.attached) {
			boost_want(&vms[i], false);
			said[i].target_told = vm_is_paused(&vms[i]) && said[i].target_told;
			continue;
		}
		if (said[i].busy_periods > 0) {
			continue; /* one that is busy is told in the next period */
		}
		decisions_note(&vms[i], old, target, waiting, now);
		driver_health_note_target(&vms[i], target, said[i].statistics.idle_pages, now);
		boost(&vms[i], target, said[i].statistics.idle_pages);
		balloon_set_target(&vms[i], target, pressure);
		/* A line takes long: of what a reclaim changes, what is left at its end is told. */
		if (said[i].target_told != (target != 0) && !timed_reclaim_open) {
			said[i].target_told = target != 0;
			vm_log(&vms[i], "target pages=%llu held=%llu ballooned=%llu",
			       (unsigned long long)target,
			       (unsigned long long)vms[i].s2.mapped_pages,
			       (unsigned long long)vms[i].s2.ballooned_pages);
		}
	}
}

static void decide(uint64_t now_tsc)
{
	policy_host = (struct policy_host){
		.spare_pages = spare_pages(),
		.low_pages = governor.low_pages,
		.high_pages = floor_pages(),
		.idle_tax_percent = tunables.idle_tax_percent,
		.total_pages = governor.managed_pages,
	};
	unsigned count = gather(now_tsc);
	struct policy_host host = policy_host; /* that stays as it is for those who ask */
	timed_reclaim_raise(&host, policy_vms, count, now_tsc);
	policy_decide(&host, policy_vms, count);
	timed_reclaim_note(policy_vms, count, now_tsc);
	publish(&host, count, now_tsc);
	oom_check(now_tsc);
}

void governor_poll(uint64_t now_tsc)
{
	__atomic_store_n(&governor.looked_tsc, arch_tsc(), __ATOMIC_RELAXED);
	uint64_t now = clock_look(now_tsc);
	/* Before the look: a vCPU that begins to wait after it sets the flag again. */
	flag_set(&governor.vcpu_waits, false);
	bool waiting = wait_queue_look();
	if (waiting || timed_reclaim_open) {
		flag_set(&governor.vcpu_waits, true);
	}
	/* After the flag: frames freed by a CPU that has not seen it are in these sums. */
	uint64_t free = frame_count_free();
	uint64_t spare = min_u64(promise_spare(), free);
	governor.free_low = min_u64(governor.free_low, free);
	__atomic_store_n(&governor.fill_order, judge_fill_order(spare), __ATOMIC_RELAXED);
	timed_reclaim_look(spare, now, now_tsc);
	wait_queue_reserve(spare < governor.low_pages, timed_reclaim_holds(), now);
	bool left = waiting && wait_queue_wake(spare, governor.low_pages);
	timed_reclaim_tell();
	/* A woken vCPU that finds no frame waits again; then the policy must run. */
	if (now_tsc < governor.next_tsc && !(left && flag(&governor.frames_came_back))) {
		return;
	}
	governor.next_tsc = now_tsc + (timed_reclaim_open ? timed_reclaim_next_ticks(now)
							  : ticks_from_ms(tunables.decide_ms));
	flag_set(&governor.frames_came_back, false);
	decide(now);
}
