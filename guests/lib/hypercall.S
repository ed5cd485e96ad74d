/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two ways into the hypervisor. The call keeps every register but RAX, so nothing is saved
 * around it. Which instruction makes it is the processor's vendor's choice; the hypervisor says.
 */
#include "abi/aerostat.h"

	.text
	.code64

	/* int64_t hypercall(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d) */
	.globl hypercall
hypercall:
	movq %rdi, %rax
	movq %rsi, %rdi
	movq %rdx, %rsi
	movq %rcx, %rdx
	movq %r8, %r10
	cmpb $0, hypercall_is_vmmcall(%rip)
	jne 1f
	vmcall
	ret
1:	vmmcall
	ret

	/*
	 * int64_t hypercall_wait(uint64_t deadline_tsc), called with interrupts off. STI holds
	 * interrupts back for one instruction: a doorbell that rings after the caller's last look
	 * is still pending when the hypervisor sees the call, and then the call does not sleep.
	 */
	.globl hypercall_wait
hypercall_wait:
	movl $AEROSTAT_CALL_WAIT, %eax
	xorl %esi, %esi
	xorl %edx, %edx
	xorl %r10d, %r10d
	cmpb $0, hypercall_is_vmmcall(%rip)
	jne 1f
	sti
	vmcall
	ret
1:	sti
	vmmcall
	ret

	/* void hypercall_init(void): before any of the others */
	.globl hypercall_init
hypercall_init:
	pushq %rbx
	movl $AEROSTAT_CPUID_INTERFACE, %eax
	xorl %ecx, %ecx
	cpuid
	testl $AEROSTAT_FEATURE_VMMCALL, %ebx
	setnz hypercall_is_vmmcall(%rip)
	popq %rbx
	ret

	.bss
	.globl hypercall_is_vmmcall
hypercall_is_vmmcall:
	.skip 1

	.section .note.GNU-stack, "", @progbits
