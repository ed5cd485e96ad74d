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

/* Bytes of an area that holds them all in the standard format, at least 576. */
size_t xstate_bytes(void);

/* Makes `area` (XSTATE_ALIGN, xstate_bytes()) the state after reset. */
void xstate_init(void *area);

/*
 * Saves to and restores from `area` the components in `mask`; a component that the area says is
 * unused is set to its initial state. XCR0 must be a superset of `mask`.
 */
void xstate_save(void *area, uint64_t mask);
void xstate_restore(const void *area, uint64_t mask);

#endif
