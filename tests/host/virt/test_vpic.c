/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/virt/vpic.c: the modes of the 8259A, one after the other, and the pair of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "drivers/virt/vpic.h"

static struct vpic pic;

static void out(uint16_t port, uint8_t value)
{
	vpic_write(&pic, port, value);
}

static uint8_t in(uint16_t port)
{
	return vpic_read(&pic, port);
}

static void initialize(uint8_t icw4)
{
	out(0x20, 0x11);
	out(0x21, 0x30);
	out(0x21, 0x04);
	out(0x21, icw4);
	out(0xa0, 0x11);
	out(0xa1, 0x38);
	out(0xa1, 0x02);
	out(0xa1, icw4);
}

static int setup(void **state)
{
	(void)state;
	vpic_reset(&pic);
	initialize(0x01);
	return 0;
}

static void pulse(unsigned irq)
{
	vpic_line(&pic, irq, false);
	vpic_line(&pic, irq, true);
}

static void expect(uint8_t vector)
{
	assert_true(vpic_output(&pic));
	assert_int_equal(vpic_acknowledge(&pic), vector);
}

/* IRR of both chips, IMR unharmed. */
static unsigned requests(void)
{
	out(0x20, 0x0a);
	out(0xa0, 0x0a);
	return in(0x20) | (unsigned)in(0xa0) << 8;
}

static unsigned service(void)
{
	out(0x20, 0x0b);
	out(0xa0, 0x0b);
	return in(0x20) | (unsigned)in(0xa0) << 8;
}

static void test_silent_until_initialized(void **state)
{
	(void)state;
	vpic_reset(&pic);
	pulse(0);
	assert_false(vpic_output(&pic));
	/* Linux looks for the chip by its mask, before it initializes it. */
	out(0xa1, 0xff);
	out(0x21, 0xfb);
	assert_int_equal(in(0x21), 0xfb);
	assert_int_equal(in(0xa1), 0xff);
	out(0x20, 0x11);
	pulse(0);
	assert_false(vpic_output(&pic));
	initialize(0x01);
	assert_int_equal(in(0x21), 0);
	/* Initialization starts the edge detectors again. */
	assert_int_equal(requests(), 0);
	pulse(0);
	expect(0x30);
}

static void test_words_of_initialization(void **state)
{
	(void)state;
	/* Without ICW4 and, on a single chip, without ICW3. */
	out(0x20, 0x10);
	out(0x21, 0x57);
	out(0x21, 0x04);
	out(0x21, 0xfe);
	assert_int_equal(in(0x21), 0xfe);
	pulse(0);
	expect(0x50);
	out(0x20, 0x13);
	out(0x21, 0x60);
	out(0x21, 0x01);
	out(0x21, 0xfd);
	assert_int_equal(in(0x21), 0xfd);
	pulse(1);
	expect(0x61);
}

static void test_priorities_and_end_of_interrupt(void **state)
{
	(void)state;
	pulse(4);
	pulse(6);
	expect(0x34);
	assert_false(vpic_output(&pic));
	pulse(1);
	expect(0x31);
	assert_int_equal(service(), 0x12);
	assert_int_equal(requests(), 0x40);
	out(0x20, 0x20); /* the one of highest priority */
	assert_int_equal(service(), 0x10);
	assert_false(vpic_output(&pic));
	out(0x20, 0x64); /* 4 by its number */
	assert_int_equal(service(), 0);
	expect(0x36);
	out(0x20, 0x20);
	out(0x20, 0x20); /* one too many does nothing */
	assert_false(vpic_output(&pic));
}

static void test_cascade(void **state)
{
	(void)state;
	pulse(12);
	pulse(9);
	expect(0x39);
	assert_int_equal(service(), 0x0204);
	assert_false(vpic_output(&pic));
	pulse(8); /* more urgent, but the master holds line 2 */
	assert_false(vpic_output(&pic));
	pulse(1);
	expect(0x31);
	out(0x20, 0x20);
	out(0xa0, 0x20);
	out(0x20, 0x20);
	expect(0x38);
	out(0xa0, 0x20);
	out(0x20, 0x20);
	expect(0x3c);
	out(0xa0, 0x20);
	out(0x20, 0x62);
	assert_int_equal(service(), 0);
	assert_false(vpic_output(&pic));
	pulse(2); /* no line of the board */
	assert_false(vpic_output(&pic));
	vpic_line(&pic, 16, true);
	assert_false(vpic_output(&pic));
}

static void test_special_fully_nested(void **state)
{
	(void)state;
	initialize(0x11);
	pulse(12);
	expect(0x3c);
	pulse(13);
	assert_false(vpic_output(&pic));
	pulse(9);
	expect(0x39);
	assert_int_equal(service(), 0x1204);
}

static void test_mask(void **state)
{
	(void)state;
	out(0x21, 0x10);
	pulse(4);
	assert_false(vpic_output(&pic));
	assert_int_equal(requests(), 0x10);
	out(0x21, 0);
	expect(0x34);
}

/* A line that falls before the acknowledge leaves the spurious vector, and nothing in service. */
static void test_spurious(void **state)
{
	(void)state;
	pulse(3);
	assert_true(vpic_output(&pic));
	vpic_line(&pic, 3, false);
	assert_false(vpic_output(&pic));
	assert_int_equal(vpic_acknowledge(&pic), 0x37);
	assert_int_equal(service(), 0);
	pulse(14);
	vpic_line(&pic, 14, false);
	assert_int_equal(vpic_acknowledge(&pic), 0x37);
	/* Masked in between: the request stays for later. */
	pulse(5);
	out(0x21, 0xff);
	assert_int_equal(vpic_acknowledge(&pic), 0x37);
	out(0x21, 0);
	expect(0x35);
}

static void test_edges_and_levels(void **state)
{
	(void)state;
	vpic_line(&pic, 5, true);
	expect(0x35);
	out(0x20, 0x20);
	vpic_line(&pic, 5, true);
	assert_false(vpic_output(&pic));
	out(0x4d0, 0xff);
	out(0x4d1, 0xff);
	assert_int_equal(in(0x4d0), 0xf8);
	assert_int_equal(in(0x4d1), 0xde);
	expect(0x35); /* the level is still high */
	assert_false(vpic_output(&pic));
	out(0x20, 0x20);
	expect(0x35);
	vpic_line(&pic, 5, false);
	out(0x20, 0x20);
	assert_false(vpic_output(&pic));
	vpic_line(&pic, 10, true);
	expect(0x3a);
	out(0xa0, 0x20);
	out(0x20, 0x20);
	expect(0x3a);
}

static void test_rotation(void **state)
{
	(void)state;
	pulse(0);
	expect(0x30);
	out(0x20, 0xa0); /* rotate on non-specific: 0 is last now */
	pulse(0);
	pulse(7);
	expect(0x37);
	out(0x20, 0xe7); /* rotate on specific */
	expect(0x30);
	out(0x20, 0x20);
	out(0x20, 0xc3); /* 3 is last */
	pulse(3);
	pulse(4);
	expect(0x34);
	out(0x20, 0x40); /* no operation */
	assert_int_equal(service(), 0x10);
}

static void test_automatic_end(void **state)
{
	(void)state;
	initialize(0x03);
	pulse(1);
	expect(0x31);
	assert_int_equal(service(), 0);
	out(0x20, 0x80); /* with rotation */
	pulse(1);
	expect(0x31);
	pulse(1);
	pulse(2 + 1);
	expect(0x33);
	expect(0x31);
	out(0x20, 0x00);
	pulse(1);
	pulse(3);
	expect(0x33);
	expect(0x31);
	pulse(1);
	pulse(3);
	expect(0x33); /* the order stays */
	expect(0x31);
	/* The slave's output falls and rises with each acknowledge, whatever else it asks for. */
	pulse(9);
	pulse(10);
	expect(0x39);
	expect(0x3a);
	assert_false(vpic_output(&pic));
}

static void test_special_mask(void **state)
{
	(void)state;
	pulse(1);
	expect(0x31);
	pulse(6);
	assert_false(vpic_output(&pic));
	out(0x21, 0x02);
	assert_false(vpic_output(&pic));
	out(0x20, 0x68);
	expect(0x36);
	out(0x20, 0x20); /* not 1, which is masked */
	assert_int_equal(service(), 0x02);
	out(0x20, 0x48);
	out(0x20, 0x20);
	assert_int_equal(service(), 0);
}

static void test_poll(void **state)
{
	(void)state;
	out(0x20, 0x0c);
	assert_int_equal(in(0x20), 0x07);
	pulse(5);
	out(0x20, 0x0c);
	assert_int_equal(in(0x20), 0x85);
	assert_int_equal(service(), 0x20);
	assert_false(vpic_output(&pic));
	out(0x20, 0x20);
	pulse(11);
	out(0xa0, 0x0c);
	assert_int_equal(in(0xa1), 0x83);
	assert_false(vpic_output(&pic));
}

static void test_other_ports(void **state)
{
	(void)state;
	out(0x22, 0x11);
	out(0x4d2, 0xff);
	pulse(0);
	expect(0x30);
	assert_int_equal(in(0x22), 0xff);
	assert_int_equal(in(0x4d2), 0xff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_silent_until_initialized, setup),
		cmocka_unit_test_setup(test_words_of_initialization, setup),
		cmocka_unit_test_setup(test_priorities_and_end_of_interrupt, setup),
		cmocka_unit_test_setup(test_cascade, setup),
		cmocka_unit_test_setup(test_special_fully_nested, setup),
		cmocka_unit_test_setup(test_mask, setup),
		cmocka_unit_test_setup(test_spurious, setup),
		cmocka_unit_test_setup(test_edges_and_levels, setup),
		cmocka_unit_test_setup(test_rotation, setup),
		cmocka_unit_test_setup(test_automatic_end, setup),
		cmocka_unit_test_setup(test_special_mask, setup),
		cmocka_unit_test_setup(test_poll, setup),
		cmocka_unit_test_setup(test_other_ports, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
