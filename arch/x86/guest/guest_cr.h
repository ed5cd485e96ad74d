/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules for control registers, EFER and XCR0, as pure functions of values. */
#ifndef ARCH_X86_GUEST_GUEST_CR_H
#define ARCH_X86_GUEST_GUEST_CR_H

#include "arch/x86/guest/guest_state.h"
#include "kernel/vm/exit.h"

/* What decides whether a value is acceptable, as the guest sees it. */
struct guest_control {
	uint64_t cr0;
	uint64_t cr4;
	uint64_t efer;
	bool code_long; /* CS.L */
	bool task_32;	/* TR holds a 32-bit or 64-bit TSS */
};

/*
 * Would a processor with what `offer` says accept the new value? True: *next is the state after it,
 * LMA included. False: #GP(0), and *next means nothing.
 */
bool guest_cr0_accept(const struct guest_control *now, uint64_t value, struct guest_control *next);
bool guest_cr4_accept(const struct guest_features *offer, const struct guest_control *now,
		      uint64_t value, struct guest_control *next);
bool guest_efer_accept(const struct guest_features *offer, const struct guest_control *now,
		       uint64_t value, struct guest_control *next);
bool guest_xcr0_accept(const struct guest_features *offer, uint64_t value);

/* Reads the present state of a vCPU. */
struct guest_control guest_control_read(const struct vcpu *vcpu);

/* Fills vcpu->inject with #GP(0) and answers EXIT_INJECT. */
enum exit_action guest_inject_protection_fault(struct vcpu *vcpu);

#endif
