/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VT-x backend's own structures: what it keeps per virtual processor and per CPU. A vCPU is
 * touched only by the CPU that has it in its hands, which the scheduler sees to; no lock.
 *
 *   out of all CPUs ──vmx_load: VMPTRLD, registers from memory──▶ current on one CPU
 *         ▲                                                            │
 *         └─────── vmx_evict: registers to memory, VMCLEAR ◀───────────┘
 */
#ifndef ARCH_X86_VMX_VMX_VCPU_H
#define ARCH_X86_VMX_VMX_VCPU_H

#include "arch/x86/cpu/registers.h"
#include "arch/x86/cpu/xstate.h"
#include "arch/x86/guest/guest_vcpu.h"
#include "arch/x86/vmx/vmx_fields.h"
#include "base/error.h"
#include "base/types.h"
#include "kernel/vm/exit.h"
#include "kernel/vm/vcpu.h"

struct s2;

struct vmx_vcpu {
	struct arch_vcpu arch; /* first: vcpu->arch points here */
	uint32_t cpu;	       /* where its VMCS is the current one, or CPU_NONE */
	uint32_t host_cpu;     /* whose host state the VMCS holds, or CPU_NONE */
	bool filled;	       /* the VMCS has been set up: it has run */
	bool restarted;	       /* by INIT: it begins anew at the next load */
	bool launched;	       /* since the last VMCLEAR */
	bool invalidate_vpid; /* drop cached translations of its own tables before the next entry */
	uint16_t vpid;	      /* 0: none */
	uint32_t primary;     /* what the VMCS field primary_controls holds */
	uint64_t cr8;

	/* In the processor while its VMCS is the current one (vmx_state.c), here otherwise. */
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

/* On a cache line of its own: each CPU writes its own at every switch. */
struct vmx_cpu {
	pfn_t region; /* of VMXON */
	/* Whose VMCS VMREAD and VMWRITE reach, and whose registers are in the processor; or NULL.
	 */
	struct vmx_vcpu *current;
} __attribute__((aligned(64)));

/* vmx_cpu.c: of this CPU. */
struct vmx_cpu *vmx_cpu(void);
enum status vmx_probe(struct error *error);
enum status vmx_cpu_start(struct error *error);

/*
 * Brings it to this CPU, which no other vCPU is on: its VMCS is the current one, filled if it has
 * never run, and the registers are loaded. Nothing to do where it is here already.
 */
void vmx_load(struct vmx_vcpu *vmx);

/* INIT, for one that is on no CPU. */
void vmx_reset(struct vmx_vcpu *vmx);

/* The way back: all of it is in memory. Nothing to do where it is on no CPU. */
void vmx_evict(struct vmx_vcpu *vmx);

/* This CPU may read and write its VMCS. */
static inline bool vmx_is_here(const struct vmx_vcpu *vmx)
{
	return vmx_cpu()->current == vmx;
}

/* vmx_setup.c: fills the current VMCS. */
void vmx_setup_host(void);
void vmx_setup_controls(struct vmx_vcpu *vmx);
void vmx_setup_guest(struct vmx_vcpu *vmx);

/* vmx_state.c: the registers that stay in the processor from exit to entry. */
void vmx_state_load(const struct vmx_vcpu *vmx);
void vmx_state_save(struct vmx_vcpu *vmx);

/*
 * vmx_exit.c: decides over the exit that just happened, other than a hypercall; reads the current
 * VMCS. `reason` is its field exit_reason.
 */
enum exit_action vmx_exit_s2_fault(struct vmx_vcpu *vmx); /* of an EPT violation */
enum exit_action vmx_exit_decide(struct vmx_vcpu *vmx, uint32_t reason);

/* vmx_state.c: CR0 as the guest sees it, and a new value of it, which is sound. */
uint64_t vmx_cr0_read(const struct vmx_vcpu *vmx);
void vmx_cr0_write(struct vmx_vcpu *vmx, uint64_t value);

/* vmx_exit.c: a debug trap behind the instruction, for `causes` as DR6 shows them. 0: none. */
void vmx_pend_breakpoints(uint64_t causes);

#define VMX_RIGHTS_DPL 0x0060

/*
 * True when it is at CPL 0 and neither in real nor in virtual-8086 mode. CPL is the DPL of SS: 3 in
 * virtual-8086 mode, 0 in real mode (SDM vol. 3, 25.4.1).
 */
static inline bool vmx_is_kernel(const struct vmx_vcpu *vmx)
{
	return !(vmcs_read_guest_ss_rights() & VMX_RIGHTS_DPL) && vmx->arch.cr0 & CR0_PE;
}

/*
 * vmx_nmi.c: an NMI goes before interrupts, and waits for another event, a debug trap that is due
 * and an interrupt shadow. `pending`: the local APIC has one; it may become the event.
 */
void vmx_nmi_prepare(struct vmx_vcpu *vmx, bool pending) __attribute__((cold));

/* vmx_nmi.c: the delivery of one has begun, so it blocks already; also itself, when it is repeated.
 */
void vmx_nmi_unblock(void) __attribute__((cold));

/* vmx_run.c: requests or drops the exit at the first moment that `window` (vmx_caps.h) means. */
void vmx_window_set(struct vmx_vcpu *vmx, uint32_t window, bool wanted);

/* vmx_run.c: the instruction is done: what the processor does behind it, RIP to `next` included. */
void vmx_complete(uint64_t next);

/* vmx_run.c */
void vmx_vcpu_run(struct vcpu *vcpu, uint64_t deadline_tsc);
bool vmx_exit(struct vcpu *vcpu);	    /* called by vmx_entry.S */
bool vmx_exit_hypercall(struct vcpu *vcpu); /* the same */

/* In the place of all of these, while exits are traced. */
bool vmx_exit_traced(struct vcpu *vcpu, uint32_t reason);
_Noreturn void vmx_entry_refused(struct vcpu *vcpu); /* the same */

/*
 * vmx_quick.c, called by vmx_entry.S: an exit of VMX_QUICK_REASONS that concerns nothing but the
 * guest's registers. True: done, the guest goes on; false: nothing was done, vmx_exit() decides.
 */
bool vmx_exit_quick(struct vcpu *vcpu, uint32_t reason);

/* vmx_entry.S */
void vmx_enter(struct vcpu *vcpu, bool launched);
void vmx_enter_guarded(struct vcpu *vcpu, bool launched);
void vmx_enter_traced(struct vcpu *vcpu, bool launched);
extern char vmx_exit_entry[];
extern char vmx_exit_guarded[];
extern char vmx_exit_traced_entry[];

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
