/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TLB that is as lazy as the contract of mm/tlb.h allows: what an access has cached stays, stale
 * or not, and a flush drops only what was already out of date when its epoch was requested. It
 * caches leaves and the tables that lead to them, per CPU and VM.
 *
 * fake_tlb_check() fails the test when any of it points at a frame that is no longer its VM's: at
 * that moment another owner's bytes could be read, or a reused frame be walked as a page table.
 */
#ifndef FAKE_TLB_H
#define FAKE_TLB_H

#include "mm/stage2/map.h"

#define FAKE_CPUS 2

void fake_tlb_reset(void);

/*
 * An access of a guest on `cpu` to gfn, through what is cached or else through the tables, which
 * then are cached. Answers where the page is, or NULL when the access faults. Fails the test when a
 * stale translation hides the page that gfn is mapped to now.
 */
uint8_t *fake_tlb_access(const struct s2 *s2, unsigned cpu, gfn_t gfn);

/*
 * The flag that a walk sets in the leaf that it ends at, beside the accessed flag of the format:
 * nothing of the product knows it. What is cached sets nothing.
 */
#define FAKE_TLB_DIRTY (1ull << 8)

/* `cpu` enters the guest: it flushes for all that has been requested. */
void fake_tlb_enter(struct s2 *s2, unsigned cpu);

/* See above. */
void fake_tlb_check(void);

/* Is a translation of gfn cached on `cpu`? */
bool fake_tlb_holds(const struct s2 *s2, unsigned cpu, gfn_t gfn);

/*
 * What is cached, as numbers in an order that does not depend on how it came to be: for a hash of
 * the whole world's state; frames count by the state that they are in. Answers how many of
 * `words` (`room` of them) were filled.
 */
unsigned fake_tlb_digest(uint64_t *words, unsigned room);

/* How many flushes were carried out since the reset. */
extern uint64_t fake_tlb_flush_count;

/* When set, flushes are swallowed: to see that the checks notice. */
extern bool fake_tlb_broken;

#endif
