/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VT-x backend's own structures: what it keeps per virtual processor and per CPU. A vCPU is
 * touched only by the CPU that runs it, or by the one that creates or destroys it; no lock.
 */
#ifndef ARCH_X86_VMX_VMX_VCPU_H
#define ARCH_X86_VMX_VMX_VCPU_H

#include "arch/x86/cpu/registers.h"
#include "arch/x86/cpu/xstate.h"
#include "arch/x86/guest/vcpu.h"
#include "arch/x86/vmx/vmx_fields.h"
#include "base/status.h"
#include "base/types.h"
#include "kernel/exit.h"
#include "kernel/vcpu.h"

struct s2;

#define VMX_CPU_NONE UINT32_MAX

struct vmx_vcpu {
	struct arch_vcpu arch; /* first: vcpu->arch points here */
	uint32_t cpu;	       /* where the VMCS was last current, or VMX_CPU_NONE */
	bool launched;	       /* on that CPU, since the last VMCLEAR */
	bool invalidate_vpid; /* drop cached translations of its own tables before the next entry */
	uint16_t vpid;	      /* 0: none */
	uint32_t primary;     /* what the VMCS field primary_controls holds */
	uint64_t cr8;

	/* In the processor while this vCPU is the loaded one (vmx_state.c), here otherwise. */
	uint64_t star, lstar, cstar, fmask;
	uint64_t kernel_gs_base; /* SWAPGS changes it behind our back */
	uint64_t cr2;
};

/* AVX-512 is the largest extended state offered. */
_Static_assert(sizeof(struct vmx_vcpu) + 2688 + XSTATE_ALIGN <= PAGE_BYTES, "shares one frame");
_Static_assert(offsetof(struct vmx_vcpu, arch) == 0, "vmx_of()");

static inline struct vmx_vcpu *vmx_of(const struct vcpu *vcpu)
{
	return (struct vmx_vcpu *)vcpu->arch;
}

struct vmx_cpu {
	bool on;		  /* in VMX root operation */
	pfn_t region;		  /* of VMXON */
	struct vmx_vcpu *current; /* whose VMCS VMREAD and VMWRITE reach */
	struct vmx_vcpu *loaded;  /* whose extended state and MSRs are in the registers */
};

/* vmx_cpu.c: of this CPU. */
struct vmx_cpu *vmx_cpu(void);
enum status vmx_probe(const char **sentence);
enum status vmx_cpu_start(const char **sentence);
void vmx_cpu_stop(void);

/* Makes its VMCS the current one here, with this CPU's host state. */
void vmx_make_current(struct vmx_vcpu *vmx);

/* Forgets it: nothing of it stays in this CPU. */
void vmx_release(struct vmx_vcpu *vmx);

/* vmx_setup.c: fills the current VMCS. */
void vmx_setup_host(void);
void vmx_setup_controls(struct vmx_vcpu *vmx);
void vmx_setup_guest(struct vmx_vcpu *vmx, uint32_t entry);

/* vmx_state.c */
void vmx_state_load(struct vmx_vcpu *vmx);
extern const struct guest_access vmx_guest_access;

/*
 * vmx_exit.c: decides over the exit that just happened, other than a hypercall; reads the current
 * VMCS. `reason` is its field exit_reason.
 */
enum exit_action vmx_exit_s2_fault(struct vmx_vcpu *vmx); /* of an EPT violation */
enum exit_action vmx_exit_decide(struct vmx_vcpu *vmx, uint32_t reason);

#define VMX_RIGHTS_DPL 0x0060

/*
 * True when it is at CPL 0 and neither in real nor in virtual-8086 mode. CPL is the DPL of SS: 3 in
 * virtual-8086 mode, 0 in real mode (SDM vol. 3, 25.4.1).
 */
static inline bool vmx_is_kernel(const struct vmx_vcpu *vmx)
{
	return !(vmcs_read_guest_ss_rights() & VMX_RIGHTS_DPL) && vmx->arch.cr0 & CR0_PE;
}

/* vmx_run.c */
void vmx_vcpu_run(struct vcpu *vcpu, uint64_t deadline_tsc);
bool vmx_exit(struct vcpu *vcpu);		     /* called by vmx_entry.S */
_Noreturn void vmx_entry_refused(struct vcpu *vcpu); /* the same */

/* vmx_entry.S */
void vmx_enter(struct vcpu *vcpu, bool launched);
extern char vmx_exit_entry[];

/* vmx_dump.c */
void vmx_vcpu_dump(const struct vcpu *vcpu);
void vmx_dump_entry_failure(const struct vmx_vcpu *vmx, uint32_t reason);

/* ept.c */
const struct s2_format *vmx_s2_format(void);
void vmx_ept_init(void);
uint64_t vmx_ept_pointer(const struct s2 *s2);
void vmx_flush_s2(const struct s2 *s2);
void vmx_invalidate_vpid(uint16_t vpid);

#endif
