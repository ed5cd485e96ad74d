/* SPDX-License-Identifier: BSD-2-Clause */
/* A trace that keeps the last records, for tests that look at them. Nothing is on at first. */
#ifndef FAKE_TRACE_H
#define FAKE_TRACE_H

#include "base/trace.h"

#define FAKE_TRACE_KEPT 8

struct fake_trace_record {
	uint32_t what;
	uint64_t first;
	uint64_t second;
};

extern unsigned fake_trace_count;
extern struct fake_trace_record fake_trace_records[FAKE_TRACE_KEPT];

#endif
