/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ticks of the time-stamp counter, from samples to rows. Emulated processors count instructions, so
 * a sample is exact; a few are longer because a time slice ended or the governor ran, and the
 * median leaves them out. Nothing is printed before measure_print().
 */
#ifndef GUESTS_BENCH_MEASURE_H
#define GUESTS_BENCH_MEASURE_H

#include <stdint.h>

#include "guests/lib/cpu.h"

#define MEASURE_SAMPLES_MAX 2048

/* Static storage, all zero. */
struct samples {
	unsigned count;
	int64_t ticks[MEASURE_SAMPLES_MAX];
};

/*
 * Ticks of `code` between two readings of the counter, less what the readings cost themselves. In
 * `code` RDI holds `argument`, RSI and R10 hold 0; RAX, RBX, RCX, RDX and R9 are free.
 */
#define MEASURE_ASM(code, argument)                                                                \
	({                                                                                         \
		uint32_t ticks_;                                                                   \
		__asm__ volatile("xorl %%r10d, %%r10d\n\t"                                         \
				 "rdtsc\n\t"                                                       \
				 "movl %%eax, %%r8d\n\t" code "\n\t"                               \
				 "rdtsc\n\t"                                                       \
				 "subl %%r8d, %%eax"                                               \
				 : "=&a"(ticks_)                                                   \
				 : "D"(argument), "S"(0ul)                                         \
				 : "rcx", "rdx", "rbx", "r8", "r9", "r10", "memory", "cc");        \
		(int64_t) ticks_ - measure_empty_asm;                                              \
	})

/* The same for one instruction `op` behind `setup`: what the setup costs is taken off, too. */
#define MEASURE_OP(setup, op, argument)                                                            \
	(MEASURE_ASM(setup "\n\t" op, argument) - MEASURE_ASM(setup, argument))

extern int64_t measure_empty_asm;  /* of MEASURE_ASM around nothing */
extern int64_t measure_empty_call; /* of two calls of cpu_read_tsc() in a row */

/* Finds out what measuring costs. Before anything else here. */
void measure_init(void);

static inline int64_t measure_since(uint64_t start)
{
	return (int64_t)(cpu_read_tsc() - start) - measure_empty_call;
}

/* Adds one sample; beyond MEASURE_SAMPLES_MAX they are dropped. */
void measure_add(struct samples *samples, int64_t ticks);

/*
 * Makes the median, divided by `units`, a row of that name, and forgets the samples. The name must
 * stay where it is.
 */
void measure_row(const char *name, struct samples *samples, uint64_t units);

/* A row whose value is known otherwise. */
void measure_value(const char *name, int64_t value);

/* All rows, as lines `bench name=ticks/units ...`. */
void measure_print(void);

#endif
