/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual machine control block as the processor reads and writes it (AMD APM vol. 2, appendix
 * B), and the meaning of its bits. One page; the first 1 KiB is the control area.
 */
#ifndef ARCH_X86_SVM_SVM_VMCB_H
#define ARCH_X86_SVM_SVM_VMCB_H

#include "base/bits.h"
#include "base/types.h"

/* A segment register; `attributes` are access rights without bits 11:8 (see svm_setup.c). */
struct vmcb_segment {
	uint16_t selector;
	uint16_t attributes;
	uint32_t limit;
	uint64_t base;
};

/* Order of the save area. */
enum vmcb_segment_name {
	VMCB_ES,
	VMCB_CS,
	VMCB_SS,
	VMCB_DS,
	VMCB_FS,
	VMCB_GS,
	VMCB_GDTR,
	VMCB_LDTR,
	VMCB_IDTR,
	VMCB_TR,
	VMCB_SEGMENT_COUNT,
};

struct vmcb {
	/* Control area */
	uint16_t intercept_cr_read; /* bit n: CRn */
	uint16_t intercept_cr_write;
	uint16_t intercept_dr_read;
	uint16_t intercept_dr_write;
	uint32_t intercept_exceptions;
	uint32_t intercept_1;
	uint32_t intercept_2;
	uint32_t intercept_3;
	uint8_t reserved_018[0x28];
	uint64_t iopm_base;
	uint64_t msrpm_base;
	uint64_t tsc_offset;
	uint32_t asid;
	uint8_t tlb_control;
	uint8_t reserved_05d[3];
	uint32_t virtual_interrupt;
	uint32_t virtual_vector;
	uint64_t interrupt_shadow;
	uint64_t exit_code;
	uint64_t exit_info_1;
	uint64_t exit_info_2;
	uint64_t exit_event; /* format of arch/x86/guest/guest_event.h; error code in bits 63:32 */
	uint64_t nested_control;
	uint8_t reserved_098[0x10];
	uint64_t entry_event; /* the same format */
	uint64_t nested_cr3;
	uint64_t virtual_lbr;
	uint64_t clean; /* always 0: the processor may keep nothing of this block */
	uint64_t next_rip;
	uint8_t fetched_count;
	uint8_t fetched[15];
	uint8_t reserved_0e0[0x320];

	/* State save area */
	struct vmcb_segment segments[VMCB_SEGMENT_COUNT];
	uint8_t reserved_4a0[0x2b];
	uint8_t cpl;
	uint32_t reserved_4cc;
	uint64_t efer;
	uint8_t reserved_4d8[0x70];
	uint64_t cr4;
	uint64_t cr3;
	uint64_t cr0;
	uint64_t dr7;
	uint64_t dr6;
	uint64_t rflags;
	uint64_t rip;
	uint8_t reserved_580[0x58];
	uint64_t rsp;
	uint8_t reserved_5e0[0x18];
	uint64_t rax;
	uint64_t star;
	uint64_t lstar;
	uint64_t cstar;
	uint64_t fmask;
	uint64_t kernel_gs_base;
	uint64_t sysenter_cs;
	uint64_t sysenter_esp;
	uint64_t sysenter_eip;
	uint64_t cr2;
	uint8_t reserved_648[0x20];
	uint64_t pat;
	uint64_t debugctl;
	uint8_t reserved_678[0x988];
};

_Static_assert(offsetof(struct vmcb, iopm_base) == 0x040, "APM vol. 2, table B-1");
_Static_assert(offsetof(struct vmcb, asid) == 0x058, "APM vol. 2, table B-1");
_Static_assert(offsetof(struct vmcb, virtual_interrupt) == 0x060, "APM vol. 2, table B-1");
_Static_assert(offsetof(struct vmcb, exit_code) == 0x070, "APM vol. 2, table B-1");
_Static_assert(offsetof(struct vmcb, nested_control) == 0x090, "APM vol. 2, table B-1");
_Static_assert(offsetof(struct vmcb, entry_event) == 0x0a8, "APM vol. 2, table B-1");
_Static_assert(offsetof(struct vmcb, nested_cr3) == 0x0b0, "APM vol. 2, table B-1");
_Static_assert(offsetof(struct vmcb, next_rip) == 0x0c8, "APM vol. 2, table B-1");
_Static_assert(offsetof(struct vmcb, segments) == 0x400, "APM vol. 2, table B-2");
_Static_assert(offsetof(struct vmcb, cpl) == 0x4cb, "APM vol. 2, table B-2");
_Static_assert(offsetof(struct vmcb, efer) == 0x4d0, "APM vol. 2, table B-2");
_Static_assert(offsetof(struct vmcb, cr4) == 0x548, "APM vol. 2, table B-2");
_Static_assert(offsetof(struct vmcb, rip) == 0x578, "APM vol. 2, table B-2");
_Static_assert(offsetof(struct vmcb, rsp) == 0x5d8, "APM vol. 2, table B-2");
_Static_assert(offsetof(struct vmcb, rax) == 0x5f8, "APM vol. 2, table B-2");
_Static_assert(offsetof(struct vmcb, cr2) == 0x640, "APM vol. 2, table B-2");
_Static_assert(offsetof(struct vmcb, pat) == 0x668, "APM vol. 2, table B-2");
_Static_assert(sizeof(struct vmcb) == PAGE_BYTES, "APM vol. 2, appendix B");

/* intercept_1 */
#define INTERCEPT_INTR BIT(0)
#define INTERCEPT_NMI BIT(1)
#define INTERCEPT_VINTR BIT(4)
#define INTERCEPT_RDPMC BIT(15)
#define INTERCEPT_CPUID BIT(18)
#define INTERCEPT_IRET BIT(20)
#define INTERCEPT_INVD BIT(22)
#define INTERCEPT_HLT BIT(24)
#define INTERCEPT_INVLPGA BIT(26)
#define INTERCEPT_IO BIT(27)
#define INTERCEPT_MSR BIT(28)
#define INTERCEPT_TASK_SWITCH BIT(29)
#define INTERCEPT_SHUTDOWN BIT(31)

/* intercept_2 */
#define INTERCEPT_VMRUN BIT(0)
#define INTERCEPT_VMMCALL BIT(1)
#define INTERCEPT_VMLOAD BIT(2)
#define INTERCEPT_VMSAVE BIT(3)
#define INTERCEPT_STGI BIT(4)
#define INTERCEPT_CLGI BIT(5)
#define INTERCEPT_SKINIT BIT(6)
#define INTERCEPT_RDTSCP BIT(7)
#define INTERCEPT_WBINVD BIT(9)
#define INTERCEPT_MONITOR BIT(10)
#define INTERCEPT_MWAIT BIT(11)
#define INTERCEPT_MWAIT_ARMED BIT(12)
#define INTERCEPT_XSETBV BIT(13)
#define INTERCEPT_RDPRU BIT(14)

/* tlb_control (APM vol. 2, 15.16.1) */
#define TLB_KEEP 0
#define TLB_FLUSH_ALL 1
#define TLB_FLUSH_ASID 3

/* virtual_interrupt (15.21.1, 15.21.4) */
#define VIRTUAL_TPR 0xffu
#define VIRTUAL_REQUEST 0x100u
#define VIRTUAL_PRIORITY_SHIFT 16
#define VIRTUAL_PRIORITY 0xf0000u
#define VIRTUAL_MASKING 0x1000000u

#define INTERRUPT_SHADOW 1ull
#define NESTED_PAGING 1ull

/* Segment attributes: bits 7:0 of the access rights, then AVL, L, D/B and G. */
#define ATTRIBUTE_TYPE 0x00fu
#define ATTRIBUTE_PRESENT 0x080u
#define ATTRIBUTE_LONG 0x200u
#define ATTRIBUTE_DEFAULT_BIG 0x400u

#endif
