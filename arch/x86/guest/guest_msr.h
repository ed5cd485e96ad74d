/* SPDX-License-Identifier: BSD-2-Clause */
/* Which model-specific registers a guest has, and which values they take. */
#ifndef ARCH_X86_GUEST_GUEST_MSR_H
#define ARCH_X86_GUEST_GUEST_MSR_H

#include "base/status.h"
#include "base/types.h"
#include "kernel/vm/exit.h"
#include "kernel/vm/vcpu.h"

/* IA32_PAT after reset (SDM vol. 3, 12.12.4). */
#define GUEST_PAT_RESET 0x0007040600070406

/* Would WRMSR accept it? Each byte one of the six memory types. */
bool guest_pat_accept(uint64_t value);

/* All bits from 47 up are equal: an address of 4-level paging. */
static inline bool guest_is_canonical(uint64_t address)
{
	return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

/*
 * The exits: RDMSR, whose result goes to EDX:EAX, and WRMSR. EXIT_ADVANCE, or EXIT_INJECT with
 * #GP(0) in vcpu->inject: the guest has no such register, or the manual forbids the value.
 */
enum exit_action guest_msr_read(struct vcpu *vcpu, uint32_t index);
enum exit_action guest_msr_write(struct vcpu *vcpu, uint32_t index, uint64_t value);

/*
 * The registers that are the guest's alone: no device and no lock has to do with them, and writing
 * one drops no translation. Each has a place by its number, mixed so that no two of them share one;
 * the others have index 0.
 */
enum guest_msr_rule {
	RULE_CANONICAL,
	RULE_ANY,
	RULE_32_BITS,  /* bits 63:32 are reserved */
	RULE_LOW_HALF, /* bits 63:32 are ignored */
	RULE_PAT,
};

struct guest_msr {
	uint32_t index;
	uint8_t name; /* enum guest_register */
	uint8_t rule; /* enum guest_msr_rule: which values it takes */
};

#define GUEST_MSR_PLACES 32u
#define GUEST_MSR_PLACE(index) (((index) ^ (index) >> 5) & (GUEST_MSR_PLACES - 1))

extern const struct guest_msr guest_msrs[GUEST_MSR_PLACES];

/* NULL: another one. No branch is needed to stay inside the table. */
static inline const struct guest_msr *guest_msr_find(uint32_t index)
{
	const struct guest_msr *msr = &guest_msrs[GUEST_MSR_PLACE(index)];

	return msr->index == index ? msr : NULL;
}

/* Would WRMSR accept it? What is ignored of it is gone then. */
MUST_CHECK bool guest_msr_accepts_other(enum guest_msr_rule rule, uint64_t *value);

MUST_CHECK static inline bool guest_msr_accepts(const struct guest_msr *msr, uint64_t *value)
{
	return msr->rule == RULE_CANONICAL
		       ? guest_is_canonical(*value)
		       : guest_msr_accepts_other((enum guest_msr_rule)msr->rule, value);
}

/* The result of RDMSR. */
static inline void guest_msr_give(struct vcpu *vcpu, uint64_t value)
{
	vcpu->regs[GPR_RAX] = (uint32_t)value;
	vcpu->regs[GPR_RDX] = value >> 32;
}

#endif
