/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The per-CPU structures, and the control registers as the host wants them (Intel SDM volume 3,
 * chapter 2.5). Each structure is written by its own CPU alone.
 */
#include "arch/x86/cpu/cpu.h"

#include "arch/x86/cpu/features.h"
#include "arch/x86/cpu/msr.h"
#include "arch/x86/cpu/tsc.h"
#include "arch/arch.h"
#include "base/bits.h"
#include "base/spin.h"

/* Entries 0-7, lowest byte first: WB WT UC- UC WB WT UC- UC, the value after reset. */
#define PAT_RESET 0x0007040600070406ull

struct cpu cpus[CPUS_MAX];
unsigned cpu_count = 1;
struct cpu_stacks boot_cpu_stacks;

void cpu_attach(unsigned index, struct cpu_stacks *stacks)
{
	struct cpu *cpu = &cpus[index];

	cpu->self = cpu;
	cpu->index = index;
	cpu->stacks = stacks;
	msr_write(MSR_GS_BASE, (uintptr_t)cpu);
}

unsigned arch_cpu_index(void)
{
	return cpu_current()->index;
}

struct arch_moment arch_moment(void)
{
	return (struct arch_moment){tsc_read(), cpu_current()->index};
}

unsigned arch_cpu_count(void)
{
	return cpu_count;
}

void arch_pause(void)
{
	spin_hint();
}

void cpu_leave_vmx(void)
{
	struct cpu *cpu = cpu_current();

	if (cpu->in_vmx_operation) {
		cpu->in_vmx_operation = false;
		__asm__ volatile("vmxoff" : : : "cc", "memory");
	}
}

void cpu_control_init(void)
{
	uint64_t cr4 = CR4_PAE | CR4_MCE | CR4_DE | CR4_OSFXSR | CR4_OSXMMEXCPT;

	/* Machine checks must reach our handler: with MCE clear they switch the machine off. */
	cr4 |= cpu_features.global_pages ? CR4_PGE : 0;
	cr4 |= cpu_features.smep ? CR4_SMEP : 0;
	cr4 |= cpu_features.smap ? CR4_SMAP : 0;
	cr4 |= cpu_features.umip ? CR4_UMIP : 0;
	cr4 |= cpu_features.xsave ? CR4_OSXSAVE : 0;
	msr_write(MSR_IA32_EFER, EFER_LME | EFER_LMA | EFER_NXE);
	/* WP: our own read-only pages bind us too. Caches on, x87 errors as exceptions. */
	write_cr0(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE);
	write_cr4(cr4);
	/* Device registers are mapped through PAT entry 3, which must mean "uncached". */
	if (cpu_features.pat && msr_read(MSR_IA32_PAT) != PAT_RESET) {
		msr_write(MSR_IA32_PAT, PAT_RESET);
	}
	/*
	 * Guests are offered neither RDTSCP nor RDPID, but AMD-V has no intercept of RDPID, and not
	 * all emulators know that of RDTSCP: what they read there tells nothing of this CPU.
	 */
	if (cpu_features.rdtscp || cpu_features.rdpid) {
		msr_write(MSR_TSC_AUX, 0);
	}
	write_dr7(0x400); /* no breakpoint of firmware survives; bit 10 is always one */
}

const char *cpu_guard_name(const struct cpu *cpu, uint64_t address)
{
	const struct cpu_stacks *stacks = cpu->stacks;
	const struct {
		const uint8_t *guard;
		const char *name;
	} guards[] = {
		{stacks->main_guard, "main stack"},
		{stacks->nmi_guard, "NMI stack"},
		{stacks->double_fault_guard, "double-fault stack"},
		{stacks->machine_check_guard, "machine-check stack"},
	};

	for (unsigned i = 0; i < ARRAY_COUNT(guards); i++) {
		uint64_t start = (uintptr_t)guards[i].guard;

		if (address >= start && address < start + PAGE_BYTES) {
			return guards[i].name;
		}
	}
	return NULL;
}
