/* SPDX-License-Identifier: BSD-2-Clause */
/* The doorbell's handler of the doorbell probe: when did it arrive? */
	.text
	.code64
	.globl stamp_entry
stamp_entry:
	pushq %rax
	pushq %rdx
	rdtsc
	movl %eax, stamp_tsc(%rip)
	movl %edx, stamp_tsc + 4(%rip)
	incl stamp_count(%rip)
	popq %rdx
	popq %rax
	iretq

	.section .note.GNU-stack, "", @progbits
