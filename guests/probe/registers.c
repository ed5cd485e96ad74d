/* SPDX-License-Identifier: BSD-2-Clause */
/* Control registers in all forms in which they can be read and written (Intel SDM volume 2, AMD APM
 * 3). */
#include "guests/probe/probe.h"

#include "guests/lib/cpu.h"

#define NOWHERE 0x00007ffffffff000ull /* no table maps it */
#define PATTERN 0x1122334455667788ull
#define STATUS_WORD 0xfull /* PE, MP, EM, TS */

/* MOV from CR`modrm` (bits 5:3) to RCX (bits 2:0), with the bytes of `prefixes` in front of it. */
#define READ_BYTES(prefixes, modrm)                                                                \
	({                                                                                         \
		uint64_t cr_value = 0;                                                             \
		__asm__ volatile(".byte " prefixes "0x0f, 0x20, " #modrm : "=c"(cr_value));        \
		cr_value;                                                                          \
	})

/* Each register by itself, whatever the processor calls the exit. */
void probe_control_register_reads(void)
{
	uint64_t cr3 = READ_CR(3);

	__asm__ volatile("movq %0, %%cr2" : : "r"(PATTERN));
	expect("CR8 of 7", WRITE_CR(8, 7), TRAP_NONE);
	expect("CR2", READ_CR(2), PATTERN);
	expect("CR8", READ_CR(8), 7);
	expect("tables of CR3", *(const uint64_t *)(cr3 & ~0xfffull) & 1, 1);
	expect("paging in CR0", READ_CR(0) & (CR0_PG | CR0_PE), CR0_PG | CR0_PE);
	expect("PAE but no MCE in CR4", READ_CR(4) & (CR4_PAE | CR4_MCE), CR4_PAE);
	/* A REX prefix counts only right before the opcode. */
	expect("CR4 behind 66", READ_BYTES("0x66, ", 0xe1), READ_CR(4));
	expect("CR4 behind REX.W and 66", READ_BYTES("0x48, 0x66, ", 0xe1), READ_CR(4));
	expect("CR0 behind F3, CS, REX.W", READ_BYTES("0xf3, 0x2e, 0x48, ", 0xc1), READ_CR(0));
	expect("CR8 behind 67 and REX.R", READ_BYTES("0x67, 0x44, ", 0xc1), 7);
	expect("CR8 of 0", WRITE_CR(8, 0), TRAP_NONE);
	expect("CR1", TRAP_TRY(".byte 0x0f, 0x20, 0xc8", "a"(0)), VECTOR_UNDEFINED);
	expect("CR5", TRAP_TRY(".byte 0x0f, 0x20, 0xe8", "a"(0)), VECTOR_UNDEFINED);
	expect("write of CR4 behind REX.W and 66",
	       TRAP_TRY(".byte 0x48, 0x66, 0x0f, 0x22, 0xe0", "a"(READ_CR(4) | CR4_TSD)),
	       TRAP_NONE);
	expect("CR4.TSD", READ_CR(4) & CR4_TSD, CR4_TSD);
	expect("CR4 again", WRITE_CR(4, READ_CR(4) & ~CR4_TSD), TRAP_NONE);
}

/* To and from memory: also in a page that is not there yet, and in one that never is. */
void probe_status_word(void)
{
	uint16_t *word = (uint16_t *)fresh_address();
	uint64_t cr0 = READ_CR(0);
	uint64_t count = trap_count;
	uint64_t value = PATTERN;

	__asm__ volatile("smsww %0" : "=m"(*word));
	expect("SMSW to memory", *word, (uint16_t)cr0);
	__asm__ volatile("smswq %0" : "+r"(value));
	expect("SMSW to a register", (uint32_t)value, cr0);
	value = PATTERN;
	__asm__ volatile("smsww %w0" : "+r"(value));
	expect("SMSW to half a register", value, (PATTERN & ~0xffffull) | (uint16_t)cr0);
	*word = 0x0b; /* TS, MP, PE */
	__asm__ volatile("lmsw %0" : : "m"(*word));
	expect("CR0 after LMSW from memory", READ_CR(0), (cr0 & ~STATUS_WORD) | 0x0b);
	expect("CR0 again", WRITE_CR(0, cr0), TRAP_NONE);
	expect("traps of the status word", trap_count, count);
	expect("SMSW to nowhere", TRAP_TRY("smsww (%%rax)", "a"(NOWHERE)), VECTOR_PAGE_FAULT);
	expect("CR2 of SMSW", cpu_read_cr2(), NOWHERE);
	expect("single-step flag of SMSW", trap_rflags & 0x100, 0);
}
