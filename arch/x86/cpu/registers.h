/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control, debug and segment registers: the bits we use by name, and one-instruction wrappers
 * (Intel SDM volume 3, chapters 2 and 18).
 */
#ifndef ARCH_X86_CPU_REGISTERS_H
#define ARCH_X86_CPU_REGISTERS_H

#define CR0_PE 0x00000001
#define CR0_MP 0x00000002
#define CR0_EM 0x00000004
#define CR0_TS 0x00000008
#define CR0_ET 0x00000010
#define CR0_NE 0x00000020
#define CR0_WP 0x00010000
#define CR0_AM 0x00040000
#define CR0_NW 0x20000000
#define CR0_CD 0x40000000
#define CR0_PG 0x80000000

#define CR4_VME 0x00000001
#define CR4_PVI 0x00000002
#define CR4_TSD 0x00000004
#define CR4_DE 0x00000008
#define CR4_PSE 0x00000010
#define CR4_PAE 0x00000020
#define CR4_MCE 0x00000040
#define CR4_PGE 0x00000080
#define CR4_PCE 0x00000100
#define CR4_OSFXSR 0x00000200
#define CR4_OSXMMEXCPT 0x00000400
#define CR4_UMIP 0x00000800
#define CR4_LA57 0x00001000
#define CR4_VMXE 0x00002000
#define CR4_SMXE 0x00004000
#define CR4_FSGSBASE 0x00010000
#define CR4_PCIDE 0x00020000
#define CR4_OSXSAVE 0x00040000
#define CR4_SMEP 0x00100000
#define CR4_SMAP 0x00200000
#define CR4_PKE 0x00400000
#define CR4_CET 0x00800000

#define EFER_SCE 0x001
#define EFER_LME 0x100
#define EFER_LMA 0x400
#define EFER_NXE 0x800
#define EFER_SVME 0x1000

#define DR6_SINGLE_STEP 0x4000
#define DR7_GENERAL_DETECT 0x2000

#define RFLAGS_FIXED 0x00002 /* bit 1 reads as one */
#define RFLAGS_TF 0x00100
#define RFLAGS_IF 0x00200
#define RFLAGS_RF 0x10000
#define RFLAGS_VM 0x20000

#define XCR0_X87 0x01
#define XCR0_SSE 0x02
#define XCR0_AVX 0x04
#define XCR0_MPX 0x18	 /* bounds and their control: both or none */
#define XCR0_AMX 0x60000 /* tile configuration and data: both or none */
#define XCR0_AVX512 0xe0 /* opmask, upper halves of ZMM0-15, ZMM16-31: all or none */

#ifndef __ASSEMBLY__

#include "base/types.h"

#ifdef AEROSTAT_HOST_TEST

/* A fake processor has them: tests/host/fake/processor.c. */
#define CONTROL_REGISTER(name)                                                                     \
	uint64_t read_##name(void);                                                                \
	void write_##name(uint64_t value);

CONTROL_REGISTER(xcr0)

#else

#define CONTROL_REGISTER(name)                                                                     \
	static inline uint64_t read_##name(void)                                                   \
	{                                                                                          \
		uint64_t value;                                                                    \
		__asm__ volatile("mov %%" #name ", %0" : "=r"(value) : : "memory");                \
		return value;                                                                      \
	}                                                                                          \
	static inline void write_##name(uint64_t value)                                            \
	{                                                                                          \
		__asm__ volatile("mov %0, %%" #name : : "r"(value) : "memory");                    \
	}

/* CR4.OSXSAVE must be set. */
static inline uint64_t read_xcr0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static inline void write_xcr0(uint64_t value)
{
	__asm__ volatile("xsetbv"
			 :
			 : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(0)
			 : "memory");
}

#endif

CONTROL_REGISTER(cr0)
CONTROL_REGISTER(cr2)
CONTROL_REGISTER(cr3)
CONTROL_REGISTER(cr4)
CONTROL_REGISTER(dr0)
CONTROL_REGISTER(dr1)
CONTROL_REGISTER(dr2)
CONTROL_REGISTER(dr3)
CONTROL_REGISTER(dr6)
CONTROL_REGISTER(dr7)

#undef CONTROL_REGISTER

/* Drops this CPU's translation of the page at `address`. */
static inline void invalidate_page(uint64_t address)
{
	__asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static inline uint64_t read_rflags(void)
{
	uint64_t value;

	__asm__ volatile("pushfq; popq %0" : "=r"(value) : : "memory");
	return value;
}

/* Lets in what is pending, and nothing that comes later. */
static inline void interrupts_open_once(void)
{
	/* STI takes effect behind the instruction that follows it. */
	__asm__ volatile("sti; nop; cli" : : : "memory");
}

static inline void interrupts_disable(void)
{
	__asm__ volatile("cli" : : : "memory");
}

/* What a descriptor-table register holds; the layout of LGDT, SGDT and LIDT (SDM volume 3, 2.4). */
struct descriptor_table {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

_Static_assert(sizeof(struct descriptor_table) == 10, "layout of the processor");

#ifdef AEROSTAT_HOST_TEST

struct descriptor_table read_gdtr(void);
struct descriptor_table read_idtr(void);

#else

static inline struct descriptor_table read_gdtr(void)
{
	struct descriptor_table table;

	__asm__ volatile("sgdt %0" : "=m"(table));
	return table;
}

static inline struct descriptor_table read_idtr(void)
{
	struct descriptor_table table;

	__asm__ volatile("sidt %0" : "=m"(table));
	return table;
}

#endif

/* Debug registers that a guest may own: everything except DR7, which VM entry and exit switch. */
struct debug_registers {
	uint64_t dr[4];
	uint64_t dr6;
};

static inline void debug_registers_save(struct debug_registers *to)
{
	to->dr[0] = read_dr0();
	to->dr[1] = read_dr1();
	to->dr[2] = read_dr2();
	to->dr[3] = read_dr3();
	to->dr6 = read_dr6();
}

/* DR7 must be without enabled breakpoints, as it is in the host. */
static inline void debug_registers_restore(const struct debug_registers *from)
{
	write_dr0(from->dr[0]);
	write_dr1(from->dr[1]);
	write_dr2(from->dr[2]);
	write_dr3(from->dr[3]);
	write_dr6(from->dr6);
}

#endif /* __ASSEMBLY__ */

#endif
