/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much of its memory each running VM uses: sampled once a second (mm/stage2/sample.h) and
 * smoothed, fast up and slow down, so that a guest that pauses for a moment does not look idle.
 * Boot CPU only; others may read the estimate, a single word.
 */
#ifndef KERNEL_OVERCOMMIT_WORKING_SET_H
#define KERNEL_OVERCOMMIT_WORKING_SET_H

#include "base/types.h"

/* Samples at most one VM that is due, so that one call is short. Takes its address space's lock. */
void working_set_poll(uint64_t now_tsc);

/* The estimate after another second in which `sampled` pages seem to have been used. */
uint64_t working_set_smooth(uint64_t active_pages, uint64_t sampled_pages);

#endif
