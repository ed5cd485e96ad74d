/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules of SDM vol. 3, 27.3.1, in the manual's order, for an unrestricted guest with EPT, EFER,
 * PAT and debug controls loaded at entry.
 */
#include "arch/x86/vmx/vmx_check.h"

#include "arch/x86/cpu/registers.h"
#include "arch/x86/guest/guest_msr.h"
#include "arch/x86/vmx/vmx_caps.h"
#include "arch/x86/guest/guest_event.h"
#include "base/bits.h"

/* Access rights (table 25-2) */
#define RIGHTS_TYPE(rights) ((rights)&0xf)
#define RIGHTS_NOT_SYSTEM 0x0010u
#define RIGHTS_DPL(rights) ((rights) >> 5 & 3)
#define RIGHTS_PRESENT 0x0080u
#define RIGHTS_LONG 0x2000u
#define RIGHTS_DEFAULT_BIG 0x4000u
#define RIGHTS_GRANULARITY 0x8000u
#define RIGHTS_UNUSABLE 0x10000u
#define RIGHTS_RESERVED 0xfffe0f00u
#define TYPE_ACCESSED 0x1u
#define TYPE_WRITE_OR_READ 0x2u
#define TYPE_CODE 0x8u

#define SELECTOR_TABLE 0x4u
#define SELECTOR_RPL 0x3u

#define DEBUGCTL_RESERVED (~0xfdc3ull)
#define DEBUGCTL_BTF BIT(1)
#define RFLAGS_RESERVED (~0x3f7fd7ull)
#define PENDING_DEBUG_RESERVED (~0x1500full)
#define PENDING_SINGLE_STEP BIT(14)
#define ACTIVITY_HLT 1u
#define ACTIVITY_MAX 3u
#define BLOCKING_STI 0x1u
#define BLOCKING_MOV_SS 0x2u
#define BLOCKING_NMI 0x8u
#define BLOCKING_RESERVED 0xffffffe0u

static bool is_long_mode(const struct vmx_guest_state *state)
{
	return (state->entry_controls & ENTRY_IA32E_GUEST) != 0;
}

static void check_controls(const struct vmx_guest_state *state, struct entry_checks *violations)
{
	uint64_t cr0_fixed0 = state->cr0_fixed0 & ~((uint64_t)CR0_PE | CR0_PG);
	bool lma = (state->efer & EFER_LMA) != 0;

	BREAKS((state->cr0 & cr0_fixed0) != cr0_fixed0, "CR0: a bit that must be one is zero");
	BREAKS(state->cr0 & ~state->cr0_fixed1, "CR0: a bit that must be zero is one");
	BREAKS(state->cr0 & CR0_PG && !(state->cr0 & CR0_PE), "CR0: PG without PE");
	BREAKS((state->cr4 & state->cr4_fixed0) != state->cr4_fixed0,
	       "CR4: a bit that must be one is zero");
	BREAKS(state->cr4 & ~state->cr4_fixed1, "CR4: a bit that must be zero is one");
	BREAKS(state->debugctl & DEBUGCTL_RESERVED, "DEBUGCTL: reserved bits");
	BREAKS(is_long_mode(state) && !(state->cr0 & CR0_PG), "IA-32e mode without CR0.PG");
	BREAKS(is_long_mode(state) && !(state->cr4 & CR4_PAE), "IA-32e mode without CR4.PAE");
	BREAKS(!is_long_mode(state) && state->cr4 & CR4_PCIDE, "CR4.PCIDE outside IA-32e mode");
	BREAKS(state->cr3 >> state->physical_bits, "CR3: beyond the physical address width");
	BREAKS(state->dr7 >> 32, "DR7: bits 63:32");
	BREAKS(!guest_is_canonical(state->sysenter_esp), "SYSENTER_ESP is not canonical");
	BREAKS(!guest_is_canonical(state->sysenter_eip), "SYSENTER_EIP is not canonical");
	BREAKS(!guest_pat_accept(state->pat), "PAT: a memory type that does not exist");
	BREAKS(state->efer & ~(uint64_t)(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE),
	       "EFER: reserved bits");
	BREAKS(lma != is_long_mode(state), "EFER.LMA differs from the IA-32e mode entry control");
	BREAKS(state->cr0 & CR0_PG && lma != ((state->efer & EFER_LME) != 0),
	       "EFER.LMA differs from EFER.LME while paging is on");
}

/* Names of what can be wrong with a segment, so that each rule can say which segment. */
struct segment_names {
	const char *selector, *base, *type, *system, *dpl, *present, *reserved, *granularity;
};

#define SEGMENT_NAMES(name)                                                                        \
	{                                                                                          \
		name ": selector", name ": base", name ": type", name ": S bit", name ": DPL",     \
			name ": not present", name ": reserved access rights",                     \
			name ": limit and granularity disagree"                                    \
	}

static const struct segment_names segment_names[GUEST_SEGMENT_COUNT] = {
	[GUEST_ES] = SEGMENT_NAMES("ES"),     [GUEST_CS] = SEGMENT_NAMES("CS"),
	[GUEST_SS] = SEGMENT_NAMES("SS"),     [GUEST_DS] = SEGMENT_NAMES("DS"),
	[GUEST_FS] = SEGMENT_NAMES("FS"),     [GUEST_GS] = SEGMENT_NAMES("GS"),
	[GUEST_LDTR] = SEGMENT_NAMES("LDTR"), [GUEST_TR] = SEGMENT_NAMES("TR"),
};

static bool limit_disagrees(uint32_t limit, uint32_t rights)
{
	if ((limit & 0xfff) != 0xfff && rights & RIGHTS_GRANULARITY) {
		return true;
	}
	return limit >> 20 && !(rights & RIGHTS_GRANULARITY);
}

static void check_virtual_8086(const struct vmx_guest_state *state, struct entry_checks *violations)
{
	for (unsigned i = GUEST_ES; i <= GUEST_GS; i++) {
		const struct segment_names *names = &segment_names[i];

		BREAKS(state->segments[i].base != (uint64_t)state->segments[i].selector << 4,
		       names->base);
		BREAKS(state->segments[i].limit != 0xffff, names->granularity);
		BREAKS(state->segments[i].rights != 0xf3, names->type);
	}
}

static void check_code_type(const struct vmx_guest_state *state, struct entry_checks *violations)
{
	uint32_t cs = state->segments[GUEST_CS].rights;
	uint32_t ss_dpl = RIGHTS_DPL(state->segments[GUEST_SS].rights);
	const struct segment_names *names = &segment_names[GUEST_CS];

	switch (RIGHTS_TYPE(cs)) {
	case 3:
		BREAKS(RIGHTS_DPL(cs) != 0, names->dpl);
		break;
	case 9:
	case 11:
		BREAKS(RIGHTS_DPL(cs) != ss_dpl, names->dpl);
		break;
	case 13:
	case 15:
		BREAKS(RIGHTS_DPL(cs) > ss_dpl, names->dpl);
		break;
	default:
		entry_check_fail(violations, names->type);
	}
	BREAKS(is_long_mode(state) && cs & RIGHTS_LONG && cs & RIGHTS_DEFAULT_BIG,
	       "CS: D/B and L are both one");
	BREAKS((!(state->cr0 & CR0_PE) || RIGHTS_TYPE(cs) == 3) && ss_dpl != 0,
	       segment_names[GUEST_SS].dpl);
}

static void check_segments(const struct vmx_guest_state *state, struct entry_checks *violations)
{
	check_code_type(state, violations);
	for (unsigned i = GUEST_ES; i <= GUEST_GS; i++) {
		const struct segment_names *names = &segment_names[i];
		uint32_t rights = state->segments[i].rights;
		uint32_t type = RIGHTS_TYPE(rights);

		if (i != GUEST_CS && rights & RIGHTS_UNUSABLE) {
			continue;
		}
		if (i == GUEST_SS) {
			BREAKS(type != 3 && type != 7, names->type);
		} else if (i != GUEST_CS) {
			BREAKS(!(type & TYPE_ACCESSED), names->type);
			BREAKS(type & TYPE_CODE && !(type & TYPE_WRITE_OR_READ), names->type);
		}
		BREAKS(!(rights & RIGHTS_NOT_SYSTEM), names->system);
		BREAKS(!(rights & RIGHTS_PRESENT), names->present);
		BREAKS(rights & RIGHTS_RESERVED, names->reserved);
		BREAKS(limit_disagrees(state->segments[i].limit, rights), names->granularity);
		BREAKS((i == GUEST_CS || i == GUEST_SS || i == GUEST_DS || i == GUEST_ES) &&
			       state->segments[i].base >> 32,
		       names->base);
	}
	BREAKS(!guest_is_canonical(state->segments[GUEST_FS].base), segment_names[GUEST_FS].base);
	BREAKS(!guest_is_canonical(state->segments[GUEST_GS].base), segment_names[GUEST_GS].base);
}

static void check_tables(const struct vmx_guest_state *state, struct entry_checks *violations)
{
	uint32_t tr = state->segments[GUEST_TR].rights;
	uint32_t ldtr = state->segments[GUEST_LDTR].rights;
	const struct segment_names *names = &segment_names[GUEST_TR];

	BREAKS(RIGHTS_TYPE(tr) != 11 && (is_long_mode(state) || RIGHTS_TYPE(tr) != 3), names->type);
	BREAKS(state->segments[GUEST_TR].selector & SELECTOR_TABLE, names->selector);
	BREAKS(!guest_is_canonical(state->segments[GUEST_TR].base), names->base);
	BREAKS(tr & RIGHTS_NOT_SYSTEM, names->system);
	BREAKS(!(tr & RIGHTS_PRESENT), names->present);
	BREAKS(tr & (RIGHTS_RESERVED | RIGHTS_UNUSABLE), names->reserved);
	BREAKS(limit_disagrees(state->segments[GUEST_TR].limit, tr), names->granularity);
	if (!(ldtr & RIGHTS_UNUSABLE)) {
		names = &segment_names[GUEST_LDTR];
		BREAKS(RIGHTS_TYPE(ldtr) != 2, names->type);
		BREAKS(state->segments[GUEST_LDTR].selector & SELECTOR_TABLE, names->selector);
		BREAKS(!guest_is_canonical(state->segments[GUEST_LDTR].base), names->base);
		BREAKS(ldtr & RIGHTS_NOT_SYSTEM, names->system);
		BREAKS(!(ldtr & RIGHTS_PRESENT), names->present);
		BREAKS(ldtr & RIGHTS_RESERVED, names->reserved);
		BREAKS(limit_disagrees(state->segments[GUEST_LDTR].limit, ldtr),
		       names->granularity);
	}
	BREAKS(!guest_is_canonical(state->gdtr_base), "GDTR: base is not canonical");
	BREAKS(!guest_is_canonical(state->idtr_base), "IDTR: base is not canonical");
	BREAKS(state->gdtr_limit >> 16, "GDTR: limit above 0xffff");
	BREAKS(state->idtr_limit >> 16, "IDTR: limit above 0xffff");
}

static void check_rip_rflags(const struct vmx_guest_state *state, struct entry_checks *violations)
{
	bool long_code = is_long_mode(state) && state->segments[GUEST_CS].rights & RIGHTS_LONG;
	bool external = state->entry_event & EVENT_VALID &&
			(state->entry_event & EVENT_TYPE) == EVENT_TYPE_EXTERNAL;

	BREAKS(!long_code && state->rip >> 32, "RIP: bits 63:32 outside 64-bit mode");
	BREAKS(long_code && !guest_is_canonical(state->rip), "RIP is not canonical");
	BREAKS(state->rflags & RFLAGS_RESERVED, "RFLAGS: reserved bits");
	BREAKS(!(state->rflags & RFLAGS_FIXED), "RFLAGS: bit 1 is zero");
	BREAKS(state->rflags & RFLAGS_VM && (is_long_mode(state) || !(state->cr0 & CR0_PE)),
	       "RFLAGS.VM in IA-32e or real mode");
	BREAKS(external && !(state->rflags & RFLAGS_IF),
	       "an external interrupt is injected while RFLAGS.IF is zero");
}

static void check_non_register(const struct vmx_guest_state *state, struct entry_checks *violations)
{
	uint32_t blocking = state->interruptibility;
	uint32_t type = state->entry_event & EVENT_TYPE;
	bool shadow = (blocking & (BLOCKING_STI | BLOCKING_MOV_SS)) != 0;
	bool step = state->rflags & RFLAGS_TF && !(state->debugctl & DEBUGCTL_BTF);
	bool pending_step = (state->pending_debug & PENDING_SINGLE_STEP) != 0;

	BREAKS(state->activity > ACTIVITY_MAX, "activity state does not exist");
	BREAKS(state->activity == ACTIVITY_HLT && RIGHTS_DPL(state->segments[GUEST_SS].rights) != 0,
	       "activity state is HLT, but SS.DPL is not 0");
	BREAKS(state->activity != 0 && shadow, "not active, but blocking by STI or MOV SS");
	BREAKS(blocking & BLOCKING_RESERVED, "interruptibility: reserved bits");
	BREAKS(blocking & BLOCKING_STI && blocking & BLOCKING_MOV_SS,
	       "interruptibility: blocking by STI and by MOV SS");
	BREAKS(blocking & BLOCKING_STI && !(state->rflags & RFLAGS_IF),
	       "interruptibility: blocking by STI while RFLAGS.IF is zero");
	if (state->entry_event & EVENT_VALID) {
		BREAKS(type == EVENT_TYPE_EXTERNAL && shadow,
		       "an external interrupt is injected into an interrupt shadow");
		BREAKS(type == EVENT_TYPE_NMI && blocking & BLOCKING_MOV_SS,
		       "an NMI is injected while MOV SS blocks");
		BREAKS(type == EVENT_TYPE_NMI && blocking & BLOCKING_NMI,
		       "an NMI is injected while NMIs are blocked");
	}
	BREAKS(state->pending_debug & PENDING_DEBUG_RESERVED, "pending debug: reserved bits");
	BREAKS((shadow || state->activity == ACTIVITY_HLT) && step != pending_step,
	       "pending debug: BS and RFLAGS.TF disagree in an interrupt shadow");
	BREAKS(state->link_pointer != UINT64_MAX, "VMCS link pointer is in use");
}

void vmx_guest_check(const struct vmx_guest_state *state, struct entry_checks *violations)
{
	*violations = (struct entry_checks){0};
	check_controls(state, violations);
	if (state->rflags & RFLAGS_VM) {
		check_virtual_8086(state, violations);
	} else {
		check_segments(state, violations);
	}
	check_tables(state, violations);
	check_rip_rflags(state, violations);
	check_non_register(state, violations);
}
