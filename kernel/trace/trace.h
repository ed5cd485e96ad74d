/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The trace: on and off, the rings of all CPUs, and the way out through a serial port of its own.
 * docs/trace.md describes events and format. Boot CPU only, but for trace_record()
 * (include/base/trace.h).
 */
#ifndef KERNEL_TRACE_TRACE_H
#define KERNEL_TRACE_TRACE_H

#include "base/error.h"
#include "base/trace.h"
#include "kernel/trace/ring.h"

struct console;

/* Nothing is on, no ring, no port. For host tests. */
void trace_reset(void);

/*
 * These events are on from now on. The first time that there are any each CPU gets its ring, for
 * the rest of the run. NO_MEMORY: *error says so, and nothing has changed.
 */
MUST_CHECK enum status trace_set(uint32_t mask, struct error *error);

/* Rings empty themselves into this port. NULL, or why it cannot be had. */
const char *trace_use_port(const struct console *port);

/*
 * From time to time: samples what the VMs hold, and sends what the port takes now, so much at most
 * that a guest does not notice. True: there is more to send, and the port takes it.
 */
bool trace_step(uint64_t now_tsc);

/* There are rings: the trace is on, or was. */
extern bool trace_is_used;

static inline bool trace_poll(uint64_t now_tsc)
{
	return __builtin_expect(trace_is_used, 0) && trace_step(now_tsc);
}

/*
 * All is off, and what is left is sent, with the word that no more follows; waits for the port.
 * Before the machine ends.
 */
void trace_finish(void);

struct trace_sums {
	uint64_t written;
	uint64_t lost;	 /* the rings were full */
	uint64_t unsent; /* still in the rings */
};
struct trace_sums trace_sums(void);

/* Where the records go. */
bool trace_has_port(void);

/*
 * The last records of all CPUs, in the order of their time, at most `most`; answers how many there
 * are. A VM's CPUs may write meanwhile.
 */
#define TRACE_SHOWN_MOST 64u
unsigned trace_last(struct trace_record *records, unsigned most);

#endif
