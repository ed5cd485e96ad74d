/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the second vCPU of a guest without native calls begins, in real mode behind a startup IPI:
 * copied to a page below 1 MiB, so it names no address of its own. It goes on in start.S as the
 * vCPU of a native guest does.
 */
#include "guests/lib/layout.h"

#define CODE_32_SELECTOR 0x08
#define DATA_32_SELECTOR 0x10
#define CR0_PE 0x1

	.text
	.code16
	.globl bare_real_start, bare_real_end
bare_real_start:
	cli
	lgdtl %cs:(pointer - bare_real_start)
	movl %cr0, %eax
	orl $CR0_PE, %eax
	movl %eax, %cr0
	ljmpl $CODE_32_SELECTOR, $protected
	.balign 4
pointer:
	.word table_end - table - 1
	.long table
bare_real_end:

	.code32
protected:
	movl $DATA_32_SELECTOR, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl $bare_second, %ebx
	jmp start_secondary

	.section .rodata
	.balign 8
table:
	.quad 0
	.quad 0x00cf9b000000ffff	/* 32-bit code, ring 0 */
	.quad 0x00cf93000000ffff	/* data */
table_end:
