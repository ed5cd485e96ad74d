/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the guest `probe` share: how an answer is judged, and the processor's names. */
#ifndef GUESTS_PROBE_PROBE_H
#define GUESTS_PROBE_PROBE_H

#include <stdint.h>

#include "guests/probe/trap.h"

#define VECTOR_DEBUG 1
#define VECTOR_BREAKPOINT 3
#define VECTOR_UNDEFINED 6
#define VECTOR_PROTECTION 13
#define VECTOR_PAGE_FAULT 14
#define VECTOR_ALIGNMENT 17

#define CR0_PE 0x1ull
#define CR0_TS 0x8ull
#define CR0_NW 0x20000000ull
#define CR0_AM 0x40000ull
#define CR0_PG 0x80000000ull
#define CR4_TSD 0x4ull
#define CR4_DE 0x8ull
#define CR4_PAE 0x20ull
#define CR4_MCE 0x40ull

#define WRITE_CR(number, value) TRAP_TRY("movq %%rax, %%cr" #number, "a"((uint64_t)(value)))

#define READ_CR(number)                                                                            \
	({                                                                                         \
		uint64_t cr_value;                                                                 \
		__asm__ volatile("movq %%cr" #number ", %0" : "=r"(cr_value));                     \
		cr_value;                                                                          \
	})

/* Counts and prints an answer that is not the one wanted (main.c). */
void expect(const char *what, uint64_t got, uint64_t wanted);

/* Memory that was not touched: an extent of its own each time (main.c). */
uint64_t fresh_address(void);

/* debug.c */
void probe_port_breakpoints(void);
void probe_resume_flag(void);

/* doorbell.c. `spins_max`: turns of a short loop that a slice must not last. */
void probe_doorbell(uint64_t spins_max);

/* registers.c */
void probe_control_register_reads(void);
void probe_status_word(void);

#endif
