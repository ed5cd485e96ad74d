/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions under single-stepping, in interrupt shadows, and events on a stack of one's own. POPFQ
 * that sets TF traps behind the instruction that follows it (Intel SDM volume 3, 18.3.1.4).
 */
#include "guests/lib/hypercall_site.inc"
#include "guests/probe/trap.h"

#define RFLAGS_TF 0x100
#define RFLAGS_RF 0x10000

	.text
	.code64

	/* The flags with TF on top of the stack, for a POPFQ. */
	.macro push_step_flags
	pushfq
	orq $RFLAGS_TF, (%rsp)
	.endm

	/* Answers the address of label 1, where the trap has to arrive. */
	.macro step_return
	leaq 1b(%rip), %rax
	ret
	.endm

	.globl step_nop
step_nop:
	push_step_flags
	popfq
	nop
1:	step_return

	.globl step_cpuid
step_cpuid:
	pushq %rbx
	xorl %eax, %eax
	xorl %ecx, %ecx
	push_step_flags
	popfq
	cpuid
1:	popq %rbx
	step_return

	.globl step_vmcall
step_vmcall:
	xorl %eax, %eax
	xorl %edi, %edi
	xorl %esi, %esi
	xorl %edx, %edx
	xorl %r10d, %r10d
	push_step_flags
	popfq
	hypercall_site
1:	step_return

	/* The trap behind MOV SS is held off until CPUID is done as well. */
	.globl step_mov_ss_cpuid
step_mov_ss_cpuid:
	pushq %rbx
	movl %ss, %r8d
	xorl %eax, %eax
	xorl %ecx, %ecx
	push_step_flags
	popfq
	movl %r8d, %ss
	cpuid
1:	popq %rbx
	step_return

	/* A trap inside the shadow of STI, which holds off interrupts only. */
	.globl step_sti
step_sti:
	cli
	push_step_flags
	popfq
	sti
1:	nop
	cli
	step_return

	.globl step_touch
step_touch:
	push_step_flags
	popfq
	movq (%rdi), %rcx
1:	step_return

	.globl step_mov_ss_touch
step_mov_ss_touch:
	movl %ss, %r8d
	push_step_flags
	popfq
	movl %r8d, %ss
	movq (%rdi), %rcx
1:	step_return

	.globl resume_cpuid_int
resume_cpuid_int:
	pushq %rbx
	xorl %eax, %eax
	xorl %ecx, %ecx
	movl %ss, %r8d
	movq %rsp, %rdx
	pushq %r8
	pushq %rdx
	pushfq
	orq $RFLAGS_RF, (%rsp)
	movl %cs, %r8d
	pushq %r8
	leaq 1f(%rip), %rdx
	pushq %rdx
	iretq
1:	cpuid
	int $TRAP_SOFTWARE_VECTOR
	popq %rbx
	ret

	.globl sti_touch
sti_touch:
	cli
	sti
	movq (%rdi), %rax
	cli
	ret

	/* RDX keeps our stack: the handler preserves registers. */
	.macro on_stack name, instruction:vararg
	.globl \name
\name:
	movq %rsp, %rdx
	movq %rdi, %rsp
	\instruction
2:	movq %rdx, %rsp
	ret
	.endm

	.macro resume_at_2
	leaq 2f(%rip), %rax
	movq %rax, trap_resume(%rip)
	.endm

	on_stack deliver_int, int $TRAP_SOFTWARE_VECTOR
	on_stack deliver_int3, int3
	on_stack deliver_int1, .byte 0xf1

	.globl deliver_undefined
deliver_undefined:
	movq %rsp, %rdx
	resume_at_2
	movq %rdi, %rsp
	ud2
2:	movq %rdx, %rsp
	ret

	/* The hypervisor injects this one: no such MSR. */
	.globl deliver_protection
deliver_protection:
	movq %rsp, %r8
	resume_at_2
	movl $0x40000000, %ecx
	movq %rdi, %rsp
	rdmsr
2:	movq %r8, %rsp
	ret

	.globl deliver_page_fault
deliver_page_fault:
	movq %rsp, %rdx
	resume_at_2
	movabsq $0x00007ffffffff000, %rcx
	movq %rdi, %rsp
	movq (%rcx), %rcx
2:	movq %rdx, %rsp
	ret

	/* The trap comes behind the move to the other stack. */
	.globl deliver_step
deliver_step:
	movq %rsp, %rdx
	push_step_flags
	popfq
	movq %rdi, %rsp
	movq %rdx, %rsp
	ret

	.section .note.GNU-stack, "", @progbits
