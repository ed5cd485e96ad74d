/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Times in ticks of the time-stamp counter (TSC), and back. Arithmetic that cannot overflow: what
 * is longer than 2^64 ticks is UINT64_MAX, which no clock reaches. For a constant of ordinary size
 * the compiler leaves one multiplication.
 */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include "base/types.h"

#define MS_PER_SECOND 1000ul
#define US_PER_MS 1000ul
#define US_PER_SECOND 1000000ul

/*
 * Implemented by the processor's room: ticks per millisecond, from 1 MHz to 10 GHz (tsc.c believes
 * nothing else); 0 before tsc_init().
 */
uint64_t arch_tsc_khz(void);

static inline uint64_t ticks_from_ms_at(uint64_t ms, uint64_t khz)
{
	uint64_t ticks;
	if (ms <= UINT32_MAX) {
		return ms * khz;
	}
	return __builtin_mul_overflow(ms, khz, &ticks) ? UINT64_MAX : ticks;
}

static inline uint64_t ticks_from_us_at(uint64_t us, uint64_t khz)
{
	uint64_t ticks;
	if (us <= UINT32_MAX) {
		return us * khz / US_PER_MS;
	}
	if (__builtin_mul_overflow(us / US_PER_MS, khz, &ticks) ||
	    __builtin_add_overflow(ticks, us % US_PER_MS * khz / US_PER_MS, &ticks)) {
		return UINT64_MAX;
	}
	return ticks;
}

/* 0 where the frequency is not known yet; from 1 MHz on there are not more of them than ticks. */
static inline uint64_t us_from_ticks_at(uint64_t ticks, uint64_t khz)
{
	if (khz == 0) {
		return 0;
	}
	return ticks / khz * US_PER_MS + ticks % khz * US_PER_MS / khz;
}

/* The same by the clock of this machine. */
static inline uint64_t ticks_from_seconds(uint64_t seconds)
{
	uint64_t ms;
	return __builtin_mul_overflow(seconds, MS_PER_SECOND, &ms)
		       ? UINT64_MAX
		       : ticks_from_ms_at(ms, arch_tsc_khz());
}

static inline uint64_t ticks_from_ms(uint64_t ms)
{
	return ticks_from_ms_at(ms, arch_tsc_khz());
}

static inline uint64_t ticks_from_us(uint64_t us)
{
	return ticks_from_us_at(us, arch_tsc_khz());
}

static inline uint64_t us_from_ticks(uint64_t ticks)
{
	return us_from_ticks_at(ticks, arch_tsc_khz());
}

static inline uint64_t ms_from_ticks(uint64_t ticks)
{
	return us_from_ticks(ticks) / US_PER_MS;
}

#endif
