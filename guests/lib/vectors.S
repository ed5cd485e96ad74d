/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where exceptions and the doorbell arrive (Intel SDM volume 3, chapter 6). An exception ends the
 * guest, or the attempt that it happened in (attempt.h), so nothing is saved: its stub completes the frame to {vector, error, RIP, CS, RFLAGS, RSP,
 * SS} and calls fault_report(frame). The doorbell only leaves a note, one per vCPU; MOV changes no
 * register and no flag. There is no interrupt controller that would have to be told.
 */
#include "guests/lib/layout.h"

	.text
	.code64

	.altmacro
	/* Only these vectors come with an error code. */
	.macro stub vector
fault_stub_\vector:
	.if \vector != 8 && (\vector < 10 || \vector > 14) && \vector != 17 && \vector != 21 \
		&& \vector != 29 && \vector != 30
	pushq $0
	.endif
	pushq $\vector
	jmp fault_common
	.endm

	.macro stub_address vector
	.quad fault_stub_\vector
	.endm

	.set index, 0
	.rept EXCEPTION_COUNT
	stub %index
	.set index, index + 1
	.endr

fault_common:
	cmpq $0, %gs:VCPU_ATTEMPT
	jne 1f
	cld
	movq %rsp, %rdi
	xorl %ebp, %ebp
	andq $-16, %rsp
	call fault_report
1:	movl (%rsp), %eax
	jmp attempt_end

/* int attempt_run(void (*call)(void *), void *argument) */
	.globl attempt_run
attempt_run:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	pushfq
	movq %rsp, %gs:VCPU_ATTEMPT
	movq %rdi, %rax
	movq %rsi, %rdi
	call *%rax
	movl $ATTEMPT_NONE, %eax
attempt_end:
	movq %gs:VCPU_ATTEMPT, %rsp
	movq $0, %gs:VCPU_ATTEMPT
	popfq
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret

	.globl doorbell_entry
doorbell_entry:
	movl $1, %gs:VCPU_DOORBELL_RUNG
	iretq

	.section .rodata.vectors, "a"
	.balign 8
	.globl fault_stubs
fault_stubs:
	.set index, 0
	.rept EXCEPTION_COUNT
	stub_address %index
	.set index, index + 1
	.endr

	.section .note.GNU-stack, "", @progbits
