/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two ways into the hypervisor. VMCALL keeps every register but RAX, so nothing is saved
 * around it.
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
	vmcall
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
	sti
	vmcall
	ret

	.section .note.GNU-stack, "", @progbits
