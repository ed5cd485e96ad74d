/* SPDX-License-Identifier: BSD-2-Clause */
/* See vm.h: the table of VMs, what is asked of one, and its log lines. */
#include "kernel/vm/vm.h"

#include "base/bits.h"
#include "base/log.h"
#include "base/string.h"
#include "base/time.h"
#include "arch/arch.h"

struct vm vms[VMS_MAX];
unsigned vm_count;

void vm_log_suppressed(struct vm *vm)
{
	unsigned lines = __atomic_exchange_n(&vm->log.suppressed, 0, __ATOMIC_RELAXED);
	if (lines > 0) {
		log_event(vm_name(vm), "suppressed lines=%u", lines);
	}
}

bool vm_waits_for_memory(const struct vm *vm)
{
	return vm_blocked_since(vm) != UINT64_MAX;
}

uint64_t vm_blocked_since(const struct vm *vm)
{
	uint64_t since = UINT64_MAX;
	if (vm_state_now(vm) != VM_RUNNING || vm_is_paused(vm)) {
		return since;
	}
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		const struct vcpu *vcpu = &vm->vcpus[i];
		if (__atomic_load_n(&vcpu->wait, __ATOMIC_ACQUIRE) == WAIT_MEMORY) {
			since = min_u64(since, vcpu->blocked_since_tsc);
		}
	}
	return since;
}

static bool can_act(const struct vm *vm)
{
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		const struct vcpu *vcpu = &vm->vcpus[i];
		enum vcpu_state state = __atomic_load_n(&vcpu->state, __ATOMIC_ACQUIRE);
		enum vcpu_wait wait = __atomic_load_n(&vcpu->wait, __ATOMIC_ACQUIRE);
		bool runs = state == VCPU_QUEUED || state == VCPU_RUNNING;
		bool hears = wait == WAIT_EVENT ||
			     (wait == WAIT_DOORBELL && vcpu->doorbell_open &&
			      __atomic_load_n(&vcpu->doorbell_vector, __ATOMIC_RELAXED) != 0);
		if ((runs && wait != WAIT_MEMORY) || (state == VCPU_ASLEEP && hears)) {
			return true;
		}
	}
	return false;
}

bool vm_acts_while_waiting(const struct vm *vm)
{
	return vm->s2.promise.held_pages >= vm->config.mem_pages && can_act(vm);
}

uint64_t vm_exit_count(const struct vm *vm)
{
	uint64_t count = 0;
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		count += vm->vcpus[i].exit_count;
	}
	return count;
}

uint64_t vm_fault_count(const struct vm *vm)
{
	uint64_t count = 0;
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		count += vm->vcpus[i].fault_count;
	}
	return count;
}

uint64_t vm_hypercall_count(const struct vm *vm)
{
	uint64_t count = 0;
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		count += vm->vcpus[i].hypercall_count;
	}
	return count;
}

/* Several vCPUs may log at once; a line more or less at the turn of a second does not matter. */
void vm_log(struct vm *vm, const char *format, ...)
{
	if (log_level_now() == LOG_QUIET) {
		return;
	}
	uint64_t now = arch_tsc();
	uint64_t start = __atomic_load_n(&vm->log.window_start_tsc, __ATOMIC_RELAXED);
	/* Another CPU's clock, by which the second began, may be a little ahead of ours. */
	if (sub_floor_u64(now, start) > ticks_from_seconds(1)) {
		vm_log_suppressed(vm);
		__atomic_store_n(&vm->log.window_start_tsc, now, __ATOMIC_RELAXED);
		__atomic_store_n(&vm->log.lines, 0, __ATOMIC_RELAXED);
	}
	if (__atomic_fetch_add(&vm->log.lines, 1, __ATOMIC_RELAXED) >= VM_LOG_LINES_PER_SECOND) {
		__atomic_fetch_add(&vm->log.suppressed, 1, __ATOMIC_RELAXED);
		return;
	}
	char text[256];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	log_event(vm_name(vm), "%s", text);
}

void vm_note_peaks(struct vm *vm)
{
	vm->held_peak_pages = max_u64(vm->held_peak_pages, vm->s2.mapped_pages);
	vm->large_peak_pages = max_u64(vm->large_peak_pages, vm->s2.large_pages);
}
