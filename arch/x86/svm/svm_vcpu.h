/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The AMD-V backend's own structures: what it keeps per virtual processor and per CPU. A vCPU is
 * touched only by the CPU that has it in its hands, which the scheduler sees to; no lock.
 */
#ifndef ARCH_X86_SVM_SVM_VCPU_H
#define ARCH_X86_SVM_SVM_VCPU_H

#include "arch/x86/cpu/xstate.h"
#include "arch/x86/guest/guest_exit.h"
#include "arch/x86/guest/guest_vcpu.h"
#include "arch/x86/svm/svm_asid.h"
#include "arch/x86/svm/svm_caps.h"
#include "arch/x86/svm/svm_decode.h"
#include "arch/x86/svm/svm_vmcb.h"
#include "base/error.h"
#include "base/types.h"
#include "kernel/vm/exit.h"
#include "kernel/vm/vcpu.h"

struct s2;
struct s2_format;

/* Bits that the processor does not get from the guest: memory types come from our tables. */
#define SVM_CR0_HIDDEN ((uint64_t)(CR0_CD | CR0_NW))

struct svm_vcpu {
	struct arch_vcpu arch; /* first: vcpu->arch points here */
	struct vmcb *vmcb;
	struct svm_asid asid;
	struct svm_cpu *cpu;	/* in whose registers parts of it are, or NULL */
	bool filled;		/* the VMCB has been set up: it has run */
	bool restarted;		/* by INIT: it begins anew at the next load */
	uint64_t entered_event; /* for reports: the processor clears its own word */
	uint64_t dr7;		/* as the guest reads it, where the processor has another one */
	uint64_t next_rip;	/* of an exit caused by an instruction: where it ends */
	uint8_t offered;	/* vector of the doorbell that the last entry was given, or 0 */
	struct {
		bool active;   /* the next entry runs one instruction alone (svm_step.c) */
		bool own_flag; /* the guest had TF set itself */
		uint64_t dr6;  /* of the guest, before */
	} step;
	struct {
		bool entered;	  /* the last entry was in an interrupt shadow */
		unsigned carried; /* exits since the processor said so */
		uint64_t rip;	  /* of that entry */
	} shadow;
	struct {
		bool blocked;	 /* one is being handled, until its IRET, which exits, is done */
		bool leaving;	 /* that IRET has exited and is about to be executed, */
		uint64_t rip;	 /* here */
		bool waits;	 /* another one has to wait for something that does not exit, */
		unsigned waited; /* so often already */
	} nmi;
};

/* AVX-512 is the largest extended state offered. */
_Static_assert(sizeof(struct svm_vcpu) + 2688 + XSTATE_ALIGN <= PAGE_BYTES, "shares one frame");
_Static_assert(offsetof(struct svm_vcpu, arch) == 0, "svm_of()");

static inline struct svm_vcpu *svm_of(const struct vcpu *vcpu)
{
	return (struct svm_vcpu *)vcpu->arch;
}

/* On cache lines of its own: each CPU writes its own. */
struct svm_cpu {
	unsigned index;
	pfn_t processor_area; /* where VMRUN keeps the host's state; its layout is not ours to know
			       */
	pfn_t host_area;      /* what VMLOAD brings back after an exit: FS, GS, TR, system calls */
	struct svm_asids asids;
	struct svm_vcpu *loaded; /* whose extended state and debug registers are in the registers */
} __attribute__((aligned(64)));

/* svm_cpu.c: of this CPU. */
struct svm_cpu *svm_cpu(void);
enum status svm_probe(struct error *error);
enum status svm_cpu_start(struct error *error);

/*
 * svm_trial.c: finds takes_shadow and takes_cr2 of *caps. AMD-V is on and no guest has run here.
 * `frame` is used for the trial's VMCB. False: guests would lose CR2, see svm_caps_judge_cr2().
 */
struct svm_caps;
bool svm_trial(pfn_t frame, struct svm_caps *caps);

/* svm_state.c: CR2 of a vCPU that is on this CPU. */
void svm_cr2_write(struct svm_vcpu *svm, uint64_t value);

/*
 * svm_setup.c: controls and first state of a new guest. The intercepts that differ between guests
 * or from time to time are set by svm_setup_intercepts() alone.
 */
void svm_setup_intercepts(struct svm_vcpu *svm);
void svm_setup_controls(struct svm_vcpu *svm);
void svm_setup_guest(struct svm_vcpu *svm);

/*
 * svm_state.c: brings it to this CPU, which no other vCPU is on, its VMCB filled if it has never
 * run; and the way back, after which all of it is in memory. Each has nothing to do where it is
 * done already.
 */
void svm_load(struct svm_vcpu *svm);
void svm_evict(struct svm_vcpu *svm);

/* svm_state.c: INIT, for one that is on no CPU. */
void svm_reset(struct svm_vcpu *svm);

/* svm_exit.c: decides over the exit that just happened; a hypercall may come through either. */
enum exit_action svm_exit_decide(struct svm_vcpu *svm, uint32_t code);
enum exit_action svm_exit_s2_fault(struct svm_vcpu *svm);
enum exit_action svm_decide_hypercall(struct svm_vcpu *svm);

/* Where VMMCALL ends: docs/abi.md wants no prefixes there, so this way is short. */
static inline void svm_hypercall_ends(struct svm_vcpu *svm)
{
	svm->next_rip = svm_caps.next_rip ? svm->vmcb->next_rip
					  : guest_next_rip(svm->arch.vcpu, svm->vmcb->rip, 3);
}

/*
 * svm_quick.c: a hypercall that does nothing, or a port without a device: no lock, no device, no
 * look at a translation. True: it is done and counted, svm->next_rip is set; false: nothing was
 * done.
 */
MUST_CHECK bool svm_decide_quick(struct svm_vcpu *svm, uint32_t code);

/* True when the guest is at CPL 0 and neither in real nor in virtual-8086 mode. */
static inline bool svm_is_kernel(const struct svm_vcpu *svm)
{
	return svm->vmcb->cpl == 0 && svm->arch.cr0 & CR0_PE;
}

/* svm_cr.c: decodes what is at RIP. */
struct svm_instruction svm_instruction_here(const struct svm_vcpu *svm);

/* svm_cr.c: an exit because of a control register. */
enum exit_action svm_decide_cr(struct svm_vcpu *svm, struct vm_exit *vm_exit);

/* svm_cr.c: the prefixes of the instruction at RIP, read from the guest's memory: bytes. */
unsigned svm_prefixes(const struct svm_vcpu *svm);

/* svm_cr.c: the same for svm_steps_unseen() (svm_decode.h). */
bool svm_can_step(const struct svm_vcpu *svm);

/*
 * svm_step.c: the processor executes the guest's next instruction itself, and that one alone,
 * with `open` without the intercepts of CR0. That is for LMSW and SMSW with an operand in memory,
 * which see and change only bits of CR0 that are the guest's own. Answers EXIT_RESUME.
 */
enum exit_action svm_step_begin(struct svm_vcpu *svm, bool open);

/*
 * After every exit, before anything is decided: the intercepts and the guest's flags are as before.
 * True: the exit ended a step, and is an exception.
 */
bool svm_step_finish(struct svm_vcpu *svm, uint32_t code);

static inline bool svm_step_end(struct svm_vcpu *svm, uint32_t code)
{
	return __builtin_expect(svm->step.active, 0) && svm_step_finish(svm, code);
}

/* What becomes of that exception. */
enum exit_action svm_step_exception(struct svm_vcpu *svm, uint8_t vector);

/*
 * svm_run.c: a debug trap behind the instruction that is being completed, for `causes` as DR6 shows
 * them; several become one. 0: none.
 */
void svm_trap(struct svm_vcpu *svm, uint64_t causes);

/* svm_nmi.c: an NMI is being handled. */
static inline bool svm_nmi_is_blocked(const struct svm_vcpu *svm)
{
	return svm->nmi.blocked && !(svm->nmi.leaving && svm->vmcb->rip != svm->nmi.rip);
}

/* svm_nmi.c: before an entry; `pending`: the local APIC has one. It may become the event. */
void svm_nmi_prepare(struct svm_vcpu *svm, bool pending);

/* svm_nmi.c: an IRET is about to end the blocking. */
enum exit_action svm_decide_iret(struct svm_vcpu *svm);

/* svm_run.c: the instruction is done: what the processor does behind it, RIP to `next` included. */
void svm_complete(struct svm_vcpu *svm, uint64_t next);

/* svm_run.c */
void svm_vcpu_run(struct vcpu *vcpu, uint64_t deadline_tsc);
bool svm_exit(struct vcpu *vcpu);	 /* called by svm_entry.S */
bool svm_exit_traced(struct vcpu *vcpu); /* the same, while exits are traced */

/* svm_entry.S */
void svm_enter(struct vcpu *vcpu, struct vmcb *vmcb, hpa_t vmcb_place, hpa_t host_area);
void svm_enter_guarded(struct vcpu *vcpu, struct vmcb *vmcb, hpa_t vmcb_place, hpa_t host_area);
void svm_enter_traced(struct vcpu *vcpu, struct vmcb *vmcb, hpa_t vmcb_place, hpa_t host_area);

/* svm_dump.c */
void svm_dump_entry_failure(const struct svm_vcpu *svm);

/* npt.c */
const struct s2_format *svm_s2_format(void);
void svm_npt_init(void);
void svm_flush_s2(const struct s2 *s2);

/* Translations that the vCPU has made on this CPU, where it is, must not be used any more. */
void svm_flush(struct svm_vcpu *svm);

#endif
