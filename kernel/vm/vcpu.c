/* SPDX-License-Identifier: BSD-2-Clause */
/* See vcpu.h. Waking is kernel/sched/wake.c. */
#include "kernel/vm/vcpu.h"

#include "base/string.h"
#include "kernel/vm/vm.h"

void vcpu_init(struct vcpu *vcpu, struct vm *vm, unsigned index)
{
	memset(vcpu, 0, sizeof(*vcpu));
	vcpu->vm = vm;
	vcpu->index = index;
	vcpu->state = VCPU_OFF;
	vcpu->resident = CPU_NONE;
	vcpu->timer_tsc = WAKE_NEVER;
	list_init(&vcpu->link);
}

void vcpu_set_doorbell(struct vcpu *vcpu, uint8_t vector)
{
	__atomic_store_n(&vcpu->doorbell_vector, vector, __ATOMIC_SEQ_CST);
	if (vector == 0) {
		__atomic_store_n(&vcpu->doorbell_pending, false, __ATOMIC_RELAXED);
	}
	vcpu->doorbell_attached = false;
}
