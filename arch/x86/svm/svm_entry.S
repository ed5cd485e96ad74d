/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Into the guest and out again (AMD APM vol. 2, 15.5 and 15.6).
 *
 * void svm_enter(struct vcpu *vcpu, struct vmcb *vmcb, hpa_t vmcb_place, hpa_t host_area)
 *
 *	RDI  vcpu; its general registers are the first thing in it
 *	RSI  the VMCB, as we address it
 *	RDX  the VMCB, as the processor does
 *	RCX  what VMLOAD brings the host's FS, GS, TR and system-call registers back from
 *
 * Returns when svm_exit() has answered false. Interrupts are off before and after, but on in between:
 * the host's IF decides whether a device's interrupt ends the run. CLGI keeps them and NMIs out until
 * the guest runs, the exit clears GIF again, and STGI lets in an NMI that ended the run. VMRUN and the
 * exit exchange RAX, RSP, RIP, RFLAGS, CS, SS, DS, ES, CR0, CR2 (one way), CR3, CR4, EFER, DR6, DR7,
 * GDTR and IDTR. Not saved here, because the hypervisor never uses it: x87, SSE and AVX state, DR0-3
 * (svm_state.c switches them between guests).
 *
 * svm_enter_guarded stands for svm_enter where the processor needs measures against speculation
 * around entries and exits: the same with guards.inc between.
 *
 * While exits are traced svm_enter_traced stands for both: as the guarded one, but for the function that
 * it calls.
 *
 * Stack while the guest runs: vcpu, VMCB, its place, host area, padding, R15, R14, R13, R12, RBX, RBP,
 * return address.
 */
#include "asm_offsets.h"

#define VECTOR_DEBUG 1

#include "arch/x86/guest/general_registers.inc"
#include "arch/x86/cpu/guards.inc"

	.macro save_host
	pushq %rbp
	movq %rsp, %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	subq $8, %rsp			/* calls below want RSP aligned to 16 */
	pushq %rcx
	pushq %rdx
	pushq %rsi
	pushq %rdi
	.endm

	/* RDI is vcpu. RAX becomes the VMCB's place. */
	.macro load_guest
	movq 8(%rsp), %rsi
	movq VCPU_RAX(%rdi), %rax
	movq %rax, VMCB_RAX(%rsi)
	movq 16(%rsp), %rax
	load_guest_registers
	clgi
	sti
	vmload %rax
	.endm

	.macro return_to_host
	addq $40, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	ret
	.endm

	/* `guarded`: 0 or 1, with guards.inc between. `exit`: what is called. */
	.macro enter_function name, guarded, exit
	.globl \name
	.type \name, @function
\name:
	save_host

1:	load_guest
	.if \guarded
	guard_entry
	.endif
	vmrun %rax
.Lbehind_vmrun_\name:
	vmsave %rax
	movq 24(%rsp), %rax
	vmload %rax
	cli
	.if !\guarded
	stgi
	.endif
	pushq %rdi
	movq 8(%rsp), %rdi
	store_guest_registers
	popq VCPU_RDI(%rdi)
	leaq 80(%rsp), %rbp		/* the frame of this function, for back-traces */
	.if \guarded
	clear_guest_registers
	guard_exit
	stgi				/* an NMI that waits finds its returns safe */
	movq (%rsp), %rdi
	.endif
	movq 8(%rsp), %rsi
	movq VMCB_RAX(%rsi), %rax
	movq %rax, VCPU_RAX(%rdi)
	call \exit
	movq (%rsp), %rdi
	testb %al, %al
	jnz 1b

	return_to_host
	.size \name, . - \name
	.endm

	.section .text.svm_enter, "ax"
	enter_function svm_enter, 0, svm_exit
	enter_function svm_enter_guarded, 1, svm_exit
	enter_function svm_enter_traced, 1, svm_exit_traced

/*
 * Some emulators forget at the exit that the guest was about to be trapped by its own single-step
 * flag, and trap the host in front of its next instruction, where not even GS is the host's. Nothing
 * is lost by going on: the exit has told the same (#DB is intercepted).
 */
	.section .fixups, "a"
	.quad .Lbehind_vmrun_svm_enter, .Lbehind_vmrun_svm_enter, VECTOR_DEBUG
	.quad .Lbehind_vmrun_svm_enter_guarded, .Lbehind_vmrun_svm_enter_guarded, VECTOR_DEBUG
	.quad .Lbehind_vmrun_svm_enter_traced, .Lbehind_vmrun_svm_enter_traced, VECTOR_DEBUG

	.section .note.GNU-stack, "", @progbits
