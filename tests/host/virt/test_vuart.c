/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/virt/vuart.c: the registers as the data sheet has them, and as drivers probe them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "drivers/virt/vuart.h"

enum { DATA, ENABLE, IDENTITY, LINE, CONTROL, STATUS, MODEM, SCRATCH };

#define QUEUES IDENTITY
#define NONE 0x01
#define EMPTY 0x02
#define RECEIVED 0x04
#define ERRORS 0x06
#define TIMEOUT 0x0c

static struct vuart uart;

static int setup(void **state)
{
	(void)state;
	vuart_reset(&uart);
	return 0;
}

static uint8_t in(unsigned number)
{
	return vuart_read(&uart, number);
}

static void out(unsigned number, uint8_t value)
{
	vuart_write(&uart, number, value);
}

/* As the board does it: every byte leaves at once. */
static int sent(void)
{
	uint8_t byte;
	return vuart_take(&uart, &byte) ? byte : -1;
}

static void test_registers_after_reset(void **state)
{
	(void)state;
	assert_int_equal(in(ENABLE), 0);
	assert_int_equal(in(IDENTITY), NONE);
	assert_int_equal(in(LINE), 0);
	assert_int_equal(in(CONTROL), 0);
	assert_int_equal(in(STATUS), 0x60);
	assert_int_equal(in(MODEM), 0xb0);
	assert_false(vuart_interrupt(&uart));
	assert_int_equal(sent(), -1);
	assert_int_equal(in(DATA), 0);
}

static void test_bits_that_do_not_exist_stay_zero(void **state)
{
	(void)state;
	out(ENABLE, 0xff);
	assert_int_equal(in(ENABLE), 0x0f);
	out(CONTROL, 0xff);
	assert_int_equal(in(CONTROL), 0x1f);
	out(STATUS, 0);
	assert_int_equal(in(STATUS), 0x60);
	for (unsigned i = 0; i < 256; i++) {
		out(SCRATCH, (uint8_t)i);
		out(LINE, (uint8_t)i);
		assert_int_equal(in(SCRATCH), i);
		assert_int_equal(in(LINE), i);
		assert_int_equal(in(SCRATCH + VUART_REGISTERS), i);
	}
}

static void test_divisor_is_behind_the_latch_bit(void **state)
{
	(void)state;
	out(LINE, 0x80);
	out(DATA, 0x34);
	out(ENABLE, 0x12);
	assert_int_equal(in(DATA), 0x34);
	assert_int_equal(in(ENABLE), 0x12);
	assert_int_equal(uart.divisor, 0x1234);
	out(LINE, 0x03);
	assert_int_equal(in(ENABLE), 0);
	assert_int_equal(sent(), -1);
}

/* The steps by which Linux tells a 16550A with queues from its ancestors and successors. */
static void test_linux_finds_a_16550a(void **state)
{
	(void)state;
	out(ENABLE, 0);
	assert_int_equal(in(ENABLE)&0x0f, 0);
	out(ENABLE, 0x0f);
	assert_int_equal(in(ENABLE)&0x0f, 0x0f);
	out(ENABLE, 0);
	out(CONTROL, 0x1a); /* loopback, RTS, OUT2 */
	assert_int_equal(in(MODEM)&0xf0, 0x90);
	out(CONTROL, 0);
	out(QUEUES, 0x01);
	assert_int_equal(in(IDENTITY) >> 6, 3);
	out(LINE, 0xbf); /* an extended register would read as 0 there */
	assert_int_not_equal(in(IDENTITY), 0);
	out(LINE, 0);
	out(ENABLE, 0x40); /* nor is there a bit 6, as in the XScale's */
	assert_int_equal(in(ENABLE), 0);
	out(QUEUES, 0);
	assert_int_equal(in(IDENTITY), NONE);
}

/* The driver enables the interrupt twice, and marks the port as defective if the second is silent.
 */
static void test_enabling_empty_raises_it_each_time(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		out(ENABLE, 0x02);
		assert_true(vuart_interrupt(&uart));
		assert_int_equal(in(IDENTITY), EMPTY);
		assert_false(vuart_interrupt(&uart));
		assert_int_equal(in(IDENTITY), NONE);
		out(ENABLE, 0x02);
		assert_false(vuart_interrupt(&uart));
		out(ENABLE, 0);
	}
}

static void test_empty_ends_by_a_write_and_comes_back(void **state)
{
	(void)state;
	out(ENABLE, 0x02);
	out(DATA, 'a');
	assert_false(vuart_interrupt(&uart));
	assert_int_equal(in(STATUS), 0);
	assert_int_equal(sent(), 'a');
	assert_int_equal(in(STATUS), 0x60);
	assert_true(vuart_interrupt(&uart));
	/* Reading the status register does not end it; reading the identity does. */
	assert_true(vuart_interrupt(&uart));
	assert_int_equal(in(IDENTITY), EMPTY);
	assert_false(vuart_interrupt(&uart));
}

/* Every queue full of a 4 KiB write follows an edge of the line; none is lost, and all arrive. */
static void test_interrupt_driven_write(void **state)
{
	unsigned next = 0, arrived = 0, interrupts = 0;
	bool was = false;
	(void)state;
	out(QUEUES, 0x81);
	out(ENABLE, 0x02);
	while (next < 4096 || vuart_interrupt(&uart)) {
		assert_true(vuart_interrupt(&uart) && !was); /* or the driver would hang here */
		interrupts++;
		assert_int_equal(in(IDENTITY), 0xc0 | EMPTY);
		was = vuart_interrupt(&uart);
		assert_false(was);
		assert_int_equal(in(STATUS)&0x20, 0x20);
		for (unsigned i = 0; i < VUART_QUEUE_BYTES && next < 4096; i++) {
			out(DATA, (uint8_t)next++);
			int byte = sent();
			assert_int_equal(byte, arrived++ & 0xff);
		}
		if (next == 4096) {
			out(ENABLE, 0);
		}
	}
	assert_int_equal(arrived, 4096);
	assert_int_equal(interrupts, 4096 / VUART_QUEUE_BYTES);
}

static void test_queue_out_keeps_sixteen(void **state)
{
	(void)state;
	out(QUEUES, 0x01);
	for (unsigned i = 0; i < VUART_QUEUE_BYTES + 1; i++) {
		out(DATA, (uint8_t)i);
	}
	for (unsigned i = 0; i < VUART_QUEUE_BYTES; i++) {
		assert_int_equal(sent(), (int)i);
	}
	assert_int_equal(sent(), -1);
}

static void test_trigger_levels(void **state)
{
	static const unsigned levels[] = {1, 4, 8, 14};
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		out(QUEUES, (uint8_t)(0x07 | i << 6));
		out(ENABLE, 0x01);
		assert_false(vuart_interrupt(&uart));
		for (unsigned count = 1; count <= VUART_QUEUE_BYTES; count++) {
			assert_true(vuart_give(&uart, (uint8_t)count));
			assert_true(vuart_interrupt(&uart));
			assert_int_equal(in(IDENTITY)&0x0f,
					 count >= levels[i] ? RECEIVED : TIMEOUT);
		}
		assert_false(vuart_give(&uart, 0));
		for (unsigned count = 1; count <= VUART_QUEUE_BYTES; count++) {
			assert_int_equal(in(STATUS)&1, 1);
			assert_int_equal(in(DATA), count);
		}
		assert_int_equal(in(STATUS)&1, 0);
		assert_false(vuart_interrupt(&uart));
	}
}

static void test_pasted_kilobyte_loses_nothing(void **state)
{
	unsigned given = 0, read = 0;
	(void)state;
	out(QUEUES, 0xc7);
	out(ENABLE, 0x01);
	while (read < 1024) {
		while (given < 1024 && vuart_give(&uart, (uint8_t)(given * 7))) {
			given++;
		}
		assert_true(vuart_interrupt(&uart));
		/* A driver that takes a few bytes, not all. */
		for (unsigned i = 0; i < 5 && (in(STATUS)&1); i++) {
			assert_int_equal(in(DATA), (uint8_t)(read * 7));
			read++;
		}
	}
	assert_int_equal(given, 1024);
	assert_false(vuart_interrupt(&uart));
}

static void test_without_queues_one_byte(void **state)
{
	(void)state;
	out(ENABLE, 0x01);
	assert_true(vuart_give(&uart, 'x'));
	assert_false(vuart_give(&uart, 'y'));
	assert_int_equal(in(IDENTITY), RECEIVED);
	assert_int_equal(in(DATA), 'x');
	assert_true(vuart_give(&uart, 'y'));
	/* Changing the mode empties both sides; so do the two bits. */
	out(QUEUES, 0x01);
	assert_int_equal(in(STATUS), 0x60);
	assert_true(vuart_give(&uart, 'z'));
	out(DATA, 'w');
	out(QUEUES, 0x05);
	assert_int_equal(sent(), -1);
	assert_int_equal(in(STATUS), 0x61);
	out(QUEUES, 0x03);
	assert_int_equal(in(STATUS), 0x60);
}

static void test_loopback(void **state)
{
	(void)state;
	out(QUEUES, 0x01);
	out(CONTROL, 0x10);
	assert_int_equal(in(MODEM)&0xf0, 0);
	assert_false(vuart_give(&uart, 'n'));
	out(DATA, 0xae);
	assert_int_equal(sent(), -1);
	assert_int_equal(in(STATUS), 0x61);
	assert_int_equal(in(DATA), 0xae);
	out(CONTROL, 0x11);
	assert_int_equal(in(MODEM), 0x22); /* DSR, and that it changed */
	assert_int_equal(in(MODEM), 0x20);
	out(CONTROL, 0x12);
	assert_int_equal(in(MODEM), 0x13);
	out(CONTROL, 0x14);
	assert_int_equal(in(MODEM), 0x41); /* the ring's beginning is no change */
	out(CONTROL, 0x18);
	assert_int_equal(in(MODEM), 0x8c); /* its end is */
}

static void test_overrun_and_priorities(void **state)
{
	(void)state;
	out(CONTROL, 0x10);
	out(DATA, 1);
	out(DATA, 2);
	out(CONTROL, 0x11);
	out(ENABLE, 0x0f);
	assert_int_equal(in(IDENTITY), ERRORS);
	assert_int_equal(in(STATUS), 0x63);
	assert_int_equal(in(IDENTITY), RECEIVED);
	assert_int_equal(in(STATUS), 0x61);
	assert_int_equal(in(DATA), 1);
	assert_int_equal(in(IDENTITY), EMPTY);
	assert_int_equal(in(IDENTITY), 0); /* the modem's */
	assert_int_equal(in(IDENTITY), 0);
	assert_int_equal(in(MODEM)&0x0f, 0x0b); /* what loopback changed: CD and CTS fell */
	assert_int_equal(in(IDENTITY), NONE);
	assert_false(vuart_interrupt(&uart));
}

/* An interrupt of higher priority does not swallow one below it. */
static void test_identity_ends_only_what_it_tells(void **state)
{
	(void)state;
	out(ENABLE, 0x03);
	assert_true(vuart_give(&uart, 'k'));
	assert_int_equal(in(IDENTITY), RECEIVED);
	assert_int_equal(in(DATA), 'k');
	assert_int_equal(in(IDENTITY), EMPTY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_registers_after_reset, setup),
		cmocka_unit_test_setup(test_bits_that_do_not_exist_stay_zero, setup),
		cmocka_unit_test_setup(test_divisor_is_behind_the_latch_bit, setup),
		cmocka_unit_test_setup(test_linux_finds_a_16550a, setup),
		cmocka_unit_test_setup(test_enabling_empty_raises_it_each_time, setup),
		cmocka_unit_test_setup(test_empty_ends_by_a_write_and_comes_back, setup),
		cmocka_unit_test_setup(test_interrupt_driven_write, setup),
		cmocka_unit_test_setup(test_queue_out_keeps_sixteen, setup),
		cmocka_unit_test_setup(test_trigger_levels, setup),
		cmocka_unit_test_setup(test_pasted_kilobyte_loses_nothing, setup),
		cmocka_unit_test_setup(test_without_queues_one_byte, setup),
		cmocka_unit_test_setup(test_loopback, setup),
		cmocka_unit_test_setup(test_overrun_and_priorities, setup),
		cmocka_unit_test_setup(test_identity_ends_only_what_it_tells, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
