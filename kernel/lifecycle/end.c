/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM ends once, for one reason, by any CPU. The boot CPU tears it down in bounded steps when none
 * of its vCPUs is on a CPU any more.
 */
#include "kernel/lifecycle/end.h"

#include "base/bits.h"
#include "base/log.h"
#include "arch/arch.h"
#include "arch/backend.h"
#include "kernel/lifecycle/files.h"
#include "kernel/sched/scheduler.h"
#include "kernel/vm/platform.h"
#include "kernel/vm/vm.h"
#include "kernel/sched/wake.h"
#include "kernel/lifecycle/files.h"
#include "kernel/vm/platform.h"

void vm_destroy_vcpus(struct vm *vm)
{
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		if (vm->vcpus[i].arch != NULL) {
			backend->vcpu_destroy(&vm->vcpus[i]);
			vm->vcpus[i].arch = NULL;
		}
	}
}

/* The first reason to end counts. Its vCPUs come out of the guest and do not go back. */
static bool vm_end(struct vm *vm, enum vm_state state)
{
	enum vm_state running = VM_RUNNING;
	if (!__atomic_compare_exchange_n(&vm->state, &running, state, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST)) {
		return false;
	}
	trace_note(TRACE_end, vm_trace_who(vm), state, 0);
	vm_log_suppressed(vm);
	struct s2_locked locked = s2_lock(&vm->s2);
	vm_note_peaks(vm);
	s2_unlock(locked);
	vm->ended_tsc = arch_tsc();
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		scheduler_signal(&vm->vcpus[i]);
	}
	return true;
}

void vm_finish(struct vm *vm, uint64_t exit_code, uint64_t digest)
{
	if (vm_end(vm, VM_FINISHED)) {
		vm->exit_code = exit_code;
		vm->digest = digest;
		log_event(vm_name(vm), "finished code=%llu digest=0x%llx",
			  (unsigned long long)exit_code, (unsigned long long)digest);
	}
}

void vm_kill(struct vm *vm, const char *reason)
{
	if (vm_end(vm, VM_KILLED)) {
		vm->end_reason = reason;
		log_event(vm_name(vm), "killed: %s", reason);
	}
}

void vm_restart_or_finish(struct vm *vm)
{
	if (vm->config.on_reboot != ON_REBOOT_RESTART) {
		vm_finish(vm, 0, 0);
	} else if (vm_end(vm, VM_RESTARTING)) {
		log_event(vm_name(vm), "restarts");
	}
}

/* What a restart needs, and an end does not. */
static void release_sources(struct vm *vm)
{
	platform_destroy(vm);
	(void)files_release(vm);
}

void vm_abandon(struct vm *vm, const char *reason)
{
	vm->end_reason = reason;
	__atomic_store_n(&vm->state, VM_KILLED, __ATOMIC_RELEASE);
	release_sources(vm);
	log_event(vm_name(vm), "killed: %s", reason);
}

static bool teardown_step(struct vm *vm)
{
	vm->balloon.attached = false;
	vm->balloon.page = NULL;
	vm->balloon.by_device = false;
	vm_destroy_vcpus(vm);
	if (vm_is_over(vm)) {
		release_sources(vm);
	}
	if (!s2_destroy_step(&vm->s2, TEARDOWN_ENTRIES_PER_STEP)) {
		return false;
	}
	vm->s2_exists = false;
	return true;
}

bool vm_teardown_step(struct vm *vm)
{
	if (!vm->s2_exists) {
		return true;
	}
	uint64_t start = arch_tsc();
	bool done = teardown_step(vm);
	uint64_t ticks = arch_tsc() - start;
	vm->teardown_ticks += ticks;
	vm->teardown_step_ticks = max_u64(vm->teardown_step_ticks, ticks);
	return done;
}

bool vm_is_stuck(const struct vm *vm)
{
	uint64_t exits = vm_exit_count(vm);
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		const struct vcpu *vcpu = &vm->vcpus[i];
		if (vcpu->state != VCPU_OFF && !vcpu_sleeps_for_good(vcpu)) {
			return false;
		}
	}
	/*
	 * One that was seen asleep may have been rung since, by another one that slept before it
	 * was looked at itself: but not without an exit in between.
	 */
	return vm_exit_count(vm) == exits;
}
