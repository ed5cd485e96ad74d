/* SPDX-License-Identifier: BSD-2-Clause */
/* Control registers, EFER and XCR0: the rules as pure functions of values, and the exits. */
#ifndef ARCH_X86_GUEST_GUEST_CR_H
#define ARCH_X86_GUEST_GUEST_CR_H

#include "arch/x86/guest/guest_state.h"
#include "kernel/vm/exit.h"

/* Every bit that has a meaning; writes to the others among bits 31:0 are ignored. */
#define CR0_DEFINED                                                                                \
	((uint64_t)(CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM |        \
		    CR0_NW | CR0_CD) |                                                             \
	 CR0_PG)

/* What CR0 holds after a write of `value` that is accepted. */
static inline uint64_t guest_cr0_stored(uint64_t value)
{
	return (value & CR0_DEFINED) | CR0_ET;
}

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

/*
 * The exits: the guest writes `value` to CR0, CR4 or CR8 (MOV, and CLTS and LMSW as the full value
 * wanted), or executes XSETBV. EXIT_ADVANCE, or EXIT_INJECT with vcpu->inject filled. The number of
 * a control register that no write reaches, and every value that a processor refuses, is #GP(0).
 */
enum exit_action guest_cr_write(struct vcpu *vcpu, unsigned cr, uint64_t value);
enum exit_action guest_xsetbv(struct vcpu *vcpu, uint32_t index, uint64_t value);

#endif
