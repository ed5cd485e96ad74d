/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Quarantine of revoked frames. The list of an address space runs through frame->next and is
 * guarded by that address space's lock.
 */
#include "mm/reclaim.h"

#include "base/bits.h"
#include "mm/pool.h"
#include "mm/tlb.h"

void reclaim_push(struct s2 *s2, pfn_t pfn, struct frame_tag tag)
{
	struct frame_tag revoking = {FRAME_REVOKING, tag.order, tag.owner};
	lock_acquire(&frame_lock);
	frame_transition(pfn, tag, revoking);
	frame_of(pfn)->next = s2->revoking_head;
	s2->revoking_head = (uint32_t)pfn.n;
	if (tag.state == FRAME_GUEST) {
		promise_held_remove(&s2->promise, order_pages(tag.order));
	} else {
		promise_table_remove(&s2->promise);
	}
	lock_release(&frame_lock);
	s2->revoking_pages += order_pages(tag.order);
}

void reclaim_flush(struct s2_locked locked)
{
	struct s2 *s2 = locked.s2;
	if (s2->revoking_head == FRAME_NONE) {
		return;
	}
	tlb_epoch_enforce(s2, tlb_epoch_request(s2));
	pool_take_revoked(s2->revoking_head, s2->owner);
	s2->revoking_head = FRAME_NONE;
	s2->revoking_pages = 0;
}
