/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From enumeration to measures. Sources: Intel's "CPUID Enumeration and Architectural MSRs" and
 * "Affected Processors" tables, SDM vol. 4 (IA32_ARCH_CAPABILITIES); AMD APM vol. 2, 3.2.9 and
 * 15.x, vol. 3, appendix E (8000_0008, 8000_0021), and AMD's notes on SRSO, BTC and TSA. A bit that
 * says "not affected" is believed; where there is none the model decides, and an Intel model that
 * is not listed counts as affected by what nearly all older ones are.
 */
#include "arch/x86/cpu/mitigations.h"

#include "base/bits.h"
#include "base/string.h"

/* CPUID.(EAX=7,ECX=0) */
#define L7_EBX_AVX2 BIT(5)
#define L7_EBX_RTM BIT(11)
#define L7_EDX_SRBDS_CTRL BIT(9)
#define L7_EDX_MD_CLEAR BIT(10)
#define L7_EDX_IBRS_IBPB BIT(26)
#define L7_EDX_STIBP BIT(27)
#define L7_EDX_L1D_FLUSH BIT(28)

/* CPUID.8000_0008, EBX */
#define L8_IBPB BIT(12)
#define L8_STIBP BIT(15)
#define L8_STIBP_PREFERRED BIT(17)
#define L8_BTC_NO BIT(29)
#define L8_IBPB_RET BIT(30)

/* CPUID.8000_0021 */
#define L21_EAX_LFENCE BIT(2) /* LFENCE is serializing already */
#define L21_EAX_VERW_CLEAR BIT(5)
#define L21_EAX_AUTO_IBRS BIT(8)
#define L21_EAX_IBPB_BRTYPE BIT(28)
#define L21_EAX_SRSO_NO BIT(29)
#define L21_EAX_BP_REDUCE BIT(31)
#define L21_ECX_TSA_SQ_NO BIT(1)
#define L21_ECX_TSA_L1_NO BIT(2)

/* IA32_ARCH_CAPABILITIES */
#define CAP_RDCL_NO BIT(0)
#define CAP_IBRS_ALL BIT(1)
#define CAP_SKIP_L1D_FLUSH BIT(3)
#define CAP_MDS_NO BIT(5)
#define CAP_TSX_CTRL BIT(7)
#define CAP_TAA_NO BIT(8)
#define CAP_PBRSB_NO BIT(24)
#define CAP_GDS_CTRL BIT(25)
#define CAP_GDS_NO BIT(26)
#define CAP_RFDS_NO BIT(27)
#define CAP_RFDS_CLEAR BIT(28)
#define CAP_ITS_NO BIT(62)

/* What is known of a model beyond its enumeration. */
#define MODEL_IN_ORDER 0x01u /* does not speculate */
#define MODEL_NO_L1TF 0x02u
#define MODEL_NO_MDS 0x04u
#define MODEL_GDS 0x08u
#define MODEL_RFDS 0x10u
#define MODEL_ITS 0x20u /* returns are predicted like indirect branches in half of each line */

/* Intel's family 6. The first line that fits counts; `stepping` is the first it is about. */
static const struct {
	uint8_t model;
	uint8_t stepping;
	uint8_t flags;
} intel_models[] = {
	/* Bonnell, Saltwell */
	{0x1c, 0, MODEL_IN_ORDER},
	{0x26, 0, MODEL_IN_ORDER},
	{0x27, 0, MODEL_IN_ORDER},
	{0x35, 0, MODEL_IN_ORDER},
	{0x36, 0, MODEL_IN_ORDER},
	/* Silvermont, Airmont, Xeon Phi: of MDS only the part about stores, which VERW clears too
	 */
	{0x37, 0, MODEL_NO_L1TF},
	{0x4a, 0, MODEL_NO_L1TF},
	{0x4c, 0, MODEL_NO_L1TF},
	{0x4d, 0, MODEL_NO_L1TF},
	{0x57, 0, MODEL_NO_L1TF},
	{0x5a, 0, MODEL_NO_L1TF},
	{0x75, 0, MODEL_NO_L1TF},
	{0x85, 0, MODEL_NO_L1TF},
	/* Goldmont, Goldmont Plus, Tremont */
	{0x5c, 0, MODEL_NO_L1TF | MODEL_NO_MDS | MODEL_RFDS},
	{0x5f, 0, MODEL_NO_L1TF | MODEL_NO_MDS | MODEL_RFDS},
	{0x7a, 0, MODEL_NO_L1TF | MODEL_NO_MDS | MODEL_RFDS},
	{0x86, 0, MODEL_NO_L1TF | MODEL_NO_MDS | MODEL_RFDS},
	{0x96, 0, MODEL_NO_L1TF | MODEL_NO_MDS | MODEL_RFDS},
	{0x9c, 0, MODEL_NO_L1TF | MODEL_NO_MDS | MODEL_RFDS},
	/* Skylake; Skylake-X, Cascade Lake and Cooper Lake from stepping 6 on */
	{0x4e, 0, MODEL_GDS},
	{0x5e, 0, MODEL_GDS},
	{0x55, 6, MODEL_GDS | MODEL_ITS},
	{0x55, 0, MODEL_GDS},
	/* Kaby Lake and its successors */
	{0x8e, 12, MODEL_GDS | MODEL_ITS},
	{0x8e, 0, MODEL_GDS},
	{0x9e, 13, MODEL_GDS | MODEL_ITS},
	{0x9e, 0, MODEL_GDS},
	/* Comet Lake, Ice Lake, Tiger Lake, Rocket Lake */
	{0xa5, 0, MODEL_GDS | MODEL_ITS},
	{0xa6, 0, MODEL_GDS | MODEL_ITS},
	{0x6a, 0, MODEL_GDS | MODEL_ITS},
	{0x6c, 0, MODEL_GDS | MODEL_ITS},
	{0x7e, 0, MODEL_GDS | MODEL_ITS},
	{0x8c, 0, MODEL_GDS | MODEL_ITS},
	{0x8d, 0, MODEL_GDS | MODEL_ITS},
	{0xa7, 0, MODEL_GDS | MODEL_ITS},
	/* Alder Lake, Raptor Lake */
	{0x97, 0, MODEL_RFDS},
	{0x9a, 0, MODEL_RFDS},
	{0xb7, 0, MODEL_RFDS},
	{0xba, 0, MODEL_RFDS},
	{0xbe, 0, MODEL_RFDS},
	{0xbf, 0, MODEL_RFDS},
};

static uint32_t model_flags(const struct mitigation_facts *facts)
{
	if (facts->vendor != MITIGATION_INTEL) {
		return MODEL_NO_L1TF | MODEL_NO_MDS;
	}
	for (size_t i = 0; facts->family == 6 && i < ARRAY_COUNT(intel_models); i++) {
		if (intel_models[i].model == facts->model &&
		    intel_models[i].stepping <= facts->stepping) {
			return intel_models[i].flags;
		}
	}
	return 0;
}

/* `offered`: the means is there, and becomes an action. Else the plan lists the attack. */
static void take(struct mitigation_plan *plan, bool offered, uint32_t action, uint32_t attack)
{
	if (offered) {
		plan->actions |= action;
	} else {
		plan->vulnerable |= attack;
	}
}

static bool has(uint64_t word, uint64_t bit)
{
	return (word & bit) != 0;
}

/*
 * Enhanced IBRS keeps the guest's predictions, and its returns, out of the hypervisor. Without it
 * the hypervisor has no indirect branches, and returns only to calls behind the filled buffer.
 */
static void intel_branches(const struct mitigation_facts *facts, uint32_t model,
			   struct mitigation_plan *plan)
{
	uint64_t cap = facts->arch_capabilities;
	bool control = has(facts->leaf7_edx, L7_EDX_IBRS_IBPB);

	take(plan, control, MITIGATE_IBPB_SWITCH, ATTACK_SPECTRE_V2);
	if (control && has(cap, CAP_IBRS_ALL)) {
		plan->actions |= MITIGATE_IBRS;
		if (model & MODEL_ITS && !has(cap, CAP_ITS_NO)) {
			plan->actions |= MITIGATE_RSB_FILL;
		} else if (!has(cap, CAP_PBRSB_NO)) {
			plan->actions |= MITIGATE_RSB_ONE;
		}
		return;
	}
	plan->actions |= MITIGATE_RSB_FILL;
	if (facts->smt && has(facts->leaf7_edx, L7_EDX_STIBP)) {
		plan->actions |= MITIGATE_STIBP;
	}
}

/* Stale data in the L1 data cache and in the buffers of loads, stores, fills and registers. */
static void intel_buffers(const struct mitigation_facts *facts, uint32_t model,
			  struct mitigation_plan *plan)
{
	uint64_t cap = facts->arch_capabilities;
	bool md_clear = has(facts->leaf7_edx, L7_EDX_MD_CLEAR);

	if (!(model & MODEL_NO_L1TF) && !has(cap, CAP_RDCL_NO | CAP_SKIP_L1D_FLUSH)) {
		take(plan, has(facts->leaf7_edx, L7_EDX_L1D_FLUSH), MITIGATE_L1D_FLUSH,
		     ATTACK_L1TF);
	}
	if (!(model & MODEL_NO_MDS) && !has(cap, CAP_MDS_NO)) {
		take(plan, md_clear, MITIGATE_VERW, ATTACK_MDS);
	}
	if (!has(cap, CAP_TAA_NO) &&
	    (has(facts->leaf7_ebx, L7_EBX_RTM) || has(cap, CAP_TSX_CTRL))) {
		/* Guests are offered no TSX: without it there is no abort to attack through. */
		take(plan, has(cap, CAP_TSX_CTRL) || md_clear,
		     has(cap, CAP_TSX_CTRL) ? MITIGATE_NO_RTM : MITIGATE_VERW, ATTACK_TAA);
	}
	if (!has(cap, CAP_RFDS_NO) && (model & MODEL_RFDS || has(cap, CAP_RFDS_CLEAR))) {
		take(plan, has(cap, CAP_RFDS_CLEAR), MITIGATE_VERW, ATTACK_RFDS);
	}
	if (model & MODEL_GDS && has(facts->leaf7_ebx, L7_EBX_AVX2) && !has(cap, CAP_GDS_NO)) {
		take(plan, has(cap, CAP_GDS_CTRL), MITIGATE_MCU_OPT, ATTACK_GDS);
	}
	if (has(facts->leaf7_edx, L7_EDX_SRBDS_CTRL)) {
		plan->actions |= MITIGATE_MCU_OPT;
	}
}

static void amd_branches(const struct mitigation_facts *facts, struct mitigation_plan *plan)
{
	bool ibpb = has(facts->leaf8_ebx, L8_IBPB);
	bool retbleed =
		facts->family >= 0x15 && facts->family <= 0x18 && !has(facts->leaf8_ebx, L8_BTC_NO);
	bool srso = facts->family >= 0x17 && facts->family <= 0x1a &&
		    !has(facts->leaf21_eax, L21_EAX_SRSO_NO);

	take(plan, ibpb, MITIGATE_IBPB_SWITCH, ATTACK_SPECTRE_V2);
	if (retbleed) {
		take(plan, ibpb, MITIGATE_IBPB_EXIT, ATTACK_RETBLEED);
	}
	if (srso && has(facts->leaf21_eax, L21_EAX_BP_REDUCE)) {
		plan->actions |= MITIGATE_BP_REDUCE;
	} else if (srso) {
		/* From Zen 3 on only new microcode makes the barrier flush types of branches. */
		take(plan,
		     ibpb && (facts->family < 0x19 || has(facts->leaf21_eax, L21_EAX_IBPB_BRTYPE)),
		     MITIGATE_IBPB_EXIT, ATTACK_SRSO);
	}
	if (plan->actions & MITIGATE_IBPB_EXIT) {
		plan->actions &= ~(uint32_t)MITIGATE_IBPB_SWITCH; /* each exit has one already */
	}
	/* Automatic IBRS empties the return stack buffer at each exit; so do some barriers. */
	if (has(facts->leaf21_eax, L21_EAX_AUTO_IBRS)) {
		plan->actions |= MITIGATE_AUTO_IBRS;
	} else if (!(plan->actions & MITIGATE_IBPB_EXIT) || !has(facts->leaf8_ebx, L8_IBPB_RET)) {
		plan->actions |= MITIGATE_RSB_FILL;
	}
	if (has(facts->leaf8_ebx, L8_STIBP) &&
	    (facts->smt || has(facts->leaf8_ebx, L8_STIBP_PREFERRED))) {
		plan->actions |= MITIGATE_STIBP;
	}
}

static void amd_decide(const struct mitigation_facts *facts, struct mitigation_plan *plan)
{
	const uint32_t tsa_no = L21_ECX_TSA_SQ_NO | L21_ECX_TSA_L1_NO;

	amd_branches(facts, plan);
	if (facts->family == 0x19 && (facts->leaf21_ecx & tsa_no) != tsa_no) {
		take(plan, has(facts->leaf21_eax, L21_EAX_VERW_CLEAR), MITIGATE_VERW, ATTACK_TSA);
	}
	if (facts->family >= 0x10 && !has(facts->leaf21_eax, L21_EAX_LFENCE)) {
		plan->actions |= MITIGATE_LFENCE;
	}
}

struct mitigation_plan mitigation_decide(const struct mitigation_facts *facts)
{
	struct mitigation_plan plan = {.actions = MITIGATE_REGISTERS};
	uint32_t model = model_flags(facts);

	if (model & MODEL_IN_ORDER) {
		return (struct mitigation_plan){0, 0};
	}
	if (facts->vendor == MITIGATION_AMD) {
		amd_decide(facts, &plan);
	} else {
		intel_branches(facts, model, &plan);
		intel_buffers(facts, model, &plan);
	}
	return plan;
}

struct name {
	uint32_t bit;
	const char *name;
};

static const struct name action_names[] = {
	{MITIGATE_IBRS, "ibrs"},	   {MITIGATE_AUTO_IBRS, "auto-ibrs"},
	{MITIGATE_STIBP, "stibp"},	   {MITIGATE_REGISTERS, "registers"},
	{MITIGATE_RSB_FILL, "rsb-fill"},   {MITIGATE_RSB_ONE, "rsb-one"},
	{MITIGATE_IBPB_EXIT, "ibpb-exit"}, {MITIGATE_IBPB_SWITCH, "ibpb-switch"},
	{MITIGATE_VERW, "verw"},	   {MITIGATE_L1D_FLUSH, "l1d-flush"},
	{MITIGATE_NO_RTM, "no-rtm"},	   {MITIGATE_MCU_OPT, "mcu-opt"},
	{MITIGATE_LFENCE, "lfence"},	   {MITIGATE_BP_REDUCE, "bp-reduce"},
};

static const struct name attack_names[] = {
	{ATTACK_SPECTRE_V2, "spectre-v2"},
	{ATTACK_RETBLEED, "retbleed"},
	{ATTACK_SRSO, "srso"},
	{ATTACK_L1TF, "l1tf"},
	{ATTACK_MDS, "mds"},
	{ATTACK_TAA, "taa"},
	{ATTACK_RFDS, "rfds"},
	{ATTACK_GDS, "gds"},
	{ATTACK_TSA, "tsa"},
};

static void write_names(const struct name *names, size_t count, uint32_t bits, char *text)
{
	size_t used = 0;

	memcpy(text, "none", 5);
	for (size_t i = 0; i < count; i++) {
		if (bits & names[i].bit) {
			used += (size_t)snprintf(text + used, MITIGATION_TEXT_BYTES - used, "%s%s",
						 used != 0 ? "," : "", names[i].name);
		}
	}
}

void mitigation_actions_text(uint32_t actions, char *text)
{
	write_names(action_names, ARRAY_COUNT(action_names), actions, text);
}

void mitigation_attacks_text(uint32_t attacks, char *text)
{
	write_names(attack_names, ARRAY_COUNT(attack_names), attacks, text);
}
