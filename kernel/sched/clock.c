/* SPDX-License-Identifier: BSD-2-Clause */
/* See clock.h. One CPU writes, all read one word. */
#include "kernel/sched/clock.h"

#include "base/bits.h"
#include "base/time.h"
#include "arch/arch.h"

/*
 * The boot CPU passes by after each slice of 2 ms, or when it wakes after 10 ms at most. What is
 * longer than this between two looks was not the guests' time.
 */
#define STANDSTILL_MS 30

static uint64_t looked_tsc;
static uint64_t lost_ticks; /* atomic */

void clock_init(uint64_t now_tsc)
{
	looked_tsc = now_tsc;
	lost_ticks = 0;
}

uint64_t clock_look(uint64_t now_tsc)
{
	uint64_t gap = sub_floor_u64(now_tsc, looked_tsc);
	uint64_t lost = lost_ticks + sub_floor_u64(gap, ticks_from_ms(STANDSTILL_MS));
	looked_tsc = max_u64(looked_tsc, now_tsc);
	__atomic_store_n(&lost_ticks, lost, __ATOMIC_RELAXED);
	return now_tsc - lost;
}

uint64_t clock_now(void)
{
	return arch_tsc() - __atomic_load_n(&lost_ticks, __ATOMIC_RELAXED);
}
