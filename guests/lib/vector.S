/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All vector registers at once. Code compiled with -mgeneral-regs-only leaves them alone between
 * the two calls; pattern.c does not.
 */
#define XCR0_AVX 2 /* bit number */

	.text
	.code64
	.altmacro

	.macro load_xmm number
	movups (%rdi), %xmm\number
	.endm
	.macro load_ymm number
	vbroadcastf128 (%rdi), %ymm\number
	.endm
	.macro store_xmm number
	movups %xmm\number, \number * 32(%rdi)
	.endm
	.macro store_ymm number
	vmovups %ymm\number, \number * 32(%rdi)
	.endm

	.macro for_all what
	.set index, 0
	.rept 16
	\what %index
	.set index, index + 1
	.endr
	.endm

	.globl vector_load_all
vector_load_all:
	btl $XCR0_AVX, guest_xcr0(%rip)
	jc 1f
	for_all load_xmm
	ret
1:	for_all load_ymm
	ret

	.globl vector_store_all
vector_store_all:
	btl $XCR0_AVX, guest_xcr0(%rip)
	jc 1f
	for_all store_xmm
	ret
1:	for_all store_ymm
	ret

	.section .note.GNU-stack, "", @progbits
