/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drivers/phys/uart.c on ports that behave like 16550s, like the first 8250s, like nothing, and
 * like a port whose other end takes no bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "drivers/phys/uart.h"
#include "fake/board.h"

#define COUNT 2
#define LINE_DIVISOR 0x80
#define LOOPBACK 0x10

static struct device {
	uint16_t port; /* 0: not there */
	bool queues;
	bool scratch;
	bool unresponsive; /* takes bytes, hears none of its own */
	bool stuck;	   /* sends nothing */
	uint8_t registers[8];
	uint8_t divisor[2];
	uint8_t heard;
	bool has_heard;
	unsigned in_queue;
	unsigned lost;
	unsigned status_reads;
	char sent[256];
	unsigned sent_bytes;
} devices[COUNT];

static struct device *device_of(uint16_t port)
{
	for (unsigned i = 0; i < COUNT; i++) {
		if (devices[i].port != 0 && port >= devices[i].port && port < devices[i].port + 8) {
			return &devices[i];
		}
	}
	return NULL;
}

static void send(struct device *device, uint8_t value)
{
	if (device->registers[4] & LOOPBACK) {
		device->heard = value;
		device->has_heard = !device->unresponsive;
		return;
	}
	if (device->in_queue == (device->queues ? 16 : 1)) {
		device->lost++;
		return;
	}
	device->in_queue++;
	assert_true(device->sent_bytes < sizeof(device->sent) - 1);
	device->sent[device->sent_bytes++] = (char)value;
}

void board_write(uint16_t port, unsigned bytes, uint32_t value)
{
	struct device *device = device_of(port);
	assert_int_equal(bytes, 1);
	if (device == NULL) {
		return;
	}
	unsigned number = port - device->port;
	if (number < 2 && (device->registers[3] & LINE_DIVISOR)) {
		device->divisor[number] = (uint8_t)value;
	} else if (number == 0) {
		send(device, (uint8_t)value);
	} else if (number != 7 || device->scratch) {
		device->registers[number] = (uint8_t)value;
	}
}

static uint8_t status(struct device *device)
{
	device->status_reads++;
	if (!device->stuck) {
		device->in_queue = 0; /* time passes between two looks */
	}
	return (uint8_t)((device->has_heard ? 1 : 0) | (device->in_queue == 0 ? 0x60 : 0));
}

uint32_t board_read(uint16_t port, unsigned bytes)
{
	struct device *device = device_of(port);
	assert_int_equal(bytes, 1);
	if (device == NULL) {
		return 0xff;
	}
	switch (port - device->port) {
	case 0:
		device->has_heard = false;
		return device->heard;
	case 2:
		return device->queues ? 0xc1 : 0x01;
	case 5:
		return status(device);
	case 7:
		return device->scratch ? device->registers[7] : 0xff;
	default:
		return device->registers[port - device->port];
	}
}

static int setup(void **state)
{
	(void)state;
	memset(devices, 0, sizeof(devices));
	return 0;
}

static struct device *put(unsigned index, uint16_t port)
{
	devices[index] = (struct device){.port = port, .queues = true, .scratch = true};
	return &devices[index];
}

static bool init(uint16_t port, uint16_t divisor)
{
	struct uart_place place = {.port = port};
	return uart_init(&uart_console, &place, divisor);
}

static void test_any_port_and_rate(void **state)
{
	(void)state;
	struct device *device = put(0, 0x2f8);
	assert_true(init(0x2f8, 12));
	assert_int_equal(device->divisor[0], 12);
	assert_int_equal(device->registers[3], 3);
	uart_write(&uart_console, "hello", 5);
	assert_string_equal(device->sent, "hello");
	/* Another rate for the same port. */
	assert_true(init(0x2f8, 1));
	assert_int_equal(device->divisor[0], 1);
	/* The rate that it has already: firmware's. */
	device = put(1, 0x3e8);
	device->divisor[0] = 7;
	assert_true(init(0x3e8, 0));
	assert_int_equal(device->divisor[0], 7);
	uart_write(&uart_console, "x", 1);
	assert_string_equal(device->sent, "x");
}

/* A floating bus is no port, and the one that was there before goes on. */
static void test_absent_port(void **state)
{
	(void)state;
	struct device *device = put(0, 0x3f8);
	assert_true(init(0x3f8, 1));
	assert_false(init(0x2e8, 1));
	uart_write(&uart_console, "still", 5);
	assert_string_equal(device->sent, "still");
	/* Something else lies there: it keeps nothing and hears nothing. */
	put(1, 0x2e8)->scratch = false;
	devices[1].unresponsive = true;
	assert_false(init(0x2e8, 1));
	uart_write(&uart_console, "!", 1);
	assert_string_equal(device->sent, "still!");
	assert_int_equal(devices[1].sent_bytes, 0);
}

static void test_old_port_without_queue(void **state)
{
	(void)state;
	struct device *device = put(0, 0x3f8);
	device->queues = false;
	device->scratch = false;
	assert_true(init(0x3f8, 96));
	uart_write(&uart_console, "one by one", 10);
	assert_string_equal(device->sent, "one by one");
	assert_int_equal(device->lost, 0);
}

static void test_queue_is_never_overrun(void **state)
{
	char text[100];
	(void)state;
	struct device *device = put(0, 0x3f8);
	memset(text, 'a', sizeof(text));
	assert_true(init(0x3f8, 2));
	for (unsigned i = 0; i < 20; i++) {
		uart_write(&uart_console, text, i);
	}
	assert_int_equal(device->sent_bytes, 190);
	assert_int_equal(device->lost, 0);
}

/* Nobody takes its output: it loses bytes, after one long wait, and goes on when it moves. */
static void test_stuck_port_costs_one_wait(void **state)
{
	char text[64];
	(void)state;
	struct device *device = put(0, 0x3f8);
	memset(text, 'a', sizeof(text));
	assert_true(init(0x3f8, 3));
	device->stuck = true;
	uart_write(&uart_console, text, sizeof(text));
	assert_int_equal(device->sent_bytes, 16);
	unsigned reads = device->status_reads;
	uart_write(&uart_console, text, sizeof(text));
	uart_drain(&uart_console);
	assert_true(device->status_reads <= reads + sizeof(text) + 1);
	device->stuck = false;
	uart_write(&uart_console, "bb", 2);
	assert_int_equal(device->sent_bytes, 18);
	assert_int_equal(device->lost, 0);
}

/* As much as its queue holds, at once; nothing while that is not empty. */
static void test_offering_never_waits(void **state)
{
	struct uart second = {0};
	struct uart_place place = {.port = 0x2f8};
	uint8_t bytes[40];
	(void)state;
	struct device *console = put(0, 0x3f8);
	struct device *device = put(1, 0x2f8);
	memset(bytes, 'b', sizeof(bytes));
	assert_true(init(0x3f8, 1));
	assert_int_equal(uart_offer(&second, bytes, sizeof(bytes)), 0);
	assert_true(uart_init(&second, &place, 1));
	assert_true(uart_is_at(&second, &place));
	assert_false(uart_is_at(&uart_console, &place));
	assert_int_equal(uart_offer(&second, bytes, sizeof(bytes)), 16);
	assert_int_equal(uart_offer(&second, bytes, 3), 3);
	assert_int_equal(uart_offer(&second, bytes, sizeof(bytes)), 13);
	device->stuck = true;
	unsigned reads = device->status_reads;
	assert_int_equal(uart_offer(&second, bytes, sizeof(bytes)), 0);
	assert_int_equal(device->status_reads, reads + 1);
	device->stuck = false;
	assert_int_equal(uart_offer(&second, bytes, sizeof(bytes)), 16);
	assert_int_equal(device->sent_bytes, 48);
	assert_int_equal(device->lost, 0);
	assert_int_equal(console->sent_bytes, 0);
}

static void test_reading(void **state)
{
	(void)state;
	struct device *device = put(0, 0x3f8);
	assert_true(init(0x3f8, 4));
	assert_int_equal(uart_read(&uart_console), -1);
	device->heard = 'q';
	device->has_heard = true;
	assert_int_equal(uart_read(&uart_console), 'q');
	assert_int_equal(uart_read(&uart_console), -1);
}

/* Plain memory keeps what is written: all that the driver can see of a card is its scratch
 * register.
 */
static void test_registers_in_memory(void **state)
{
	static uint32_t words[8];
	static uint8_t bytes[32];
	(void)state;
	struct uart_place place = {.memory = words, .shift = 2};
	words[5] = 0x60;
	assert_true(uart_init(&uart_console, &place, 1));
	assert_int_equal(words[3], 3);
	assert_int_equal(words[7], 0xa5);
	uart_write(&uart_console, "z", 1);
	assert_int_equal(words[0], 'z');
	place = (struct uart_place){.memory = bytes};
	bytes[5] = 0x60;
	assert_true(uart_init(&uart_console, &place, 1));
	uart_write(&uart_console, "y", 1);
	assert_int_equal(bytes[0], 'y');
	assert_int_equal(words[0], 'z');
	memset(bytes, 0xff, sizeof(bytes));
	assert_false(uart_init(&uart_console, &place, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_any_port_and_rate, setup),
		cmocka_unit_test_setup(test_absent_port, setup),
		cmocka_unit_test_setup(test_old_port_without_queue, setup),
		cmocka_unit_test_setup(test_queue_is_never_overrun, setup),
		cmocka_unit_test_setup(test_stuck_port_costs_one_wait, setup),
		cmocka_unit_test_setup(test_offering_never_waits, setup),
		cmocka_unit_test_setup(test_reading, setup),
		cmocka_unit_test_setup(test_registers_in_memory, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
