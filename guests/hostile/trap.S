/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where exceptions arrive, and the ways out of 64-bit kernel mode (Intel SDM volume 3, chapter 6 and
 * 6.14.5 on the interrupt stack table: every exception gets a good stack, whatever RSP is).
 */
#include "guests/hostile/trap.h"
#include "guests/lib/exception_stubs.inc"
#include "guests/lib/hypercall_site.inc"

#define RFLAGS_FIXED 0x2
#define RFLAGS_TF 0x100

	.text
	.code64

	exception_stubs trap, 32, trap_common

	/* From RSP up: vector, error, RIP, CS, RFLAGS, RSP, SS. */
trap_common:
	cld
	cmpq $0, trap_rsp
	je 1f
	movq %rax, trap_rax
	movl $TRAP_DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movq 8(%rsp), %rax
	movq %rax, trap_error
	movq 16(%rsp), %rax
	movq %rax, trap_rip
	movl (%rsp), %eax
	jmp trap_leave
1:	movq %rsp, %rdi			/* nobody expected it */
	xorl %ebp, %ebp
	andq $-16, %rsp
	call fault_report

/* int trap_run(void (*call)(void *), void *argument) */
	.globl trap_run
trap_run:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	pushfq
	movq %rsp, trap_rsp
	movq %rdi, %rax
	movq %rsi, %rdi
	call *%rax
	movl $TRAP_NONE, %eax
trap_leave:
	movq trap_rsp, %rsp
	movq $0, trap_rsp
	popfq
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret

	.macro load_wild
	movq wild_rax, %rax
	movq wild_rdi, %rdi
	movq wild_rsi, %rsi
	movq wild_rdx, %rdx
	movq wild_r10, %r10
	.endm

	.macro push_step_flags
	pushfq
	orq $RFLAGS_TF, (%rsp)
	.endm

	.globl wild_plain
wild_plain:
	load_wild
	hypercall_site
	movq %rax, wild_result
	ret

	.globl wild_shadow_sti
wild_shadow_sti:
	load_wild
	cli
	sti
	hypercall_site
	movq %rax, wild_result
	ret

	.globl wild_shadow_ss
wild_shadow_ss:
	load_wild
	movl %ss, %ecx
	movl %ecx, %ss
	hypercall_site
	movq %rax, wild_result
	ret

	.globl wild_step
wild_step:
	load_wild
	push_step_flags
	popfq
	hypercall_site
	movq %rax, wild_result
	ret

	.globl wild_step_ss
wild_step_ss:
	load_wild
	movl %ss, %ecx
	push_step_flags
	popfq
	movl %ecx, %ss
	hypercall_site
	movq %rax, wild_result
	ret

	.globl wild_compatible
wild_compatible:
	load_wild
	pushq $TRAP_CODE_32
	pushq $leave_32
	lretq

	.macro to_user code, entry
	load_wild
	movq %rsp, %rcx
	pushq $TRAP_USER_DATA
	pushq %rcx
	pushq $RFLAGS_FIXED
	pushq $\code
	movl $\entry + TRAP_USER_BASE, %ecx
	pushq %rcx
	iretq
	.endm

	.globl wild_user
wild_user:
	to_user TRAP_USER_CODE_64, leave_64

	.globl wild_user_32
wild_user_32:
	to_user TRAP_USER_CODE_32, leave_32

leave_64:
	hypercall_site
	ud2

	.code32
leave_32:
	hypercall_site
	ud2
	.code64

	.section .rodata.trap, "a"
	.balign 8
	.globl trap_stubs
trap_stubs:
	exception_stub_table trap, 32

	.section .bss.trap, "aw", @nobits
	.balign 16
	.globl trap_rax, trap_error, trap_rip, wild
trap_rsp:	.skip 8
trap_rax:	.skip 8
trap_error:	.skip 8
trap_rip:	.skip 8
wild:
wild_rax:	.skip 8
wild_rdi:	.skip 8
wild_rsi:	.skip 8
wild_rdx:	.skip 8
wild_r10:	.skip 8
wild_result:	.skip 8

	.section .note.GNU-stack, "", @progbits
