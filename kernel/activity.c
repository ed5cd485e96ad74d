/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See activity.h. The counters are those that each vCPU keeps anyway; another CPU may be adding to
 * one, and the next look sees that.
 */
#include "kernel/activity.h"

#include "kernel/vm/guest_console.h"
#include "kernel/vm/vm.h"

static uint64_t seen;

static uint64_t of_vcpu(const struct vcpu *vcpu, uint64_t now_tsc)
{
	uint64_t calls = __atomic_load_n(&vcpu->hypercall_count, __ATOMIC_RELAXED);
	uint64_t faults = __atomic_load_n(&vcpu->fault_count, __ATOMIC_RELAXED);
	uint64_t controllers = __atomic_load_n(&vcpu->controller_count, __ATOMIC_RELAXED);
	bool waits = __atomic_load_n(&vcpu->wait, __ATOMIC_RELAXED) == WAIT_MEMORY;
	uint64_t always = waits || vcpu->calls_platform ? now_tsc : 0;

	return calls + faults - controllers + always;
}

static uint64_t count(uint64_t now_tsc)
{
	if (vm_count > ACTIVITY_VMS_MAX) {
		return now_tsc;
	}
	uint64_t sum = 0;
	for (unsigned i = 0; i < vm_count; i++) {
		const struct vm *vm = &vms[i];
		if (vm->console != NULL) {
			sum += __atomic_load_n(&vm->console->written, __ATOMIC_RELAXED);
		}
		/* A balloon that need not grow leaves room for merging. */
		sum += vm->balloon.target_pages;
		/* One that has ended or restarts is taken apart, step by step. */
		sum += vm->s2_exists && vm_state_now(vm) != VM_RUNNING ? now_tsc : 0;
		for (unsigned j = 0; j < vm->config.vcpus; j++) {
			sum += of_vcpu(&vm->vcpus[j], now_tsc);
		}
	}
	return sum;
}

bool activity_is_new(uint64_t now_tsc)
{
	uint64_t before = seen;

	seen = count(now_tsc);
	return seen != before;
}

uint64_t activity_seen(void)
{
	return seen;
}
