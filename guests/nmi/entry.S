/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where NMIs arrive: in 64-bit mode a handler in C; in real mode a counter. And where a vCPU begins
 * that a startup IPI starts: copied to REAL_PAGE, so it names no address of its own.
 */
#include "guests/nmi/real_mode.h"

#define MSR_APIC_BASE 0x1b
#define APIC_BASE_X2APIC 0xc00
#define MSR_COMMAND 0x830
#define COMMAND_INIT 0x4500
#define SPINS 2000000
#define FLAGS_OF_RESULTS 0x8d5 /* the comparisons above have changed them */

	.text
	.code64
	.globl nmi_entry
nmi_entry:
	pushq %rax
	pushq %rcx
	pushq %rdx
	pushq %rsi
	pushq %rdi
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	cld
	call nmi_handle
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rdi
	popq %rsi
	popq %rdx
	popq %rcx
	popq %rax
	iretq

	/* Spins with marks in all registers until *RDI is set. RAX: 0 when all are still there. */
	.globl spin_marked
spin_marked:
	pushq %rbx
	pushq %rbp
	movq $0x1111111111111111, %rax
	movq $0x2222222222222222, %rbx
	movq $0x3333333333333333, %rcx
	movq $0x4444444444444444, %rbp
	movq $0x5555555555555555, %r8
	movq $0x6666666666666666, %r11
	movq %rsp, %rdx
1:	cmpl $0, (%rdi)
	je 1b
	subq %rsp, %rdx
	movq $0x1111111111111111, %rsi
	xorq %rsi, %rax
	orq %rdx, %rax
	leaq (%rsi, %rsi), %rdx
	xorq %rdx, %rbx
	orq %rbx, %rax
	addq %rsi, %rdx
	xorq %rdx, %rcx
	orq %rcx, %rax
	addq %rsi, %rdx
	xorq %rdx, %rbp
	orq %rbp, %rax
	addq %rsi, %rdx
	xorq %rdx, %r8
	orq %r8, %rax
	addq %rsi, %rdx
	xorq %rdx, %r11
	orq %r11, %rax
	popq %rbp
	popq %rbx
	ret

	.macro expect_real register, value
	cmpl \value, \register
	je 7f
	incl %cs:REAL_WRONG
	movl \register, %cs:REAL_FOUND
7:
	.endm

	.section .rodata
	.code16
	.globl real_start, real_end, real_nmi
	.balign 4
real_start:
	/* EDX is the processor's signature, CR0 has ET alone, all else is 0. */
	expect_real %edx, %cs:REAL_SIGNATURE
	expect_real %ebx, $0
	expect_real %ecx, $0
	expect_real %esi, $0
	expect_real %edi, $0
	expect_real %ebp, $0
	expect_real %esp, $0
	expect_real %eax, $0
	movl %cr0, %eax
	expect_real %eax, $0x10
	movl %cr3, %eax
	expect_real %eax, $0
	movl %cr4, %eax
	expect_real %eax, $0
	movl %dr7, %eax
	expect_real %eax, $0x400
	movw %cs, %ax
	movw %ax, %ds
	movw %ax, %ss
	movw $REAL_NOTES, %sp
	pushfl
	popl %eax
	andl $~FLAGS_OF_RESULTS, %eax
	expect_real %eax, $2
	incl REAL_STARTS
	movl $1, REAL_READY
	cmpl $0, REAL_PLAY
	jne 2f
1:	hlt
	jmp 1b

2:	movl $MSR_APIC_BASE, %ecx
	rdmsr
	orl $APIC_BASE_X2APIC, %eax
	wrmsr
	movl $MSR_COMMAND, %ecx
	movl $COMMAND_INIT, %eax
	movl $1, %edx
	wrmsr
	movl $SPINS, %ecx
3:	decl %ecx
	jnz 3b
	incl REAL_BEYOND
	jmp 1b

real_nmi:
	incl %cs:REAL_NMIS
	iretw
real_end:

	.section .note.GNU-stack, "", @progbits
