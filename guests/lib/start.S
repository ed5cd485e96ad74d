/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the state in which the hypervisor starts a guest (32-bit flat protected mode, paging off,
 * EBX = address of the start information; docs/abi.md) to C in 64-bit mode.
 *
 * Maps the first 4 GiB, or what RAM there is of it, one to one with 2 MiB pages; paging.c adds the
 * rest. The tables lie in .bss: the hypervisor hands out zeroed memory, so only entries that are
 * needed are written and no page is touched for nothing.
 *
 * The other vCPUs begin in start_secondary, in the same state but for EBX, which points to their
 * struct vcpu (vcpu.c). They use the tables as vCPU 0 has made them.
 */
#include "guests/lib/layout.h"

/*
 * The note that marks a native guest (AEROSTAT_NOTE_OWNER and AEROSTAT_NOTE_NATIVE in
 * include/abi/aerostat.h): no other kind of kernel is looked for then.
 */
	.section .note.aerostat, "a", @note
	.balign 4
	.long 2f - 1f, 0, 1
1:	.asciz "Aerostat"
2:	.balign 4

#define START_INFO_RAM_PAGES 8 /* runtime.c asserts it */

#define PAGE_PRESENT 0x1
#define PAGE_WRITABLE 0x2
#define PAGE_LARGE 0x80

#define BOOT_LARGE_PAGES_MAX 2048 /* of 2 MiB: 4 GiB */

#define CR0_CLEAR 0x6000000c	/* CD, NW: caches on; EM, TS: vector instructions not trapped */
#define CR0_SET 0x80010022	/* PG, WP, NE, MP */
#define CR4_SET 0x620		/* PAE, OSFXSR, OSXMMEXCPT */
#define CR4_OSXSAVE 0x40000
#define MSR_EFER 0xc0000080
#define EFER_LME 0x100
#define MSR_GS_BASE 0xc0000101

#define CPUID_1_ECX_XSAVE 26
#define XCR0_WANTED 0x7		/* x87, SSE, AVX */

	/* Paging with boot_pml4, long mode, our GDT; goes on at `target`. Changes EAX, ECX, EDX. */
	.macro enter_64_bit target
	movl %cr4, %eax
	orl $CR4_SET, %eax
	movl %eax, %cr4
	movl $boot_pml4, %eax
	movl %eax, %cr3
	movl $MSR_EFER, %ecx
	rdmsr
	orl $EFER_LME, %eax
	wrmsr
	movl %cr0, %eax
	andl $~CR0_CLEAR, %eax
	orl $CR0_SET, %eax
	movl %eax, %cr0
	lgdt boot_gdt_pointer
	ljmp $GUEST_CODE_SELECTOR, $\target
	.endm

	/*
	 * Data segments, the base of GS (from EBX: the struct vcpu), and extended state beyond SSE
	 * where the processor offers XSAVE. Keeps EBX; changes RAX, RCX, RDX.
	 */
	.macro set_up_64_bit
	movl $GUEST_DATA_SELECTOR, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	xorl %eax, %eax
	movl %eax, %fs
	movl %eax, %gs
	movl $MSR_GS_BASE, %ecx
	movl %ebx, %eax
	xorl %edx, %edx
	wrmsr

	pushq %rbx
	movl $1, %eax
	xorl %ecx, %ecx
	cpuid
	btl $CPUID_1_ECX_XSAVE, %ecx
	jnc 4f
	movq %cr4, %rax
	orq $CR4_OSXSAVE, %rax
	movq %rax, %cr4
	movl $0xd, %eax
	xorl %ecx, %ecx
	cpuid
	andl $XCR0_WANTED, %eax
	xorl %edx, %edx
	xorl %ecx, %ecx
	xsetbv
	movl %eax, guest_xcr0(%rip)
4:	popq %rbx
	.endm

	.section .text.start, "ax"
	.code32
	.globl _start
_start:
	rdtsc
	movl %eax, guest_start_tsc
	movl %edx, guest_start_tsc + 4
	cld
	movl %ebx, %ebp

	/* ECX = 2 MiB pages to map: ceil(ram_pages / 512), at most BOOT_LARGE_PAGES_MAX. */
	movl $BOOT_LARGE_PAGES_MAX, %ecx
	cmpl $0, START_INFO_RAM_PAGES + 4(%ebx)
	jne 1f
	movl START_INFO_RAM_PAGES(%ebx), %eax
	cmpl $BOOT_LARGE_PAGES_MAX * 512, %eax
	jae 1f
	leal 511(%eax), %ecx
	shrl $9, %ecx
1:
	movl $boot_page_directories, %edi
	movl $PAGE_PRESENT | PAGE_WRITABLE | PAGE_LARGE, %eax
	movl %ecx, %edx
2:	movl %eax, (%edi)
	addl $0x200000, %eax
	addl $8, %edi
	decl %edx
	jnz 2b

	/* One directory per started GiB. */
	addl $511, %ecx
	shrl $9, %ecx
	movl $boot_pdpt, %edi
	movl $boot_page_directories + (PAGE_PRESENT | PAGE_WRITABLE), %eax
3:	movl %eax, (%edi)
	addl $4096, %eax
	addl $8, %edi
	decl %ecx
	jnz 3b
	movl $boot_pdpt + (PAGE_PRESENT | PAGE_WRITABLE), boot_pml4

	enter_64_bit start_64

	.code64
start_64:
	movl $vcpus, %ebx
	movl $boot_stack_end, %esp
	set_up_64_bit
	movl %ebp, %edi
	xorl %ebp, %ebp		/* the end of every chain of frames */
	call runtime_main
	ud2			/* it does not return */

	.code32
	.globl start_secondary
start_secondary:
	cld
	enter_64_bit start_secondary_64

	.code64
start_secondary_64:
	movl %ebx, %ebx
	movq VCPU_STACK_END(%rbx), %rsp
	set_up_64_bit
	movl %ebx, %edi
	xorl %ebp, %ebp
	call vcpu_main
	ud2

	.section .rodata.start, "a"
	.balign 8
boot_gdt:
	.quad 0
	.quad 0x00af9b000000ffff	/* 64-bit code, ring 0 */
	.quad 0x00cf93000000ffff	/* data */
boot_gdt_end:

boot_gdt_pointer:
	.word boot_gdt_end - boot_gdt - 1
	.long boot_gdt
	.long 0

	.section .bss.start, "aw", @nobits
	.globl boot_pml4
	.balign 4096
boot_pml4:
	.skip 4096
boot_pdpt:
	.skip 4096
boot_page_directories:
	.skip 4 * 4096
	.balign 16
	.skip GUEST_STACK_BYTES
boot_stack_end:

	/* The TSC at the first instruction. */
	.globl guest_start_tsc
	.balign 8
guest_start_tsc:
	.skip 8

	/* What XSETBV was given; 0 when there is no XSAVE. */
	.globl guest_xcr0
guest_xcr0:
	.skip 4

	.section .note.GNU-stack, "", @progbits
