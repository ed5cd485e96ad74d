/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flush contract. mm/ removes a translation from a second-stage table, asks for an epoch, and
 * gives the frame to nobody before that epoch is reached: then no CPU can use a translation of that
 * address space that was removed before the request. Implemented by kernel/tlb.c with the backend's
 * flush instruction; the host tests implement it with a TLB that remembers stale entries.
 */
#ifndef MM_TLB_H
#define MM_TLB_H

#include "base/types.h"

struct s2;

/* Asks for a flush of all of `s2` and answers its epoch. Cheap; may be asked for many batches. */
uint64_t tlb_epoch_request(struct s2 *s2);

/* Every CPU that could hold translations of `s2` has flushed since `epoch` was requested. */
bool tlb_epoch_reached(const struct s2 *s2, uint64_t epoch);

/* Makes it so: flushes here, kicks CPUs that run the VM, returns when the epoch is reached. */
void tlb_epoch_enforce(struct s2 *s2, uint64_t epoch);

#endif
