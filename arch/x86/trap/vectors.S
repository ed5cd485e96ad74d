/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 256 entry points of the IDT. Each pushes what the processor did not (an error code of 0) and
 * its number, then interrupt_common saves all general registers as struct interrupt_frame and calls
 * interrupt_entry(frame). Extended state, DR and GS are not saved: the host does not use vector
 * registers, and GS is the host's in all of its code.
 *
 * The processor aligns RSP to 16 bytes before it pushes five words; with error code, vector and 15
 * registers the stack is aligned again at the call.
 *
 * NMIs and machine checks can come between a VM exit and the end of its guards (guards.inc), with the
 * guest's values in registers and its training in the branch predictors. So these two vectors guard
 * themselves, whatever they interrupt: before their first return, and where all registers are saved.
 */
#include "arch/x86/cpu/guards.inc"

#define VECTOR_NMI 2
#define VECTOR_MACHINE_CHECK 18

	.section .text.vectors, "ax"

	.macro vector_stub number
	.balign 16
	/* These push an error code: #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX */
	.if (\number == 8) || (\number >= 10 && \number <= 14) || (\number == 17) || \
		(\number == 21) || (\number == 29) || (\number == 30)
	.else
	pushq $0
	.endif
	pushq $\number
	.if (\number == VECTOR_NMI) || (\number == VECTOR_MACHINE_CHECK)
	jmp interrupt_guarded
	.else
	jmp interrupt_common
	.endif
	.endm

	.balign 16
	.globl vector_stubs
	.type vector_stubs, @function
vector_stubs:
	.altmacro
	.set vector, 0
	.rept 256
	vector_stub %vector
	.set vector, vector + 1
	.endr
	.noaltmacro

	.macro save_registers
	pushq %rax
	pushq %rcx
	pushq %rdx
	pushq %rbx
	pushq %rbp
	pushq %rsi
	pushq %rdi
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	cld
	.endm

	.balign 16
	.type interrupt_guarded, @function
interrupt_guarded:
	save_registers
	clear_guest_registers
	xorl %ebp, %ebp			/* it may be the guest's as well */
	guard_exit
	jmp interrupt_saved

	.balign 16
	.type interrupt_common, @function
interrupt_common:
	save_registers
interrupt_saved:
	movq %rsp, %rdi
	call interrupt_entry
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rdi
	popq %rsi
	popq %rbp
	popq %rbx
	popq %rdx
	popq %rcx
	popq %rax
	addq $16, %rsp /* vector and error code */
	iretq

	.section .note.GNU-stack, "", @progbits
