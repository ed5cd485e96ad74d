/* SPDX-License-Identifier: BSD-2-Clause */
/* Serial ports, 16550s or compatible, polled: that of the console, and others. */
#ifndef DRIVERS_PHYS_UART_H
#define DRIVERS_PHYS_UART_H

#include "base/types.h"

/* Where the registers are. */
struct uart_place {
	volatile void *memory; /* NULL: at I/O ports */
	uint16_t port;	       /* the first of eight */
	uint8_t shift;	       /* in memory: one register every 1 << shift bytes, 0 or 2 */
};

/* All zero: there is none yet. Only uart.c looks inside. */
struct uart {
	struct uart_place place;
	uint16_t divisor;
	bool present;
	bool stuck;
	unsigned queue_bytes;
	unsigned room; /* bytes that the queue certainly takes */
};

extern struct uart uart_console;

/*
 * Sets the port at `place` to 115200 / divisor baud, 8N1, and makes it *uart; divisor 0 leaves the
 * rate. False: no UART answers there, and *uart stays what it was.
 */
bool uart_init(struct uart *uart, const struct uart_place *place, uint16_t divisor);

/* It is the port at that place. */
bool uart_is_at(const struct uart *uart, const struct uart_place *place);

/* The following do nothing before uart_init() has answered true. The caller serializes output. */

/* Sends bytes as they are. Waits for the port, but never for ever: a stuck one loses bytes. */
void uart_write(struct uart *uart, const char *bytes, size_t count);

/* As many of the bytes as the port takes now: at most what its queue holds. Never waits. */
size_t uart_offer(struct uart *uart, const uint8_t *bytes, size_t count);

/* Waits (bounded) until everything has left the port. */
void uart_drain(const struct uart *uart);

/* One received byte, or -1. Never waits. */
int uart_read(const struct uart *uart);

#endif
