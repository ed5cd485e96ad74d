/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What arch/x86/guest and the virtualization backend share: the guest's registers by name, wherever
 * the backend keeps them, and what every guest is offered. A vCPU belongs to the CPU that handles
 * its exit; there is no lock. The offer is made once, by the boot CPU before any other runs.
 */
#ifndef ARCH_X86_GUEST_GUEST_STATE_H
#define ARCH_X86_GUEST_GUEST_STATE_H

#include "arch/x86/cpu/registers.h"
#include "arch/x86/guest/guest_code.h"
#include "arch/x86/guest/guest_event.h"
#include "base/types.h"
#include "kernel/vm/vcpu.h"

struct s2;

enum guest_register {
	GUEST_CR0, /* as the guest sees it */
	GUEST_CR3,
	GUEST_CR4, /* as the guest sees it */
	GUEST_CR8,
	GUEST_EFER,
	GUEST_XCR0,
	GUEST_PAT,
	GUEST_STAR,
	GUEST_LSTAR,
	GUEST_CSTAR,
	GUEST_FMASK,
	GUEST_FS_BASE,
	GUEST_GS_BASE,
	GUEST_KERNEL_GS_BASE,
	GUEST_SYSENTER_CS,
	GUEST_SYSENTER_ESP,
	GUEST_SYSENTER_EIP,
	GUEST_CODE_LONG, /* read only: 1 when the code segment's L bit is set */
	GUEST_TASK_32,	 /* read only: 1 when the task register holds a busy 32-bit or 64-bit TSS */
	GUEST_RSP,
	GUEST_RFLAGS,
	/*
	 * Writing it completes an instruction: the shadow of STI or MOV SS and RF end, and TF
	 * raises its trap.
	 */
	GUEST_RIP,
	/*
	 * Write only: a debug trap behind the instruction that is about to be completed, for these
	 * causes as DR6 shows them.
	 */
	GUEST_TRAP,
	GUEST_CR2, /* this and all below: read only */
	GUEST_CS_SELECTOR,
	GUEST_SS_SELECTOR,
	GUEST_CODE_BIG, /* 1 when the code segment's D bit is set */
	GUEST_ES_BASE,
	GUEST_CS_BASE,
	GUEST_SS_BASE,
	GUEST_DS_BASE,
	/*
	 * 1 when the second-stage fault that is being handled was the access of an instruction to
	 * its operand, not its fetch and not a walk of the guest's tables.
	 */
	GUEST_FAULT_OPERAND,
	GUEST_FAULT_WRITE, /* 1 when it was a write */
	GUEST_DR7,
	GUEST_NMI_BLOCKED, /* 1 when an NMI is being handled */
};

/*
 * How the backend reaches them. Values written are already validated. Writing CR0, CR4 or EFER
 * drops the guest's cached translations where the manual wants it.
 */
struct guest_access {
	uint64_t (*read)(const struct vcpu *vcpu, enum guest_register name);
	void (*write)(struct vcpu *vcpu, enum guest_register name, uint64_t value);
};

/* The backend's own structure begins with this one. */
struct arch_vcpu {
	const struct guest_access *access;
	struct vcpu *vcpu;
	struct s2 *s2;
	pfn_t self;	       /* the frame that holds the backend's structure */
	pfn_t control;	       /* the frame of the processor's control structure */
	uint64_t deadline_tsc; /* when this run exits: the end of its slice, or a timer before */
	uint64_t slice_tsc;    /* the end of its slice */
	const struct cpuid_answer *cpuid_answers; /* guest_cpuid_exit.c */
	struct guest_event event;		  /* to be delivered by the next entry */
	bool entry_failed;
	uint64_t cr0; /* as the guest last wrote it through an exit: bits of the host are right */
	uint64_t efer;
	/* Memory-mapped devices (guest_device.c) */
	uint32_t decoded_bytes; /* EXIT_ADVANCE_DECODED: how long the instruction was */
	/*
	 * What could not be carried out at this RIP may have been rewritten by another vCPU since
	 * it was executed: the guest tries once more.
	 */
	bool doubtful;
	uint64_t doubtful_rip;
	struct guest_codes codes;

	/* In the processor while this vCPU is on a CPU (vcpu.c), here otherwise. */
	uint64_t xcr0;
	struct debug_registers debug;
	void *xstate;
};

/*
 * Those of the two backends. A program that lacks one of them (a host test) sees NULL and never
 * calls its functions.
 */
extern const struct guest_access vmx_guest_access __attribute__((weak));
extern const struct guest_access svm_guest_access __attribute__((weak));
uint64_t vmx_guest_read(const struct vcpu *vcpu, enum guest_register name) __attribute__((weak));
uint64_t svm_guest_read(const struct vcpu *vcpu, enum guest_register name) __attribute__((weak));
void vmx_deadline_set(struct vcpu *vcpu, uint64_t deadline_tsc) __attribute__((weak));
void svm_deadline_set(struct vcpu *vcpu, uint64_t deadline_tsc) __attribute__((weak));
void vmx_guest_write(struct vcpu *vcpu, enum guest_register name, uint64_t value)
	__attribute__((weak));
void svm_guest_write(struct vcpu *vcpu, enum guest_register name, uint64_t value)
	__attribute__((weak));

/*
 * Compared and called directly: an exit takes no indirect branch, whose target a guest could have
 * trained (docs/speculation.md). The pointer itself is for host tests with registers of their own.
 */
static inline uint64_t guest_read(const struct vcpu *vcpu, enum guest_register name)
{
	const struct guest_access *access = vcpu->arch->access;

	if (access == &vmx_guest_access) {
		return vmx_guest_read(vcpu, name);
	}
	if (access == &svm_guest_access) {
		return svm_guest_read(vcpu, name);
	}
	return access->read(vcpu, name);
}

static inline void guest_write(struct vcpu *vcpu, enum guest_register name, uint64_t value)
{
	const struct guest_access *access = vcpu->arch->access;

	if (access == &vmx_guest_access) {
		vmx_guest_write(vcpu, name, value);
	} else if (access == &svm_guest_access) {
		svm_guest_write(vcpu, name, value);
	} else {
		access->write(vcpu, name, value);
	}
}

#define GUEST_XSTATE_COMPONENTS 8 /* x87, SSE, AVX, two of MPX, three of AVX-512 */

/* What all guests are offered, from this processor's CPUID and our allow-lists. */
struct guest_features {
	uint32_t leaf_max;
	uint32_t extended_leaf_max;
	uint64_t cr4;		 /* bits that a guest may set */
	uint64_t efer;		 /* the same, without LMA */
	uint64_t xcr0;		 /* the same; 0 where there is no XSAVE */
	bool vmmcall;		 /* the hypercall instruction is VMMCALL, not VMCALL */
	uint32_t xsave_features; /* CPUID.(EAX=0xd,ECX=1):EAX */
	struct {
		uint32_t bytes, offset;
		bool aligned; /* to 64 bytes in the compacted format */
	} xstate[GUEST_XSTATE_COMPONENTS];
};

extern struct guest_features guest_features;

/*
 * Fills guest_features from this processor; once, on the boot CPU, after features_detect and
 * xstate_cpu_init. `xcr0` limits the extended state; `compacts`: see xstate.h.
 */
void guest_features_init(uint64_t xcr0, bool compacts);

#endif
