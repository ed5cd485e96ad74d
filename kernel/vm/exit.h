/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One exit of a guest, in neutral words, and what to do about it. The backend decodes into struct
 * vm_exit; kernel/exit/exit.c decides; the backend's one apply function carries the action out. The
 * default never advances: an exit without a case ends the guest with a report.
 *
 * Two kinds of exit have no description here. A hypercall must be fast, so the backends call
 * hypercall_handle() themselves (guest_exit_hypercall() in arch/x86/guest/guest_exit.h). Exits that
 * concern the processor alone (CPUID, MSRs, control registers, instructions that no guest has) are
 * decided in arch/x86/guest.
 */
#ifndef KERNEL_VM_EXIT_H
#define KERNEL_VM_EXIT_H

#include "base/types.h"

struct vcpu;

enum vm_exit_kind {
	VM_EXIT_S2_FAULT,  /* second-stage translation missing (EPT violation, #NPF) */
	VM_EXIT_SLICE_END, /* the time slice is over */
	VM_EXIT_INTERRUPT, /* an interrupt for the host; already acknowledged and handled */
	VM_EXIT_HLT,
	VM_EXIT_IO,
	VM_EXIT_WINDOW, /* the guest can take an interrupt now */
	VM_EXIT_TRIPLE_FAULT,
	VM_EXIT_ENTRY_FAILED, /* the processor refused the guest's state; text says why */
	VM_EXIT_UNKNOWN,
};

#define VM_EXIT_KINDS (VM_EXIT_UNKNOWN + 1)

struct vm_exit {
	enum vm_exit_kind kind;
	uint32_t raw_reason; /* the processor's own number, for reports only */
	union {
		struct {
			gpa_t address;
		} fault;
		struct {
			uint16_t port;
			uint8_t bytes; /* 1, 2 or 4 */
			bool in;
			bool string;
		} io;
		const char *text; /* ENTRY_FAILED, UNKNOWN: what happened, in words */
	};
};

enum exit_action {
	EXIT_RESUME,  /* run on at the same instruction */
	EXIT_ADVANCE, /* the instruction is done: move behind it */
	/*
	 * The same, where the processor does not say how long it was: a fault that
	 * arch_device_access() has answered with ARCH_DEVICE_DONE.
	 */
	EXIT_ADVANCE_DECODED,
	EXIT_INJECT, /* deliver vcpu->inject at the same instruction */
	EXIT_BLOCK,  /* wait for something, then run the same instruction again */
	EXIT_WAIT,   /* the instruction is done; others may run before the next one */
	EXIT_YIELD,  /* leave the CPU to others, stay runnable */
	EXIT_KILL,   /* this VM is over; the report has been printed or vm->end_reason says why */
};

/*
 * Decides what happens next. Called by the backend, which has counted the exit, with the guest's
 * general registers in vcpu->regs and interrupts off. For BLOCK, WAIT and KILL the vCPU's state has
 * been set when this returns.
 */
enum exit_action vm_exit_handle(struct vcpu *vcpu, const struct vm_exit *vm_exit);

#endif
