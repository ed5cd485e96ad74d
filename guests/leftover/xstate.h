/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The extended state of a processor as an attacker sees it: not what CPUID offers, but what XSETBV,
 * XRSTOR and XSAVE let through (Intel SDM volume 1, chapter 13). Nothing here believes CPUID.
 */
#ifndef GUESTS_LEFTOVER_XSTATE_H
#define GUESTS_LEFTOVER_XSTATE_H

#include <stdbool.h>
#include <stdint.h>

#define XSTATE_LEGACY 0x3ull /* x87 and SSE: FXSAVE reaches them too */

/*
 * Switches XSAVE and then component after component on, each that is not refused, and learns where
 * XSAVE puts it. Answers those that it reaches; 3 where there is no XSAVE. Once, before all others.
 */
uint64_t xstate_reach(void);

/* Back to what the library had set up. */
void xstate_hide(void);

/*
 * Switches on what xstate_reach() reached, and answers which components hold something other than
 * their initial state; a line says what is the first of it.
 */
uint64_t xstate_search(void);

/* Fills the components in `mask` with `mark`; answers those that took it. */
uint64_t xstate_plant(uint64_t mask, uint64_t mark);

/*
 * Compares with what xstate_plant() left: every byte of the components in `keep` is still there,
 * those in `mask` hold that or are in their initial state. False: a line says where they do not.
 */
bool xstate_is_own(uint64_t mask, uint64_t keep);

/* Makes XSAVES try for supervisor components; answers those that it reaches. */
uint64_t xstate_supervisor(void);

#endif
