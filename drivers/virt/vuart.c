/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See vuart.h. Chapter 8 of the PC16550D data sheet: registers, their reset values (table 1), the
 * priorities of interrupts and what ends each (table 4).
 */
#include "drivers/virt/vuart.h"

#include "base/bits.h"

#define REG_DATA 0
#define REG_INTERRUPT_ENABLE 1
#define REG_INTERRUPT_IDENTITY 2 /* written: queue control */
#define REG_LINE_CONTROL 3
#define REG_MODEM_CONTROL 4
#define REG_LINE_STATUS 5
#define REG_MODEM_STATUS 6
#define REG_SCRATCH 7

#define ENABLE_RECEIVED 0x01
#define ENABLE_EMPTY 0x02
#define ENABLE_LINE 0x04
#define ENABLE_MODEM 0x08
#define ENABLE_MASK 0x0f

#define IDENTITY_NONE 0x01
#define IDENTITY_MODEM 0x00
#define IDENTITY_EMPTY 0x02
#define IDENTITY_RECEIVED 0x04
#define IDENTITY_LINE 0x06
#define IDENTITY_TIMEOUT 0x0c
#define IDENTITY_QUEUES 0xc0

#define QUEUE_ENABLE 0x01
#define QUEUE_CLEAR_IN 0x02
#define QUEUE_CLEAR_OUT 0x04
#define QUEUE_TRIGGER_SHIFT 6
#define QUEUE_KEPT 0xc9 /* enable, DMA mode (no effect), trigger level */

#define LINE_DIVISOR 0x80

#define CONTROL_DTR 0x01
#define CONTROL_RTS 0x02
#define CONTROL_OUT1 0x04
#define CONTROL_OUT2 0x08
#define CONTROL_LOOPBACK 0x10
#define CONTROL_MASK 0x1f

#define LINE_RECEIVED 0x01
#define LINE_OVERRUN 0x02
#define LINE_EMPTY 0x60 /* holding and shift register */

#define MODEM_CTS 0x10
#define MODEM_DSR 0x20
#define MODEM_RI 0x40
#define MODEM_CD 0x80
#define MODEM_CHANGE_SHIFT 4 /* from a line to the bit that tells its change */

static const uint8_t trigger_bytes[] = {1, 4, 8, 14};

static bool has_queues(const struct vuart *uart)
{
	return (uart->queue_control & QUEUE_ENABLE) != 0;
}

static bool is_looped(const struct vuart *uart)
{
	return (uart->modem_control & CONTROL_LOOPBACK) != 0;
}

static bool is_divisor(const struct vuart *uart)
{
	return (uart->line_control & LINE_DIVISOR) != 0;
}

/* False: it is full. Without queues each direction holds one byte. */
static bool queue_put(const struct vuart *uart, struct vuart_queue *queue, uint8_t byte)
{
	unsigned room = has_queues(uart) ? VUART_QUEUE_BYTES : 1;
	if (queue->count >= room) {
		return false;
	}
	queue->bytes[(queue->first + queue->count) % VUART_QUEUE_BYTES] = byte;
	queue->count++;
	return true;
}

static bool queue_take(struct vuart_queue *queue, uint8_t *byte)
{
	if (queue->count == 0) {
		return false;
	}
	*byte = queue->bytes[queue->first];
	queue->first = (uint8_t)((queue->first + 1) % VUART_QUEUE_BYTES);
	queue->count--;
	return true;
}

static void clear_out(struct vuart *uart)
{
	uart->empty_pending = uart->empty_pending || uart->out.count > 0;
	uart->out.count = 0;
}

/* What is pending and enabled, the most urgent first. */
static uint8_t identity(const struct vuart *uart)
{
	uint8_t enabled = uart->interrupt_enable;
	if ((enabled & ENABLE_LINE) && uart->line_errors != 0) {
		return IDENTITY_LINE;
	}
	if ((enabled & ENABLE_RECEIVED) && uart->in.count > 0) {
		unsigned trigger = trigger_bytes[uart->queue_control >> QUEUE_TRIGGER_SHIFT];
		return !has_queues(uart) || uart->in.count >= trigger ? IDENTITY_RECEIVED
								      : IDENTITY_TIMEOUT;
	}
	if ((enabled & ENABLE_EMPTY) && uart->empty_pending) {
		return IDENTITY_EMPTY;
	}
	if ((enabled & ENABLE_MODEM) && uart->modem_changes != 0) {
		return IDENTITY_MODEM;
	}
	return IDENTITY_NONE;
}

/* In loopback mode the four outputs feed the four inputs. */
static uint8_t modem_lines(uint8_t control)
{
	if ((control & CONTROL_LOOPBACK) == 0) {
		return MODEM_CTS | MODEM_DSR | MODEM_CD;
	}
	return (uint8_t)((control & CONTROL_RTS ? MODEM_CTS : 0) |
			 (control & CONTROL_DTR ? MODEM_DSR : 0) |
			 (control & CONTROL_OUT1 ? MODEM_RI : 0) |
			 (control & CONTROL_OUT2 ? MODEM_CD : 0));
}

static void set_modem_control(struct vuart *uart, uint8_t value)
{
	uint8_t before = modem_lines(uart->modem_control);
	uint8_t after = modem_lines(value & CONTROL_MASK);
	uint8_t changed = before ^ after;
	/* The ring indicator tells its end only. */
	changed &= (uint8_t) ~(after & MODEM_RI);
	uart->modem_changes |= changed >> MODEM_CHANGE_SHIFT;
	uart->modem_control = value & CONTROL_MASK;
}

static void set_queue_control(struct vuart *uart, uint8_t value)
{
	bool enable = (value & QUEUE_ENABLE) != 0;
	bool changes = enable != has_queues(uart);
	if (changes || (enable && (value & QUEUE_CLEAR_IN))) {
		uart->in.count = 0;
	}
	if (changes || (enable && (value & QUEUE_CLEAR_OUT))) {
		clear_out(uart);
	}
	/* Without the enable bit the others are not programmed. */
	uart->queue_control = enable ? value & QUEUE_KEPT : 0;
}

static void set_interrupt_enable(struct vuart *uart, uint8_t value)
{
	uint8_t risen = value & (uint8_t)~uart->interrupt_enable;
	/* To enable the interrupt of an empty transmitter raises it, whether it was seen or not. */
	if ((risen & ENABLE_EMPTY) && uart->out.count == 0) {
		uart->empty_pending = true;
	}
	uart->interrupt_enable = value & ENABLE_MASK;
}

static void send(struct vuart *uart, uint8_t byte)
{
	if (!is_looped(uart)) {
		/* A byte too many is lost, as one that overwrites the holding register. */
		(void)queue_put(uart, &uart->out, byte);
		uart->empty_pending = false;
		return;
	}
	if (!queue_put(uart, &uart->in, byte)) {
		uart->line_errors |= LINE_OVERRUN;
	}
	uart->empty_pending = true;
}

void vuart_reset(struct vuart *uart)
{
	*uart = (struct vuart){.divisor = 1};
}

static uint8_t read_identity(struct vuart *uart)
{
	uint8_t found = identity(uart);
	if (found == IDENTITY_EMPTY) {
		uart->empty_pending = false;
	}
	return found | (has_queues(uart) ? IDENTITY_QUEUES : 0);
}

static uint8_t read_line_status(struct vuart *uart)
{
	uint8_t status = uart->line_errors;
	status |= uart->in.count > 0 ? LINE_RECEIVED : 0;
	status |= uart->out.count == 0 ? LINE_EMPTY : 0;
	uart->line_errors = 0;
	return status;
}

static uint8_t read_modem_status(struct vuart *uart)
{
	uint8_t status = modem_lines(uart->modem_control) | uart->modem_changes;
	uart->modem_changes = 0;
	return status;
}

uint8_t vuart_read(struct vuart *uart, unsigned number)
{
	uint8_t byte = 0;

	switch (number % VUART_REGISTERS) {
	case REG_DATA:
		if (is_divisor(uart)) {
			return (uint8_t)uart->divisor;
		}
		(void)queue_take(&uart->in, &byte);
		return byte;
	case REG_INTERRUPT_ENABLE:
		return is_divisor(uart) ? (uint8_t)(uart->divisor >> 8) : uart->interrupt_enable;
	case REG_INTERRUPT_IDENTITY:
		return read_identity(uart);
	case REG_LINE_CONTROL:
		return uart->line_control;
	case REG_MODEM_CONTROL:
		return uart->modem_control;
	case REG_LINE_STATUS:
		return read_line_status(uart);
	case REG_MODEM_STATUS:
		return read_modem_status(uart);
	default:
		return uart->scratch;
	}
}

void vuart_write(struct vuart *uart, unsigned number, uint8_t value)
{
	switch (number % VUART_REGISTERS) {
	case REG_DATA:
		if (is_divisor(uart)) {
			uart->divisor = (uint16_t)((uart->divisor & 0xff00) | value);
		} else {
			send(uart, value);
		}
		break;
	case REG_INTERRUPT_ENABLE:
		if (is_divisor(uart)) {
			uart->divisor = (uint16_t)((uart->divisor & 0x00ff) | value << 8);
		} else {
			set_interrupt_enable(uart, value);
		}
		break;
	case REG_INTERRUPT_IDENTITY:
		set_queue_control(uart, value);
		break;
	case REG_LINE_CONTROL:
		uart->line_control = value;
		break;
	case REG_MODEM_CONTROL:
		set_modem_control(uart, value);
		break;
	case REG_SCRATCH:
		uart->scratch = value;
		break;
	default: /* the two status registers: for the factory's tests, no effect */
		break;
	}
}

bool vuart_take(struct vuart *uart, uint8_t *byte)
{
	if (!queue_take(&uart->out, byte)) {
		return false;
	}
	uart->empty_pending = uart->empty_pending || uart->out.count == 0;
	return true;
}

bool vuart_give(struct vuart *uart, uint8_t byte)
{
	return !is_looped(uart) && queue_put(uart, &uart->in, byte);
}

bool vuart_interrupt(const struct vuart *uart)
{
	return identity(uart) != IDENTITY_NONE;
}
