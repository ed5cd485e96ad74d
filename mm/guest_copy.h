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
#include "mm/s2.h"

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

#endif
