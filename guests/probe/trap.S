/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where expected exceptions arrive, a visit to user mode, and the way through the processor's older
 * modes (Intel SDM volume 3, chapters 6 and 10.9). Every register is preserved by the handlers.
 */
#include "guests/lib/exception_stubs.inc"
#include "guests/lib/hypercall_site.inc"
#include "guests/probe/trap.h"

#define RFLAGS_FIXED 0x2
#define RFLAGS_TF 0x100
#define RFLAGS_AC 0x40000
#define CR0_PE 0x1
#define CR0_PG 0x80000000
#define CR4_PSE 0x10
#define CR4_PAE 0x20
#define MSR_EFER 0xc0000080
#define EFER_LME 0x100

	.text
	.code64

	exception_stubs trap, 32, trap_common

	.globl trap_software_stub
trap_software_stub:
	pushq $0
	pushq $TRAP_SOFTWARE_VECTOR

	/* From RSP up: RAX, vector, error, RIP, CS, RFLAGS, RSP, SS. */
trap_common:
	pushq %rax
	incq trap_count(%rip)
	movq 8(%rsp), %rax
	movq %rax, trap_vector(%rip)
	movq 16(%rsp), %rax
	movq %rax, trap_error(%rip)
	movq 24(%rsp), %rax
	movq %rax, trap_rip(%rip)
	movq 40(%rsp), %rax
	movq %rax, trap_rflags(%rip)
	andq $~RFLAGS_TF, 40(%rsp)
	xorl %eax, %eax
	xchgq %rax, trap_resume(%rip)
	testq %rax, %rax
	jz 1f
	movq %rax, 24(%rsp)
1:	popq %rax
	addq $16, %rsp
	iretq

/* int64_t user_visit(void) */
	.globl user_visit
user_visit:
	pushq %rbx
	pushq %rbp
	movq %rsp, kernel_rsp(%rip)
	leaq user_stack_end(%rip), %rax
	leaq user_code(%rip), %rcx
	pushq $TRAP_USER_DATA
	pushq %rax
	pushq $RFLAGS_FIXED | RFLAGS_AC
	pushq $TRAP_USER_CODE
	pushq %rcx
	iretq

user_code:
	xorl %eax, %eax
	xorl %edi, %edi
	xorl %esi, %esi
	xorl %edx, %edx
	xorl %r10d, %r10d
	hypercall_site
	movq %rax, %rbx
	leaq 1f(%rip), %rcx
	movq %rcx, trap_resume(%rip)
	movq user_stack + 1(%rip), %rdx
1:	int $TRAP_LEAVE_USER_VECTOR

	.globl trap_leave_user
trap_leave_user:
	movq kernel_rsp(%rip), %rsp
	pushq $RFLAGS_FIXED
	popfq
	movq %rbx, %rax
	popq %rbp
	popq %rbx
	ret

/*
 * int32_t mode_round_trip(uint64_t directory): EBX the answer of VMCALL, ESI the page directory, EDI
 * our CR3, EBP our CR4.
 */
	.globl mode_round_trip
mode_round_trip:
	pushq %rbx
	pushq %rbp
	pushfq
	cli
	movq %rsp, kernel_rsp(%rip)
	movq %rdi, %rsi
	movq %cr3, %rdi
	movq %cr4, %rbp
	pushq $TRAP_CODE_32
	leaq 1f(%rip), %rax
	pushq %rax
	lretq

	.code32
1:	movl %cr0, %eax			/* compatibility mode; paging off ends long mode */
	andl $~CR0_PG, %eax
	movl %eax, %cr0
	movl $MSR_EFER, %ecx
	rdmsr
	andl $~EFER_LME, %eax
	wrmsr

	movl %ebp, %eax			/* 32-bit paging with 4 MiB pages */
	andl $~CR4_PAE, %eax
	orl $CR4_PSE, %eax
	movl %eax, %cr4
	movl %esi, %cr3
	movl %cr0, %eax
	orl $CR0_PG, %eax
	movl %eax, %cr0
	movl kernel_rsp, %edx		/* a walk of those tables */
	andl $~CR0_PG, %eax
	movl %eax, %cr0

	andl $~CR0_PE, %eax		/* real mode, with the segments as they are */
	movl %eax, %cr0
	pushl %edi
	pushl %esi
	xorl %eax, %eax
	cpuid
	xorl %eax, %eax
	xorl %edi, %edi
	xorl %esi, %esi
	xorl %edx, %edx
	hypercall_site
	movl %eax, %ebx
	popl %esi
	popl %edi
	movl %cr0, %eax
	orl $CR0_PE, %eax
	movl %eax, %cr0

	movl %ebp, %cr4			/* and back */
	movl %edi, %cr3
	movl $MSR_EFER, %ecx
	rdmsr
	orl $EFER_LME, %eax
	wrmsr
	movl %cr0, %eax
	orl $CR0_PG, %eax
	movl %eax, %cr0
	ljmp $TRAP_CODE_64, $2f

	.code64
2:	movq kernel_rsp(%rip), %rsp
	movl %ebx, %eax
	popfq
	popq %rbp
	popq %rbx
	ret

	.section .rodata.trap, "a"
	.balign 8
	.globl trap_stubs
trap_stubs:
	exception_stub_table trap, 32

	.section .bss.trap, "aw", @nobits
	.balign 16
kernel_rsp:
	.skip 16
	.globl user_stack, user_stack_end
user_stack:
	.skip 512
user_stack_end:

	.section .note.GNU-stack, "", @progbits
