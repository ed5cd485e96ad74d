/* SPDX-License-Identifier: BSD-2-Clause */
/* See wait_queue.h. No locks: sums are read as they are, and what other CPUs ask for is atomic. */
#include "kernel/overcommit/wait_queue.h"

#include "base/bits.h"
#include "base/time.h"
#include "arch/arch.h"
#include "kernel/balloon/balloon.h"
#include "kernel/vm/vcpu.h"
#include "kernel/vm/vm.h"
#include "kernel/balloon/admission.h"
#include "kernel/lib/tunables.h"
#include "kernel/sched/wake.h"
#include "mm/frame.h"
#include "mm/promise.h"

/* As of the last look: the VM below its allotment that has waited longest, and since when. */
static const struct vm *first;
static uint64_t first_since_tsc;

static bool below_allotment_waits; /* or comes for what it waited for; atomic */
static vm_id_t turn;		   /* the one that has waited too long, or VM_ID_HOST; atomic */
static uint64_t turn_end_tsc;	   /* when others may come again, if it does not wait any more, */
static uint64_t turn_last_tsc;	   /* and the latest that this can become */

void wait_queue_init(void)
{
	first = NULL;
	first_since_tsc = UINT64_MAX;
	below_allotment_waits = false;
	turn = VM_ID_HOST;
	turn_end_tsc = 0;
	turn_last_tsc = 0;
}

uint64_t admission_hold_ticks(void)
{
	return ticks_from_ms(tunables.reserve_hold_ms);
}

bool wait_queue_goes_first(const struct vm *vm)
{
	return !vm->balloon.unresponsive && vm->s2.mapped_pages < vm->config.mem_pages;
}

/* There is no reservation, or it is this VM's; or the VM takes what it was promised. */
static bool is_its_turn(const struct vm *vm)
{
	vm_id_t whose = __atomic_load_n(&turn, __ATOMIC_RELAXED);
	return whose == VM_ID_HOST || whose == vm->id || vm->s2.mapped_pages < vm->config.min_pages;
}

bool admission_allows_fill(const struct vm *vm)
{
	if (!__atomic_load_n(&below_allotment_waits, __ATOMIC_ACQUIRE)) {
		return true;
	}
	return vm->s2.mapped_pages < vm->config.mem_pages && is_its_turn(vm);
}

bool wait_queue_look(void)
{
	bool waiting = false;
	first = NULL;
	first_since_tsc = UINT64_MAX;
	for (unsigned i = 0; i < vm_count; i++) {
		uint64_t since = vm_blocked_since(&vms[i]);
		waiting = waiting || since != UINT64_MAX;
		if (since < first_since_tsc && wait_queue_goes_first(&vms[i])) {
			first = &vms[i];
			first_since_tsc = since;
		}
	}
	return waiting;
}

/* It was told that it may try again, and would if it had a CPU. */
static bool is_on_its_way(const struct vm *vm)
{
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		const struct vcpu *vcpu = &vm->vcpus[i];
		if (__atomic_load_n(&vcpu->state, __ATOMIC_ACQUIRE) == VCPU_QUEUED &&
		    vcpu->retry_fault == vcpu->fault_count + 1) {
			return true;
		}
	}
	return false;
}

/* It was told that it may try again, and has not come yet; or it has come, and goes on. */
static bool holds_turn(uint64_t now_tsc)
{
	return turn != VM_ID_HOST && now_tsc < turn_end_tsc && !vm_waits_for_memory(&vms[turn - 1]);
}

/*
 * Against starvation: a VM that frees a frame and faults it again is faster than the wake-up of a
 * blocked vCPU. So after reserve_after_ms the oldest waiter below its allotment has a reservation,
 * until it has faulted or reserve_hold_ms after its last wake-up. No other waiter takes it.
 */
void wait_queue_reserve(bool scarce, bool unfed, uint64_t now_tsc)
{
	uint64_t hold = ticks_from_ms(tunables.reserve_hold_ms);
	vm_id_t whose = turn;
	if (turn != VM_ID_HOST && is_on_its_way(&vms[turn - 1])) {
		turn_end_tsc = min_u64(now_tsc + hold, turn_last_tsc);
	}
	bool held = holds_turn(now_tsc);
	if (!held && first != NULL &&
	    sub_floor_u64(now_tsc, first_since_tsc) > deadline_ticks(tunables.reserve_after_ms)) {
		whose = first->id;
		turn_end_tsc = now_tsc + hold;
		turn_last_tsc = now_tsc + ticks_from_ms(tunables.reserve_most_ms);
	} else if (now_tsc >= turn_end_tsc) {
		whose = VM_ID_HOST;
	}
	whose = scarce ? whose : VM_ID_HOST;
	__atomic_store_n(&turn, whose, __ATOMIC_RELAXED);
	__atomic_store_n(&below_allotment_waits, first != NULL || unfed || whose != VM_ID_HOST,
			 __ATOMIC_SEQ_CST);
}

/*
 * May this waiting VM try again? What it was promised it always may have; beyond that, VMs below
 * their allotment go first, and one whose driver does not answer goes last.
 */
static bool may_try_again(const struct vm *vm, uint64_t spare_pages, uint64_t low_pages)
{
	if (vm->s2.promise.held_pages < vm->config.min_pages) {
		return true;
	}
	/* It was not asked yet when it began to wait, or the reserve was empty then. */
	if (balloon_may_use_reserve(vm) && frame_count_free() > promise_owed()) {
		return true;
	}
	if (spare_pages == 0 || (vm->balloon.unresponsive && spare_pages < low_pages)) {
		return false;
	}
	return admission_allows_fill(vm);
}

static void grant(struct vm *vm)
{
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		if (__atomic_load_n(&vm->vcpus[i].wait, __ATOMIC_ACQUIRE) == WAIT_MEMORY) {
			vcpu_wake_for_memory(&vm->vcpus[i]);
		}
	}
}

bool wait_queue_wake(uint64_t spare_pages, uint64_t low_pages)
{
	bool left = false;
	for (unsigned i = 0; i < vm_count; i++) {
		if (!vm_waits_for_memory(&vms[i])) {
			continue;
		}
		if (may_try_again(&vms[i], spare_pages, low_pages)) {
			grant(&vms[i]);
		} else {
			left = true;
		}
	}
	return left;
}
