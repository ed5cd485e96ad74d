/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a processor has when it sits in a PC, and a native guest does without: a local APIC with its
 * MSRs, and a few MSRs of firmware and board that kernels read without asking CPUID.
 */
#ifndef ARCH_X86_GUEST_GUEST_PC_H
#define ARCH_X86_GUEST_GUEST_PC_H

#include "arch/x86/cpu/cpuid.h"
#include "base/status.h"
#include "base/types.h"

struct vcpu;

/*
 * MSRs that are in no other table, for a VM with devices. False: it has no such register, or the
 * value is forbidden: #GP. A write that arms a timer ends the run in time for it.
 */
MUST_CHECK bool guest_pc_msr_read(struct vcpu *vcpu, uint32_t index, uint64_t *value);
MUST_CHECK bool guest_pc_msr_write(struct vcpu *vcpu, uint32_t index, uint64_t value);

/*
 * Behind every access to a device: CR8 shows the class that the local APIC has, and the run ends
 * when the next timer of the devices expires. `timer_before_tsc` is what vcpu->timer_tsc was.
 */
void guest_pc_settle(struct vcpu *vcpu, uint64_t timer_before_tsc);

/* What devices=pc adds to the answer of CPUID for `leaf`, as all vCPUs see it. Pure. */
void guest_pc_cpuid_adjust(uint32_t leaf, struct cpuid *out);

/*
 * Leaf 1 of this vCPU, where it is not as all see it: no local APIC while IA32_APIC_BASE switches
 * that off (SDM vol. 3, 11.4.3).
 */
void guest_pc_cpuid_apic(struct vcpu *vcpu, struct cpuid *out);

/*
 * Leaf 0xb, extended topology, of the vCPU with this index: each is a package with one core and one
 * thread (SDM vol. 2, CPUID; AMD APM vol. 3, E.3.9). Pure.
 */
#define GUEST_LEAF_TOPOLOGY 0xbu
struct cpuid guest_pc_topology(uint32_t index, uint32_t subleaf);

/*
 * Leaf 0x15: the clock of the local APIC's timer and the TSC's ratio to it (drivers/virt says how
 * it divides). Kernels on Intel's processors take both rates from here. Pure.
 */
#define GUEST_LEAF_CLOCK 0x15u
struct cpuid guest_pc_clock(uint64_t tsc_khz);

#endif
