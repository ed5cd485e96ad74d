/* SPDX-License-Identifier: BSD-2-Clause */
/* See guest_pc.h. */
#include "arch/x86/guest/guest_pc.h"

#include "arch/x86/cpu/msr.h"
#include "arch/x86/guest/guest_state.h"
#include "arch/arch.h"
#include "base/bits.h"
#include "kernel/vm/platform.h"
#include "kernel/vm/vm.h"

/*
 * Firmware and board of a PC whose processor is like the host's. Values are what a part without the
 * feature shows. Written ones are accepted where kernels write them, and have no effect.
 */
enum write_rule {
	WRITE_REFUSED,
	WRITE_IGNORED,
	WRITE_SAME, /* the value that is there; others are refused */
};

#define MSR_IA32_PLATFORM_ID 0x17
#define MSR_IA32_TSC_ADJUST 0x3b
#define MSR_IA32_BIOS_SIGN_ID 0x8b
#define MSR_AMD_SYSCFG 0xc0010010
#define MSR_AMD_HWCR 0xc0010015
#define MSR_AMD_NB_CFG 0xc001001f
#define MSR_AMD_INT_PENDING 0xc0010055
#define MSR_AMD_VM_CR 0xc0010114
#define MSR_AMD_LS_CFG 0xc0011020
#define MSR_AMD_DE_CFG 0xc0011029

#define HWCR_TSC_AT_P0 BIT(24)	  /* the TSC counts at the frequency that it always has */
#define VM_CR_SVM_DISABLED BIT(4) /* guests are offered no AMD-V */
#define DE_CFG_LFENCE_SERIALIZES BIT(1)

static const struct {
	uint32_t index;
	enum write_rule write;
	uint64_t value;
} board_msrs[] = {
	{MSR_IA32_PLATFORM_ID, WRITE_REFUSED, 0},
	{MSR_IA32_TSC_ADJUST, WRITE_SAME, 0},	   /* the TSC is the host's: nothing moves it */
	{MSR_IA32_BIOS_SIGN_ID, WRITE_IGNORED, 0}, /* no microcode revision is told */
	{MSR_AMD_SYSCFG, WRITE_IGNORED, 0},
	{MSR_AMD_HWCR, WRITE_IGNORED, HWCR_TSC_AT_P0},
	{MSR_AMD_NB_CFG, WRITE_IGNORED, 0},
	{MSR_AMD_INT_PENDING, WRITE_REFUSED, 0},
	{MSR_AMD_VM_CR, WRITE_REFUSED, VM_CR_SVM_DISABLED},
	{MSR_AMD_LS_CFG, WRITE_IGNORED, 0},
	{MSR_AMD_DE_CFG, WRITE_IGNORED, DE_CFG_LFENCE_SERIALIZES},
};

void guest_pc_settle(struct vcpu *vcpu, uint64_t timer_before_tsc)
{
	uint8_t priority = platform_task_priority(vcpu);

	if (guest_read(vcpu, GUEST_CR8) != priority) {
		guest_write(vcpu, GUEST_CR8, priority);
	}
	if (vcpu->timer_tsc != timer_before_tsc) {
		(void)arch_timer_update(vcpu);
	}
}

bool guest_pc_msr_read(struct vcpu *vcpu, uint32_t index, uint64_t *value)
{
	for (size_t i = 0; i < ARRAY_COUNT(board_msrs); i++) {
		if (board_msrs[i].index == index) {
			*value = board_msrs[i].value;
			return true;
		}
	}
	return platform_msr_read(vcpu, index, value);
}

bool guest_pc_msr_write(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	uint64_t timer = vcpu->timer_tsc;

	if (platform_msr_write(vcpu, index, value)) {
		guest_pc_settle(vcpu, timer);
		return true;
	}
	for (size_t i = 0; i < ARRAY_COUNT(board_msrs); i++) {
		if (board_msrs[i].index == index) {
			return board_msrs[i].write == WRITE_IGNORED ||
			       (board_msrs[i].write == WRITE_SAME && board_msrs[i].value == value);
		}
	}
	return false;
}

#define L1_ECX_X2APIC BIT(21)
#define L1_ECX_TSC_DEADLINE BIT(24)
#define L1_EDX_APIC BIT(9)
#define L6_EAX_ARAT BIT(2)
#define L7_EBX_TSC_ADJUST BIT(1)
#define L80000007_EDX_INVARIANT_TSC BIT(8)

void guest_pc_cpuid_adjust(uint32_t leaf, struct cpuid *out)
{
	switch (leaf) {
	case 0:
		out->eax = (uint32_t)max_u64(out->eax, GUEST_LEAF_CLOCK);
		break;
	case 1:
		out->ecx |= (uint32_t)(L1_ECX_X2APIC | L1_ECX_TSC_DEADLINE);
		out->edx |= (uint32_t)L1_EDX_APIC;
		break;
	case 6:
		/* The APIC's timer runs while the vCPU is halted; Linux ticks on when it may not.
		 */
		out->eax |= (uint32_t)L6_EAX_ARAT;
		break;
	case 7:
		/* Linux trusts such a TSC without a second clock to watch it. */
		out->ebx |= (uint32_t)L7_EBX_TSC_ADJUST;
		break;
	case 0x80000007:
		/* All CPUs of the host have one TSC (arch/x86/cpu/tsc.c), and it never stops. */
		out->edx |= (uint32_t)L80000007_EDX_INVARIANT_TSC;
		break;
	}
}

#define APIC_BASE_ENABLED BIT(11)

void guest_pc_cpuid_apic(struct vcpu *vcpu, struct cpuid *out)
{
	uint64_t base = 0;

	if (platform_msr_read(vcpu, MSR_IA32_APIC_BASE, &base) && !(base & APIC_BASE_ENABLED)) {
		out->edx &= ~(uint32_t)L1_EDX_APIC;
	}
}

#define LEVEL_THREAD 1u
#define LEVEL_CORE 2u
#define LEVEL_SHIFT 8

struct cpuid guest_pc_topology(uint32_t index, uint32_t subleaf)
{
	struct cpuid out = {.ecx = subleaf & 0xff, .edx = index};

	if (subleaf <= 1) {
		out.ebx = 1; /* logical processors at this level */
		out.ecx |= (subleaf == 0 ? LEVEL_THREAD : LEVEL_CORE) << LEVEL_SHIFT;
	}
	return out;
}

struct cpuid guest_pc_clock(uint64_t tsc_khz)
{
	return (struct cpuid){
		.eax = 1,
		.ebx = PLATFORM_TSC_TICKS_PER_CLOCK,
		.ecx = (uint32_t)(tsc_khz * 1000 / PLATFORM_TSC_TICKS_PER_CLOCK),
	};
}
