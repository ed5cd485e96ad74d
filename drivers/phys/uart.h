/* SPDX-License-Identifier: BSD-2-Clause */
/* The serial port COM1, a 16550 or compatible, polled. */
#ifndef DRIVERS_PHYS_UART_H
#define DRIVERS_PHYS_UART_H

#include "base/types.h"

/* Sets it to 115200 baud, 8N1. False: there is none; the other functions then do nothing. */
bool uart_init(void);
bool uart_is_present(void);

/* Sends bytes as they are. Waits for the port, but never for ever: a stuck one loses bytes. */
void uart_write(const char *bytes, size_t count);

/* Waits (bounded) until everything has left the port. */
void uart_drain(void);

/* One received byte, or -1. Never waits. */
int uart_read(void);

#endif
