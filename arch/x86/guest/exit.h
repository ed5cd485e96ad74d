/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What both backends do around kernel/exit.h: common decodings on the way in, and carrying out the
 * action on the way out. The vCPU's exit is being handled on this CPU.
 */
#ifndef ARCH_X86_GUEST_EXIT_H
#define ARCH_X86_GUEST_EXIT_H

#include "arch/x86/cpu/registers.h"
#include "arch/x86/guest/state.h"
#include "kernel/exit.h"

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

/* Fills vcpu->inject and answers EXIT_INJECT. */
enum exit_action guest_inject(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error);

/* Hands the exit on as one of `kind`: without operands; with ECX and EDX:EAX; with a report. */
enum exit_action guest_exit(struct vcpu *vcpu, struct vm_exit *vm_exit, enum vm_exit_kind kind);
enum exit_action guest_exit_msr(struct vcpu *vcpu, struct vm_exit *vm_exit, enum vm_exit_kind kind);
enum exit_action guest_exit_unknown(struct vcpu *vcpu, struct vm_exit *vm_exit, const char *text);

/* RIP behind an instruction of `length` bytes at `rip`; outside 64-bit mode it wraps at 4 GiB. */
static inline uint64_t guest_next_rip(const struct vcpu *vcpu, uint64_t rip, uint64_t length)
{
	uint64_t next = rip + length;

	if ((rip ^ next) >> 32 && !guest_is_64bit(vcpu)) {
		next = (uint32_t)next;
	}
	return next;
}

/*
 * Puts vcpu->inject into arch->event, combined with what is there already. False: the exception was
 * one too many, and the guest has shut down.
 */
bool guest_event_raise(struct vcpu *vcpu);

/*
 * Carries out an action; answers whether the guest goes on at once. `advance` moves RIP behind the
 * instruction: a constant, so that no indirect call is left of it.
 */
static inline __attribute__((always_inline)) bool
guest_apply(struct vcpu *vcpu, enum exit_action action, void (*const advance)(struct vcpu *))
{
	switch (action) {
	case EXIT_ADVANCE:
		advance(vcpu);
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
