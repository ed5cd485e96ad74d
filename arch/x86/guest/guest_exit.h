/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What both backends do around kernel/vm/exit.h: common decodings on the way in, and carrying out
 * the action on the way out. The vCPU's exit is being handled on this CPU.
 */
#ifndef ARCH_X86_GUEST_GUEST_EXIT_H
#define ARCH_X86_GUEST_GUEST_EXIT_H

#include "abi/aerostat.h"
#include "arch/x86/cpu/registers.h"
#include "arch/x86/guest/guest_state.h"
#include "kernel/vm/exit.h"
#include "kernel/exit/hypercall.h"
#include "kernel/vm/vm.h"

/* True when the guest executes 64-bit code. */
static inline bool guest_is_64bit(const struct vcpu *vcpu)
{
	return vcpu->arch->efer & EFER_LMA && guest_read(vcpu, GUEST_CODE_LONG);
}

/* The general register of an instruction's operand, as wide as the guest's mode makes it. */
uint64_t guest_gpr_read(const struct vcpu *vcpu, unsigned number);
void guest_gpr_write(struct vcpu *vcpu, unsigned number, uint64_t value);

/* What LMSW makes of CR0: four bits of `source`; it can set PE but not clear it. */
uint64_t guest_cr0_lmsw(uint64_t cr0, uint64_t source);

/*
 * Fills vcpu->inject and answers EXIT_INJECT: with any exception; with #GP(0); with #UD, for an
 * instruction that the guest's CPUID does not offer.
 */
enum exit_action guest_inject(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error);
enum exit_action guest_inject_protection_fault(struct vcpu *vcpu);
enum exit_action guest_inject_undefined(struct vcpu *vcpu);

/* Once for each exit, whoever decides about it. */
static inline void guest_exit_count(struct vcpu *vcpu)
{
	vcpu->exit_count++;
}

/* The operands of RDMSR, WRMSR and XSETBV: ECX and EDX:EAX. */
static inline uint32_t guest_msr_index(const struct vcpu *vcpu)
{
	return (uint32_t)vcpu->regs[GPR_RCX];
}

static inline uint64_t guest_msr_value(const struct vcpu *vcpu)
{
	return vcpu->regs[GPR_RDX] << 32 | (uint32_t)vcpu->regs[GPR_RAX];
}

/* Hands the exit to kernel/exit/exit.c as one of `kind`: without operands; with a report. */
enum exit_action guest_exit(struct vcpu *vcpu, struct vm_exit *vm_exit, enum vm_exit_kind kind);
enum exit_action guest_exit_unknown(struct vcpu *vcpu, struct vm_exit *vm_exit, const char *text);

/* The exit that has to be fast: no struct vm_exit is built for it. */
static inline enum exit_action guest_exit_hypercall(struct vcpu *vcpu, bool privileged)
{
	guest_exit_count(vcpu);
	return hypercall_handle(vcpu, privileged);
}

/*
 * A hypercall that does nothing: its number, all arguments and the result are zero. At CPL 0 no
 * more is to be done than to count it, as an exit and as a hypercall.
 */
static inline bool guest_is_null_hypercall(const struct vcpu *vcpu)
{
	const uint64_t *regs = vcpu->regs;

	_Static_assert(AEROSTAT_CALL_NULL == 0, "one look at all registers");
	/* Where the VM is that of another hypervisor, zeros mean what its calls say. */
	return (regs[GPR_RAX] | regs[GPR_RDI] | regs[GPR_RSI] | regs[GPR_RDX] | regs[GPR_R10] |
		vcpu->calls_platform) == 0;
}

/* What RIP becomes where its lower half has gone through zero. */
uint64_t guest_wrap_rip(const struct vcpu *vcpu, uint64_t next) __attribute__((cold));

/* RIP behind an instruction of `length` bytes at `rip`; outside 64-bit mode it wraps at 4 GiB. */
static inline uint64_t guest_next_rip(const struct vcpu *vcpu, uint64_t rip, uint32_t length)
{
	uint64_t next = rip + length;

	return (uint32_t)next < length ? guest_wrap_rip(vcpu, next) : next;
}

/*
 * Its doorbell has rung and has not been delivered. Others ring it at any time, then interrupt the
 * CPU that runs it.
 */
static inline bool guest_doorbell_rang(const struct vcpu *vcpu)
{
	return __atomic_load_n(&vcpu->doorbell_pending, __ATOMIC_ACQUIRE);
}

/* Before it is delivered, so that one that rings meanwhile is delivered once more. */
static inline void guest_doorbell_take(struct vcpu *vcpu)
{
	(void)__atomic_exchange_n(&vcpu->doorbell_pending, false, __ATOMIC_ACQ_REL);
}

/*
 * The interrupt that is to be delivered next, when guest_doorbell_rang(): the doorbell, or what the
 * local APIC has; 0: there is none after all, and the flag is clear. `held_off` says that the class
 * in `priority` (CR8) holds it off; a local APIC has looked at that itself.
 */
struct guest_interrupt {
	uint8_t vector;
	bool held_off;
	bool nmi; /* the local APIC has an NMI, besides */
};
struct guest_interrupt guest_interrupt_of_apic(struct vcpu *vcpu) __attribute__((cold));

static inline struct guest_interrupt guest_interrupt_next(struct vcpu *vcpu, uint64_t priority)
{
	uint8_t vector = vcpu->doorbell_vector;

	if (__builtin_expect(vcpu->vm->platform != NULL, 0)) {
		return guest_interrupt_of_apic(vcpu);
	}
	if (vector == 0) {
		guest_doorbell_take(vcpu); /* it had one when it rang */
	}
	return (struct guest_interrupt){vector, (uint64_t)vector >> 4 <= priority, false};
}

/*
 * It is on its way into the guest; or was, and the processor has not delivered it. `take` returns
 * the vector to deliver, which may have changed since.
 */
uint8_t guest_interrupt_take_of_apic(struct vcpu *vcpu, uint8_t vector) __attribute__((cold));

MUST_CHECK static inline uint8_t guest_interrupt_take(struct vcpu *vcpu, uint8_t vector)
{
	guest_doorbell_take(vcpu);
	return __builtin_expect(vcpu->vm->platform != NULL, 0)
		       ? guest_interrupt_take_of_apic(vcpu, vector)
		       : vector;
}

void guest_interrupt_put_back(struct vcpu *vcpu, uint8_t vector);

/* The same for any event of an interrupt or of an NMI. */
void guest_event_put_back(struct vcpu *vcpu, uint32_t info);

/*
 * Puts vcpu->inject into arch->event, combined with what is there already. False: the exception was
 * one too many, and the guest has shut down.
 */
bool guest_event_raise(struct vcpu *vcpu);

/* Behind the instruction that guest_device.c has carried out. */
void guest_advance_decoded(struct vcpu *vcpu) __attribute__((cold));

/*
 * Carries out an action; answers whether the guest goes on at once. `advance` moves RIP behind the
 * instruction: a constant, so that no indirect call is left of it.
 */
static inline __attribute__((always_inline)) bool
guest_apply(struct vcpu *vcpu, enum exit_action action, void (*const advance)(struct vcpu *))
{
	if (__builtin_expect(action == EXIT_ADVANCE, 1)) {
		advance(vcpu);
		return true;
	}
	switch (action) {
	case EXIT_ADVANCE:
		break;
	case EXIT_ADVANCE_DECODED:
		guest_advance_decoded(vcpu);
		return true;
	case EXIT_RESUME:
		return !vcpu->arch->entry_failed;
	case EXIT_INJECT:
		return guest_event_raise(vcpu);
	case EXIT_WAIT:
		advance(vcpu);
		return false;
	case EXIT_BLOCK:
	case EXIT_YIELD:
	case EXIT_KILL:
		return false;
	}
	return false;
}

#endif
