/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processors that are threads. Each has a TLB of its own that keeps what it has cached (leaves and
 * pointers to tables) until the flush instruction, and uses it without looking at the tables again;
 * so an access may go to a frame that was taken out long ago, unless the flush contract is kept.
 *
 * A failure ends the program at once, with a message.
 */
#ifndef FAKE_THREADS_H
#define FAKE_THREADS_H

#include "arch/arch.h"
#include "mm/stage2/map.h"

#define FAKE_THREADS 4

_Noreturn void fake_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* This thread is that CPU from now on; random numbers of its own, the same ones for a seed. */
void fake_cpu_begin(unsigned cpu, uint64_t seed);
uint64_t fake_cpu_draw(uint64_t below);

/* Somebody wants this CPU out of the guest. */
bool fake_cpu_is_kicked(void);
void fake_cpu_kick_seen(void);

/*
 * The word at `index` of the page that this CPU believes to be at gfn, NULL: the access faults.
 * Only between tlb_enter and tlb_leave.
 */
uint64_t *fake_cpu_access(const struct s2 *s2, uint64_t gfn, unsigned index);

/* How often all CPUs together have used a translation that they had cached, and flushed. */
uint64_t fake_cpus_hits(void);
uint64_t fake_cpus_flushes(void);
uint64_t fake_cpus_kicks(void);

#endif
