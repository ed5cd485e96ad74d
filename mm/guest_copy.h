/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The only way in which the hypervisor reads or writes guest memory. Data is copied once and judged
 * on the copy, so that another vCPU cannot change it between check and use.
 *
 * Lock: the address space's, held by the caller.
 */
#ifndef MM_GUEST_COPY_H
#define MM_GUEST_COPY_H

#include "base/status.h"
#include "base/string.h"
#include "mm/stage2/map.h"

/*
 * Copies `bytes` from guest memory at `from`. Pages that are EMPTY read as zeros and stay EMPTY.
 * OUTSIDE: not all in RAM. SURRENDERED: some of it is in the balloon. `to` is then undefined.
 */
MUST_CHECK enum status guest_copy_in(struct s2_locked locked, gpa_t from, void *to, size_t bytes);

/*
 * Copies to guest memory, populating EMPTY pages. Errors as above, and NO_MEMORY; pages before the
 * failing one have been written then.
 */
MUST_CHECK enum status guest_copy_out(struct s2_locked locked, gpa_t to, const void *from,
				      size_t bytes);

/*
 * Where `bytes` (not 0) of guest memory are that lie in one page. They may be read later, under the
 * lock, as long as s2_removals() answers what it does now. OUTSIDE: not all in RAM, or not in one
 * page. SURRENDERED: in the balloon. INVALID: the page is EMPTY.
 */
MUST_CHECK enum status guest_copy_find(struct s2_locked locked, gpa_t at, size_t bytes,
				       const uint8_t **start);

/*
 * A piece of one page that is read, worked on, and written back under one lock. It is looked up
 * once: the caller must not take its page out meanwhile. Its own copy is what the caller judges;
 * the guest may write to the window at any time.
 */
struct guest_window {
	uint8_t *start;
	size_t bytes;
};

/*
 * Populates the page when it is EMPTY; `bytes` is not 0. OUTSIDE: not all in RAM, or not in one
 * page. As above.
 */
MUST_CHECK enum status guest_window_open(struct s2_locked locked, gpa_t at, size_t bytes,
					 struct guest_window *window);

static inline void guest_window_read(struct guest_window window, void *to)
{
	memcpy(to, window.start, window.bytes);
}

static inline void guest_window_write(struct guest_window window, const void *from)
{
	memcpy(window.start, from, window.bytes);
}

#endif
