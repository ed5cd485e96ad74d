/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Into the guest and out again (SDM vol. 3, chapters 27 and 28).
 *
 * void vmx_enter(struct vcpu *vcpu, bool launched)
 *
 *	RDI  vcpu; its general registers are the first thing in it
 *	ESI  0: VMLAUNCH, else VMRESUME
 *
 * Returns when vmx_exit() or vmx_exit_hypercall() has answered false. Interrupts are off, the vCPU's
 * VMCS is current. All general registers except RSP are the guest's between the instruction and
 * vmx_exit_entry, where the processor has set RSP, RFLAGS (interrupts and direction flag off),
 * segments, CR0, CR3, CR4, EFER and PAT from the host-state area. Not saved here, because the
 * hypervisor never uses it: x87, SSE and AVX state, debug registers, CR2, SYSCALL registers
 * (vmx_state.c switches them between guests).
 *
 * A hypercall reads and changes none of RBX and R12 to R15, which are in vcpu only when this returns:
 * until then C gives them back as they were. So with the exits of vmx_exit_quick(), but for RBX; where
 * that answers false it has done nothing, and vmx_exit() decides.
 *
 * Where the processor needs measures against speculation around entries and exits, vmx_enter_guarded
 * stands for vmx_enter, and HOST_RIP is vmx_exit_guarded: the same with guards.inc between.
 *
 * While exits are traced vmx_enter_traced and vmx_exit_traced_entry stand for both: as the guarded ones,
 * with one call for every exit.
 *
 * Stack while the guest runs, from HOST_RSP up: vcpu, R15, R14, R13, R12, RBX, RBP, return address.
 */
#include "asm_offsets.h"
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
	pushq %rdi
	movl $FIELD_HOST_RSP, %eax
	vmwrite %rsp, %rax
	.endm

	.macro return_to_host
	addq $8, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	ret
	.endm

	/*
	 * `exit` is where the processor goes at an exit. `guarded`: 0 or 1, with guards.inc between.
	 * The guards clear all registers, so a guarded hypercall saves all of them. `traced`: 0 or 1.
	 */
	.macro enter_function name, exit, guarded, traced
	.globl \name
	.type \name, @function
\name:
	save_host
	jbe 3f
	.if \guarded
	guard_entry
	.endif
	testl %esi, %esi
	movq VCPU_RAX(%rdi), %rax
	load_guest_registers
	jnz 2f
	vmlaunch
	jmp 3f

1:
	.if \guarded
	guard_entry
	.endif
	movq VCPU_RAX(%rdi), %rax
	load_guest_registers
2:	vmresume
3:	movq (%rsp), %rdi		/* only a refused entry comes here */
	call vmx_entry_refused		/* does not return */

	.globl \exit
\exit:
	pushq %rdi
	movq 8(%rsp), %rdi
	movq %rax, VCPU_RAX(%rdi)
	store_other_registers
	.if \guarded
	store_kept_registers
	.endif
	popq VCPU_RDI(%rdi)
	leaq 48(%rsp), %rbp		/* the frame of this function, for back-traces */
	.if \guarded
	clear_guest_registers
	guard_exit
	movq (%rsp), %rdi
	.endif
	movl $FIELD_EXIT_REASON, %eax
	vmread %rax, %rax		/* should it fail, RAX is no reason, and vmx_exit() finds out */
	.if \traced
	movl %eax, %esi
	call vmx_exit_traced
	movq (%rsp), %rdi
	testb %al, %al
	jnz 1b
	return_to_host
	.else
	cmpl $VMX_REASON_VMCALL, %eax
	jne 4f
	call vmx_exit_hypercall
	movq (%rsp), %rdi
	testb %al, %al
	.if \guarded
	jnz 1b
	return_to_host
	.else
	jz 5f
	movq VCPU_RAX(%rdi), %rax
	load_other_registers
	vmresume
	jmp 3b
	.endif

4:
	.if !\guarded
	store_kept_registers
	.endif
	cmpl $VMX_QUICK_REASON_LAST, %eax
	ja 6f
	movabsq $VMX_QUICK_REASONS, %rcx
	btq %rax, %rcx
	jnc 6f
	movl %eax, %esi
	call vmx_exit_quick
	movq (%rsp), %rdi
	testb %al, %al
	.if \guarded
	jnz 1b
	.else
	jz 6f
	movq VCPU_RAX(%rdi), %rax
	movq VCPU_RBX(%rdi), %rbx	/* of CPUID; R12 to R15 are as they were */
	load_other_registers
	vmresume
	jmp 3b
	.endif

6:	call vmx_exit
	movq (%rsp), %rdi
	testb %al, %al
	jnz 1b
	return_to_host

	.if !\guarded
5:	store_kept_registers
	return_to_host
	.endif
	.endif
	.size \name, . - \name
	.endm

	.section .text.vmx_enter, "ax"
	enter_function vmx_enter, vmx_exit_entry, 0, 0
	enter_function vmx_enter_guarded, vmx_exit_guarded, 1, 0
	enter_function vmx_enter_traced, vmx_exit_traced_entry, 1, 1

	.section .note.GNU-stack, "", @progbits
