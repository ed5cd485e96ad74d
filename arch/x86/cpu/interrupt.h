/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts and exceptions of the host. It runs with interrupts off except inside arch_idle();
 * while a guest runs they cause exits and the backend hands the vector to interrupt_handle().
 */
#ifndef ARCH_X86_CPU_INTERRUPT_H
#define ARCH_X86_CPU_INTERRUPT_H

#include "base/types.h"

enum vector {
	VECTOR_DIVIDE = 0,
	VECTOR_DEBUG = 1,
	VECTOR_NMI = 2,
	VECTOR_BREAKPOINT = 3,
	VECTOR_OVERFLOW = 4,
	VECTOR_UNDEFINED = 6,
	VECTOR_DOUBLE_FAULT = 8,
	VECTOR_INVALID_TSS = 10,
	VECTOR_NOT_PRESENT = 11,
	VECTOR_STACK = 12,
	VECTOR_PROTECTION = 13,
	VECTOR_PAGE_FAULT = 14,
	VECTOR_MACHINE_CHECK = 18,
	VECTOR_EXCEPTIONS = 32, /* below: defined by the processor */
	VECTOR_PIC = 0x20,	/* 16 of them, masked; spurious ones can still come */
	VECTOR_TIMER = 0xf0,
	VECTOR_KICK = 0xf1,	/* from another CPU: leave the guest, or the idle loop */
	VECTOR_SPURIOUS = 0xff, /* low four bits set: old local APICs force them */
	VECTOR_COUNT = 256,
};

/* What vectors.S leaves on the stack; rsp and ss are always there in 64-bit mode. */
struct interrupt_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector;
	uint64_t error; /* 0 where the processor gives none */
	uint64_t rip, cs, rflags, rsp, ss;
};

_Static_assert(sizeof(struct interrupt_frame) == 22 * 8, "pushed by vectors.S");

/* Builds the table that all CPUs share, and loads it on this one. */
void idt_init(void);
void idt_load(void);

/* Called by vectors.S for every vector. */
void interrupt_entry(struct interrupt_frame *frame);

/*
 * Handles a vector that did not come through the IDT: an external interrupt that a VM exit
 * acknowledged. Does the end-of-interrupt.
 */
void interrupt_handle(uint8_t vector);

/* Counts an NMI that caused a VM exit; does not return when the machine is being halted. */
void interrupt_handle_nmi(void);

/* Machine check: reports and panics. Also for one that caused a VM exit. */
_Noreturn void machine_check_report(void);

/* Reports an exception of the hypervisor itself and panics (fault.c). */
_Noreturn void fault_report(const struct interrupt_frame *frame);

/* Resumes at the fix-up of the instruction at frame->rip if it has one (msr_read_safe). */
bool fault_fix_up(struct interrupt_frame *frame);

#endif
