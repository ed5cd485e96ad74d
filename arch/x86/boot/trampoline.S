/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every processor but the first starts here (Intel SDM volume 3, 9.4.4): in real mode, at the start
 * of the page that its start-up command names. That page holds a copy of ap_trampoline, which
 * does no more than reach protected mode. What follows runs in the image with the early page tables
 * of entry.S, which show low memory as it is; the final ones never do. The boot CPU has set CR3's
 * value and the stack in ap_start.
 *
 * A processor that was not called, or no longer, halts before it touches a stack.
 */
#include "asm_offsets.h"
#include "arch/x86/boot/smp.h"
#include "arch/x86/cpu/gdt.h"
#include "arch/x86/cpu/msr.h"
#include "arch/x86/trap/paging.h"
#include "arch/x86/cpu/registers.h"

#define PHYSICAL(symbol) (symbol - IMAGE_BASE)

	.section .rodata.trampoline, "a"
	.code16
	.globl ap_trampoline, ap_trampoline_end
ap_trampoline:
	cli
	cld
	lgdtl %cs:(trampoline_gdt_register - ap_trampoline)
	movl $(CR0_ET | CR0_PE), %eax /* and caches on: INIT leaves them off */
	movl %eax, %cr0
	ljmpl $SELECTOR_EARLY_CODE_32, $PHYSICAL(other_protected)

	.balign 4
trampoline_gdt_register:
	.word EARLY_GDT_BYTES - 1
	.long PHYSICAL(early_gdt)
ap_trampoline_end:

	.section .boot_text, "ax"
	.code32
other_protected:
	movl $SELECTOR_DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl $CR4_PAE, %eax
	movl %eax, %cr4
	movl $PHYSICAL(early_pml4), %eax
	movl %eax, %cr3
	/* No-execute now: the final tables use it. The boot CPU has it, or would not be here. */
	movl $MSR_IA32_EFER, %ecx
	movl $(EFER_LME | EFER_NXE), %eax
	xorl %edx, %edx
	wrmsr
	movl $(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE), %eax
	movl %eax, %cr0
	ljmp $SELECTOR_CODE, $PHYSICAL(other_long_mode)

	.code64
other_long_mode:
	xorl %eax, %eax
	movl %eax, %fs
	movl %eax, %gs
	movq $ap_upper_half, %rax
	jmp *%rax

	.section .text.ap_upper_half, "ax"
ap_upper_half:
	movq ap_start + AP_PAGE_TABLES, %rax
	movq %rax, %cr3
	movl $AP_CALLED, %eax
	movl $AP_ARRIVED, %ecx
	lock cmpxchgl %ecx, ap_start + AP_STATE
	jne 1f
	movq ap_start + AP_STACK_TOP, %rsp
	xorl %ebp, %ebp /* end of every back-trace */
	call ap_main
	ud2
1:
	cli
	hlt
	jmp 1b

	.section .note.GNU-stack, "", @progbits
