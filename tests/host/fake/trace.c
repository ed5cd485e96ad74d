/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake/trace.h"

uint32_t trace_mask;
unsigned fake_trace_count;
struct fake_trace_record fake_trace_records[FAKE_TRACE_KEPT];

void trace_record(uint32_t what, uint64_t first, uint64_t second)
{
	if (fake_trace_count < FAKE_TRACE_KEPT) {
		fake_trace_records[fake_trace_count] =
			(struct fake_trace_record){what, first, second};
	}
	fake_trace_count++;
}
