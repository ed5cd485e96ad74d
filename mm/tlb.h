/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flush contract. mm/ removes a translation from a second-stage table, asks for an epoch, and
 * frees the frame only when that epoch is reached: then no CPU can use a translation of that
 * address space that was removed before the request. Implemented by kernel/vm/tlb.c with the
 * backend's flush instruction; the host tests implement it with a TLB that remembers stale entries.
 *
 * With many CPUs that means, for each of them: it has flushed since the request, or it is not in
 * the guest and flushes before it enters again, whatever it has cached until then. A CPU that is in
 * the guest is made to leave; it needs no lock for that, so an address space's lock may be held
 * while waiting for it. What a guest has stored through a removed translation is in memory when the
 * epoch is reached.
 */
#ifndef MM_TLB_H
#define MM_TLB_H

#include "base/types.h"

struct s2;

/*
 * Asks for a flush of all of `s2` and answers its epoch. Cheap; may be asked for many batches. The
 * removal is visible to every CPU before the request is. Lock: the address space's.
 */
uint64_t tlb_epoch_request(struct s2 *s2);

/* No CPU can use a translation of `s2` that was removed before `epoch` was requested. */
bool tlb_epoch_reached(const struct s2 *s2, uint64_t epoch);

/* Makes it so: kicks the CPUs that are in the guest, and returns when the epoch is reached. */
void tlb_epoch_enforce(struct s2 *s2, uint64_t epoch);

#endif
