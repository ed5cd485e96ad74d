/* SPDX-License-Identifier: BSD-2-Clause */
/* Which device the operator's console is, as the option `console=` names it. */
#ifndef ARCH_CONSOLE_H
#define ARCH_CONSOLE_H

#include "base/status.h"
#include "base/types.h"

enum console_kind {
	CONSOLE_NONE,
	CONSOLE_E9,   /* the debug console of emulators */
	CONSOLE_PORT, /* a UART at an I/O port */
	CONSOLE_PCI,  /* a UART on a PCI card */
};

#define CONSOLE_PCI_FIRST 0xffffffff /* the first serial card of the machine */
#define CONSOLE_DIVISOR_KEPT 0	     /* the baud rate stays as firmware has set it */

struct console {
	enum console_kind kind;
	uint16_t port;	   /* CONSOLE_PORT: its first register, a multiple of 8 */
	uint32_t function; /* CONSOLE_PCI: bus << 8 | device << 3 | function */
	uint16_t divisor;  /* of 115200 baud */
};

#define CONSOLE_COM1_PORT 0x3f8
#define CONSOLE_DEFAULT                                                                            \
	((struct console){.kind = CONSOLE_PORT, .port = CONSOLE_COM1_PORT, .divisor = 1})

/*
 * Reads WHERE[,BAUD]. WHERE is com1 to com4 (or ttyS0 to ttyS3), a port from 0x100 on such as
 * 0x2f8, pci, pci:BB:DD.F, e9 or none. BAUD is 1200 to 115200, a divisor of 115200, with n8 or ,8n1
 * behind it or not; or auto. False: the text names no console, and *console is unchanged. Pure.
 */
MUST_CHECK bool console_parse(const char *text, struct console *console);

#endif
