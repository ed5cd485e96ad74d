/* SPDX-License-Identifier: BSD-2-Clause */
/* Decodings and injections that do not depend on the backend. */
#include "arch/x86/guest/guest_exit.h"

#include "arch/x86/cpu/interrupt.h"
#include "base/check.h"
#include "arch/arch.h"
#include "base/bits.h"
#include "kernel/vm/platform.h"
#include "kernel/vm/vm.h"

#define LMSW_BITS 0xfull /* PE, MP, EM, TS */

uint64_t guest_gpr_read(const struct vcpu *vcpu, unsigned number)
{
	uint64_t value = number == GPR_RSP ? guest_read(vcpu, GUEST_RSP) : vcpu->regs[number];

	return guest_is_64bit(vcpu) ? value : (uint32_t)value;
}

void guest_gpr_write(struct vcpu *vcpu, unsigned number, uint64_t value)
{
	if (number == GPR_RSP) {
		guest_write(vcpu, GUEST_RSP, value);
	} else {
		vcpu->regs[number] = value;
	}
}

uint64_t guest_wrap_rip(const struct vcpu *vcpu, uint64_t next)
{
	return guest_is_64bit(vcpu) ? next : (uint32_t)next;
}

void guest_advance_decoded(struct vcpu *vcpu)
{
	uint64_t rip = guest_read(vcpu, GUEST_RIP);

	guest_write(vcpu, GUEST_RIP, guest_next_rip(vcpu, rip, vcpu->arch->decoded_bytes));
}

uint64_t guest_cr0_lmsw(uint64_t cr0, uint64_t source)
{
	return (cr0 & (~LMSW_BITS | CR0_PE)) | (source & LMSW_BITS);
}

enum exit_action guest_inject(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error)
{
	vcpu->inject.vector = vector;
	vcpu->inject.has_error = has_error;
	vcpu->inject.error = error;
	return EXIT_INJECT;
}

enum exit_action guest_inject_protection_fault(struct vcpu *vcpu)
{
	return guest_inject(vcpu, VECTOR_PROTECTION, true, 0);
}

enum exit_action guest_inject_undefined(struct vcpu *vcpu)
{
	return guest_inject(vcpu, VECTOR_UNDEFINED, false, 0);
}

enum exit_action guest_exit(struct vcpu *vcpu, struct vm_exit *vm_exit, enum vm_exit_kind kind)
{
	vm_exit->kind = kind;
	return vm_exit_handle(vcpu, vm_exit);
}

enum exit_action guest_exit_unknown(struct vcpu *vcpu, struct vm_exit *vm_exit, const char *text)
{
	vm_exit->text = text;
	return guest_exit(vcpu, vm_exit, VM_EXIT_UNKNOWN);
}

/*
 * A handler that returns from a fault finds RF set in the flags on its stack, so that a breakpoint
 * on the instruction does not come again (SDM vol. 3, 18.3.1.1). Not from a trap or an abort.
 */
static void resume_flag_set(struct vcpu *vcpu, uint32_t info)
{
	uint32_t vector = info & EVENT_VECTOR;

	if (vector != VECTOR_DEBUG && vector != VECTOR_BREAKPOINT && vector != VECTOR_OVERFLOW &&
	    vector != VECTOR_DOUBLE_FAULT) {
		guest_write(vcpu, GUEST_RFLAGS, guest_read(vcpu, GUEST_RFLAGS) | RFLAGS_RF);
	}
}

struct guest_openness arch_guest_openness(const struct vcpu *vcpu, uint8_t vector)
{
	uint64_t flags = guest_read(vcpu, GUEST_RFLAGS);

	return (struct guest_openness){
		.to_interrupt = vector != 0 && flags & RFLAGS_IF &&
				(uint64_t)vector >> 4 > guest_read(vcpu, GUEST_CR8),
		.to_trap = (flags & RFLAGS_TF) != 0,
	};
}

struct guest_interrupt guest_interrupt_of_apic(struct vcpu *vcpu)
{
	struct guest_interrupt next = {.held_off = false};

	/* In this order: a request that comes in between sets the flag again. */
	guest_doorbell_take(vcpu);
	next.nmi = platform_nmi_pending(vcpu);
	next.vector = platform_interrupt_ready(vcpu);
	if (next.vector != 0) {
		__atomic_store_n(&vcpu->doorbell_pending, true, __ATOMIC_RELEASE);
	}
	return next;
}

uint8_t guest_interrupt_take_of_apic(struct vcpu *vcpu, uint8_t vector)
{
	return platform_interrupt_take(vcpu, vector);
}

void guest_interrupt_put_back(struct vcpu *vcpu, uint8_t vector)
{
	if (vcpu->vm->platform != NULL) {
		platform_interrupt_put_back(vcpu, vector);
	}
	__atomic_store_n(&vcpu->doorbell_pending, true, __ATOMIC_RELEASE);
}

void guest_event_put_back(struct vcpu *vcpu, uint32_t info)
{
	if ((info & EVENT_TYPE) == EVENT_TYPE_NMI) {
		platform_nmi_put_back(vcpu);
	} else {
		guest_interrupt_put_back(vcpu, info & EVENT_VECTOR);
	}
}

bool arch_guest_takes_nmi(const struct vcpu *vcpu)
{
	return guest_read(vcpu, GUEST_NMI_BLOCKED) == 0;
}

/* In place of a pointer in the table of each backend: an exit takes no indirect branch. */
static void deadline_set(struct vcpu *vcpu, uint64_t deadline_tsc)
{
	const struct guest_access *access = vcpu->arch->access;

	if (access == &vmx_guest_access) {
		vmx_deadline_set(vcpu, deadline_tsc);
	} else if (access == &svm_guest_access) {
		svm_deadline_set(vcpu, deadline_tsc);
	} else {
		vcpu->arch->deadline_tsc = deadline_tsc;
	}
}

bool arch_timer_update(struct vcpu *vcpu)
{
	struct arch_vcpu *arch = vcpu->arch;

	deadline_set(vcpu, min_u64(arch->slice_tsc, vcpu->timer_tsc));
	return arch_tsc() < arch->slice_tsc;
}

bool guest_event_raise(struct vcpu *vcpu)
{
	struct arch_vcpu *arch = vcpu->arch;
	struct guest_event first = arch->event;
	struct guest_event second = {
		.info = EVENT_VALID | EVENT_TYPE_EXCEPTION | vcpu->inject.vector,
		.error = vcpu->inject.error,
	};
	struct vm_exit vm_exit = {.kind = VM_EXIT_TRIPLE_FAULT};
	bool lost;

	if (vcpu->inject.has_error) {
		second.info |= EVENT_HAS_ERROR;
	}
	if (event_combine(&first, &second, &arch->event, &lost) == EVENT_TRIPLE_FAULT) {
		CHECK(vm_exit_handle(vcpu, &vm_exit) == EXIT_KILL);
		return false;
	}
	resume_flag_set(vcpu, arch->event.info);
	if (!(arch->cr0 & CR0_PE)) {
		/* Real mode has no error codes, and VT-x insists (SDM vol. 3, 27.2.1.3). */
		arch->event.info &= ~EVENT_HAS_ERROR;
	}
	if (lost) {
		guest_event_put_back(vcpu, first.info);
	}
	return true;
}
