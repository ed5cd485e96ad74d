/* SPDX-License-Identifier: BSD-2-Clause */
/* The serial port of a virtual PC. Real: drivers/virt/vuart.c. Stubbed: nothing. */
#include "tests/proofs/proof.h"

#include "drivers/virt/vuart.c"

static bool is_sound(const struct vuart *uart)
{
	return uart->in.first < VUART_QUEUE_BYTES && uart->in.count <= VUART_QUEUE_BYTES &&
	       uart->out.first < VUART_QUEUE_BYTES && uart->out.count <= VUART_QUEUE_BYTES &&
	       (uart->modem_control & ~CONTROL_MASK) == 0 &&
	       (uart->interrupt_enable & ~ENABLE_MASK) == 0;
}

static struct vuart any_uart(void)
{
	struct vuart uart;
	HAVOC(uart);
	uart.empty_pending = any_bool();
	ASSUME(is_sound(&uart));
	return uart;
}

/*
 * PROOF uart_accesses_keep_queues
 * Shows: whatever is read and written at whatever register, each queue holds 0 to 16 bytes and
 * begins inside its array; nothing is read or written beside it
 * Bound: all states, registers and bytes; one access
 * Assumes: the state was sound
 * Classes: H13
 * Sources: drivers/virt/vuart.c
 * Fault: drivers/virt/vuart.c | if (queue->count >= room) { | if (queue->count > room) {
 */
void uart_accesses_keep_queues(void)
{
	struct vuart uart = any_uart();
	uint8_t byte;
	switch (any_below(4)) {
	case 0:
		(void)vuart_read(&uart, any_u32());
		break;
	case 1:
		vuart_write(&uart, any_u32(), any_u8());
		break;
	case 2:
		(void)vuart_take(&uart, &byte);
		break;
	default:
		(void)vuart_give(&uart, any_u8());
		break;
	}
	PROVE(is_sound(&uart));
	(void)vuart_interrupt(&uart);
}

/*
 * PROOF uart_loses_no_byte
 * Shows: a byte that was accepted from the line is read by the guest after exactly those that were
 * there before; one that was refused changes nothing; reading takes one byte
 * Bound: all states with up to 2 bytes waiting
 * Assumes: the state is sound; the divisor is not selected
 * Classes: H13
 * Sources: drivers/virt/vuart.c
 * Options: --unwind 4
 * Fault: drivers/virt/vuart.c | queue->first = (uint8_t)((queue->first + 1) % VUART_QUEUE_BYTES); |
 * queue->first = (uint8_t)((queue->first + 2) % VUART_QUEUE_BYTES);
 */
void uart_loses_no_byte(void)
{
	struct vuart uart = any_uart();
	ASSUME(uart.in.count <= 2 && !is_divisor(&uart));
	unsigned waiting = uart.in.count;
	uint8_t byte = any_u8();
	if (!vuart_give(&uart, byte)) {
		PROVE(uart.in.count == waiting);
		return;
	}
	for (unsigned i = 0; i < waiting; i++) {
		(void)vuart_read(&uart, REG_DATA);
	}
	PROVE(uart.in.count == 1);
	PROVE(vuart_read(&uart, REG_DATA) == byte && uart.in.count == 0);
}
