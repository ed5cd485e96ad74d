/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Notes of what happens, for a recording that is looked at later: fixed-size records in a ring of
 * each CPU. What is switched off costs a test of one word in memory. Implemented in kernel/trace.
 */
#ifndef BASE_TRACE_H
#define BASE_TRACE_H

#include "base/types.h"

enum trace_event {
#define TRACE_EVENT(name, group, first, second, meaning) TRACE_##name,
#include "base/trace_events.def"
#undef TRACE_EVENT
	TRACE_EVENTS
};
_Static_assert(TRACE_EVENTS <= 32, "a bit of trace_mask each");

#define TRACE_FAULT_SURRENDERED (1ull << 32)

/*
 * A bit for each event that is on. The boot CPU writes it; another CPU may use the old one for a
 * moment, which does no harm: the rings are there as long as the machine runs.
 */
extern uint32_t trace_mask;

static inline bool trace_is_on(enum trace_event event)
{
	return __builtin_expect((trace_mask & 1u << event) != 0, 0);
}

/* Which VM, 0 for the host itself, and which of its vCPUs. */
static inline uint32_t trace_who(vm_id_t vm, unsigned vcpu)
{
	return (uint32_t)vm | vcpu << 8;
}

/*
 * `what` is event | who << 16. Interrupts are off: a CPU writes to its own ring only. Never waits,
 * takes no lock.
 */
void trace_record(uint32_t what, uint64_t first, uint64_t second) __attribute__((cold));

static inline void trace_note(enum trace_event event, uint32_t who, uint64_t first, uint64_t second)
{
	if (trace_is_on(event)) {
		trace_record(event | who << 16, first, second);
	}
}

/*
 * The last records of each CPU, in words and into the log: what went before a panic. Nothing where
 * the trace was never on. The other CPUs are halted, and may have been in the middle of a record.
 */
void trace_report(void);

#endif
