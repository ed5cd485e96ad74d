/* SPDX-License-Identifier: BSD-2-Clause */
/* See wake.h. The words that wake a vCPU are atomic; the scheduler looks at them under its lock. */
#include "kernel/sched/wake.h"

#include "arch/arch.h"
#include "kernel/sched/run_queue.h"
#include "kernel/sched/scheduler.h"
#include "kernel/vm/vm.h"

static bool was_started(const struct vcpu *vcpu)
{
	return __atomic_load_n(&vcpu->state, __ATOMIC_ACQUIRE) != VCPU_OFF;
}

/* In this order: a WAIT that returns in between forgets nothing that it could not see. */
static void ring(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->doorbell_pending, true, __ATOMIC_SEQ_CST);
	__atomic_store_n(&vcpu->rang, true, __ATOMIC_SEQ_CST);
}

enum status vcpu_ring(struct vcpu *vcpu)
{
	if (!was_started(vcpu) || __atomic_load_n(&vcpu->doorbell_vector, __ATOMIC_RELAXED) == 0) {
		return STATUS_NOT_FOUND;
	}
	ring(vcpu);
	scheduler_signal(vcpu);
	return STATUS_OK;
}

void vcpu_signal(struct vcpu *vcpu)
{
	if (!was_started(vcpu)) {
		return;
	}
	__atomic_store_n(&vcpu->event, true, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&vcpu->doorbell_vector, __ATOMIC_RELAXED) != 0) {
		ring(vcpu);
	}
	scheduler_signal(vcpu);
}

void vcpu_wake_for_memory(struct vcpu *vcpu)
{
	uint64_t ran = __atomic_load_n(&vcpu->ran_ticks, __ATOMIC_RELAXED);
	__atomic_store_n(&vcpu->granted_ran_ticks, ran, __ATOMIC_RELAXED);
	__atomic_store_n(&vcpu->granted, true, __ATOMIC_SEQ_CST);
	scheduler_signal(vcpu);
}

bool vcpu_sleeps_for_good(const struct vcpu *vcpu)
{
	bool listens = vcpu->vm->balloon.attached;
	if (__atomic_load_n(&vcpu->state, __ATOMIC_ACQUIRE) != VCPU_ASLEEP ||
	    vm_is_paused(vcpu->vm) || run_queue_wait_is_over(vcpu, arch_tsc())) {
		return false;
	}
	switch (vcpu->wait) {
	case WAIT_DOORBELL:
		if (vcpu->vm->platform != NULL) {
			/* Its devices may always have an interrupt; IF or CR8 may hold it off. */
			return !vcpu->doorbell_open;
		}
		return !listens || vcpu->doorbell_vector == 0 || !vcpu->doorbell_open;
	case WAIT_EVENT:
		return !listens && vcpu->wake_tsc == WAKE_NEVER;
	case WAIT_NOTHING:
	case WAIT_MEMORY:
		break;
	}
	return false;
}
