/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtual processor: registers, what it waits for, what is to be injected. */
#ifndef KERNEL_VCPU_H
#define KERNEL_VCPU_H

#include "base/list.h"
#include "base/types.h"

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

enum vcpu_state {
	VCPU_RUNNABLE,
	VCPU_WAITING,	     /* HLT or WAIT: until a doorbell, or wake_tsc */
	VCPU_WAITING_MEMORY, /* a touch that found no frame; retried when frames are free */
	VCPU_ENDED,
};

#define WAKE_NEVER UINT64_MAX

struct vcpu {
	uint64_t regs[GPR_COUNT]; /* first: the entry assembly addresses it */
	struct vm *vm;
	struct arch_vcpu *arch;
	enum vcpu_state state;
	uint64_t wake_tsc;	    /* WAITING: earliest end */
	uint64_t blocked_since_tsc; /* WAITING_MEMORY */
	uint64_t
		overdrawn_ticks; /* ran for so long beyond its slices, and has not made up for it */
	bool doorbell_pending;	 /* vm->doorbell_vector is to be delivered when it can be */
	struct {
		uint8_t vector;
		bool has_error;
		uint32_t error;
	} inject; /* an exception to deliver, for EXIT_INJECT */
	struct list run_link;
};

#endif
