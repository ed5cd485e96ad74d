/* SPDX-License-Identifier: BSD-2-Clause */
/* The CPUID personality of guests: a pure function, the answers kept of it, and the exit. */
#ifndef ARCH_X86_GUEST_GUEST_CPUID_H
#define ARCH_X86_GUEST_GUEST_CPUID_H

#include "arch/x86/cpu/cpuid.h"
#include "arch/x86/guest/guest_state.h"
#include "base/bits.h"
#include "base/status.h"
#include "kernel/vm/exit.h"

#define GUEST_LEAF_FEATURES 1u
#define GUEST_L1_EBX_APIC_ID_SHIFT 24
#define GUEST_L1_ECX_XSAVE BIT(26)
#define GUEST_L1_ECX_OSXSAVE BIT(27)
#define GUEST_LEAF_XSTATE 0xdu

/* The state of a guest that shows in CPUID. */
struct guest_cpuid_view {
	uint64_t cr4;
	uint64_t xcr0;
	uint64_t tsc_khz;
	uint32_t vcpu_index; /* of vcpu_count; also the number of its APIC, if it had one */
	uint32_t vcpu_count;
};

/* True when the answer for `leaf` is made from the processor's own. */
bool guest_cpuid_wants_host(const struct guest_features *offer, uint32_t leaf);

/*
 * What a guest reads in `leaf` and `subleaf`, given what the processor itself says there (all zero
 * unless guest_cpuid_wants_host).
 */
struct cpuid guest_cpuid_answer(const struct guest_features *offer,
				const struct guest_cpuid_view *view, uint32_t leaf,
				uint32_t subleaf, struct cpuid host);

/*
 * guest_cpuid_exit.c: keeps the answers of most leaves, as this processor makes them. Once, on the
 * boot CPU, when guest_features is complete and before any guest runs.
 */
void guest_cpuid_prepare(void);

/* Which of the answers this vCPU gets: by its VM's devices. When it is created. */
void guest_cpuid_choose(struct vcpu *vcpu);

/* The exit: CPUID with the guest's EAX and ECX, answered in its registers. EXIT_ADVANCE. */
enum exit_action guest_cpuid(struct vcpu *vcpu);

/* The same where the answer needs no device and no lock. */
enum guest_cpuid_outcome {
	GUEST_CPUID_UNDECIDED, /* nothing was done */
	GUEST_CPUID_DONE,
	GUEST_CPUID_OSXSAVE, /* done, but CR4.OSXSAVE is still to be shown in ECX */
};
MUST_CHECK enum guest_cpuid_outcome guest_cpuid_quick(struct vcpu *vcpu);

#endif
