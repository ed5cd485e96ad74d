/* SPDX-License-Identifier: BSD-2-Clause */
/* What a port access of a guest does where no device is: no lock, no state but RAX. */
#ifndef KERNEL_EXIT_PORT_H
#define KERNEL_EXIT_PORT_H

#include "kernel/vm/vcpu.h"

/* The answer of IN in RAX: EAX clears the upper half, AX and AL leave the rest. */
static inline void port_answer(struct vcpu *vcpu, unsigned bytes, uint64_t value)
{
	uint64_t ones = ~0ull >> (64 - 8 * bytes);
	uint64_t kept = bytes == 4 ? 0 : vcpu->regs[GPR_RAX] & ~ones;
	vcpu->regs[GPR_RAX] = kept | (value & ones);
}

/* A bus without a driver reads as ones and swallows writes. */
static inline void port_without_device(struct vcpu *vcpu, unsigned bytes, bool in)
{
	if (in) {
		port_answer(vcpu, bytes, UINT64_MAX);
	}
}

#endif
