/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads what the processor enumerates, and sets what mitigations.c decides (SDM vol. 4; AMD APM
 * vol. 2, 3.1.7 and 3.2.9). Every write goes through msr_write_safe() once, so that a register that
 * is enumerated but not there costs a line in the log and not the machine.
 */
#include "arch/x86/cpu/speculation.h"

#include "arch/x86/cpu/cpuid.h"
#include "arch/x86/cpu/features.h"
#include "arch/x86/cpu/gdt.h"
#include "arch/x86/cpu/msr.h"
#include "base/bits.h"
#include "base/log.h"
#include "base/string.h"
#include "arch/arch.h"

#define MSR_SPEC_CTRL 0x48
#define MSR_PRED_CMD 0x49
#define MSR_ARCH_CAPABILITIES 0x10a
#define MSR_FLUSH_CMD 0x10b
#define MSR_TSX_CTRL 0x122
#define MSR_MCU_OPT_CTRL 0x123
#define MSR_DE_CFG 0xc0011029
#define MSR_BP_CFG 0xc001102e

#define SPEC_CTRL_IBRS BIT(0)
#define SPEC_CTRL_STIBP BIT(1)
#define PRED_CMD_IBPB 1
#define FLUSH_CMD_L1D 1
#define TSX_CTRL_RTM_DISABLE BIT(0)
#define MCU_OPT_RNGDS_OFF BIT(0)
#define MCU_OPT_GDS_OFF BIT(4)
#define MCU_OPT_GDS_LOCK BIT(5) /* the bit before it cannot be written any more */
#define EFER_AUTO_IBRS BIT(21)
#define DE_CFG_LFENCE BIT(1)
#define BP_CFG_REDUCE BIT(4)

#define L7_EDX_ARCH_CAPABILITIES BIT(29)

uint32_t speculation_actions;

/* VERW clears the buffers only in the form that reads a selector of a writable segment. */
const uint16_t speculation_verw_selector = SELECTOR_DATA;

static struct mitigation_plan boot_plan;
static bool switched_off;

/* Threads per core are in leaf 0xb on Intel and new AMD processors, in 8000_001E on older ones. */
static bool has_threads(const struct mitigation_facts *facts)
{
	if (cpu_features.leaf_max >= 0xb) {
		struct cpuid leaf = cpuid_read(0xb, 0);

		if ((leaf.ecx >> 8 & 0xff) == 1) {
			return (leaf.ebx & 0xffff) > 1;
		}
	}
	if (facts->vendor == MITIGATION_AMD && facts->family >= 0x17 &&
	    cpu_features.extended_leaf_max >= 0x8000001e) {
		return (cpuid_read(0x8000001e, 0).ebx >> 8 & 0xff) > 0;
	}
	return false;
}

static enum mitigation_vendor vendor_of(const char *name)
{
	if (strcmp(name, "GenuineIntel") == 0) {
		return MITIGATION_INTEL;
	}
	if (strcmp(name, "AuthenticAMD") == 0 || strcmp(name, "HygonGenuine") == 0) {
		return MITIGATION_AMD;
	}
	return MITIGATION_OTHER;
}

static void facts_read(struct mitigation_facts *facts)
{
	uint32_t signature = cpuid_read(1, 0).eax;

	*facts = (struct mitigation_facts){
		.vendor = vendor_of(cpu_features.vendor),
		.family = signature >> 8 & 0xf,
		.model = signature >> 4 & 0xf,
		.stepping = signature & 0xf,
	};
	if (facts->family == 6 || facts->family == 15) {
		facts->model |= signature >> 12 & 0xf0;
	}
	if (facts->family == 15) {
		facts->family += signature >> 20 & 0xff;
	}
	if (cpu_features.leaf_max >= 7) {
		struct cpuid leaf = cpuid_read(7, 0);

		facts->leaf7_ebx = leaf.ebx;
		facts->leaf7_edx = leaf.edx;
	}
	if (cpu_features.extended_leaf_max >= 0x80000008) {
		facts->leaf8_ebx = cpuid_read(0x80000008, 0).ebx;
	}
	if (cpu_features.extended_leaf_max >= 0x80000021) {
		struct cpuid leaf = cpuid_read(0x80000021, 0);

		facts->leaf21_eax = leaf.eax;
		facts->leaf21_ecx = leaf.ecx;
	}
	if (facts->leaf7_edx & L7_EDX_ARCH_CAPABILITIES) {
		(void)msr_read_safe(MSR_ARCH_CAPABILITIES, &facts->arch_capabilities);
	}
	facts->smt = has_threads(facts);
}

uint64_t arch_predictor_barriers(unsigned cpu)
{
	return cpus[cpu].barrier_count;
}

void speculation_barrier(void)
{
	cpu_current()->barrier_count++;
	msr_write(MSR_PRED_CMD, PRED_CMD_IBPB);
}

void speculation_flush_l1d(void)
{
	msr_write(MSR_FLUSH_CMD, FLUSH_CMD_L1D);
}

/* The processor refuses what `actions` want: they are not taken, and do not help against `attacks`.
 */
static void give_up(struct mitigation_plan *plan, uint32_t actions, uint32_t attacks, uint32_t msr)
{
	if (plan->actions & actions) {
		plan->actions &= ~actions;
		plan->vulnerable |= attacks;
		log_event(NULL, "mitigations: the processor refuses MSR 0x%x, which it enumerates",
			  msr);
	}
}

/* Clears and sets bits of a register that holds others, too. */
static bool change(uint32_t msr, uint64_t clear, uint64_t set)
{
	uint64_t value;

	if (!msr_read_safe(msr, &value)) {
		return false;
	}
	return (value & (clear | set)) == set || msr_write_safe(msr, (value & ~clear) | set);
}

static bool mcu_opt_set(void)
{
	uint64_t clear = MCU_OPT_RNGDS_OFF | MCU_OPT_GDS_OFF;
	uint64_t value;

	if (!msr_read_safe(MSR_MCU_OPT_CTRL, &value)) {
		return false;
	}
	if (value & MCU_OPT_GDS_LOCK) {
		clear &= ~(uint64_t)MCU_OPT_GDS_OFF;
	}
	return change(MSR_MCU_OPT_CTRL, clear, 0);
}

static void apply_commands(struct mitigation_plan *plan)
{
	const uint32_t barriers = MITIGATE_IBPB_EXIT | MITIGATE_IBPB_SWITCH;

	if (plan->actions & barriers && !msr_write_safe(MSR_PRED_CMD, PRED_CMD_IBPB)) {
		uint32_t attacks = ATTACK_SPECTRE_V2;

		attacks |= plan->actions & MITIGATE_IBPB_EXIT ? ATTACK_RETBLEED | ATTACK_SRSO : 0;
		give_up(plan, barriers, attacks, MSR_PRED_CMD);
	}
	if (plan->actions & MITIGATE_L1D_FLUSH && !msr_write_safe(MSR_FLUSH_CMD, FLUSH_CMD_L1D)) {
		give_up(plan, MITIGATE_L1D_FLUSH, ATTACK_L1TF, MSR_FLUSH_CMD);
	}
}

void speculation_apply(struct mitigation_plan *plan)
{
	const uint32_t control = MITIGATE_IBRS | MITIGATE_STIBP;
	uint64_t spec_ctrl = 0;

	spec_ctrl |= plan->actions & MITIGATE_IBRS ? SPEC_CTRL_IBRS : 0;
	spec_ctrl |= plan->actions & MITIGATE_STIBP ? SPEC_CTRL_STIBP : 0;
	if (spec_ctrl != 0 && !msr_write_safe(MSR_SPEC_CTRL, spec_ctrl)) {
		/* Without enhanced IBRS returns need the filled buffer. */
		plan->actions |= MITIGATE_RSB_FILL;
		give_up(plan, control, ATTACK_SPECTRE_V2, MSR_SPEC_CTRL);
	}
	if (plan->actions & MITIGATE_AUTO_IBRS && !change(MSR_IA32_EFER, 0, EFER_AUTO_IBRS)) {
		plan->actions |= MITIGATE_RSB_FILL;
		give_up(plan, MITIGATE_AUTO_IBRS, 0, MSR_IA32_EFER);
	}
	if (plan->actions & MITIGATE_NO_RTM && !change(MSR_TSX_CTRL, 0, TSX_CTRL_RTM_DISABLE)) {
		give_up(plan, MITIGATE_NO_RTM, ATTACK_TAA, MSR_TSX_CTRL);
	}
	if (plan->actions & MITIGATE_MCU_OPT && !mcu_opt_set()) {
		give_up(plan, MITIGATE_MCU_OPT, ATTACK_GDS, MSR_MCU_OPT_CTRL);
	}
	if (plan->actions & MITIGATE_LFENCE && !change(MSR_DE_CFG, 0, DE_CFG_LFENCE)) {
		/* Not enumerated by any bit: outer hypervisors hide it and set it themselves. */
		plan->actions &= ~(uint32_t)MITIGATE_LFENCE;
	}
	if (plan->actions & MITIGATE_BP_REDUCE && !change(MSR_BP_CFG, 0, BP_CFG_REDUCE)) {
		give_up(plan, MITIGATE_BP_REDUCE, ATTACK_SRSO, MSR_BP_CFG);
	}
	apply_commands(plan);
}

void arch_trace_exits(bool on)
{
	uint32_t actions = speculation_actions & ~(uint32_t)ENTRIES_TRACED;

	__atomic_store_n(&speculation_actions, actions | (on ? ENTRIES_TRACED : 0),
			 __ATOMIC_RELAXED);
}

void speculation_start(bool off)
{
	struct mitigation_facts facts;
	char actions[MITIGATION_TEXT_BYTES];
	char attacks[MITIGATION_TEXT_BYTES];

	facts_read(&facts);
	switched_off = off;
	if (off) {
		log_event(NULL, "mitigations off, as mitigations=off asks; smt=%s",
			  facts.smt ? "yes" : "no");
		return;
	}
	boot_plan = mitigation_decide(&facts);
	speculation_apply(&boot_plan);
	speculation_actions = boot_plan.actions;
	mitigation_actions_text(boot_plan.actions, actions);
	mitigation_attacks_text(boot_plan.vulnerable, attacks);
	log_event(NULL, "mitigations on=%s vulnerable=%s%s smt=%s%s", actions, attacks,
		  boot_plan.vulnerable != 0 ? " (no microcode)" : "", facts.smt ? "yes" : "no",
		  facts.smt ? " (a thread is not protected from the other one of its core)" : "");
}

enum status speculation_cpu_start(struct error *error)
{
	struct mitigation_facts facts;
	struct mitigation_plan plan;

	if (switched_off) {
		return STATUS_OK;
	}
	facts_read(&facts);
	plan = mitigation_decide(&facts);
	speculation_apply(&plan);
	if (plan.actions != boot_plan.actions || plan.vulnerable != boot_plan.vulnerable) {
		return error_set(
			error, STATUS_UNSUPPORTED,
			"it needs other measures against speculation than the boot processor: "
			"update the microcode of both");
	}
	return STATUS_OK;
}
