/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each physical CPU has for itself. GS points at it, also right after every VM exit because
 * the host-state area carries the same base.
 */
#ifndef ARCH_X86_CPU_CPU_H
#define ARCH_X86_CPU_CPU_H

#include "arch/x86/cpu/gdt.h"
#include "arch/x86/cpu/registers.h"
#include "base/types.h"
#include "arch/arch.h"

#define STACK_BYTES 16384
#define IST_STACK_BYTES 8192

/* A guard page is left unmapped, so that an overflow faults instead of corrupting its neighbour. */
struct cpu_stacks {
	uint8_t main_guard[PAGE_BYTES];
	uint8_t main[STACK_BYTES];
	uint8_t nmi_guard[PAGE_BYTES];
	uint8_t nmi[IST_STACK_BYTES];
	uint8_t double_fault_guard[PAGE_BYTES];
	uint8_t double_fault[IST_STACK_BYTES];
	uint8_t machine_check_guard[PAGE_BYTES];
	uint8_t machine_check[IST_STACK_BYTES];
} __attribute__((aligned(4096)));

struct cpu {
	struct cpu *self; /* first: cpu_current() reads it through GS */
	uint32_t index;
	uint32_t apic_id;
	bool in_vmx_operation; /* between VMXON and VMXOFF */
	bool reachable; /* by interrupts between processors: table and local APIC are set up */
	struct cpu_stacks *stacks;
	uint32_t predictor_vm; /* whose branches it has seen last (speculation.h); 0: none */
	uint64_t barrier_count;
	uint64_t nmi_count; /* written by the NMI handler alone */
	uint64_t unexpected_interrupt_count;
	uint64_t gdt[GDT_SLOTS];
	struct tss tss;
};

_Static_assert(offsetof(struct cpu, self) == 0, "cpu_current() reads offset 0");

extern struct cpu cpus[CPUS_MAX];
extern unsigned cpu_count; /* that run; the boot CPU writes it until all have been started */

/* The stacks of the boot CPU; those of others come from frames (paging_back_stacks). */
extern struct cpu_stacks boot_cpu_stacks;

/*
 * The compiler takes the result to be the same all through a function: a caller of cpu_attach()
 * does not use this.
 */
static inline struct cpu *cpu_current(void)
{
	struct cpu *cpu;

	__asm__("movq %%gs:0, %0" : "=r"(cpu));
	return cpu;
}

/* Makes cpus[index] the structure of this CPU. First thing in C: logging and locks need it. */
void cpu_attach(unsigned index, struct cpu_stacks *stacks);

/* CR0, CR4, EFER and PAT as the host wants them, whatever firmware left. After features_detect. */
void cpu_control_init(void);

/* This CPU does VMXOFF, if there is need: in VMX operation INIT would not reset it. */
void cpu_leave_vmx(void);

/* Names the guard page that `address` lies in ("main stack", ...), or NULL. */
const char *cpu_guard_name(const struct cpu *cpu, uint64_t address);

#endif
