/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Debug traps that the processor would have raised behind an instruction which the hypervisor
 * completes for the guest (Intel SDM vol. 3, 18.2.4 and 18.3.1; AMD APM vol. 2, 13.1).
 */
#ifndef ARCH_X86_GUEST_BREAKPOINT_H
#define ARCH_X86_GUEST_BREAKPOINT_H

#include "base/types.h"

#define BREAKPOINTS 4

/*
 * Which of the breakpoints at `address` (DR0 to DR3) an access to `bytes` ports from `port` on
 * meets, as DR6 shows them: bit n for DRn. Only those that DR7 enables for ports. CR4.DE is set:
 * without it there are no such breakpoints. Pure.
 */
uint64_t guest_port_breakpoints(const uint64_t address[BREAKPOINTS], uint64_t dr7, uint16_t port,
				unsigned bytes);

struct vcpu;

/*
 * The same for the vCPU whose exit is being handled on this CPU: DR0 to DR3 are in the processor.
 * Also looks at CR4.DE. Inline where DR7 enables no breakpoint at all, as it is nearly always.
 */
uint64_t guest_port_causes_enabled(const struct vcpu *vcpu, uint64_t dr7, uint16_t port,
				   unsigned bytes);

#define DR7_ANY_ENABLED 0xffull

static inline uint64_t guest_port_causes(const struct vcpu *vcpu, uint64_t dr7, uint16_t port,
					 unsigned bytes)
{
	return __builtin_expect((dr7 & DR7_ANY_ENABLED) != 0, 0)
		       ? guest_port_causes_enabled(vcpu, dr7, port, bytes)
		       : 0;
}

/* The same for `bytes` of memory at a linear address that were read, or written, or both. Pure. */
uint64_t guest_data_breakpoints(const uint64_t address[BREAKPOINTS], uint64_t dr7, uint64_t linear,
				unsigned bytes, bool write);
uint64_t guest_data_causes_enabled(uint64_t dr7, uint64_t linear, unsigned bytes, bool write);

static inline uint64_t guest_data_causes(uint64_t dr7, uint64_t linear, unsigned bytes, bool write)
{
	return __builtin_expect((dr7 & DR7_ANY_ENABLED) != 0, 0)
		       ? guest_data_causes_enabled(dr7, linear, bytes, write)
		       : 0;
}

#endif
