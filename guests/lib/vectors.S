/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where exceptions and the doorbell arrive (Intel SDM volume 3, chapter 6). An exception ends the
 * guest, so nothing is saved: its stub completes the frame to {vector, error, RIP, CS, RFLAGS, RSP,
 * SS} and calls fault_report(frame). The doorbell only leaves a note, one per vCPU; MOV changes no
 * register and no flag. There is no interrupt controller that would have to be told.
 */
#include "guests/lib/layout.h"

	.text
	.code64

	.altmacro
	/* Only these vectors come with an error code. */
	.macro stub vector
fault_stub_\vector:
	.if \vector != 8 && (\vector < 10 || \vector > 14) && \vector != 17 && \vector != 21 \
		&& \vector != 29 && \vector != 30
	pushq $0
	.endif
	pushq $\vector
	jmp fault_common
	.endm

	.macro stub_address vector
	.quad fault_stub_\vector
	.endm

	.set index, 0
	.rept EXCEPTION_COUNT
	stub %index
	.set index, index + 1
	.endr

fault_common:
	cld
	movq %rsp, %rdi
	xorl %ebp, %ebp
	andq $-16, %rsp
	call fault_report

	.globl doorbell_entry
doorbell_entry:
	movl $1, %gs:VCPU_DOORBELL_RUNG
	iretq

	.section .rodata.vectors, "a"
	.balign 8
	.globl fault_stubs
fault_stubs:
	.set index, 0
	.rept EXCEPTION_COUNT
	stub_address %index
	.set index, index + 1
	.endr

	.section .note.GNU-stack, "", @progbits
