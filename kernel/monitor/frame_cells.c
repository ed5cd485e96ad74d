/* SPDX-License-Identifier: BSD-2-Clause */
/* See frame_cells.h. */
#include "kernel/monitor/frame_cells.h"

#include "base/bits.h"
#include "mm/frame_extent.h"

static bool fits(uint64_t count, unsigned width, unsigned height, unsigned side)
{
	return count <= (uint64_t)(width / side) * (height / side);
}

bool frame_cells_fit(uint64_t frames, unsigned width, unsigned height, struct frame_cells *cells)
{
	unsigned order = 0;
	unsigned side = FRAME_CELL_SIDE_LEAST;
	uint64_t count = frames;

	while (count > 1 && (count > FRAME_CELLS_MAX || !fits(count, width, height, side))) {
		order++;
		count = (frames + order_pages(order) - 1) >> order;
	}
	if (count == 0 || !fits(count, width, height, side)) {
		return false;
	}
	while (side < FRAME_CELL_SIDE_MOST && fits(count, width, height, side + 1)) {
		side++;
	}
	*cells = (struct frame_cells){
		.side = side,
		.columns = width / side,
		.rows = (unsigned)((count + width / side - 1) / (width / side)),
		.count = (unsigned)count,
		.order = order,
	};
	return true;
}

uint8_t frame_look(struct frame_tag tag)
{
	uint8_t owner = (uint8_t)((tag.owner - 1u) % FRAME_OWNERS);
	uint8_t large = tag.order >= ORDER_2M ? LOOK_LARGE : 0;

	switch (tag.state) {
	case FRAME_HYPERVISOR:
		return LOOK_HYPERVISOR;
	case FRAME_DIRTY:
		return LOOK_DIRTY;
	case FRAME_ZEROED:
		return LOOK_ZEROED;
	case FRAME_GUEST:
		return (uint8_t)(LOOK_OWNED | large | owner);
	case FRAME_REVOKING:
		return tag.owner == VM_ID_HOST ? LOOK_DIRTY
					       : (uint8_t)(LOOK_OWNED | LOOK_QUARANTINE | owner);
	default:
		return LOOK_RESERVED;
	}
}

void frame_scan_begin(struct frame_scan *scan, uint64_t first, uint64_t end)
{
	if (first != scan->next) {
		scan->extent_end = 0;
	}
	scan->next = first;
	scan->end = end;
	scan->looks = 0;
	/* The extent goes on in this cell, and did not begin in it. */
	scan->extent_look &= (uint8_t)~LOOK_BEGIN;
}

static void count(struct frame_scan *scan, uint8_t look, uint64_t pages)
{
	for (unsigned i = 0; i < scan->looks; i++) {
		if (scan->seen[i].look == look) {
			scan->seen[i].pages += pages;
			return;
		}
	}
	/* Of more looks than there is room for, the first count: no colour is that mixture. */
	if (scan->looks < FRAME_SCAN_LOOKS) {
		scan->seen[scan->looks].look = look;
		scan->seen[scan->looks++].pages = pages;
	}
}

/* The extent at `next`, unless the last one goes on. */
static void find_extent(struct frame_scan *scan)
{
	struct frame_tag tag;
	uint64_t head;

	if (scan->next < scan->extent_end) {
		return;
	}
	if (!frame_extent_now(scan->next, &head, &tag)) {
		scan->extent_end = scan->next + 1;
		scan->extent_look = LOOK_RESERVED;
		return;
	}
	scan->extent_end = head + order_pages(tag.order);
	scan->extent_look = frame_look(tag);
	if ((scan->extent_look & LOOK_OWNED) && (scan->extent_look & LOOK_LARGE) &&
	    head == scan->next) {
		scan->extent_look |= LOOK_BEGIN;
	}
}

bool frame_scan_step(struct frame_scan *scan, unsigned *work, uint8_t *look)
{
	while (scan->next < scan->end) {
		if (*work == 0) {
			return false;
		}
		--*work;
		find_extent(scan);
		uint64_t end = min_u64(scan->extent_end, scan->end);
		count(scan, scan->extent_look, end - scan->next);
		scan->next = end;
	}
	unsigned best = 0;
	for (unsigned i = 1; i < scan->looks; i++) {
		best = scan->seen[i].pages > scan->seen[best].pages ? i : best;
	}
	*look = scan->looks > 0 ? scan->seen[best].look : LOOK_RESERVED;
	return true;
}
