/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the interrupts of devices.c arrive, on whichever vector, without an error code; and #GP, which
 * only RDMSR and WRMSR of two bytes raise there.
 */
	.text
	.code64
	.globl devices_interrupt, devices_protection, devices_page_fault
devices_interrupt:
	lock incq devices_interrupts(%rip)
	iretq

devices_protection:
	lock incq devices_protections(%rip)
	addq $8, %rsp
	addq $2, (%rsp)
	iretq

devices_page_fault:
	ud2			/* no vector of devices.c expects it: a triple fault ends the VM */

	.bss
	.balign 8
	.globl devices_interrupts, devices_protections
devices_interrupts:
	.quad 0
devices_protections:
	.quad 0

	.section .note.GNU-stack, "", @progbits
