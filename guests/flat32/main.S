/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flat32: a VM whose only vCPU stays in 32-bit protected mode, without paging, for its whole life: its
 * driver, its handlers and its calls. Written after docs/abi.md, without the code of guests/lib. What 32
 * bits cannot say (deadlines beyond 2^32, R10) it does without.
 *
 * It fills AREA_PAGES pages, says that they are idle, gives single pages when it is asked and takes
 * them back when it may, zeros inside, waiting in turn by WAIT and by HLT. When it has given, and has
 * everything back, it ends with 0; else with the number of the check that failed.
 */
#include "abi/aerostat.h"
#include "guests/lib/hypercall_site.h"
#include "guests/lib/hypercall_site.inc"

#define CODE 0x08
#define DATA 0x10
#define CR0_CLEAR 0x6000000c /* CD, NW, EM, TS */
#define CR0_SET 0x22	     /* NE, MP */
#define CR4_PAE 0x20
#define CR0_PAGING 0x80000000
#define VECTOR 0x51
#define EXCEPTIONS 32
#define FAULT_PROTECTION 13
#define GATE_HIGH 0x8e00 /* interrupt gate, ring 0 */

#define AREA_GFN 1024 /* 4 MiB */
#define AREA_PAGES 1024
#define PAGE_WORDS 1024
#define STEP 0x9e3779b9

/* The start information and the balloon page; guests/lib/runtime.c asserts the like. */
#define START_MAGIC 0
#define START_RAM_PAGES 8
#define BALLOON_TARGET 8
#define BALLOON_SIZE 16
#define BALLOON_TOTAL 64
#define BALLOON_FREE 72
#define BALLOON_IDLE 80

/* Exit codes */
#define BAD_START 2
#define BAD_REGISTER 3
#define BAD_ANSWER 4
#define BAD_REFUSAL 5
#define BAD_BALLOON 6
#define BAD_ZERO 7
#define BAD_MEMORY 8
#define BAD_DOORBELL 9
#define BAD_PAE 10
#define EXCEPTION 11

	/* Ends with `code` unless the flags say equal. */
	.macro expect_equal code
	je 78f
	movl $\code, %edi
	jmp leave
78:
	.endm

	/* RAX, RDI, RSI, RDX; EAX is the answer. */
	.macro call_hypervisor number, a=$0, b=$0, c=$0
	movl \a, %edi
	movl \b, %esi
	movl \c, %edx
	movl $\number, %eax
	hypercall_site
	.endm

	.macro expect_answer value, code
	cmpl $\value, %eax
	expect_equal \code
	.endm

	.section .text.start, "ax"
	.code32
	.globl _start
_start:
	cld
	movl $stack_end, %esp
	movl %ebx, start_info
	lgdt gdt_pointer
	ljmp $CODE, $1f
1:	movl $DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl %eax, %fs
	movl %eax, %gs
	movl %cr0, %eax
	andl $~CR0_CLEAR, %eax
	orl $CR0_SET, %eax
	movl %eax, %cr0
	cmpl $AEROSTAT_START_MAGIC, START_MAGIC(%ebx)
	expect_equal BAD_START
	cmpl $0, START_RAM_PAGES + 4(%ebx)
	expect_equal BAD_START

	/* Which of the two calls it is. */
	movl $AEROSTAT_CPUID_INTERFACE, %eax
	xorl %ecx, %ecx
	cpuid
	testl $AEROSTAT_FEATURE_VMMCALL, %ebx
	jz 3f
	movl $hypercall_sites_start, %ecx
2:	movl (%ecx), %eax
	movb $HYPERCALL_LAST_VMMCALL, HYPERCALL_BYTES - 1(%eax)
	addl $8, %ecx
	cmpl $hypercall_sites_end, %ecx
	jb 2b
	xorl %eax, %eax
	cpuid
3:	call set_gates
	call_hypervisor AEROSTAT_CALL_CONSOLE_WRITE, $hello, $HELLO_BYTES
	expect_answer 0, BAD_ANSWER
	call check_registers
	call check_refusals
	call check_pae
	call fill_area
	movl $balloon, %ebx
	shrl $12, %ebx
	call_hypervisor AEROSTAT_CALL_BALLOON_ATTACH, %ebx, $VECTOR
	expect_answer 0, BAD_ANSWER
	cmpl $AEROSTAT_BALLOON_MAGIC, balloon
	expect_equal BAD_BALLOON
	movl $AREA_PAGES, balloon + BALLOON_TOTAL
	call say_idle
	jmp drive

set_gates:
	xorl %ecx, %ecx
1:	movl $exception, %eax
	cmpl $FAULT_PROTECTION, %ecx
	jne 2f
	movl $protection_fault, %eax
2:	call set_gate
	incl %ecx
	cmpl $EXCEPTIONS, %ecx
	jne 1b
	movl $VECTOR, %ecx
	movl $doorbell, %eax
	call set_gate
	lidt idt_pointer
	ret

	/* EAX: handler, ECX: vector. */
set_gate:
	movl %eax, %edx
	andl $0xffff, %eax
	orl $CODE << 16, %eax
	movl %eax, idt(, %ecx, 8)
	andl $0xffff0000, %edx
	orl $GATE_HIGH, %edx
	movl %edx, idt + 4(, %ecx, 8)
	ret

	/* ---- What a call keeps, and what it refuses ---- */

check_registers:
	movl $0x11112222, %ebx
	movl $0x33334444, %ecx
	movl $0x77778888, %ebp
	call_hypervisor AEROSTAT_CALL_NULL
	expect_answer 0, BAD_ANSWER
	cmpl $0x11112222, %ebx
	expect_equal BAD_REGISTER
	cmpl $0x33334444, %ecx
	expect_equal BAD_REGISTER
	cmpl $0x77778888, %ebp
	expect_equal BAD_REGISTER
	movl %edi, %eax
	orl %esi, %eax
	orl %edx, %eax
	expect_equal BAD_REGISTER
	ret

	/* The low half of a negative answer. */
check_refusals:
	call_hypervisor 99
	expect_answer AEROSTAT_ERROR_UNKNOWN_CALL, BAD_REFUSAL
	call_hypervisor AEROSTAT_CALL_NULL, $1
	expect_answer AEROSTAT_ERROR_RESERVED, BAD_REFUSAL
	call_hypervisor AEROSTAT_CALL_BALLOON_DETACH
	expect_answer AEROSTAT_ERROR_STATE, BAD_REFUSAL
	call_hypervisor AEROSTAT_CALL_CONSOLE_WRITE, $0xfffffff0, $16
	expect_answer AEROSTAT_ERROR_ADDRESS, BAD_REFUSAL
	call_hypervisor AEROSTAT_CALL_BALLOON_ATTACH, $0xffffffff, $VECTOR
	expect_answer AEROSTAT_ERROR_ADDRESS, BAD_REFUSAL
	call_hypervisor AEROSTAT_CALL_VCPU_START, $1, $_start
	expect_answer AEROSTAT_ERROR_VCPU, BAD_REFUSAL
	/* A deadline of 32 bits has passed long ago, or does so within seconds. */
	call_hypervisor AEROSTAT_CALL_WAIT, $1
	expect_answer 0, BAD_ANSWER
	ret

	/* Paging with PAE outside long mode is told to be refused at the write that switches it on. */
check_pae:
	movl %cr4, %eax
	orl $CR4_PAE, %eax
	movl %eax, %cr4
	movl $area_tables, %eax
	movl %eax, %cr3
	movl %cr0, %ecx
	movl %ecx, %eax
	orl $CR0_PAGING, %eax
	movl $1f, resume
	movl %eax, %cr0
1:	cmpl $1, faults
	expect_equal BAD_PAE
	movl %cr0, %eax
	cmpl %ecx, %eax
	expect_equal BAD_PAE
	movl %cr4, %eax
	andl $~CR4_PAE, %eax
	movl %eax, %cr4
	ret

	/* ---- Memory ---- */

	/* EBX: a page of the area. EDI becomes its address, EAX what is in its first word. */
	.macro mark_of_page
	leal AREA_GFN(%ebx), %edi
	shll $12, %edi
	movl %ebx, %eax
	imull $STEP, %eax
	incl %eax
	.endm

fill_page:
	mark_of_page
	movl $PAGE_WORDS, %ecx
1:	stosl
	addl $STEP, %eax
	loop 1b
	ret

fill_area:
	xorl %ebx, %ebx
1:	call fill_page
	incl %ebx
	cmpl $AREA_PAGES, %ebx
	jne 1b
	ret

check_area:
	xorl %ebx, %ebx
1:	mark_of_page
	movl $PAGE_WORDS, %ecx
2:	scasl
	expect_equal BAD_MEMORY
	addl $STEP, %eax
	decl %ecx
	jnz 2b
	incl %ebx
	cmpl $AREA_PAGES, %ebx
	jne 1b
	ret

	/* ---- The driver ---- */

	/* ESI and [size] are the balloon's size, in pages from the end of the area. */
say_idle:
	movl $AREA_PAGES, %eax
	subl size, %eax
	movl %eax, balloon + BALLOON_FREE
	movl %eax, balloon + BALLOON_IDLE
	ret

	/* The range of page EBX. */
	.macro one_page
	leal AREA_GFN(%ebx), %eax
	movl %eax, range
	xorl %eax, %eax
	movl %eax, range + 4
	movl $1, range + 8
	movl %eax, range + 12
	movl %eax, range + 16
	movl %eax, range + 20
	.endm

	.macro expect_done
	expect_answer 1, BAD_ANSWER
	cmpb $AEROSTAT_RANGE_OK, range + 13
	expect_equal BAD_BALLOON
	cmpl $1, range + 16
	expect_equal BAD_BALLOON
	call say_idle
	movl size, %eax
	cmpl %eax, balloon + BALLOON_SIZE
	expect_equal BAD_BALLOON
	.endm

drive:
	movl balloon + BALLOON_TARGET, %eax
	cmpl size, %eax
	ja give
	jb take
	testl %eax, %eax
	jnz wait
	cmpl $0, given
	jne done
wait:
	xorl $1, by_halt
	jnz 1f
	call_hypervisor AEROSTAT_CALL_WAIT
	expect_answer 0, BAD_ANSWER
	jmp drive
	/* What has rung since the look above is pending, and ends the HLT. */
1:	movl $0, rang
	sti
	hlt
	cli
	cmpl $1, rang
	expect_equal BAD_DOORBELL
	jmp drive

give:
	cmpl $AREA_PAGES, size
	je wait
	incl size
	incl given
	movl $AREA_PAGES, %ebx
	subl size, %ebx
	one_page
	call_hypervisor AEROSTAT_CALL_BALLOON_SURRENDER, $range, $1
	expect_done
	jmp drive

take:
	movl $AREA_PAGES, %ebx
	subl size, %ebx
	decl size
	one_page
	call_hypervisor AEROSTAT_CALL_BALLOON_RETURN, $range, $1
	expect_done
	mark_of_page
	movl $PAGE_WORDS, %ecx
	xorl %eax, %eax
	repe scasl
	expect_equal BAD_ZERO
	call fill_page
	jmp drive

done:
	call check_area
	call_hypervisor AEROSTAT_CALL_BALLOON_DETACH
	expect_answer 0, BAD_ANSWER
	call_hypervisor AEROSTAT_CALL_CONSOLE_WRITE, $goodbye, $GOODBYE_BYTES
	expect_answer 0, BAD_ANSWER
	xorl %edi, %edi
leave:
	xorl %esi, %esi
	xorl %edx, %edx
	movl $AEROSTAT_CALL_EXIT, %eax
	hypercall_site
	ud2				/* it does not return */

doorbell:
	movl $1, rang
	iretl

	/* One is expected: it goes on at [resume]. */
protection_fault:
	addl $4, %esp			/* the error code */
	incl faults
	pushl %eax
	movl resume, %eax
	testl %eax, %eax
	jz exception
	movl %eax, 4(%esp)
	movl $0, resume
	popl %eax
	iretl
exception:
	movl $EXCEPTION, %edi
	jmp leave

	.section .rodata.flat32, "a"
	.balign 8
gdt:
	.quad 0
	.quad 0x00cf9b000000ffff	/* 32-bit code, ring 0 */
	.quad 0x00cf93000000ffff	/* data */
gdt_end:
gdt_pointer:
	.word gdt_end - gdt - 1
	.long gdt
idt_pointer:
	.word (VECTOR + 1) * 8 - 1
	.long idt
hello:
	.ascii "32 bits from the first to the last instruction"
	.set HELLO_BYTES, . - hello
goodbye:
	.ascii "all pages came back"
	.set GOODBYE_BYTES, . - goodbye

	.section .bss.flat32, "aw", @nobits
	.balign 4096
balloon:
	.skip 4096
area_tables:
	.skip 4096
	.skip 4096
stack_end:
idt:
	.skip (VECTOR + 1) * 8
range:
	.skip 24
start_info:
	.skip 4
size:
	.skip 4
given:
	.skip 4
rang:
	.skip 4
by_halt:
	.skip 4
faults:
	.skip 4
resume:
	.skip 4

	.section .note.GNU-stack, "", @progbits
