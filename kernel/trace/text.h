/* SPDX-License-Identifier: BSD-2-Clause */
/* The words that explain a recording: what machine it is from, and what its numbers stand for. */
#ifndef KERNEL_TRACE_TEXT_H
#define KERNEL_TRACE_TEXT_H

#include "kernel/trace/ring.h"

/*
 * Lines of KEY=VALUE into `text`, as docs/trace.md lists them; answers how many bytes. What does
 * not fit is left out, whole lines at a time. `used` is all events that have been on so far, `end`
 * says that no record follows. Boot CPU.
 */
size_t trace_text(char *text, size_t bytes, const struct trace_ring *rings, unsigned cpus,
		  uint32_t used, bool end);

/* One record in words: "0.123456 0 hungry.0 fault gfn=0x200 pages=1". */
#define TRACE_LINE_BYTES 160
void trace_text_record(const struct trace_record *record, char *text);

#endif
