/* SPDX-License-Identifier: BSD-2-Clause */
/* Which events are on, as the option `trace=` and the command `trace` name them. Pure. */
#ifndef KERNEL_TRACE_MASK_H
#define KERNEL_TRACE_MASK_H

#include "base/error.h"
#include "base/trace.h"
#include "kernel/lib/words.h"

struct trace_event_info {
	const char *name;
	const char *group;
	const char *first;
	const char *second;
};
extern const struct trace_event_info trace_event_infos[TRACE_EVENTS];

#define TRACE_EXITS (1u << TRACE_exit | 1u << TRACE_entry)
#define TRACE_ALL (UINT32_MAX >> (32 - TRACE_EVENTS))
#define TRACE_USUAL (TRACE_ALL & ~TRACE_EXITS) /* exits are many, and fill the rings */

/*
 * on (all but the group exits), off, all, a number of bits such as 0x1c, or groups and events with
 * commas between them. INVALID: *error names the first word that is none of them; *mask stays.
 */
MUST_CHECK enum status trace_mask_parse(struct word text, uint32_t *mask, struct error *error);

#endif
