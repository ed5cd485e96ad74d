/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two ways into the hypervisor. The call keeps every register but RAX, so nothing is saved
 * around it.
 */
#include "abi/aerostat.h"
#include "guests/lib/hypercall_site.h"
#include "guests/lib/hypercall_site.inc"

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
	hypercall_site
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
	hypercall_site
	ret

	/*
	 * void hypercall_init(void), before any of the others. All memory is writable here. The CPUID
	 * at the end keeps the processor from using instructions that it has fetched before.
	 */
	.globl hypercall_init
hypercall_init:
	pushq %rbx
	movl $AEROSTAT_CPUID_INTERFACE, %eax
	xorl %ecx, %ecx
	cpuid
	testl $AEROSTAT_FEATURE_VMMCALL, %ebx
	jz 3f
	movl $hypercall_sites_start, %ecx
1:	cmpl $hypercall_sites_end, %ecx
	jae 2f
	movq (%rcx), %rax
	movb $HYPERCALL_LAST_VMMCALL, HYPERCALL_BYTES - 1(%rax)
	addl $8, %ecx
	jmp 1b
2:	xorl %eax, %eax
	cpuid
3:	popq %rbx
	ret

	.section .note.GNU-stack, "", @progbits
