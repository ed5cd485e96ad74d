/* SPDX-License-Identifier: BSD-2-Clause */
/* The serial port of the console, a 16550 or compatible, polled. One at a time. */
#ifndef DRIVERS_PHYS_UART_H
#define DRIVERS_PHYS_UART_H

#include "base/types.h"

/* Where the registers are. */
struct uart_place {
	volatile void *memory; /* NULL: at I/O ports */
	uint16_t port;	       /* the first of eight */
	uint8_t shift;	       /* in memory: one register every 1 << shift bytes, 0 or 2 */
};

/*
 * Sets the port at `place` to 115200 / divisor baud, 8N1, and makes it the console's; divisor 0
 * leaves the rate. False: no UART answers there, and the one that was chosen before stays.
 */
bool uart_init(const struct uart_place *place, uint16_t divisor);

/* The following do nothing before uart_init() has answered true. The caller serializes output. */

/* Sends bytes as they are. Waits for the port, but never for ever: a stuck one loses bytes. */
void uart_write(const char *bytes, size_t count);

/* Waits (bounded) until everything has left the port. */
void uart_drain(void);

/* One received byte, or -1. Never waits. */
int uart_read(void);

#endif
