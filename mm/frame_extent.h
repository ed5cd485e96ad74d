/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The extent that a frame is in, read from the frame table without a lock: for what is shown, not
 * for what is decided.
 */
#ifndef MM_FRAME_EXTENT_H
#define MM_FRAME_EXTENT_H

#include "base/bits.h"
#include "mm/frame.h"

/* Its head, and the tag of that; false: it changes just now. */
static inline bool frame_extent_now(uint64_t pfn, uint64_t *head, struct frame_tag *tag)
{
	for (unsigned order = 0; order <= FRAME_ORDER_MAX; order++) {
		*head = align_down_u64(pfn, order_pages(order));
		*tag = frame_tag_now((pfn_t){*head});
		if (tag->state != FRAME_TAIL) {
			return tag->order <= FRAME_ORDER_MAX &&
			       pfn - *head < order_pages(tag->order);
		}
	}
	return false;
}

#endif
