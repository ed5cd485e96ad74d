/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vCPU that never leaves 32-bit protected mode and knows no vector register: CR4 stays 0, so
 * neither SSE nor XSAVE is on; x87 is. vCPU 0 fills in struct mode32, starts vCPU 1 at mode32_start
 * and reads the outcome. One of them in a VM.
 */
#ifndef GUESTS_MODES_MODE32_H
#define GUESTS_MODES_MODE32_H

/* Bytes in struct mode32; main.c asserts them. */
#define MODE32_CR3 0
#define MODE32_ALIAS 4
#define MODE32_ROUNDS 8
#define MODE32_RANG 12
#define MODE32_OUTCOME 16
#define MODE32_BALLOON_GFN 20
#define MODE32_GIVEN_GFN 24
#define MODE32_SPINS 28

/* Outcome: which check failed. */
#define MODE32_RUNS 0
#define MODE32_DONE 1
#define MODE32_BAD_CALL 2
#define MODE32_BAD_BALLOON 3
#define MODE32_BAD_ZERO 4
#define MODE32_BAD_MEMORY 5
#define MODE32_BAD_DOORBELL 6
#define MODE32_BAD_REGISTER 7
#define MODE32_BAD_X87 8
#define MODE32_EXCEPTION 9

#define MODE32_VCPU 1
#define MODE32_VECTOR 0x45
#define MODE32_MARKS 16
#define MODE32_X87_CONTROL 0x27f /* all exceptions masked, precision of a double */

#ifndef __ASSEMBLY__

#include <stdint.h>

struct mode32 {
	uint32_t cr3;	/* of 32-bit page tables, 0: paging stays off */
	uint32_t alias; /* added to the address of a page: where the tables map it once more */
	uint32_t rounds;
	uint32_t rang; /* set by the doorbell's handler */
	uint32_t outcome;
	uint32_t balloon_gfn;
	uint32_t given_gfn; /* the page that goes into the balloon and comes back */
	uint32_t spins;
};

extern struct mode32 mode32;
extern uint32_t mode32_marks[MODE32_MARKS];
extern uint8_t mode32_given[4096], mode32_kept[4096], mode32_balloon[4096];
extern uint64_t mode32_gates[MODE32_VECTOR + 1];
extern const char mode32_start[], mode32_doorbell[], mode32_exception[];

#endif
#endif
