/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Serial ports (National Semiconductor PC16550D data sheet). Polled: the host has interrupts off.
 * Output of the console is guarded by the log's lock (kernel/log/log.c); input reads two registers
 * and no state.
 *
 * The port may be absent (reads give all ones), or stuck because nothing takes its output, and it
 * may be an old one without queues. Waiting is therefore bounded, and a port that kept us waiting
 * once is only tried, not waited for, until it moves again.
 */
#include "drivers/phys/uart.h"

#include "drivers/phys/port.h"

#define REG_DATA 0
#define REG_DIVISOR_LOW 0
#define REG_INTERRUPT_ENABLE 1
#define REG_DIVISOR_HIGH 1
#define REG_INTERRUPT_IDENTITY 2
#define REG_QUEUE_CONTROL 2
#define REG_LINE_CONTROL 3
#define REG_MODEM_CONTROL 4
#define REG_LINE_STATUS 5
#define REG_SCRATCH 7

#define QUEUE_ENABLE_CLEAR 0x07
#define IDENTITY_QUEUES 0xc0
#define LINE_8N1 0x03
#define LINE_DIVISOR 0x80
#define MODEM_DTR_RTS 0x03
#define MODEM_LOOPBACK 0x10
#define STATUS_RECEIVED 0x01
#define STATUS_QUEUE_EMPTY 0x20
#define STATUS_ALL_SENT 0x40

#define QUEUE_BYTES 16
/* A byte takes 87 us; a read of the port about 1 us on a real machine, less in an emulator. */
#define WAIT_READS 200000
#define LOOPBACK_READS 20000

struct uart uart_console;

static uint8_t register_read(const struct uart *at, unsigned number)
{
	volatile uint8_t *bytes = at->place.memory;

	if (bytes == NULL) {
		return port_read_8((uint16_t)(at->place.port + number));
	}
	if (at->place.shift == 0) {
		return bytes[number];
	}
	/* Some devices of this kind answer to whole words only. */
	return (uint8_t)((volatile uint32_t *)bytes)[number];
}

static void register_write(const struct uart *at, unsigned number, uint8_t value)
{
	volatile uint8_t *bytes = at->place.memory;

	if (bytes == NULL) {
		port_write_8((uint16_t)(at->place.port + number), value);
	} else if (at->place.shift == 0) {
		bytes[number] = value;
	} else {
		((volatile uint32_t *)bytes)[number] = value;
	}
}

static bool wait_status(const struct uart *at, uint8_t bits, unsigned reads)
{
	for (unsigned i = 0; i < reads; i++) {
		if (register_read(at, REG_LINE_STATUS) & bits) {
			return true;
		}
	}
	return false;
}

static bool scratch_works(const struct uart *at)
{
	register_write(at, REG_SCRATCH, 0x5a);
	if (register_read(at, REG_SCRATCH) != 0x5a) {
		return false;
	}
	register_write(at, REG_SCRATCH, 0xa5);
	return register_read(at, REG_SCRATCH) == 0xa5;
}

/* The first 8250s have no scratch register, but all can hear themselves. */
static bool loopback_works(const struct uart *at)
{
	register_write(at, REG_MODEM_CONTROL, MODEM_DTR_RTS | MODEM_LOOPBACK);
	register_write(at, REG_DATA, 0xae);
	bool heard = wait_status(at, STATUS_RECEIVED, LOOPBACK_READS) &&
		     register_read(at, REG_DATA) == 0xae;
	register_write(at, REG_MODEM_CONTROL, MODEM_DTR_RTS);
	return heard;
}

static void set_line(const struct uart *at)
{
	register_write(at, REG_INTERRUPT_ENABLE, 0);
	if (at->divisor != 0) {
		register_write(at, REG_LINE_CONTROL, LINE_DIVISOR);
		register_write(at, REG_DIVISOR_LOW, (uint8_t)at->divisor);
		register_write(at, REG_DIVISOR_HIGH, (uint8_t)(at->divisor >> 8));
	}
	register_write(at, REG_LINE_CONTROL, LINE_8N1);
	register_write(at, REG_QUEUE_CONTROL, QUEUE_ENABLE_CLEAR);
	register_write(at, REG_MODEM_CONTROL, MODEM_DTR_RTS);
}

bool uart_is_at(const struct uart *uart, const struct uart_place *place)
{
	return uart->present && uart->place.memory == place->memory &&
	       uart->place.port == place->port && uart->place.shift == place->shift;
}

bool uart_init(struct uart *uart, const struct uart_place *place, uint16_t divisor)
{
	struct uart found = {.place = *place, .divisor = divisor};

	if (uart_is_at(uart, place)) {
		if (uart->divisor == divisor) {
			return true;
		}
		uart_drain(uart); /* what was sent leaves at the rate that it was sent with */
	}
	if (register_read(&found, REG_LINE_STATUS) == 0xff) {
		return false; /* floating bus */
	}
	set_line(&found);
	if (!scratch_works(&found) && !loopback_works(&found)) {
		return false;
	}
	uint8_t identity = register_read(&found, REG_INTERRUPT_IDENTITY);
	found.queue_bytes = (identity & IDENTITY_QUEUES) == IDENTITY_QUEUES ? QUEUE_BYTES : 1;
	found.present = true;
	*uart = found;
	return true;
}

static void send(struct uart *uart, uint8_t byte)
{
	register_write(uart, REG_DATA, byte);
	uart->room--;
}

void uart_write(struct uart *uart, const char *bytes, size_t count)
{
	if (!uart->present) {
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (uart->room == 0) {
			if (!wait_status(uart, STATUS_QUEUE_EMPTY, uart->stuck ? 1 : WAIT_READS)) {
				uart->stuck = true;
				continue;
			}
			uart->stuck = false;
			uart->room = uart->queue_bytes;
		}
		send(uart, (uint8_t)bytes[i]);
	}
}

size_t uart_offer(struct uart *uart, const uint8_t *bytes, size_t count)
{
	size_t sent = 0;

	if (!uart->present) {
		return 0;
	}
	if (uart->room == 0 && wait_status(uart, STATUS_QUEUE_EMPTY, 1)) {
		uart->stuck = false;
		uart->room = uart->queue_bytes;
	}
	for (; sent < count && uart->room > 0; sent++) {
		send(uart, bytes[sent]);
	}
	return sent;
}

void uart_drain(const struct uart *uart)
{
	if (uart->present) {
		(void)wait_status(uart, STATUS_ALL_SENT, uart->stuck ? 1 : WAIT_READS);
	}
}

int uart_read(const struct uart *uart)
{
	if (!uart->present || (register_read(uart, REG_LINE_STATUS) & STATUS_RECEIVED) == 0) {
		return -1;
	}
	return register_read(uart, REG_DATA);
}
