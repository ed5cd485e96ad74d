/* SPDX-License-Identifier: BSD-2-Clause */
/* What kernel/trace asks of the processor and the board: a port that keeps what it is sent. */
#ifndef FAKE_TRACE_PORT_H
#define FAKE_TRACE_PORT_H

#include "base/types.h"

extern uint8_t trace_port_bytes[1 << 18];
extern size_t trace_port_used;
extern size_t trace_port_room; /* that it takes before somebody has to wait */
extern bool trace_port_absent; /* none answers */
extern bool trace_exits_on;

void trace_port_reset(void);

#endif
