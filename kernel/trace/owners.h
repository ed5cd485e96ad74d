/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which frame is whose, for a recording: rounds through the frame table, 2 MiB at a time. What
 * differs from the last round is recorded as runs of frames with one owner and state, so that a
 * reader can draw the map of frames at any moment. Who changes a frame leaves no mark for it: that
 * would cost every touch and every surrender, with a recording or without.
 */
#ifndef KERNEL_TRACE_OWNERS_H
#define KERNEL_TRACE_OWNERS_H

#include "base/error.h"
#include "base/types.h"

#define TRACE_WINDOW_PAGES 512u

/* The second word of the event `extent`. */
#define TRACE_EXTENT_PAGES 0xffffull
#define TRACE_EXTENT_STATE_SHIFT 16	/* enum frame_state; 0: it changed while it was read */
#define TRACE_EXTENT_LARGE (1ull << 24) /* in a page of 2 MiB or more */
#define TRACE_EXTENT_LAST (1ull << 25)	/* of the window */

/* Nothing has been looked at, and there is no memory to remember it in. For host tests. */
void trace_owners_reset(void);

/*
 * Takes eight bytes for each 2 MiB of RAM, the first time, and keeps them. NO_MEMORY: *error says
 * so, and nothing has changed.
 */
MUST_CHECK enum status trace_owners_prepare(struct error *error);

/* Gives them back, if there are any. */
void trace_owners_release(void);

/*
 * Looks at some more of the frame table, if a round is under way or due, and records what has
 * changed. Of each window at most TRACE_WINDOW_PAGES records. Boot CPU.
 */
void trace_owners_step(uint64_t now_tsc);

#endif
