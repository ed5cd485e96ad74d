/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where exceptions and the doorbell arrive (Intel SDM volume 3, chapter 6). An exception ends the
 * guest through fault_report(frame), or the attempt that it happened in (attempt.h), so nothing is
 * saved. The doorbell only leaves a note, one per vCPU; MOV changes no register and no flag. There
 * is no interrupt controller that would have to be told.
 */
#include "guests/lib/exception_stubs.inc"
#include "guests/lib/layout.h"

	.text
	.code64

	exception_stubs fault, EXCEPTION_COUNT, fault_common

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
	exception_stub_table fault, EXCEPTION_COUNT

	.section .note.GNU-stack, "", @progbits
