/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is done about an exit that concerns the VM: one switch, one call per case.
 * Nothing here moves a guest on by default: a kind without a case of its own ends the guest with a
 * report.
 */
#include "kernel/vm/exit.h"

#include "base/bits.h"
#include "base/compiler.h"
#include "arch/arch.h"
#include "arch/backend.h"
#include "kernel/balloon/balloon.h"
#include "kernel/exit/port.h"
#include "kernel/sched/scheduler.h"
#include "kernel/vm/vm.h"
#include "kernel/lifecycle/end.h"
#include "kernel/vm/platform.h"

#define VECTOR_PROTECTION 13

static enum exit_action kill(struct vcpu *vcpu, const char *reason)
{
	backend->vcpu_dump(vcpu);
	vm_kill(vcpu->vm, reason);
	return EXIT_KILL;
}

/* Not RAM: a device of a virtual PC, or nothing. */
static NOT_INLINE enum exit_action handle_beyond(struct vcpu *vcpu, gpa_t address)
{
	enum arch_device outcome = ARCH_DEVICE_NONE;

	if (vcpu->vm->platform != NULL) {
		outcome = arch_device_access(vcpu, address);
	}
	switch (outcome) {
	case ARCH_DEVICE_DONE:
		return vm_lets_go_on(vcpu) ? EXIT_ADVANCE_DECODED : EXIT_YIELD;
	case ARCH_DEVICE_AGAIN:
		return EXIT_RESUME;
	case ARCH_DEVICE_REFUSED:
		return kill(vcpu,
			    "it reached beyond its RAM with an instruction that is not understood");
	case ARCH_DEVICE_NONE:
		break;
	}
	vm_log(vcpu->vm, "touched address=0x%llx beyond its RAM", (unsigned long long)address.v);
	return kill(vcpu, "it touched memory beyond its RAM");
}

static inline enum exit_action handle_fault(struct vcpu *vcpu, const struct vm_exit *vm_exit)
{
	gfn_t gfn = gpa_to_gfn(vm_exit->fault.address);
	vcpu->fault_count++;
	if (gfn.n >= vcpu->vm->s2.limit_pages) {
		return handle_beyond(vcpu, vm_exit->fault.address);
	}
	return demand_fault(vcpu, gfn);
}

/*
 * With a local APIC: HLT ends with an interrupt that it can deliver now, or requests later. One
 * that is requested while CR8 holds it off ends the HLT too, without being delivered; the guest
 * halts again. An NMI ends it, unless one is being handled. The flags are cleared before the look,
 * so that no request in between is missed, and set again for what is found: the entry behind the
 * HLT looks for no NMI without them, and one that waits for the end of another tells nobody twice.
 */
static enum exit_action halt_with_devices(struct vcpu *vcpu)
{
	/* The highest vector: what holds it off holds off all. */
	struct guest_openness open = arch_guest_openness(vcpu, UINT8_MAX);
	vcpu->doorbell_open = open.to_interrupt;
	vcpu->nmi_open = arch_guest_takes_nmi(vcpu);
	__atomic_store_n(&vcpu->doorbell_pending, false, __ATOMIC_SEQ_CST);
	__atomic_store_n(&vcpu->nmi_pending, false, __ATOMIC_SEQ_CST);
	bool nmi = platform_nmi_pending(vcpu);
	if (nmi) {
		__atomic_store_n(&vcpu->nmi_pending, true, __ATOMIC_SEQ_CST);
	}
	/* A trap, too, leaves behind what is held off: the entry asks for its window. */
	if ((open.to_interrupt && platform_interrupt_ready(vcpu) != 0) || (vcpu->nmi_open && nmi) ||
	    open.to_trap) {
		__atomic_store_n(&vcpu->doorbell_pending, true, __ATOMIC_SEQ_CST);
		return EXIT_ADVANCE;
	}
	vcpu->wait = WAIT_DOORBELL;
	return EXIT_WAIT;
}

/*
 * HLT ends with an enabled interrupt or a debug exception (Intel SDM vol. 2, HLT; AMD APM vol. 3).
 * The only interrupt is the doorbell, and one that IF or CR8 holds off ends no HLT: nothing can let
 * it through while the vCPU sleeps. Where there are several vCPUs, whether another one will ring is
 * not known here (housekeeping.c).
 */
static enum exit_action handle_halt(struct vcpu *vcpu)
{
	if (vcpu->vm->platform != NULL) {
		return halt_with_devices(vcpu);
	}
	struct guest_openness open = arch_guest_openness(vcpu, vcpu->doorbell_vector);
	vcpu->doorbell_open = open.to_interrupt;
	if (vcpu_is_called(vcpu) || open.to_trap) {
		return EXIT_ADVANCE;
	}
	if (!vcpu->doorbell_open && vcpu->vm->config.vcpus == 1) {
		return kill(vcpu, "it halted, and nothing can wake it");
	}
	vcpu->wait = WAIT_DOORBELL;
	return EXIT_WAIT;
}

/* The slice is over, or a timer of its devices has expired. */
static enum exit_action handle_deadline(struct vcpu *vcpu)
{
	uint64_t now = arch_tsc();
	if (vcpu->timer_tsc > now) {
		return EXIT_YIELD;
	}
	(void)platform_tick(vcpu, now);
	return arch_timer_update(vcpu) ? EXIT_RESUME : EXIT_YIELD;
}

/* The host was interrupted: perhaps because this CPU, or the VM as a whole, is to do something. */
static enum exit_action handle_interrupt(const struct vcpu *vcpu)
{
	if (vm_state_now(vcpu->vm) != VM_RUNNING) {
		return EXIT_KILL;
	}
	return scheduler_wants_cpu() ? EXIT_YIELD : EXIT_RESUME;
}

static NOT_INLINE enum exit_action handle_device_io(struct vcpu *vcpu,
						    const struct vm_exit *vm_exit)
{
	struct device_access access = {
		.write = !vm_exit->io.in,
		.bytes = vm_exit->io.bytes,
		.value = vcpu->regs[GPR_RAX] & ~0ull >> (64 - 8 * vm_exit->io.bytes),
	};
	uint64_t timer = vcpu->timer_tsc;
	platform_port(vcpu, vm_exit->io.port, &access);
	if (vcpu->timer_tsc != timer) {
		(void)arch_timer_update(vcpu);
	}
	if (!vm_lets_go_on(vcpu)) {
		return EXIT_YIELD;
	}
	if (access.again) {
		return EXIT_YIELD;
	}
	if (vm_exit->io.in) {
		port_answer(vcpu, vm_exit->io.bytes, access.value);
	}
	return EXIT_ADVANCE;
}

/* The backends send those of a VM without devices here only when something else is to be done. */
static enum exit_action handle_io(struct vcpu *vcpu, const struct vm_exit *vm_exit)
{
	if (vm_exit->io.string) {
		vcpu->inject.vector = VECTOR_PROTECTION;
		vcpu->inject.has_error = true;
		vcpu->inject.error = 0;
		return EXIT_INJECT;
	}
	if (vcpu->vm->platform != NULL) {
		return handle_device_io(vcpu, vm_exit);
	}
	port_without_device(vcpu, vm_exit->io.bytes, vm_exit->io.in);
	return EXIT_ADVANCE;
}

/* Slow path, out of line: a second-stage fault need not save the registers that these cases use. */
static NOT_INLINE enum exit_action handle_rest(struct vcpu *vcpu, const struct vm_exit *vm_exit)
{
	vcpu->exits_by_kind[vm_exit->kind]++;
	switch (vm_exit->kind) {
	case VM_EXIT_SLICE_END:
		return handle_deadline(vcpu);
	case VM_EXIT_INTERRUPT:
		return handle_interrupt(vcpu);
	case VM_EXIT_WINDOW:
		return EXIT_RESUME;
	case VM_EXIT_HLT:
		return handle_halt(vcpu);
	case VM_EXIT_IO:
		return handle_io(vcpu, vm_exit);
	case VM_EXIT_TRIPLE_FAULT:
		if (vcpu->vm->config.on_reboot == ON_REBOOT_RESTART) {
			vm_log(vcpu->vm, "triple fault");
			vm_restart_or_finish(vcpu->vm);
			return EXIT_KILL;
		}
		return kill(vcpu, "triple fault: it could not handle its own exceptions");
	case VM_EXIT_S2_FAULT:
	case VM_EXIT_ENTRY_FAILED:
	case VM_EXIT_UNKNOWN:
		break;
	}
	vm_log(vcpu->vm, "exit reason=%u", vm_exit->raw_reason);
	return kill(vcpu, vm_exit->text != NULL ? vm_exit->text : "an exit without a handler");
}

enum exit_action vm_exit_handle(struct vcpu *vcpu, const struct vm_exit *vm_exit)
{
	if (vm_exit->kind == VM_EXIT_S2_FAULT) {
		return handle_fault(vcpu, vm_exit);
	}
	return handle_rest(vcpu, vm_exit);
}
