/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a decoded instruction (guest_decode.h) does to its operands and to the flags (Intel SDM vol.
 * 2; AMD APM vol. 3). Pure: the register, the memory and the flags are the caller's copies.
 */
#ifndef ARCH_X86_GUEST_GUEST_EXECUTE_H
#define ARCH_X86_GUEST_GUEST_EXECUTE_H

#include "arch/x86/guest/guest_decode.h"

struct guest_operands {
	uint64_t gpr;	 /* the register, all 64 bits of it; changes only where it is written */
	uint64_t memory; /* what was read, zero-extended; then what is to be written, the same */
	uint64_t flags;	 /* RFLAGS */
};

/*
 * Executes it on *operands. Of the flags that the manuals leave undefined, AND, OR, XOR and TEST
 * clear AF; BT and its kind change none.
 */
void guest_execute(const struct guest_instruction *instruction, struct guest_operands *operands);

#endif
