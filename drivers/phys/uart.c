/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * COM1 (National Semiconductor PC16550D data sheet). Polled: the host has interrupts off. The
 * caller serializes; the state below is otherwise unguarded.
 *
 * The port may be absent (reads give all ones), or stuck because nobody takes its output, and it
 * may be an old one without queues. Waiting is therefore bounded, and a port that kept us waiting
 * once is only tried, not waited for, until it moves again.
 */
#include "drivers/phys/uart.h"

#include "drivers/phys/port.h"

#define COM1 0x3f8

#define REG_DATA (COM1 + 0)
#define REG_DIVISOR_LOW (COM1 + 0)
#define REG_INTERRUPT_ENABLE (COM1 + 1)
#define REG_DIVISOR_HIGH (COM1 + 1)
#define REG_INTERRUPT_IDENTITY (COM1 + 2)
#define REG_QUEUE_CONTROL (COM1 + 2)
#define REG_LINE_CONTROL (COM1 + 3)
#define REG_MODEM_CONTROL (COM1 + 4)
#define REG_LINE_STATUS (COM1 + 5)
#define REG_SCRATCH (COM1 + 7)

#define QUEUE_ENABLE_CLEAR 0x07
#define IDENTITY_QUEUES 0xc0
#define LINE_8N1 0x03
#define LINE_DIVISOR 0x80
#define MODEM_DTR_RTS 0x03
#define MODEM_LOOPBACK 0x10
#define STATUS_RECEIVED 0x01
#define STATUS_QUEUE_EMPTY 0x20
#define STATUS_ALL_SENT 0x40

#define DIVISOR_115200 1
#define QUEUE_BYTES 16
/* A byte takes 87 us; a read of the port about 1 us on a real machine, less in an emulator. */
#define WAIT_READS 200000
#define LOOPBACK_READS 20000

static bool present;
static bool stuck;
static unsigned queue_bytes = 1;
static unsigned room; /* bytes that the queue certainly takes */

static bool wait_status(uint8_t bits, unsigned reads)
{
	for (unsigned i = 0; i < reads; i++) {
		if (port_read_8(REG_LINE_STATUS) & bits) {
			return true;
		}
	}
	return false;
}

static bool scratch_works(void)
{
	port_write_8(REG_SCRATCH, 0x5a);
	if (port_read_8(REG_SCRATCH) != 0x5a) {
		return false;
	}
	port_write_8(REG_SCRATCH, 0xa5);
	return port_read_8(REG_SCRATCH) == 0xa5;
}

/* The first 8250s have no scratch register, but all can hear themselves. */
static bool loopback_works(void)
{
	port_write_8(REG_MODEM_CONTROL, MODEM_DTR_RTS | MODEM_LOOPBACK);
	port_write_8(REG_DATA, 0xae);
	bool heard = wait_status(STATUS_RECEIVED, LOOPBACK_READS) && port_read_8(REG_DATA) == 0xae;
	port_write_8(REG_MODEM_CONTROL, MODEM_DTR_RTS);
	return heard;
}

bool uart_init(void)
{
	if (port_read_8(REG_LINE_STATUS) == 0xff) {
		return false; /* floating bus */
	}
	port_write_8(REG_INTERRUPT_ENABLE, 0);
	port_write_8(REG_LINE_CONTROL, LINE_DIVISOR);
	port_write_8(REG_DIVISOR_LOW, DIVISOR_115200);
	port_write_8(REG_DIVISOR_HIGH, 0);
	port_write_8(REG_LINE_CONTROL, LINE_8N1);
	port_write_8(REG_QUEUE_CONTROL, QUEUE_ENABLE_CLEAR);
	port_write_8(REG_MODEM_CONTROL, MODEM_DTR_RTS);
	if (!scratch_works() && !loopback_works()) {
		return false;
	}
	bool queues = (port_read_8(REG_INTERRUPT_IDENTITY) & IDENTITY_QUEUES) == IDENTITY_QUEUES;
	queue_bytes = queues ? QUEUE_BYTES : 1;
	present = true;
	return true;
}

bool uart_is_present(void)
{
	return present;
}

void uart_write(const char *bytes, size_t count)
{
	if (!present) {
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (room == 0) {
			if (!wait_status(STATUS_QUEUE_EMPTY, stuck ? 1 : WAIT_READS)) {
				stuck = true;
				continue;
			}
			stuck = false;
			room = queue_bytes;
		}
		port_write_8(REG_DATA, (uint8_t)bytes[i]);
		room--;
	}
}

void uart_drain(void)
{
	if (present) {
		(void)wait_status(STATUS_ALL_SENT, WAIT_READS);
	}
}

int uart_read(void)
{
	if (!present || (port_read_8(REG_LINE_STATUS) & STATUS_RECEIVED) == 0) {
		return -1;
	}
	return port_read_8(REG_DATA);
}
