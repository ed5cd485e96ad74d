/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the boot loader to C. The loader jumps to boot_entry in the state of the multiboot2
 * specification, chapter 3.3: 32-bit protected mode, paging and interrupts off, EAX = magic,
 * EBX = boot information. Here the processor is checked for long mode, the first page tables are
 * built (identity and IMAGE_BASE, 2 MiB pages, no rights yet: paging.c replaces them), and
 * arch_main(magic, boot_information) runs in the upper half on the boot CPU's main stack.
 *
 * Until then addresses of symbols are physical: PHYSICAL(symbol).
 */
#include "asm_offsets.h"
#include "arch/x86/cpu/gdt.h"
#include "arch/x86/cpu/msr.h"
#include "arch/x86/trap/paging.h"
#include "arch/x86/cpu/registers.h"

#define PHYSICAL(symbol) (symbol - IMAGE_BASE)

#define MULTIBOOT2_HEADER_MAGIC 0xe85250d6
#define MULTIBOOT2_LOADER_MAGIC 0x36d76289
#define TAG_INFORMATION_REQUEST 1
#define TAG_ENTRY_ADDRESS 3
#define TAG_SCREEN 5
#define TAG_MODULE_ALIGN 6
#define TAG_IS_OPTIONAL 1
#define INFORMATION_MEMORY_MAP 6

#define ENTRY_PRESENT_WRITE 0x03
#define ENTRY_LARGE 0x80
#define GIB_COUNT 4 /* EARLY_MAP_BYTES */

/* ---- The header that the loader looks for ---------------------------------------------------- */

	.section .multiboot2, "a"
	.balign 8
header:
	.long MULTIBOOT2_HEADER_MAGIC
	.long 0 /* i386, 32-bit protected mode */
	.long header_end - header
	.long -(MULTIBOOT2_HEADER_MAGIC + (header_end - header))

	.balign 8
	.short TAG_INFORMATION_REQUEST, 0
	.long 12
	.long INFORMATION_MEMORY_MAP

	.balign 8
	.short TAG_ENTRY_ADDRESS, 0
	.long 12
	.long PHYSICAL(boot_entry)

	/* Any screen of pixels will do; without one, VGA text is as good, or nothing. */
	.balign 8
	.short TAG_SCREEN, TAG_IS_OPTIONAL
	.long 20
	.long 0, 0, 0 /* width, height, bits of a pixel */

	.balign 8
	.short TAG_MODULE_ALIGN, 0
	.long 8

	.balign 8
	.short 0, 0 /* end of tags */
	.long 8
header_end:

/* ---- 32-bit ---------------------------------------------------------------------------------- */

	.section .boot_text, "ax"
	.code32

	.globl boot_entry
	.type boot_entry, @function
boot_entry:
	cli
	cld
	movl %eax, %esi /* magic and boot information: kept in ESI and EBP */
	movl %ebx, %ebp
	movl $PHYSICAL(boot_cpu_stacks + STACKS_MAIN_TOP), %esp

	movl $PHYSICAL(text_not_multiboot2), %ebx
	cmpl $MULTIBOOT2_LOADER_MAGIC, %esi
	jne boot_refuse

	/* A processor without CPUID cannot change the ID flag, bit 21. */
	movl $PHYSICAL(text_no_long_mode), %ebx
	pushfl
	popl %eax
	movl %eax, %ecx
	xorl $(1 << 21), %eax
	pushl %eax
	popfl
	pushfl
	popl %eax
	xorl %ecx, %eax
	testl $(1 << 21), %eax
	jz boot_refuse

	/* The time that everything is counted from: a processor with CPUID has RDTSC. */
	rdtsc
	movl %eax, PHYSICAL(boot_entry_tsc)
	movl %edx, PHYSICAL(boot_entry_tsc + 4)

	/* CPUID overwrites EBX. */
	movl $0x80000000, %eax
	cpuid
	cmpl $0x80000001, %eax
	movl $PHYSICAL(text_no_long_mode), %ebx
	jb boot_refuse
	movl $0x80000001, %eax
	cpuid
	movl $PHYSICAL(text_no_long_mode), %ebx
	testl $(1 << 29), %edx
	jz boot_refuse

	call boot_build_tables

	/*
	 * Whole values: firmware's leftovers (5-level paging, caches off, and on UEFI machines
	 * machine checks, FXSAVE, write protection, no-execute) go with them.
	 */
	movl $CR4_PAE, %eax
	movl %eax, %cr4
	movl $PHYSICAL(early_pml4), %eax
	movl %eax, %cr3
	movl $MSR_IA32_EFER, %ecx
	movl $EFER_LME, %eax
	xorl %edx, %edx
	wrmsr
	movl $(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE), %eax
	movl %eax, %cr0

	lgdt PHYSICAL(early_gdt_register)
	ljmp $SELECTOR_CODE, $PHYSICAL(boot_long_mode)

/* Fills the early tables. The loader has cleared .bss. Changes EAX, ECX, EDX, EDI. */
boot_build_tables:
	movl $PHYSICAL(early_pdpt_low), %eax
	orl $ENTRY_PRESENT_WRITE, %eax
	movl %eax, PHYSICAL(early_pml4)
	movl $PHYSICAL(early_pdpt_high), %eax
	orl $ENTRY_PRESENT_WRITE, %eax
	movl %eax, PHYSICAL(early_pml4 + 511 * 8)

	/* IMAGE_BASE is entry 510 of its table: the last two GiB show the first two. */
	movl $PHYSICAL(early_pds), %eax
	orl $ENTRY_PRESENT_WRITE, %eax
	movl %eax, PHYSICAL(early_pdpt_high + 510 * 8)
	movl $PHYSICAL(early_pdpt_low), %edi
	movl $GIB_COUNT, %ecx
1:
	movl %eax, (%edi)
	addl $4096, %eax
	addl $8, %edi
	loop 1b
	movl $PHYSICAL(early_pds + 4096), %eax
	orl $ENTRY_PRESENT_WRITE, %eax
	movl %eax, PHYSICAL(early_pdpt_high + 511 * 8)

	movl $PHYSICAL(early_pds), %edi
	movl $(ENTRY_PRESENT_WRITE | ENTRY_LARGE), %eax
	movl $(GIB_COUNT * 512), %ecx
1:
	movl %eax, (%edi)
	addl $0x200000, %eax
	addl $8, %edi
	loop 1b
	ret

/* ---- A message and the end, for machines on which nothing else works ------------------------- */

#define COM1 0x3f8
#define VGA_TEXT 0xb8000
#define VGA_LIGHT 0x0f
#define VGA_ROW_BYTES 160

/*
 * EBX = the message. Every wait is bounded: the serial port may be absent. The message is in the
 * upper rows of VGA's text memory, too; a screen in another mode does not show what is there.
 */
boot_refuse:
	movl $PHYSICAL(serial_setup), %esi
	movl $((serial_setup_end - serial_setup) / 2), %ecx
1:
	lodsw /* AL = register, AH = value */
	movzbl %al, %edx
	addl $COM1, %edx
	movb %ah, %al
	outb %al, %dx
	loop 1b

	/* Rows 0 to 2 become blank; the text begins in row 1. */
	movl $VGA_TEXT, %edi
	movl $(3 * VGA_ROW_BYTES / 2), %ecx
	movl $(VGA_LIGHT << 8 | ' '), %eax
	rep stosw
	movl $(VGA_TEXT + VGA_ROW_BYTES), %edi
	movl $PHYSICAL(text_prefix), %esi
	call boot_print
	movl %ebx, %esi
	call boot_print
	movl $PHYSICAL(text_end_of_line), %esi
	call boot_print

	/* Let the last bytes leave the port, then tell the emulators' exit ports. */
	movl $0x100000, %ecx
1:
	movl $(COM1 + 5), %edx
	inb %dx, %al
	testb $0x40, %al
	loope 1b
	movl $0x11, %eax
	movl $0xf4, %edx
	outl %eax, %dx
	movl $PHYSICAL(text_shutdown), %esi
	movl $0x8900, %edx
	movl $8, %ecx
	rep outsb
2:
	cli
	hlt
	jmp 2b

/* ESI = zero-terminated text, EDI = its place on the screen. Changes EAX, ECX, EDX, ESI, EDI. */
boot_print:
	movl $0x100000, %ecx
1:
	movl $(COM1 + 5), %edx
	inb %dx, %al
	testb $0x20, %al
	loope 1b
	lodsb
	testb %al, %al
	jz 2f
	movl $COM1, %edx
	outb %al, %dx
	cmpb $' ', %al
	jb boot_print /* the end of the line */
	movb $VGA_LIGHT, %ah
	stosw
	jmp boot_print
2:
	ret

/* ---- 64-bit ---------------------------------------------------------------------------------- */

	.code64
boot_long_mode:
	movl $SELECTOR_DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	xorl %eax, %eax
	movl %eax, %fs
	movl %eax, %gs
	movq $boot_upper_half, %rax
	jmp *%rax

	.section .text.boot_upper_half, "ax"
boot_upper_half:
	movq $(boot_cpu_stacks + STACKS_MAIN_TOP), %rsp
	movl %esi, %edi /* magic; boot information; the upper halves are undefined, so clear them */
	movl %ebp, %esi
	xorl %ebp, %ebp /* end of every back-trace */
	call arch_main
	ud2

/* ---- Data ------------------------------------------------------------------------------------ */

	.section .rodata.boot, "a"
	.balign 8
	.globl early_gdt
early_gdt:
	.quad 0
	.quad 0x00af9b000000ffff /* SELECTOR_CODE: 64-bit code */
	.quad 0x00cf93000000ffff /* SELECTOR_DATA */
	.quad 0x00cf9b000000ffff /* SELECTOR_EARLY_CODE_32 */
	.if . - early_gdt != EARLY_GDT_BYTES
	.error "EARLY_GDT_BYTES"
	.endif
early_gdt_register:
	.word EARLY_GDT_BYTES - 1
	.long PHYSICAL(early_gdt)

/* Pairs: register of the UART, value. 115200 baud, 8N1, queues on. */
serial_setup:
	.byte 1, 0x00
	.byte 3, 0x80
	.byte 0, 0x01
	.byte 1, 0x00
	.byte 3, 0x03
	.byte 2, 0x07
	.byte 4, 0x03
serial_setup_end:

text_prefix:
	.asciz "[0.000000] 0 - halt: "
text_not_multiboot2:
	.asciz "Aerostat was not started by a multiboot2 boot loader; use GRUB's command multiboot2"
text_no_long_mode:
	.asciz "this processor has no 64-bit mode; Aerostat needs an x86-64 processor"
text_end_of_line:
	.asciz "\r\n"
text_shutdown:
	.ascii "Shutdown"

	.section .bss.early_tables, "aw", @nobits
	.balign 4096
	.globl early_pml4
early_pml4:
	.skip 4096
early_pdpt_low:
	.skip 4096
early_pdpt_high:
	.skip 4096
early_pds:
	.skip GIB_COUNT * 4096

	.section .note.GNU-stack, "", @progbits
