/* SPDX-License-Identifier: BSD-2-Clause */
/* See startup.h. */
#include "kernel/sched/startup.h"

#include "arch/backend.h"
#include "kernel/sched/scheduler.h"
#include "kernel/vm/platform.h"
#include "kernel/vm/vm.h"

bool startup_is_awaited(const struct vcpu *vcpu)
{
	/* In this order: put_down() clears the flag when the state has changed. */
	return vcpu_is_to_stop(vcpu) || __atomic_load_n(&vcpu->state, __ATOMIC_ACQUIRE) == VCPU_OFF;
}

void startup_send_init(struct vcpu *vcpu)
{
	struct run_queue *queue = scheduler_lock_home(vcpu);
	unsigned home = vcpu->home;
	bool running = vcpu->state == VCPU_RUNNING;
	if (vcpu->state == VCPU_OFF || vcpu->state == VCPU_ENDED) {
		lock_release(&queue->lock);
		return;
	}
	vcpu->startup = 0; /* one that came before */
	__atomic_store_n(&vcpu->stopping, true, __ATOMIC_SEQ_CST);
	if (vcpu->state == VCPU_ASLEEP && vcpu->wait != WAIT_MEMORY) {
		list_remove(&vcpu->link);
		scheduler_add_and_unlock(queue, vcpu);
		return;
	}
	lock_release(&queue->lock);
	if (running) {
		scheduler_kick(home); /* to its loop, not just out of the guest */
	}
}

void startup_begin(struct vcpu *vcpu, uint32_t entry)
{
	struct run_queue *queue = scheduler_lock_home(vcpu);
	if (vcpu->state == VCPU_OFF) {
		vcpu->entry = entry;
		vcpu->entry_real_mode = true;
		scheduler_add_and_unlock(queue, vcpu);
		return;
	}
	if (vcpu->stopping) {
		vcpu->startup = entry | STARTUP_WANTED;
	}
	lock_release(&queue->lock);
}

/* It is OFF, begins again where a startup IPI has come since, or has ended with its VM. */
static void put_down(struct run_queue *queue, struct vcpu *vcpu)
{
	uint32_t startup = vcpu->startup;
	queue->current = NULL;
	vcpu->startup = 0;
	vcpu->entry_real_mode = startup != 0;
	__atomic_store_n(&vcpu->state, VCPU_OFF, __ATOMIC_RELEASE);
	if (vm_state_now(vcpu->vm) != VM_RUNNING) {
		run_queue_end(queue, vcpu);
	} else if (startup != 0) {
		vcpu->entry = startup & ~STARTUP_WANTED;
		run_queue_add(queue, vcpu);
	}
	/* Last: whoever sees it clear sees the new state. */
	__atomic_store_n(&vcpu->stopping, false, __ATOMIC_RELEASE);
}

void startup_stop(struct run_queue *queue, struct vcpu *vcpu)
{
	platform_initialize(vcpu);
	backend->vcpu_reset(vcpu);
	lock_acquire(&queue->lock);
	put_down(queue, vcpu);
	lock_release(&queue->lock);
}
