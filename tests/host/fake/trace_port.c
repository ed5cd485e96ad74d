/* SPDX-License-Identifier: BSD-2-Clause */
/* See trace_port.h. */
#include "fake/trace_port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "arch/arch.h"

uint8_t trace_port_bytes[1 << 18];
size_t trace_port_used;
size_t trace_port_room;
bool trace_port_absent;
bool trace_exits_on;

void trace_port_reset(void)
{
	trace_port_used = 0;
	trace_port_room = 0;
	trace_port_absent = false;
	trace_exits_on = false;
}

struct arch_moment arch_moment(void)
{
	return (struct arch_moment){arch_tsc(), arch_cpu_index()};
}

const char *arch_trace_port_select(const struct console *port)
{
	(void)port;
	return trace_port_absent ? "no serial port answers there" : NULL;
}

void arch_trace_port_write(const uint8_t *bytes, size_t count)
{
	assert_true(trace_port_used + count <= sizeof(trace_port_bytes));
	memcpy(trace_port_bytes + trace_port_used, bytes, count);
	trace_port_used += count;
}

size_t arch_trace_port_offer(const uint8_t *bytes, size_t count)
{
	count = count < trace_port_room ? count : trace_port_room;
	trace_port_room -= count;
	arch_trace_port_write(bytes, count);
	return count;
}

void arch_trace_exits(bool on)
{
	trace_exits_on = on;
}
