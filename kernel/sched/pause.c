/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See pause.h. The flag is what counts: run_queue.c keeps the vCPUs of a paused VM asleep, and
 * scheduler.c does not enter one. The kicks only bring it about sooner, so no lock is needed.
 */
#include "kernel/sched/pause.h"

#include "kernel/sched/scheduler.h"
#include "kernel/vm/vm.h"

void pause_begin(struct vm *vm)
{
	__atomic_store_n(&vm->paused, true, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		const struct vcpu *vcpu = &vm->vcpus[i];
		if (__atomic_load_n(&vcpu->state, __ATOMIC_ACQUIRE) == VCPU_RUNNING) {
			scheduler_kick(__atomic_load_n(&vcpu->home, __ATOMIC_ACQUIRE));
		}
	}
}

void pause_end(struct vm *vm)
{
	__atomic_store_n(&vm->paused, false, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		scheduler_signal(&vm->vcpus[i]);
	}
}
