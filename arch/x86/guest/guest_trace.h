/* SPDX-License-Identifier: BSD-2-Clause */
/* Exits and entries in the trace, the same for both backends. */
#ifndef ARCH_X86_GUEST_GUEST_TRACE_H
#define ARCH_X86_GUEST_GUEST_TRACE_H

#include "base/trace.h"
#include "arch/arch.h"
#include "kernel/vm/vm.h"

/* `reason` is the processor's number. Answers when it was, for guest_trace_entry(). */
static inline uint64_t guest_trace_exit(const struct vcpu *vcpu, uint32_t reason, uint64_t rip)
{
	uint64_t now = arch_tsc();

	trace_note(TRACE_exit, vcpu_trace_who(vcpu), reason, rip);
	return now;
}

/* Behind an exit at `exit_tsc`, or first of a run. */
static inline void guest_trace_entry(const struct vcpu *vcpu, uint64_t exit_tsc, uint64_t rip)
{
	trace_note(TRACE_entry, vcpu_trace_who(vcpu), arch_tsc() - exit_tsc, rip);
}

#endif
