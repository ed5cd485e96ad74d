/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest program is given and how it ends. */
#ifndef GUESTS_LIB_RUNTIME_H
#define GUESTS_LIB_RUNTIME_H

#include <stdint.h>

#include "abi/aerostat.h"
#include "guests/lib/exit_codes.h"

struct guest_arguments {
	const char *name; /* the VM's */
	const char *text; /* key=value ..., see arguments.h */
	uint64_t seed;	  /* made of the name: what tells this VM's bytes from another's */
};

/*
 * The program. Interrupts are on, the page allocator knows all of RAM, the balloon is not
 * attached. What it returns is the exit code.
 */
int guest_main(const struct guest_arguments *arguments);

/* The digest that goes with the exit code; 0 until set. */
void runtime_set_digest(uint64_t digest);

_Noreturn void runtime_exit(int code);

extern uint64_t runtime_tsc_khz;
extern uint64_t runtime_ram_pages; /* RAM is [0, ram_pages) */
extern uint64_t guest_start_tsc;   /* at the first instruction, from start.S */

/* Spreads the bits of a number over all 64 (a bijection). */
static inline uint64_t runtime_mix(uint64_t value)
{
	value ^= value >> 32;
	value *= 0xd6e8feb86659fd93;
	value ^= value >> 29;
	value *= 0xa24baed4963ee407;
	value ^= value >> 32;
	return value;
}

#endif
