/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtual processor: registers, what it waits for, what is to be injected. */
#ifndef KERNEL_VM_VCPU_H
#define KERNEL_VM_VCPU_H

#include "base/list.h"
#include "base/status.h"
#include "base/types.h"
#include "kernel/vm/exit.h"

struct vm;
struct arch_vcpu; /* what the backend and arch/x86/guest keep: control structure, MSRs, xstate */

/* General registers in the order of their encoding, so that an exit's register number is an index.
 * RSP lives in the backend's control structure; its slot here is unused. */
enum gpr {
	GPR_RAX,
	GPR_RCX,
	GPR_RDX,
	GPR_RBX,
	GPR_RSP,
	GPR_RBP,
	GPR_RSI,
	GPR_RDI,
	GPR_R8,
	GPR_R9,
	GPR_R10,
	GPR_R11,
	GPR_R12,
	GPR_R13,
	GPR_R14,
	GPR_R15,
	GPR_COUNT,
};

/*
 *   OFF ──start──▶ QUEUED ──picked──▶ RUNNING ──slice over──▶ QUEUED     RUNNING ──INIT──▶ OFF
 *                    ▲                  │ has a reason to wait
 *                    └──── woken ─── ASLEEP            any of them ──VM over──▶ ENDED
 */
enum vcpu_state {
	VCPU_OFF, /* its guest has not started it yet, or has stopped it by INIT */
	VCPU_QUEUED,
	VCPU_RUNNING, /* some CPU has it in its hands */
	VCPU_ASLEEP,
	VCPU_ENDED,
};

/* Why a vCPU does not go on. */
enum vcpu_wait {
	WAIT_NOTHING,
	WAIT_DOORBELL, /* HLT: until a doorbell that the guest lets through */
	WAIT_EVENT,    /* WAIT: until there is news, such a doorbell, or wake_tsc */
	WAIT_MEMORY,   /* a touch that found no frame: until it is granted another try */
};

#define WAKE_NEVER UINT64_MAX
#define CPU_NONE UINT32_MAX
#define EXIT_REASONS 162
#define STARTUP_WANTED 1u /* the rest is the address of a page */

/*
 * Written by the CPU that runs it while it is RUNNING, and under the lock of its run queue
 * otherwise; the three words that others set to wake it are atomic.
 */
struct vcpu {
	uint64_t regs[GPR_COUNT]; /* first: the entry assembly addresses it */
	struct vm *vm;
	unsigned index; /* in vm->vcpus */
	struct arch_vcpu *arch;
	uint32_t entry;	      /* where it starts: EIP of its first instruction */
	bool entry_real_mode; /* starts in real mode, at CS:IP = entry >> 4 : 0 */
	struct {
		uint8_t vector;
		bool has_error;
		uint32_t error;
	} inject;		 /* an exception to deliver, for EXIT_INJECT */
	uint8_t doorbell_vector; /* 0: none */
	bool doorbell_attached;	 /* ATTACH has set it, so DETACH takes it away */
	/*
	 * As of its last HLT or WAIT: IF and CR8 let the doorbell through. While the vCPU sleeps
	 * nothing can change that, for only the vCPU itself writes them.
	 */
	bool doorbell_open;
	bool nmi_open; /* with a local APIC, as of its last HLT: no NMI is being handled */

	/* Set by others, read by the CPU that runs it. */
	/*
	 * doorbell_vector is to be delivered when it can be. With a local APIC: it may have a
	 * vector to deliver (kernel/vm/platform.h).
	 */
	bool doorbell_pending;
	bool nmi_pending; /* with a local APIC, besides doorbell_pending: it may have an NMI */
	bool rang;	  /* it has rung, and no WAIT has returned since */
	bool event;	  /* the balloon's target has changed, and no WAIT has returned since */
	bool granted;	  /* WAIT_MEMORY: it may try again */
	/*
	 * INIT: the CPU that takes it next stops it (kernel/sched/startup.h). `startup` is where it
	 * then begins again, with STARTUP_WANTED; under the lock of its run queue.
	 */
	bool stopping;
	uint32_t startup;

	/* The scheduler's (kernel/sched/scheduler.c). */
	enum vcpu_state state;
	enum vcpu_wait wait;
	uint64_t wake_tsc;	    /* WAIT_EVENT: earliest end */
	uint64_t timer_tsc;	    /* when the next timer of its devices expires, or WAKE_NEVER */
	uint64_t blocked_since_tsc; /* WAIT_MEMORY: tries that found nothing are part of it */
	uint64_t granted_ran_ticks; /* how long it had run when it was granted the last one, */
	uint64_t retry_fault;	    /* and which of its faults that will be */
	unsigned home;		    /* CPU whose queue it belongs to */
	unsigned resident;	    /* CPU that has parts of its state in registers, or CPU_NONE */
	uint64_t virtual_ticks;	    /* ticks that it ran, divided by its weight */
	uint64_t ran_ticks;	    /* ticks that it ran */
	bool boosted;		    /* runs out of turn, or is about to (kernel/sched/boost.h) */
	struct list link;	    /* in the queue or among the sleepers of its home */

	/* The governor's: how long it could have run since its driver was asked
	 * (kernel/overcommit/driver_health.c).
	 */
	uint64_t chance_ticks;
	uint64_t ran_seen_ticks;

	uint64_t exit_count; /* by the backend */
#ifdef AEROSTAT_DEBUG
	uint32_t exits_by_reason[EXIT_REASONS]; /* slots of vcpu_count_reason() */
#endif
	uint64_t fault_count;
	uint64_t controller_count; /* accesses to the page of its local APIC or of the IOAPIC */
	uint64_t hypercall_count;
	uint64_t exits_by_kind[VM_EXIT_KINDS]; /* but second-stage faults; kernel/exit/exit.c */
	bool calls_platform;		       /* VMCALL is for platform_hypercall() */
};

/* It is to be stopped (kernel/sched/startup.h): a run of it ends at the next exit. */
static inline bool vcpu_is_to_stop(const struct vcpu *vcpu)
{
	return __atomic_load_n(&vcpu->stopping, __ATOMIC_ACQUIRE);
}

/* Empties the slot of vCPU `index`; it is OFF. Boot. */
void vcpu_init(struct vcpu *vcpu, struct vm *vm, unsigned index);

/* Its doorbell from now on; 0: none, and what has rung is forgotten. By the CPU that runs it. */
void vcpu_set_doorbell(struct vcpu *vcpu, uint8_t vector);

/* Its doorbell has rung, and the guest takes it as soon as it runs. */
static inline bool vcpu_is_called(const struct vcpu *vcpu)
{
	return vcpu->doorbell_open && __atomic_load_n(&vcpu->doorbell_pending, __ATOMIC_ACQUIRE);
}

/* The same of an NMI, which ends a HLT whatever IF says. */
static inline bool vcpu_has_open_nmi(const struct vcpu *vcpu)
{
	return vcpu->nmi_open && __atomic_load_n(&vcpu->nmi_pending, __ATOMIC_ACQUIRE);
}

/*
 * There is what a WAIT returns for, but for its deadline. A doorbell that the guest holds off stays
 * pending: it ends one WAIT for each time that it rings, not each WAIT.
 */
static inline bool vcpu_has_news(const struct vcpu *vcpu)
{
	return __atomic_load_n(&vcpu->event, __ATOMIC_ACQUIRE) || vcpu_is_called(vcpu) ||
	       (__atomic_load_n(&vcpu->rang, __ATOMIC_ACQUIRE) &&
		__atomic_load_n(&vcpu->doorbell_pending, __ATOMIC_ACQUIRE));
}

/*
 * A WAIT returns: behind it the guest looks at everything, so what came before is no news to its
 * next WAIT. Locks: its run queue's, or it is RUNNING on this CPU.
 */
static inline void vcpu_forget_news(struct vcpu *vcpu)
{
	bool event = __atomic_load_n(&vcpu->event, __ATOMIC_RELAXED);
	bool rang = __atomic_load_n(&vcpu->rang, __ATOMIC_RELAXED);
	/* Both: what comes between the look and the stores is still before the return. */
	if (__builtin_expect((unsigned)event | (unsigned)rang, 0)) {
		__atomic_store_n(&vcpu->event, false, __ATOMIC_SEQ_CST);
		__atomic_store_n(&vcpu->rang, false, __ATOMIC_SEQ_CST);
	}
}

#endif
