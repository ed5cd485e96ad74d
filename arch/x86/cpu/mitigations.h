/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which measures against speculative execution a processor needs and offers. Pure: from what CPUID
 * and IA32_ARCH_CAPABILITIES say, and from the model where they say nothing, to a plan. Carried out
 * by speculation.c and by the entry code of the backends; docs/speculation.md has the whole story.
 */
#ifndef ARCH_X86_CPU_MITIGATIONS_H
#define ARCH_X86_CPU_MITIGATIONS_H

/* Measures. Assembly tests these bits in speculation_actions. */
#define MITIGATE_REGISTERS 0x0001   /* after an exit: nothing of the guest's stays in a register */
#define MITIGATE_RSB_FILL 0x0002    /* after an exit: fill the return stack buffer */
#define MITIGATE_RSB_ONE 0x0004	    /* after an exit: one entry of it is enough (PBRSB) */
#define MITIGATE_IBPB_EXIT 0x0008   /* after an exit: branch prediction barrier */
#define MITIGATE_IBPB_SWITCH 0x0010 /* the same, when another VM comes to the CPU */
#define MITIGATE_VERW 0x0020	    /* before an entry: clear the processor's buffers */
#define MITIGATE_L1D_FLUSH 0x0040   /* before the first entry of a run: flush the L1 data cache */
#define MITIGATE_IBRS 0x0080	    /* IA32_SPEC_CTRL.IBRS, for good (enhanced IBRS) */
#define MITIGATE_STIBP 0x0100	    /* IA32_SPEC_CTRL.STIBP, for good */
#define MITIGATE_AUTO_IBRS 0x0200   /* EFER.AIBRSE, for good */
#define MITIGATE_NO_RTM 0x0400	    /* IA32_TSX_CTRL.RTM_DISABLE, for good */
#define MITIGATE_MCU_OPT 0x0800	    /* IA32_MCU_OPT_CTRL: what microcode mitigates stays on */
#define MITIGATE_LFENCE 0x1000	    /* DE_CFG: LFENCE waits until all before it is done */
#define MITIGATE_BP_REDUCE 0x2000   /* BP_CFG.BP_SPEC_REDUCE, for good */

/* No measure: exits and entries are noted in the trace, by a third way around them. */
#define ENTRIES_TRACED 0x80000000

/* Those that need another code around VM entries than the plain one. */
#define MITIGATE_GUARDED                                                                           \
	(MITIGATE_REGISTERS | MITIGATE_RSB_FILL | MITIGATE_RSB_ONE | MITIGATE_IBPB_EXIT |          \
	 MITIGATE_VERW | MITIGATE_L1D_FLUSH)

#ifndef __ASSEMBLY__

#include "base/types.h"

/* Attacks that need a microcode update where a plan lists them. */
#define ATTACK_SPECTRE_V2 0x001u
#define ATTACK_RETBLEED 0x002u
#define ATTACK_SRSO 0x004u
#define ATTACK_L1TF 0x008u
#define ATTACK_MDS 0x010u
#define ATTACK_TAA 0x020u
#define ATTACK_RFDS 0x040u
#define ATTACK_GDS 0x080u
#define ATTACK_TSA 0x100u

enum mitigation_vendor {
	MITIGATION_OTHER,
	MITIGATION_INTEL,
	MITIGATION_AMD, /* and Hygon */
};

/* As read from the processor; 0 where it has no such leaf or register. */
struct mitigation_facts {
	enum mitigation_vendor vendor;
	unsigned family, model, stepping; /* as displayed: extended fields included */
	uint32_t leaf7_ebx, leaf7_edx;	  /* CPUID.(EAX=7,ECX=0) */
	uint32_t leaf8_ebx;		  /* CPUID.8000_0008 */
	uint32_t leaf21_eax, leaf21_ecx;  /* CPUID.8000_0021 */
	uint64_t arch_capabilities;
	bool smt; /* cores run more than one thread */
};

struct mitigation_plan {
	uint32_t actions;    /* MITIGATE_ bits */
	uint32_t vulnerable; /* ATTACK_ bits: affected, and microcode offers no means */
};

struct mitigation_plan mitigation_decide(const struct mitigation_facts *facts);

#define MITIGATION_TEXT_BYTES 256

/*
 * Writes the names of the actions, and of the attacks, separated by commas; "none" for none. `text`
 * has MITIGATION_TEXT_BYTES.
 */
void mitigation_actions_text(uint32_t actions, char *text);
void mitigation_attacks_text(uint32_t attacks, char *text);

#endif /* __ASSEMBLY__ */

#endif
