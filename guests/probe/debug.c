/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Debug traps and flags behind instructions that the hypervisor completes (Intel SDM volume
 * 3, 18.2.4 and 18.3.1).
 */
#include "guests/probe/probe.h"

#define RFLAGS_RF 0x10000ull
#define DR6_CLEAR 0xffff0ff0ull
#define DR6_CAUSES 0x400full /* BS, B3 to B0 */
#define DR6_STEP 0x4000ull
#define DR7_CLEAR 0x400ull
#define DR7_PORT(n, length) (2ull << 2 * (n) | (2ull | (uint64_t)(length) << 2) << (16 + 4 * (n)))
#define WORD 1 /* DR7's way to say two and four bytes */
#define DOUBLE 3
#define PORT 0x1230u

#define WRITE_DR(number, value) __asm__ volatile("movq %0, %%dr" #number : : "r"((uint64_t)(value)))

static uint64_t read_dr6(void)
{
	uint64_t value;

	__asm__ volatile("movq %%dr6, %0" : "=r"(value));
	return value;
}

static void expect_port_trap(const char *what, uint64_t behind, uint64_t causes)
{
	expect(what, trap_vector, causes != 0 ? VECTOR_DEBUG : TRAP_NONE);
	expect(what, trap_rip, causes != 0 ? behind : 0);
	expect(what, read_dr6() & DR6_CAUSES, causes);
}

#define PORT_TRAP(instruction, port, causes)                                                       \
	do {                                                                                       \
		uint64_t behind, value = 0;                                                        \
		trap_vector = TRAP_NONE;                                                           \
		trap_rip = 0;                                                                      \
		WRITE_DR(6, DR6_CLEAR);                                                            \
		__asm__ volatile(instruction "\n8: leaq 8b(%%rip), %0"                             \
				 : "=&r"(behind), "+a"(value)                                      \
				 : "d"(port)                                                       \
				 : "memory", "cc");                                                \
		expect_port_trap(instruction " " #port, behind, causes);                           \
	} while (0)

#define STEP "pushfq\n orq $0x100, (%%rsp)\n popfq\n "

void probe_port_breakpoints(void)
{
	uint64_t cr4 = READ_CR(4);

	WRITE_DR(0, PORT);
	WRITE_DR(1, PORT + 3); /* aligned to a word of ports: from PORT + 2 on */
	WRITE_DR(2, PORT + 0x10);
	WRITE_DR(7, DR7_CLEAR | DR7_PORT(0, 0) | DR7_PORT(1, WORD) | DR7_PORT(2, DOUBLE));
	expect("CR4 without DE", WRITE_CR(4, cr4 & ~CR4_DE), TRAP_NONE);
	PORT_TRAP("outb %%al, %%dx", PORT, 0);
	expect("CR4.DE", WRITE_CR(4, cr4 | CR4_DE), TRAP_NONE);
	PORT_TRAP("outb %%al, %%dx", PORT, 1);
	PORT_TRAP("inb %%dx, %%al", PORT, 1);
	PORT_TRAP("inb %%dx, %%al", PORT + 1, 0);
	PORT_TRAP("outb %%al, %%dx", PORT + 2, 2);
	PORT_TRAP("outl %%eax, %%dx", PORT, 3);
	PORT_TRAP("outw %%ax, %%dx", PORT - 1, 1);
	PORT_TRAP("inb %%dx, %%al", PORT + 0x13, 4);
	PORT_TRAP("inb %%dx, %%al", PORT + 0x14, 0);
	PORT_TRAP(STEP "outb %%al, %%dx", PORT, 1 | DR6_STEP);
	PORT_TRAP(STEP "outb %%al, %%dx", PORT + 1, DR6_STEP);
	WRITE_DR(7, DR7_CLEAR);
	PORT_TRAP("outb %%al, %%dx", PORT, 0);
	expect("CR4 again", WRITE_CR(4, cr4), TRAP_NONE);
	WRITE_DR(6, DR6_CLEAR);
}

/* It holds for one instruction, also for one that exits; a fault pushes it set, an INT does not. */
void probe_resume_flag(void)
{
	trap_vector = TRAP_NONE;
	resume_cpuid_int();
	expect("INT behind CPUID", trap_vector, TRAP_SOFTWARE_VECTOR);
	expect("resume flag behind CPUID", trap_rflags & RFLAGS_RF, 0);
	expect("RDMSR", TRAP_TRY("rdmsr", "c"(0x40000000), "a"(0), "d"(0)), VECTOR_PROTECTION);
	expect("resume flag of #GP", trap_rflags & RFLAGS_RF, RFLAGS_RF);
}
