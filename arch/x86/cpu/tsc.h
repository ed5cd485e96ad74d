/* SPDX-License-Identifier: BSD-2-Clause */
/* The time-stamp counter and its frequency (Intel SDM volume 3, 18.17). */
#ifndef ARCH_X86_CPU_TSC_H
#define ARCH_X86_CPU_TSC_H

#include "base/time.h"
#include "base/types.h"

#ifdef AEROSTAT_HOST_TEST

/* A host test that defines it stops the clock. */
uint64_t fake_tsc(void) __attribute__((weak));

#endif

static inline uint64_t tsc_read(void)
{
	uint64_t low, high; /* RDTSC clears the upper halves */

#ifdef AEROSTAT_HOST_TEST
	if (fake_tsc) {
		return fake_tsc();
	}
#endif
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return high << 32 | low;
}

/* Starts the timer chip. What is done between this and tsc_init() is part of the time measured. */
void tsc_measure(void);

/*
 * Finds the frequency, 5 ms after tsc_measure() at the earliest. Before that arch_tsc_khz() is 0,
 * and so is the time of what is logged.
 */
void tsc_init(void);

/* Where the frequency came from, for the log. */
const char *tsc_source(void);

#endif
