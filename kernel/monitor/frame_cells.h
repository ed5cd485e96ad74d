/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame map without a screen: how many frames a cell stands for, and what a cell looks like.
 * Reads tags of the frame table one by one without a lock: a frame that changes hands meanwhile
 * looks as before or as after, and is looked at again soon.
 */
#ifndef KERNEL_MONITOR_FRAME_CELLS_H
#define KERNEL_MONITOR_FRAME_CELLS_H

#include "base/types.h"
#include "mm/frame.h"

#define FRAME_CELLS_MAX 8192
#define FRAME_CELL_SIDE_LEAST 8 /* pixels, gap included */
#define FRAME_CELL_SIDE_MOST 16
#define FRAME_OWNERS 14 /* looks of VMs: seven colours, each full or with a hole */

/* Cells stand side by side, row by row, in the order of addresses. */
struct frame_cells {
	unsigned side; /* of a cell, in pixels */
	unsigned columns;
	unsigned rows;
	unsigned count;
	unsigned order; /* a cell is 2^order frames; of the last one some may be missing */
};

/*
 * Pure: as few frames in a cell as `width` x `height` pixels allow, and then as large cells as they
 * allow. False: not even all frames in one cell fit.
 */
bool frame_cells_fit(uint64_t frames, unsigned width, unsigned height, struct frame_cells *cells);

/* What a cell looks like: one of these, or LOOK_OWNED and the bits behind it. */
enum look {
	LOOK_RESERVED,
	LOOK_HYPERVISOR,
	LOOK_DIRTY,
	LOOK_ZEROED,
	LOOK_NONE,		/* not drawn yet */
	LOOK_OWNER_MASK = 0x0f, /* number of the VM, below FRAME_OWNERS */
	LOOK_BEGIN = 0x10,	/* with LOOK_LARGE: the page begins in this cell */
	LOOK_LARGE = 0x20,	/* in a page of 2 MiB or more */
	LOOK_QUARANTINE = 0x40, /* unmapped, and not flushed yet */
	LOOK_OWNED = 0x80,
};

/* Pure: of an extent with this tag; LOOK_BEGIN is left out. */
uint8_t frame_look(struct frame_tag tag);

#define FRAME_SCAN_LOOKS 8

/* Looking at a cell, frame by frame. */
struct frame_scan {
	uint64_t next;	     /* frame */
	uint64_t end;	     /* of the cell */
	uint64_t extent_end; /* of the extent that the last look was at */
	uint8_t extent_look;
	unsigned looks;
	struct {
		uint8_t look;
		uint64_t pages;
	} seen[FRAME_SCAN_LOOKS];
};

/* Begins with the cell that is frames [first, end); a scan of the one before may have left off. */
void frame_scan_begin(struct frame_scan *scan, uint64_t first, uint64_t end);

/*
 * Looks at *work records at most, and takes those from *work. True: all have been looked at, and
 * *look is what most frames of the cell are.
 */
bool frame_scan_step(struct frame_scan *scan, unsigned *work, uint8_t *look);

#endif
