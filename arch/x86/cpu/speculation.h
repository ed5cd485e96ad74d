/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The measures against speculative execution that this machine takes (mitigations.h says which, and
 * docs/speculation.md why). Decided once by the boot CPU and constant then; every other CPU has to
 * decide the same.
 */
#ifndef ARCH_X86_CPU_SPECULATION_H
#define ARCH_X86_CPU_SPECULATION_H

#include "arch/x86/cpu/cpu.h"
#include "arch/x86/cpu/mitigations.h"
#include "base/error.h"

/* MITIGATE_ bits that are in force, and ENTRIES_TRACED, which changes. Also read by assembly. */
extern uint32_t speculation_actions;

/*
 * Boot CPU, after features_detect: decides, sets this CPU up, and prints one line. `off`: nothing
 * is done, whatever the processor needs.
 */
void speculation_start(bool off);

/* Every other CPU. UNSUPPORTED: it needs, or can do, something else; *error says so. */
MUST_CHECK enum status speculation_cpu_start(struct error *error);

/*
 * Writes the registers that `plan` wants set for good on this CPU, and tries the commands that it
 * gives later. What the processor refuses with a fault, though it is enumerated (an outer
 * hypervisor may do that), goes from the actions to the attacks.
 */
void speculation_apply(struct mitigation_plan *plan);

/* Entries and exits take the guarded way (the entry code of each backend has both). */
static inline bool speculation_guards(void)
{
	return (speculation_actions & MITIGATE_GUARDED) != 0;
}

/* The same, or they are traced: one test for what is rare. */
static inline bool speculation_way_is_rare(void)
{
	return __builtin_expect((speculation_actions & (MITIGATE_GUARDED | ENTRIES_TRACED)) != 0,
				0);
}

static inline bool speculation_way_is_traced(void)
{
	return (speculation_actions & ENTRIES_TRACED) != 0;
}

/* Commands to the predictors and the L1 data cache of this CPU. */
void speculation_barrier(void);
void speculation_flush_l1d(void);

/*
 * A vCPU of VM `vm` is about to run on this CPU. Predictions that another VM has trained must not
 * steer it; vCPUs of one VM share theirs, as processes of one kernel would.
 */
static inline void speculation_switch(uint32_t vm)
{
	struct cpu *cpu;

	if ((speculation_actions & MITIGATE_IBPB_SWITCH) == 0) {
		return;
	}
	cpu = cpu_current();
	if (cpu->predictor_vm != vm) {
		cpu->predictor_vm = vm;
		speculation_barrier();
	}
}

/*
 * Last in C before the first entry of a run: other VMs, or the house, have used this CPU since the
 * last one. What an exit handles by itself touches only its own VM's memory and the hypervisor's
 * tables, and needs no flush.
 */
static inline void speculation_run_begin(void)
{
	if (speculation_actions & MITIGATE_L1D_FLUSH) {
		speculation_flush_l1d();
	}
}

#endif
