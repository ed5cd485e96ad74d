/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extended state: x87, SSE, AVX, AVX-512 (Intel SDM volume 1, chapter 13). The hypervisor itself is
 * compiled without these registers, so what lies in them is always a guest's.
 */
#ifndef ARCH_X86_CPU_XSTATE_H
#define ARCH_X86_CPU_XSTATE_H

#include "base/types.h"

#define XSTATE_ALIGN 64

/* Turns the extended state on for this CPU; on the boot CPU also finds the size and the mask. */
void xstate_cpu_init(void);

/* XCR0 of the host: every component that a guest can be given. 3 where there is no XSAVE. */
uint64_t xstate_mask(void);

/*
 * What a guest can enable in XCR0 and fill, offered or not: a superset of xstate_mask(). All of it
 * must be replaced when another guest runs. At first what is offered, because XSETBV ends in an
 * exit that judges it.
 */
uint64_t xstate_reachable(void);

/*
 * For a backend that cannot know whether XSETBV exits: a guest reaches all that the hardware has.
 * Called once, on the boot CPU, before any guest runs.
 */
void xstate_reach_hardware(void);

/* The backend has seen such an exit, so it does. On any CPU, as often as it likes. */
void xstate_reach_offered(void);

/* Bytes of an area that holds what xstate_mask() says in the standard format, at least 576. */
size_t xstate_bytes(void);

/*
 * False: XSAVEC and XRSTOR lose registers on this processor, which is no real one (Bochs 2.7 loses
 * those that AVX-512 adds). The hypervisor itself uses the standard format, which every processor
 * keeps. Found by a trial at boot.
 */
bool xstate_compacts(void);

/* Makes `area` (XSTATE_ALIGN, xstate_bytes()) the state after reset. */
void xstate_init(void *area);

/*
 * Saves to and restores from `area` the components in `mask`; a component that the area says is
 * unused, or that was never saved there, is set to its initial state. XCR0 must be a superset of
 * `mask`, and what is saved must be within xstate_mask().
 */
void xstate_save(void *area, uint64_t mask);
void xstate_restore(const void *area, uint64_t mask);

#endif
