/* SPDX-License-Identifier: BSD-2-Clause */
/* Which model-specific registers a guest has, and which values they take. */
#ifndef ARCH_X86_GUEST_GUEST_MSR_H
#define ARCH_X86_GUEST_GUEST_MSR_H

#include "base/types.h"
#include "kernel/vm/exit.h"

/* IA32_PAT after reset (SDM vol. 3, 12.12.4). */
#define GUEST_PAT_RESET 0x0007040600070406

/* Would WRMSR accept it? Each byte one of the six memory types. */
bool guest_pat_accept(uint64_t value);

/* All bits from 47 up are equal: an address of 4-level paging. */
bool guest_is_canonical(uint64_t address);

/*
 * The exits: RDMSR, whose result goes to EDX:EAX, and WRMSR. EXIT_ADVANCE, or EXIT_INJECT with
 * #GP(0) in vcpu->inject: the guest has no such register, or the manual forbids the value.
 */
enum exit_action guest_msr_read(struct vcpu *vcpu, uint32_t index);
enum exit_action guest_msr_write(struct vcpu *vcpu, uint32_t index, uint64_t value);

#endif
