/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Breakpoints of guests. An exit disables those that the guest has in DR7 (AMD APM vol. 2, 15.6),
 * but QEMU leaves them armed although DR7 reads as the host's: a guest could have the hypervisor
 * run into one at any of its addresses, and no handler is out of their reach. Nothing in a register
 * shows it, so svm_caps.c takes it for granted on every processor that lacks the saved next RIP,
 * which real ones have had for long. There, guests' breakpoints never get into the processor: DR7
 * exits, the guest reads back what it wrote, and nothing fires.
 */
#include "arch/x86/svm/svm_debug.h"

#include "arch/x86/cpu/registers.h"
#include "arch/x86/guest/guest_exit.h"
#include "arch/x86/svm/svm_caps.h"
#include "arch/x86/svm/svm_decode.h"
#include "arch/x86/svm/svm_exits.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "base/bits.h"

#define DR7_ONES BIT(10)
#define DR7_WRITABLE 0xffff23ffull
#define DR7_ENABLED 0xffull

/* DR5 is another name of DR7 as long as CR4.DE is clear. */
#define ALIAS_OF_DR7 5u
#define DR7_NAMES (BIT(ALIAS_OF_DR7) | BIT(7))

uint64_t svm_dr7_visible(uint64_t written)
{
	return (written & DR7_WRITABLE) | DR7_ONES;
}

uint64_t svm_dr7_harmless(uint64_t visible)
{
	return visible & ~(DR7_ENABLED | DR7_GENERAL_DETECT);
}

void svm_debug_setup(struct svm_vcpu *svm)
{
	svm->dr7 = GUEST_ENTRY_DR7;
	svm->vmcb->dr6 = GUEST_ENTRY_DR6;
	svm->vmcb->dr7 = GUEST_ENTRY_DR7;
	if (svm_caps.breakpoints_stay) {
		svm->vmcb->intercept_dr_read = DR7_NAMES;
		svm->vmcb->intercept_dr_write = DR7_NAMES;
	}
}

static enum exit_action dr7_write(struct svm_vcpu *svm, uint64_t value)
{
	if (value >> 32) {
		return guest_inject_protection_fault(svm->arch.vcpu);
	}
	svm->dr7 = svm_dr7_visible(value);
	svm->vmcb->dr7 = svm_dr7_harmless(svm->dr7);
	return EXIT_ADVANCE;
}

enum exit_action svm_decide_dr(struct svm_vcpu *svm)
{
	struct vcpu *vcpu = svm->arch.vcpu;
	struct svm_instruction instruction = svm_instruction_here(svm);

	if (svm->vmcb->cpl != 0) {
		return guest_inject_protection_fault(vcpu);
	}
	if (instruction.cr != 7 && instruction.cr != ALIAS_OF_DR7) {
		return EXIT_RESUME; /* rewritten since */
	}
	if (instruction.cr == ALIAS_OF_DR7 && svm->vmcb->cr4 & CR4_DE) {
		return guest_inject_undefined(vcpu);
	}
	svm->next_rip = svm_caps.next_rip
				? svm->vmcb->next_rip
				: guest_next_rip(vcpu, svm->vmcb->rip, instruction.length);
	switch (instruction.kind) {
	case INSTRUCTION_MOV_TO_DR:
		return dr7_write(svm, guest_gpr_read(vcpu, instruction.gpr));
	case INSTRUCTION_MOV_FROM_DR:
		guest_gpr_write(vcpu, instruction.gpr, svm->dr7);
		return EXIT_ADVANCE;
	default:
		/* Rewritten since, or its page is going away: the guest executes what is there. */
		return EXIT_RESUME;
	}
}
