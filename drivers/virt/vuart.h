/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A 16550A serial port (National Semiconductor PC16550D data sheet). One plain struct and pure
 * functions: the caller holds the lock of the VM's devices, moves bytes in and out and drives the
 * interrupt line.
 *
 * A byte that the guest writes is ready for vuart_take() at once. As soon as it has been taken the
 * transmitter is empty again, so a caller that takes after every write never lets the guest wait.
 * Every register of the eight has a defined result at any time; nothing that a guest writes lasts
 * longer than a few instructions. Received bytes below the trigger level raise the character
 * time-out at once: an instant line has no four characters' time to wait for.
 */
#ifndef DRIVERS_VIRT_VUART_H
#define DRIVERS_VIRT_VUART_H

#include "base/types.h"

#define VUART_REGISTERS 8 /* consecutive byte ports */
#define VUART_QUEUE_BYTES 16

struct vuart_queue {
	uint8_t bytes[VUART_QUEUE_BYTES];
	uint8_t first; /* index of the oldest */
	uint8_t count;
};

struct vuart {
	uint8_t interrupt_enable;
	uint8_t queue_control; /* enable bit and trigger level */
	uint8_t line_control;
	uint8_t modem_control;
	uint8_t modem_changes; /* delta bits of the modem status register */
	uint8_t line_errors;   /* overrun, until the line status register is read */
	uint8_t scratch;
	uint16_t divisor;
	bool empty_pending;	/* interrupt "transmitter holding register empty" */
	struct vuart_queue in;	/* received, not read by the guest */
	struct vuart_queue out; /* written by the guest, not taken */
};

/* As after power-on: 8250 mode, no interrupts, a terminal is connected (CTS, DSR and CD are on). */
void vuart_reset(struct vuart *uart);

/* One byte access to register `number` (0 to 7; higher bits are ignored). */
uint8_t vuart_read(struct vuart *uart, unsigned number);
void vuart_write(struct vuart *uart, unsigned number, uint8_t value);

/* The next byte that the guest has sent; false: there is none. Call after every vuart_write(). */
bool vuart_take(struct vuart *uart, uint8_t *byte);

/*
 * A byte from the line. False: the guest has not read what came before, and the caller keeps the
 * byte and offers it again after a later vuart_read() or vuart_write(). In loopback mode the line
 * is cut: false as well.
 */
bool vuart_give(struct vuart *uart, uint8_t byte);

/*
 * Level of the interrupt line. Look after every call above. A board gates the line with OUT2; here
 * it is not gated, as in the emulators on which many kernels are written that leave OUT2 off.
 */
bool vuart_interrupt(const struct vuart *uart);

#endif
