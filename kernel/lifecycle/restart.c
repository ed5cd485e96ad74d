/* SPDX-License-Identifier: BSD-2-Clause */
/* See restart.h. */
#include "kernel/lifecycle/restart.h"

#include "base/error.h"
#include "base/log.h"
#include "base/string.h"
#include "base/time.h"
#include "arch/arch.h"
#include "kernel/lifecycle/build.h"
#include "kernel/lifecycle/end.h"
#include "kernel/lifecycle/files.h"
#include "kernel/lifecycle/load.h"
#include "kernel/vm/platform.h"
#include "kernel/vm/vm.h"
#include "mm/tlb.h"

/* As vcpu_init, but what it has counted stays. */
static void renew_vcpu(struct vm *vm, unsigned index)
{
	struct vcpu *vcpu = &vm->vcpus[index];
	struct vcpu before = *vcpu;
	vcpu_init(vcpu, vm, index);
	vcpu->exit_count = before.exit_count;
	vcpu->fault_count = before.fault_count;
	vcpu->hypercall_count = before.hypercall_count;
	memcpy(vcpu->exits_by_kind, before.exits_by_kind, sizeof(vcpu->exits_by_kind));
}

void vm_request_flush(struct vm *vm)
{
	struct s2_locked locked = s2_lock(&vm->s2);
	(void)tlb_epoch_request(&vm->s2);
	s2_unlock(locked);
}

enum status vm_build_again(struct vm *vm, struct error *error)
{
	struct load_files files;
	struct load_plan plan;
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		renew_vcpu(vm, i);
	}
	if (vm->platform != NULL) {
		platform_reset(vm);
	}
	files_find(vm, &files);
	enum status status = load_plan(&vm->config, &files, &plan, error);
	if (status == STATUS_OK) {
		status = vm_create(vm, &files, &plan, error);
	}
	if (status == STATUS_OK) {
		vm_request_flush(vm);
	}
	return status;
}

/* What it has done so far stays in its statistics; the guest starts with an empty balloon. */
static void forget_balloon(struct vm *vm)
{
	struct balloon *balloon = &vm->balloon;
	balloon->target_pages = 0;
	balloon->driver_debt_pages = 0;
	balloon->asked_pages = 0;
	balloon->given_pages = 0;
	balloon->unresponsive = false;
	vm->working_set = (struct working_set){.due_tsc = 0};
}

static bool is_too_quick(struct vm *vm)
{
	bool quick = vm->ended_tsc - vm->begun_tsc < ticks_from_ms(RESTART_QUICK_MS);
	vm->quick_restarts = quick ? vm->quick_restarts + 1 : 0;
	return vm->quick_restarts >= RESTARTS_QUICK_MAX;
}

/* False: not now. */
static bool begin_again(struct vm *vm)
{
	struct error error;
	if (vm_build_again(vm, &error) != STATUS_OK) {
		bool patient = arch_tsc() - vm->ended_tsc < ticks_from_ms(RESTART_PATIENCE_MS);
		if (!patient) {
			log_event(vm_name(vm), "cannot restart: %s", error.text);
			vm_abandon(vm, "there was no memory for its restart");
		}
		return !patient;
	}
	forget_balloon(vm);
	vm->restarts++;
	vm->begun_tsc = arch_tsc();
	__atomic_store_n(&vm->state, VM_RUNNING, __ATOMIC_RELEASE);
	log_event(vm_name(vm), "started again restarts=%lu", vm->restarts);
	vm_release(vm);
	return true;
}

bool vm_restart_step(struct vm *vm)
{
	if (!vm->s2_exists) {
		return begin_again(vm);
	}
	if (vm_teardown_step(vm) && is_too_quick(vm)) {
		vm_abandon(vm, "it resets itself again and again");
	}
	return true;
}
