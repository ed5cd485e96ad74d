/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of a virtual processor that is the same on both backends: its two frames, its first
 * register values, and the extended state that stays in the processor from exit to entry.
 */
#ifndef ARCH_X86_GUEST_GUEST_VCPU_H
#define ARCH_X86_GUEST_GUEST_VCPU_H

#include "arch/x86/guest/guest_state.h"
#include "base/status.h"

/* A segment register at entry, with access rights as VT-x stores them (SDM vol. 3, table 25-2). */
struct guest_segment {
	uint16_t selector;
	uint32_t base;
	uint32_t limit;
	uint32_t rights;
};

/* In the order of the manuals' tables; the values are those of docs/abi.md. */
enum guest_segment_name {
	GUEST_ES,
	GUEST_CS,
	GUEST_SS,
	GUEST_DS,
	GUEST_FS,
	GUEST_GS,
	GUEST_LDTR,
	GUEST_TR,
	GUEST_SEGMENT_COUNT,
};

/*
 * The registers of a vCPU's first instruction: 32-bit protected mode without paging, flat segments
 * (docs/abi.md); or real mode, as a startup IPI leaves a processor (SDM vol. 3, 9.1 and 9.4.4).
 */
struct guest_segment guest_entry_segment(const struct vcpu *vcpu, enum guest_segment_name name);
uint64_t guest_entry_cr0(const struct vcpu *vcpu);
uint64_t guest_entry_rip(const struct vcpu *vcpu);

/* Of GDTR and IDTR, whose bases are 0. In real mode the vectors lie there. */
uint32_t guest_entry_table_limit(const struct vcpu *vcpu);

#define GUEST_SEGMENT_UNUSABLE 0x10000u
#define GUEST_ENTRY_DR6 0xffff0ff0u
#define GUEST_ENTRY_DR7 0x400u

/*
 * All ones: three pages for whichever permission map of the processor wants one bit per MSR or per
 * port, so that every access exits. Shared by all guests, never written.
 */
extern const uint8_t guest_exit_always[3 * PAGE_BYTES];

/* That each vCPU takes: its state, and the VMCS or VMCB. */
#define GUEST_VCPU_PAGES 2u

/*
 * Takes two zeroed frames: one for the backend's structure of `bytes`, which begins with struct
 * arch_vcpu, with the extended state behind it, and one for the processor's control structure.
 * Fills struct arch_vcpu. NO_MEMORY: nothing was changed.
 */
MUST_CHECK enum status guest_vcpu_alloc(struct vcpu *vcpu, struct s2 *s2, size_t bytes,
					const struct guest_access *access);

/*
 * What INIT does to the part that is in memory: general registers, debug registers, events (SDM
 * vol. 3, table 9-1). Extended state and XCR0 stay, as do the MSRs of system calls.
 */
void guest_vcpu_reset(struct vcpu *vcpu);

/* Gives both frames back. */
void guest_vcpu_free(struct vcpu *vcpu);

/*
 * Extended state and debug registers, from this processor to memory and the other way round, then
 * also XCR0; always all of them, so that nothing of one guest is ever visible to another.
 */
void guest_state_save(struct arch_vcpu *arch);
void guest_state_load(const struct arch_vcpu *arch);

/* Prints RIP, control registers and general registers through log_event. */
void guest_dump_registers(const struct vcpu *vcpu);

/* The general registers alone, from memory. */
void guest_dump_general_registers(const struct vcpu *vcpu);

#endif
