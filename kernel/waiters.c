/* SPDX-License-Identifier: BSD-2-Clause */
/* See waiters.h. No locks: sums are read as they are, and the one word that is kept is atomic. */
#include "kernel/waiters.h"

#include "kernel/balloon.h"
#include "kernel/vcpu.h"
#include "kernel/vm.h"
#include "mm/frame.h"
#include "mm/promise.h"

static bool entitled_waits; /* as of the last look */

void waiters_init(void)
{
	entitled_waits = false;
}

/* It comes before all that have their allotment already. */
static bool is_entitled(const struct vm *vm)
{
	return vm_waits_for_memory(vm) && !vm->balloon.unresponsive &&
	       vm->s2.mapped_pages < vm->config.mem_pages;
}

bool waiters_allow_fill(const struct vm *vm)
{
	return !__atomic_load_n(&entitled_waits, __ATOMIC_ACQUIRE) ||
	       vm->s2.mapped_pages < vm->config.mem_pages;
}

bool waiters_look(void)
{
	bool waiting = false;
	bool entitled = false;
	for (unsigned i = 0; i < vm_count; i++) {
		waiting = waiting || vm_waits_for_memory(&vms[i]);
		entitled = entitled || is_entitled(&vms[i]);
	}
	__atomic_store_n(&entitled_waits, entitled, __ATOMIC_SEQ_CST);
	return waiting;
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
	return waiters_allow_fill(vm);
}

static void grant(struct vm *vm)
{
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		if (__atomic_load_n(&vm->vcpus[i].wait, __ATOMIC_ACQUIRE) == WAIT_MEMORY) {
			vcpu_grant(&vm->vcpus[i]);
		}
	}
}

bool waiters_wake(uint64_t spare_pages, uint64_t low_pages)
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
