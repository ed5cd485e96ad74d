/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 32-bit vCPU (mode32.h). Each round: a page goes into the balloon and comes back as zeros; the
 * doorbell arrives when IF lets it; marks in the general registers, CR2, DR0, DR3 and all of x87
 * outlast a while in which other VMs run on this CPU, and a HLT that vCPU 0 ends.
 */
#include "abi/aerostat.h"
#include "guests/lib/hypercall_site.inc"
#include "guests/modes/mode32.h"

#define CR0_CLEAR 0x6000000c /* CD, NW: caches on; EM, TS: x87 not trapped */
#define CR0_SET 0x22	     /* NE, MP */
#define CR0_PAGING 0x80010000 /* PG, WP */
#define CODE_32 0x08
#define DATA_32 0x10
#define SPINS 200000
#define PAGE_WORDS 1024
#define PAGE_STEP 0x9e3779b9

	.text
	.code32

	.macro expect_equal outcome
	movl $\outcome, mode32_failing
	jne mode32_failed
	.endm

	/* Number, RDI, RSI; the answer is in EAX. */
	.macro call_hypervisor number, a, b
	movl $\number, %eax
	movl \a, %edi
	movl \b, %esi
	xorl %edx, %edx
	hypercall_site
	.endm

	/* EDI: where this vCPU sees the page. */
	.macro address_of page
	movl $\page, %edi
	addl mode32 + MODE32_ALIAS, %edi
	.endm

	.globl mode32_start
mode32_start:
	cld
	movl $mode32_stack_end, %esp
	lgdt mode32_gdt_pointer
	ljmp $CODE_32, $1f
1:	movl $DATA_32, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl %eax, %fs
	movl %eax, %gs
	lidt mode32_idt_pointer
	movl %cr0, %eax
	andl $~CR0_CLEAR, %eax
	orl $CR0_SET, %eax
	movl mode32 + MODE32_CR3, %ecx
	jecxz 2f
	movl %ecx, %cr3
	orl $CR0_PAGING, %eax
2:	movl %eax, %cr0
	jmp 3f
3:	address_of mode32_kept
	call fill_page
4:	call use_balloon
	call take_doorbell
	call keep_registers
	address_of mode32_kept
	call check_page
	address_of mode32_given
	call check_page
	decl mode32 + MODE32_ROUNDS
	jnz 4b
	movl $MODE32_DONE, mode32_failing
mode32_failed:
	movl mode32_failing, %eax
	movl %eax, mode32 + MODE32_OUTCOME
5:	cli
	hlt
	jmp 5b

	/* EDI: a page. Words that differ from page to page and from round to round. */
fill_page:
	movl $PAGE_WORDS, %ecx
	movl mode32_marks, %eax
1:	stosl
	addl $PAGE_STEP, %eax
	loop 1b
	ret

check_page:
	movl $PAGE_WORDS, %ecx
	movl mode32_marks, %eax
1:	scasl
	expect_equal MODE32_BAD_MEMORY
	addl $PAGE_STEP, %eax
	decl %ecx
	jnz 1b
	ret

	/* One page in ranges[0]. */
	.macro one_page
	movl mode32 + MODE32_GIVEN_GFN, %eax
	movl %eax, mode32_range
	xorl %eax, %eax
	movl %eax, mode32_range + 4
	movl $1, mode32_range + 8
	movl %eax, mode32_range + 12
	movl %eax, mode32_range + 16
	movl %eax, mode32_range + 20
	.endm

use_balloon:
	call_hypervisor AEROSTAT_CALL_BALLOON_ATTACH, mode32 + MODE32_BALLOON_GFN, $MODE32_VECTOR
	testl %eax, %eax
	expect_equal MODE32_BAD_CALL
	address_of mode32_balloon
	cmpl $AEROSTAT_BALLOON_MAGIC, (%edi)
	expect_equal MODE32_BAD_BALLOON
	cmpl $0, 16(%edi)		/* size_pages */
	expect_equal MODE32_BAD_BALLOON
	address_of mode32_given
	call fill_page
	one_page
	call_hypervisor AEROSTAT_CALL_BALLOON_SURRENDER, $mode32_range, $1
	cmpl $1, %eax
	expect_equal MODE32_BAD_CALL
	cmpb $AEROSTAT_RANGE_OK, mode32_range + 13
	expect_equal MODE32_BAD_BALLOON
	address_of mode32_balloon
	cmpl $1, 16(%edi)
	expect_equal MODE32_BAD_BALLOON
	one_page
	call_hypervisor AEROSTAT_CALL_BALLOON_RETURN, $mode32_range, $1
	cmpl $1, %eax
	expect_equal MODE32_BAD_CALL
	cmpb $AEROSTAT_RANGE_OK, mode32_range + 13
	expect_equal MODE32_BAD_BALLOON
	address_of mode32_given
	movl $PAGE_WORDS, %ecx
	xorl %eax, %eax
	repe scasl
	expect_equal MODE32_BAD_ZERO
	address_of mode32_given
	call fill_page
	call_hypervisor AEROSTAT_CALL_BALLOON_DETACH, $0, $0
	testl %eax, %eax
	expect_equal MODE32_BAD_CALL
	/* DETACH took the doorbell away, too. */
	call_hypervisor AEROSTAT_CALL_VCPU_DOORBELL, $MODE32_VECTOR, $0
	testl %eax, %eax
	expect_equal MODE32_BAD_CALL
	ret

	/* Interrupts are off: it comes behind the instruction that STI shadows. */
take_doorbell:
	movl $0, mode32 + MODE32_RANG
	call_hypervisor AEROSTAT_CALL_VCPU_RING, $MODE32_VCPU, $0
	testl %eax, %eax
	expect_equal MODE32_BAD_CALL
	cmpl $0, mode32 + MODE32_RANG
	expect_equal MODE32_BAD_DOORBELL
	sti
	nop
	nop
	cli
	cmpl $1, mode32 + MODE32_RANG
	expect_equal MODE32_BAD_DOORBELL
	ret

	/* Register and number of its mark. */
	.macro expect_mark register, number
	cmpl mode32_marks + 4 * \number, \register
	expect_equal MODE32_BAD_REGISTER
	.endm
	.macro load_special number, register
	movl mode32_marks + 4 * \number, %eax
	movl %eax, \register
	.endm
	.macro check_special number, register
	movl \register, %eax
	expect_mark %eax, \number
	.endm

keep_registers:
	fninit
	fldcw mode32_x87_control
	.irp number, 0, 1, 2, 3, 4, 5, 6, 7
	fildl mode32_marks + 4 * \number
	.endr
	load_special 8, %cr2
	load_special 9, %dr0
	load_special 10, %dr3
	movl mode32_marks + 44, %ebx
	movl mode32_marks + 48, %ecx
	movl mode32_marks + 52, %edx
	movl mode32_marks + 56, %esi
	movl mode32_marks + 60, %edi
	movl mode32_marks, %ebp
	movl mode32_marks + 4, %eax
	movl $SPINS, mode32 + MODE32_SPINS
1:	decl mode32 + MODE32_SPINS
	jnz 1b
	/* vCPU 0 rings until somebody hears it. */
	movl $0, mode32 + MODE32_RANG
	sti
	hlt
	cli
	expect_mark %eax, 1
	expect_mark %ebx, 11
	expect_mark %ecx, 12
	expect_mark %edx, 13
	expect_mark %esi, 14
	expect_mark %edi, 15
	expect_mark %ebp, 0
	cmpl $1, mode32 + MODE32_RANG
	expect_equal MODE32_BAD_DOORBELL
	check_special 8, %cr2
	check_special 9, %dr0
	check_special 10, %dr3
	.irp number, 7, 6, 5, 4, 3, 2, 1, 0
	fistpl mode32_word
	movl mode32_word, %eax
	cmpl mode32_marks + 4 * \number, %eax
	expect_equal MODE32_BAD_X87
	.endr
	fnstcw mode32_word
	cmpw $MODE32_X87_CONTROL, mode32_word
	expect_equal MODE32_BAD_X87
	ret

	.globl mode32_doorbell, mode32_exception
mode32_doorbell:
	movl $1, mode32 + MODE32_RANG
	iretl
mode32_exception:
	movl $MODE32_EXCEPTION, mode32_failing
	jmp mode32_failed

	.section .rodata.mode32, "a"
	.balign 8
mode32_gdt:
	.quad 0
	.quad 0x00cf9b000000ffff	/* 32-bit code, ring 0 */
	.quad 0x00cf93000000ffff	/* data */
mode32_gdt_end:
mode32_gdt_pointer:
	.word mode32_gdt_end - mode32_gdt - 1
	.long mode32_gdt
mode32_idt_pointer:
	.word (MODE32_VECTOR + 1) * 8 - 1
	.long mode32_gates
mode32_x87_control:
	.word MODE32_X87_CONTROL

	.section .bss.mode32, "aw", @nobits
	.globl mode32, mode32_marks, mode32_given, mode32_kept, mode32_balloon, mode32_gates
	.balign 4096
mode32_given:
	.skip 4096
mode32_kept:
	.skip 4096
mode32_balloon:
	.skip 4096
	.skip 2048
mode32_stack_end:
mode32:
	.skip 32
mode32_marks:
	.skip 4 * MODE32_MARKS
mode32_gates:
	.skip (MODE32_VECTOR + 1) * 8
	.balign 8
mode32_range:
	.skip 24
mode32_failing:
	.skip 4
mode32_word:
	.skip 4

	.section .note.GNU-stack, "", @progbits
