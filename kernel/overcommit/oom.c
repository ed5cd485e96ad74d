/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See oom.h. No locks: the one word that all CPUs write is atomic, and sums may be a moment old.
 * Times are the clock's (kernel/sched/clock.h).
 */
#include "kernel/overcommit/oom.h"

#include "base/bits.h"
#include "base/log.h"
#include "base/time.h"
#include "kernel/overcommit/driver_health.h"
#include "arch/arch.h"
#include "kernel/lib/tunables.h"
#include "kernel/vm/vm.h"
#include "kernel/overcommit/wait_queue.h"
#include "kernel/lifecycle/end.h"

static uint64_t progress_tsc; /* when any VM last gave frames back; atomic */
static uint64_t gave_up_tsc;  /* when a VM was last killed here */
static uint64_t patient_tsc;  /* since when it is time to kill one; 0: it is not */

void oom_init(uint64_t now_tsc)
{
	progress_tsc = now_tsc;
	gave_up_tsc = 0;
	patient_tsc = 0;
}

void oom_note_progress(uint64_t now_tsc)
{
	__atomic_store_n(&progress_tsc, now_tsc, __ATOMIC_RELAXED);
}

/* What it is due: its allotment, or its minimum if it cannot be expected to give. */
static uint64_t due_pages(const struct vm *vm)
{
	return driver_health_cannot_give(vm) ? vm->config.min_pages : vm->config.mem_pages;
}

/*
 * The VM to end: the one most above what it is due per share, where one that cannot be
 * expected to give counts more than once; if none is above, one that waits. *victim_excess tells
 * whether it holds more than it was due.
 */
static struct vm *choose_victim(uint64_t *victim_excess)
{
	struct vm *victim = NULL;
	*victim_excess = 0;
	for (unsigned i = 0; i < vm_count; i++) {
		struct vm *vm = &vms[i];
		if (vm->state != VM_RUNNING) {
			continue;
		}
		uint64_t excess = sub_floor_u64(vm->s2.mapped_pages, due_pages(vm)) * 10000;
		excess = excess / max_u64(vm->config.shares, 1);
		excess *= driver_health_cannot_give(vm) ? tunables.oom_no_driver_times : 1;
		if (excess > *victim_excess || (victim == NULL && vm_waits_for_memory(vm))) {
			victim = vm;
			*victim_excess = excess;
		}
	}
	return victim;
}

/*
 * What a driver was asked for may still come: it has only lacked a CPU so far. How long it lacks
 * one is for a guest to say: by the number of its vCPUs, what they do, and what it is asked for.
 * One that gives at all, gives something of it long before the patience is over.
 */
static bool may_come(uint64_t now_tsc)
{
	if (sub_floor_u64(now_tsc, patient_tsc) >= ticks_from_ms(tunables.oom_patience_ms)) {
		return false;
	}
	for (unsigned i = 0; i < vm_count; i++) {
		if (vms[i].state == VM_RUNNING && driver_health_lacks_cpu(&vms[i], now_tsc)) {
			return true;
		}
	}
	return false;
}

/* Frames that others free and fault again at once are no progress for a VM that keeps waiting. */
static bool is_overdue(const struct vm *vm, uint64_t waited, uint64_t now_tsc)
{
	return waited > deadline_ticks(tunables.oom_overdue_ms) && wait_queue_goes_first(vm) &&
	       now_tsc - gave_up_tsc > deadline_ticks(tunables.oom_after_ms);
}

/* A vCPU has waited for long, and meanwhile no VM gave a frame back, or none that it could have.
 */
static bool is_starving(uint64_t now_tsc)
{
	uint64_t most = deadline_ticks(tunables.oom_after_ms);
	bool starving = false;
	bool overdue = false;
	for (unsigned i = 0; i < vm_count; i++) {
		uint64_t waited = sub_floor_u64(now_tsc, vm_blocked_since(&vms[i]));
		if (waited > most) {
			starving = true;
			overdue = overdue || is_overdue(&vms[i], waited, now_tsc);
		}
	}
	uint64_t progress = __atomic_load_n(&progress_tsc, __ATOMIC_RELAXED);
	return overdue || (starving && sub_floor_u64(now_tsc, progress) >= most);
}

static const char *reason(const struct vm *victim, uint64_t excess)
{
	if (excess == 0) {
		return "the host is out of memory, no VM gives any back, and it waits for more";
	}
	if (victim->balloon.unresponsive) {
		return "the host is out of memory, no VM gives any back, and it holds the most "
		       "beyond what it is due: its minimum, because its driver does not answer";
	}
	if (driver_health_cannot_give(victim)) {
		return "the host is out of memory, no VM gives any back, and it holds the most "
		       "beyond what it is due: its minimum, because it has no driver";
	}
	return "the host is out of memory, no VM gives any back, and it holds the most beyond "
	       "what it was allotted";
}

/* The figures behind the reason. */
static void say(const struct vm *victim, uint64_t now_tsc)
{
	const struct vm *waiter = NULL;
	uint64_t since = UINT64_MAX;
	for (unsigned i = 0; i < vm_count; i++) {
		if (vm_blocked_since(&vms[i]) < since) {
			waiter = &vms[i];
			since = vm_blocked_since(waiter);
		}
	}
	log_event(vm_name(victim), "given up on: held=%llu due=%llu waiting=%s for_ms=%llu",
		  (unsigned long long)victim->s2.mapped_pages,
		  (unsigned long long)due_pages(victim), waiter != NULL ? vm_name(waiter) : "none",
		  (unsigned long long)ms_from_ticks(sub_floor_u64(now_tsc, since)));
}

void oom_check(uint64_t now_tsc)
{
	if (!is_starving(now_tsc)) {
		patient_tsc = 0;
		return;
	}
	patient_tsc = patient_tsc != 0 ? patient_tsc : now_tsc;
	if (may_come(now_tsc)) {
		return;
	}
	uint64_t excess;
	struct vm *victim = choose_victim(&excess);
	if (victim != NULL) {
		oom_note_progress(now_tsc);
		gave_up_tsc = now_tsc;
		say(victim, now_tsc);
		vm_kill(victim, reason(victim, excess));
	}
}
