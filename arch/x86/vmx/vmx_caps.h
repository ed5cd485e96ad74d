/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this processor's VT-x can do, and the control words computed from that (SDM vol. 3, appendix
 * A). Pure except for vmx_msrs_read(): host tests feed it the registers of other processors.
 * Constant after boot; all CPUs of a machine are taken to be alike, and cpu_start checks it.
 */
#ifndef ARCH_X86_VMX_VMX_CAPS_H
#define ARCH_X86_VMX_VMX_CAPS_H

#include "base/error.h"
#include "base/types.h"

/* Capability registers as read. The five control words are the TRUE_ ones where these exist. */
struct vmx_msrs {
	bool cpuid_vmx; /* CPUID.1:ECX.VMX; nothing below is valid without it */
	uint64_t feature_control;
	uint64_t basic;
	uint64_t pin;
	uint64_t primary;
	uint64_t secondary; /* 0 where there are none */
	uint64_t exit;
	uint64_t entry;
	uint64_t misc;
	uint64_t cr0_fixed0, cr0_fixed1;
	uint64_t cr4_fixed0, cr4_fixed1;
	uint64_t ept_vpid; /* 0 where there is neither */
};

struct vmx_caps {
	uint32_t revision; /* of VMXON and VMCS regions */
	uint32_t pin;	   /* control words, ready to be written */
	uint32_t primary;
	uint32_t secondary;
	uint32_t exit;
	uint32_t entry; /* for a guest outside IA-32e mode */
	bool vpid;
	bool vpid_single; /* INVVPID for one VPID; else it drops all of them */
	bool encls_exiting;
	unsigned timer_shift;	 /* the preemption timer counts once in 2^n TSC ticks */
	unsigned ept_leaf_level; /* highest that may map memory */
	bool ept_accessed;	 /* sets accessed and dirty flags when the EPT pointer says so */
	uint64_t cr0_fixed0, cr0_fixed1;
	uint64_t cr4_fixed0, cr4_fixed1;
};

/* IA32_FEATURE_CONTROL */
#define FEATURE_CONTROL_LOCKED 0x1
#define FEATURE_CONTROL_VMX_OUTSIDE_SMX 0x4

/* Pin-based controls (SDM vol. 3, 25.6.1) */
#define PIN_EXTERNAL_INTERRUPT_EXITING 0x00000001u
#define PIN_NMI_EXITING 0x00000008u
#define PIN_VIRTUAL_NMIS 0x00000020u
#define PIN_PREEMPTION_TIMER 0x00000040u

/* Primary processor-based controls (25.6.2) */
#define PRIMARY_INTERRUPT_WINDOW 0x00000004u
#define PRIMARY_HLT_EXITING 0x00000080u
#define PRIMARY_MWAIT_EXITING 0x00000400u
#define PRIMARY_RDPMC_EXITING 0x00000800u
#define PRIMARY_CR3_LOAD_EXITING 0x00008000u
#define PRIMARY_CR3_STORE_EXITING 0x00010000u
#define PRIMARY_CR8_LOAD_EXITING 0x00080000u
#define PRIMARY_CR8_STORE_EXITING 0x00100000u
#define PRIMARY_NMI_WINDOW 0x00400000u
#define PRIMARY_UNCONDITIONAL_IO 0x01000000u
#define PRIMARY_MSR_BITMAPS 0x10000000u
#define PRIMARY_MONITOR_EXITING 0x20000000u
#define PRIMARY_SECONDARY 0x80000000u

/* Secondary processor-based controls */
#define SECONDARY_EPT 0x00000002u
#define SECONDARY_VPID 0x00000020u
#define SECONDARY_WBINVD_EXITING 0x00000040u
#define SECONDARY_UNRESTRICTED_GUEST 0x00000080u
#define SECONDARY_ENCLS_EXITING 0x00008000u

/* Exit controls (25.7.1) */
#define EXIT_SAVE_DEBUG 0x00000004u
#define EXIT_HOST_64BIT 0x00000200u
#define EXIT_ACKNOWLEDGE_INTERRUPT 0x00008000u
#define EXIT_LOAD_PAT 0x00080000u
#define EXIT_LOAD_EFER 0x00200000u

/* Entry controls (25.8.1) */
#define ENTRY_LOAD_DEBUG 0x00000004u
#define ENTRY_IA32E_GUEST 0x00000200u
#define ENTRY_LOAD_PAT 0x00004000u
#define ENTRY_LOAD_EFER 0x00008000u

extern struct vmx_caps vmx_caps;

/* A guest may go from a processor with the one to one with the other. */
bool vmx_caps_alike(const struct vmx_caps *one, const struct vmx_caps *other);

/* Reads the capability registers of this CPU (vmx_cpu.c). */
void vmx_msrs_read(struct vmx_msrs *msrs);

/*
 * Judges `msrs` and fills *caps. UNSUPPORTED: *error names the missing or disabled feature and
 * what to do.
 */
enum status vmx_caps_compute(const struct vmx_msrs *msrs, struct vmx_caps *caps,
			     struct error *error);

#endif
