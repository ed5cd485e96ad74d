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
 * until then C gives them back as they were.
 *
 * Where the processor needs measures against speculation around entries and exits, vmx_enter_guarded
 * stands for vmx_enter, and HOST_RIP is vmx_exit_guarded: the same with guards.inc between.
 *
 * Stack while the guest runs, from HOST_RSP up: vcpu, R15, R14, R13, R12, RBX, RBP, return address.
 */
#include "asm_offsets.h"
#include "arch/x86/guest/general_registers.inc"
#include "arch/x86/guest/guards.inc"

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

	.section .text.vmx_enter, "ax"
	.globl vmx_enter
	.type vmx_enter, @function
vmx_enter:
	save_host
	jbe 2f
	testl %esi, %esi
	movq VCPU_RAX(%rdi), %rax
	load_guest_registers
	jz 1f
	vmresume
	jmp 2f
1:	vmlaunch
2:	movq (%rsp), %rdi		/* only a refused entry comes here */
	call vmx_entry_refused		/* does not return */

	.globl vmx_exit_entry
vmx_exit_entry:
	pushq %rdi
	movq 8(%rsp), %rdi
	movq %rax, VCPU_RAX(%rdi)
	store_other_registers
	popq VCPU_RDI(%rdi)
	leaq 48(%rsp), %rbp		/* the frame of vmx_enter, for back-traces */
	movl $FIELD_EXIT_REASON, %eax
	vmread %rax, %rax		/* should it fail, RAX is no reason, and vmx_exit() finds out */
	cmpl $VMX_REASON_VMCALL, %eax
	jne 3f
	call vmx_exit_hypercall
	movq (%rsp), %rdi
	testb %al, %al
	jz 4f
	movq VCPU_RAX(%rdi), %rax
	load_other_registers
	vmresume
	jmp 2b

3:	store_kept_registers
	call vmx_exit
	movq (%rsp), %rdi
	testb %al, %al
	jz 5f
	movq VCPU_RAX(%rdi), %rax
	load_guest_registers
	vmresume
	jmp 2b

4:	store_kept_registers
5:	return_to_host
	.size vmx_enter, . - vmx_enter

	.globl vmx_enter_guarded
	.type vmx_enter_guarded, @function
vmx_enter_guarded:
	save_host
	jbe 3f
	guard_entry
	testl %esi, %esi
	movq VCPU_RAX(%rdi), %rax
	load_guest_registers
	jnz 2f
	vmlaunch
	jmp 3f

1:	movq (%rsp), %rdi
	guard_entry
	movq VCPU_RAX(%rdi), %rax
	load_guest_registers
2:	vmresume
3:	movq (%rsp), %rdi		/* only a refused entry comes here */
	call vmx_entry_refused		/* does not return */

	.globl vmx_exit_guarded
vmx_exit_guarded:
	pushq %rdi
	movq 8(%rsp), %rdi
	movq %rax, VCPU_RAX(%rdi)
	store_guest_registers
	popq VCPU_RDI(%rdi)
	leaq 48(%rsp), %rbp		/* the frame of vmx_enter_guarded, for back-traces */
	clear_guest_registers
	guard_exit
	movq (%rsp), %rdi
	movl $FIELD_EXIT_REASON, %eax
	vmread %rax, %rax		/* as in vmx_exit_entry */
	cmpl $VMX_REASON_VMCALL, %eax
	jne 4f
	call vmx_exit_hypercall
	testb %al, %al
	jnz 1b
	jmp 5f
4:	call vmx_exit
	testb %al, %al
	jnz 1b
5:	return_to_host
	.size vmx_enter_guarded, . - vmx_enter_guarded

	.section .note.GNU-stack, "", @progbits
