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
#include "kernel/vm/vm.h"

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
