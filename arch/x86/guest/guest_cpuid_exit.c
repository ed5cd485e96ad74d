/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The exit of CPUID. Guests execute it often, because it serializes. Most answers never change, so
 * they are kept in a table: one row for each of the first leaves from 0, 0x40000000, 0x80000000 and
 * 0xc0000000 on. All others read as zeros. The table is written before any guest runs.
 */
#include "abi/aerostat.h"
#include "arch/x86/guest/guest_cpuid.h"
#include "arch/x86/guest/guest_pc.h"
#include "arch/x86/guest/guest_personality.h"
#include "base/compiler.h"
#include "base/nospec.h"
#include "base/time.h"
#include "arch/arch.h"
#include "kernel/vm/vm.h"

#define GROUPS 4u /* by the two highest bits of the leaf */
#define GROUP_SHIFT 30
#define GROUP_LEAVES 32u

enum answer_kind {
	ANSWER_COMPUTED, /* by guest_cpuid_answer, each time */
	ANSWER_FIXED,
	ANSWER_FIRST_SUBLEAF, /* sub-leaf 0 is fixed, the others read as zeros */
	ANSWER_FEATURES,      /* fixed but for the APIC number and OSXSAVE */
	ANSWER_PC_FEATURES,   /* devices=pc: as before, and whether the local APIC is on */
	ANSWER_VCPU,	      /* fixed but for ECX and EDX: how many vCPUs, and which one */
	ANSWER_TOPOLOGY,      /* devices=pc: by guest_pc_topology, each time */
	ANSWER_CLOCK,	      /* devices=pc: by guest_pc_clock, each time */
};

struct cpuid_answer {
	struct cpuid out;
	enum answer_kind kind;
};

#define ANSWERS (GROUPS * GROUP_LEAVES)

static struct cpuid_answer native_answers[ANSWERS];
static struct cpuid_answer pc_answers[PERSONALITY_COUNT][ANSWERS]; /* devices=pc */

static const struct cpuid zeros;

static enum answer_kind kind_of(uint32_t leaf)
{
	switch (leaf) {
	case GUEST_LEAF_FEATURES:
		return ANSWER_FEATURES;
	case 7:
		return ANSWER_FIRST_SUBLEAF;
	case 4: /* each sub-leaf is one of the processor's caches */
	case GUEST_LEAF_XSTATE:
	case AEROSTAT_CPUID_TIMING:
		return ANSWER_COMPUTED;
	case AEROSTAT_CPUID_INTERFACE:
		return ANSWER_VCPU;
	default:
		return ANSWER_FIXED;
	}
}

static struct cpuid compute(const struct guest_cpuid_view *view, uint32_t leaf, uint32_t subleaf)
{
	struct cpuid host = {0, 0, 0, 0};

	if (guest_cpuid_wants_host(&guest_features, leaf)) {
		host = cpuid_read(leaf, subleaf);
	}
	return guest_cpuid_answer(&guest_features, view, leaf, subleaf, host);
}

/* devices=pc, from the native answers. */
static void prepare_pc(enum personality as, struct cpuid_answer *answers)
{
	for (uint32_t i = 0; i < ANSWERS; i++) {
		uint32_t leaf = i / GROUP_LEAVES << GROUP_SHIFT | i % GROUP_LEAVES;

		answers[i] = native_answers[i];
		guest_pc_cpuid_adjust(leaf, &answers[i].out);
		if (as != AS_PLAIN && guest_is_personality_leaf(leaf)) {
			answers[i].kind = ANSWER_FIXED;
			answers[i].out = guest_personality_leaf(as, leaf);
		}
	}
	answers[GUEST_LEAF_FEATURES].kind = ANSWER_PC_FEATURES;
	answers[GUEST_LEAF_TOPOLOGY].kind = ANSWER_TOPOLOGY;
	answers[GUEST_LEAF_CLOCK].kind = ANSWER_CLOCK;
}

void guest_cpuid_prepare(void)
{
	static const struct guest_cpuid_view none;

	for (uint32_t i = 0; i < ANSWERS; i++) {
		uint32_t leaf = i / GROUP_LEAVES << GROUP_SHIFT | i % GROUP_LEAVES;

		native_answers[i].kind = kind_of(leaf);
		native_answers[i].out = compute(&none, leaf, 0);
	}
	for (unsigned as = 0; as < PERSONALITY_COUNT; as++) {
		prepare_pc((enum personality)as, pc_answers[as]);
	}
}

void guest_cpuid_choose(struct vcpu *vcpu)
{
	vcpu->arch->cpuid_answers =
		vcpu->vm->platform != NULL ? pc_answers[vcpu->vm->config.as] : native_answers;
}

static inline enum exit_action give(struct vcpu *vcpu, const struct cpuid *out)
{
	vcpu->regs[GPR_RAX] = out->eax;
	vcpu->regs[GPR_RBX] = out->ebx;
	vcpu->regs[GPR_RCX] = out->ecx;
	vcpu->regs[GPR_RDX] = out->edx;
	return EXIT_ADVANCE;
}

static NOT_INLINE enum exit_action give_computed(struct vcpu *vcpu)
{
	uint32_t leaf = (uint32_t)vcpu->regs[GPR_RAX];
	struct guest_cpuid_view view = {
		.cr4 = guest_read(vcpu, GUEST_CR4),
		.xcr0 = guest_read(vcpu, GUEST_XCR0),
		.tsc_khz = arch_tsc_khz(),
		.vcpu_index = vcpu->index,
		.vcpu_count = vcpu->vm->config.vcpus,
	};
	struct cpuid out = compute(&view, leaf, (uint32_t)vcpu->regs[GPR_RCX]);

	return give(vcpu, &out);
}

static inline enum guest_cpuid_outcome give_features(struct vcpu *vcpu,
						     const struct cpuid *prepared)
{
	(void)give(vcpu, prepared);
	vcpu->regs[GPR_RBX] |= vcpu->index << GUEST_L1_EBX_APIC_ID_SHIFT;
	return prepared->ecx & GUEST_L1_ECX_XSAVE ? GUEST_CPUID_OSXSAVE : GUEST_CPUID_DONE;
}

static void show_osxsave(struct vcpu *vcpu)
{
	if (guest_read(vcpu, GUEST_CR4) & CR4_OSXSAVE) {
		vcpu->regs[GPR_RCX] |= GUEST_L1_ECX_OSXSAVE;
	}
}

/* Answers that are not the same for every vCPU at every time. */
static NOT_INLINE enum exit_action give_rest(struct vcpu *vcpu, const struct cpuid_answer *answer)
{
	struct cpuid out;

	switch (answer->kind) {
	case ANSWER_PC_FEATURES:
		out = answer->out;
		guest_pc_cpuid_apic(vcpu, &out);
		if (give_features(vcpu, &out) == GUEST_CPUID_OSXSAVE) {
			show_osxsave(vcpu);
		}
		return EXIT_ADVANCE;
	case ANSWER_FIRST_SUBLEAF:
		return give(vcpu, (uint32_t)vcpu->regs[GPR_RCX] == 0 ? &answer->out : &zeros);
	case ANSWER_VCPU:
		(void)give(vcpu, &answer->out);
		vcpu->regs[GPR_RCX] = vcpu->vm->config.vcpus;
		vcpu->regs[GPR_RDX] = vcpu->index;
		return EXIT_ADVANCE;
	case ANSWER_TOPOLOGY:
		out = guest_pc_topology(vcpu->index, (uint32_t)vcpu->regs[GPR_RCX]);
		return give(vcpu, &out);
	case ANSWER_CLOCK:
		out = guest_pc_clock(arch_tsc_khz());
		return give(vcpu, &out);
	case ANSWER_FIXED:
	case ANSWER_FEATURES:
	case ANSWER_COMPUTED:
		break;
	}
	return give_computed(vcpu);
}

/* NULL: outside the groups, where all reads as zeros. */
static inline const struct cpuid_answer *find_answer(const struct vcpu *vcpu)
{
	uint32_t leaf = (uint32_t)vcpu->regs[GPR_RAX];
	uint32_t number = leaf & ((1u << GROUP_SHIFT) - 1);

	if (number >= GROUP_LEAVES) {
		return NULL;
	}
	number += (leaf >> GROUP_SHIFT) * GROUP_LEAVES;
	return &vcpu->arch->cpuid_answers[nospec_modulo(number, ANSWERS)];
}

enum guest_cpuid_outcome guest_cpuid_quick(struct vcpu *vcpu)
{
	const struct cpuid_answer *answer = find_answer(vcpu);

	if (answer == NULL) {
		(void)give(vcpu, &zeros);
		return GUEST_CPUID_DONE;
	}
	if (answer->kind == ANSWER_FIXED) {
		(void)give(vcpu, &answer->out);
		return GUEST_CPUID_DONE;
	}
	return answer->kind == ANSWER_FEATURES ? give_features(vcpu, &answer->out)
					       : GUEST_CPUID_UNDECIDED;
}

enum exit_action guest_cpuid(struct vcpu *vcpu)
{
	switch (guest_cpuid_quick(vcpu)) {
	case GUEST_CPUID_UNDECIDED:
		return give_rest(vcpu, find_answer(vcpu));
	case GUEST_CPUID_OSXSAVE:
		show_osxsave(vcpu);
		break;
	case GUEST_CPUID_DONE:
		break;
	}
	return EXIT_ADVANCE;
}
