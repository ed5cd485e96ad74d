/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last few instructions that a vCPU reached devices with: mostly the next one is among them
 * (the end of an interrupt, a timer that is armed). Instead of being read through four levels of
 * tables and decoded once more, it is compared with what it was then: the address space has lost no
 * page since, each entry of the guest's tables that led to the code is the same, and so is the
 * code. So neither self-modifying code nor a page that is mapped elsewhere goes unseen. Only 64-bit
 * code is remembered.
 *
 * It belongs to the CPU that handles the vCPU's exit. Takes s2->lock.
 */
#ifndef ARCH_X86_GUEST_GUEST_CODE_H
#define ARCH_X86_GUEST_GUEST_CODE_H

#include "arch/x86/guest/guest_decode.h"

#define GUEST_WALK_LEVELS 4

/* The entries that lead from CR3 to a page, from the top, and where they were found. */
struct guest_walk_trace {
	unsigned levels;
	const uint64_t *entries[GUEST_WALK_LEVELS];
	uint64_t values[GUEST_WALK_LEVELS];
};

struct guest_code {
	uint64_t rip; /* 0: none; devices are not reached from there */
	uint64_t cr3;
	uint64_t removals; /* s2_removals() */
	struct guest_walk_trace trace;
	const uint8_t *place;
	uint64_t words[2]; /* what was there: an instruction, and what follows it */
	struct guest_instruction instruction;
};

#define GUEST_CODES 4

struct guest_codes {
	struct guest_code codes[GUEST_CODES];
	unsigned oldest; /* which one the next one replaces */
};

/* The instruction that made the fault, where it is the remembered one; else NULL. */
struct guest_fault;
const struct guest_instruction *guest_code_recall(const struct vcpu *vcpu,
						  const struct guest_fault *fault);

/* Remembers `instruction`, which has just been read at `rip`; or nothing, where it is hard to. */
void guest_code_remember(struct vcpu *vcpu, uint64_t rip, const uint8_t *bytes,
			 const struct guest_instruction *instruction);

#endif
