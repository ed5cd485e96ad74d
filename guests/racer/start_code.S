/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a vCPU begins that two others have started at once: it counts itself and stays. 32-bit, as
 * at entry; EBX points to {count, sum of what the starters passed}.
 */
	.text
	.code32
	.globl start_counted
start_counted:
	lock incl (%ebx)
1:	cli
	hlt
	jmp 1b

	.section .note.GNU-stack, "", @progbits
