/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/virt/vi8042.c and vpci.c: what drivers probe is answered at once, and the ways to reset.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "drivers/virt/vi8042.h"
#include "drivers/virt/vpci.h"

static struct vi8042 keyboard;
static struct vpci pci;

static int setup(void **state)
{
	(void)state;
	vi8042_reset(&keyboard);
	vpci_reset(&pci);
	return 0;
}

static void command(uint8_t value)
{
	vi8042_write(&keyboard, 0x64, value);
}

static void data(uint8_t value)
{
	vi8042_write(&keyboard, 0x60, value);
}

static uint8_t status(void)
{
	return vi8042_read(&keyboard, 0x64);
}

static int answer(void)
{
	return status() & 1 ? vi8042_read(&keyboard, 0x60) : -1;
}

static void test_commands(void **state)
{
	static const struct {
		uint8_t command;
		int answer;
	} cases[] = {
		{0xaa, 0x55}, {0xab, 0x00}, {0xa9, 0x01}, {0xc0, 0xa0}, {0xd0, 0xcf},
		{0xa7, -1},   {0xa8, -1},   {0xad, -1},	  {0xae, -1},	{0x00, -1},
	};
	(void)state;
	assert_int_equal(status(), 0x14);
	assert_int_equal(answer(), -1);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		command(cases[i].command);
		assert_int_equal(status() & 0x08, 0x08);
		assert_int_equal(answer(), cases[i].answer);
		assert_int_equal(answer(), -1);
	}
	assert_false(vi8042_reset_wanted(&keyboard));
}

static void test_command_byte(void **state)
{
	(void)state;
	command(0x20);
	assert_int_equal(answer(), 0x64);
	command(0x60);
	data(0x47);
	assert_int_equal(status(), 0x14);
	command(0x20);
	assert_int_equal(answer(), 0x47);
	command(0xad);
	command(0xa7);
	command(0x20);
	assert_int_equal(answer(), 0x77);
	command(0xae);
	command(0xa8);
	command(0x20);
	assert_int_equal(answer(), 0x47);
	command(0x60);
	data(0x00);
	assert_int_equal(status() & 0x04, 0);
	command(0xaa);
	assert_int_equal(status() & 0x05, 0x05);
	assert_int_equal(answer(), 0x55);
	/* A command takes the place of one that waits for its byte. */
	command(0x60);
	command(0x20);
	(void)answer();
	data(0x01);
	command(0x20);
	assert_int_equal(answer(), 0x34);
}

/* Linux looks for a mouse by a byte that comes back marked as one, and by a test of its line. */
static void test_no_mouse_and_no_keyboard(void **state)
{
	(void)state;
	command(0x60);
	data(0x45);
	assert_false(vi8042_interrupt(&keyboard));
	command(0xd3);
	data(0x5a);
	assert_int_equal(status() & 0x21, 0x01);
	assert_true(vi8042_interrupt(&keyboard));
	assert_int_equal(answer(), 0x5a);
	data(0xf2); /* identify */
	assert_int_equal(status() & 0x41, 0x41);
	assert_true(vi8042_interrupt(&keyboard));
	assert_int_equal(answer(), 0xfe);
	assert_int_equal(status() & 0x41, 0);
	assert_false(vi8042_interrupt(&keyboard));
	command(0xd4);
	data(0xff);
	assert_int_equal(status() & 0x41, 0x41);
	assert_int_equal(answer(), 0xfe);
	command(0xd2);
	data(0x1c);
	assert_int_equal(status() & 0x41, 0x01);
	assert_int_equal(answer(), 0x1c);
}

static void test_ways_to_reset(void **state)
{
	(void)state;
	command(0xfe);
	assert_true(vi8042_reset_wanted(&keyboard));
	vi8042_reset(&keyboard);
	assert_false(vi8042_reset_wanted(&keyboard));
	command(0xff);
	command(0xfd);
	assert_false(vi8042_reset_wanted(&keyboard));
	command(0xf0);
	assert_true(vi8042_reset_wanted(&keyboard));
	vi8042_reset(&keyboard);
	command(0xd1);
	data(0xdf);
	assert_false(vi8042_reset_wanted(&keyboard));
	command(0xd1);
	data(0xfe);
	assert_true(vi8042_reset_wanted(&keyboard));
	vi8042_reset(&keyboard);
	vi8042_write(&keyboard, 0x92, 0x02);
	assert_false(vi8042_reset_wanted(&keyboard));
	vi8042_write(&keyboard, 0x92, 0x03);
	assert_true(vi8042_reset_wanted(&keyboard));
}

static void test_a20(void **state)
{
	(void)state;
	assert_int_equal(vi8042_read(&keyboard, 0x92), 0x02);
	command(0xd1);
	data(0xdd);
	assert_int_equal(vi8042_read(&keyboard, 0x92), 0);
	vi8042_write(&keyboard, 0x92, 0x02);
	command(0xd0);
	assert_int_equal(answer(), 0xdf);
	vi8042_write(&keyboard, 0x93, 0x01);
	assert_int_equal(vi8042_read(&keyboard, 0x93), 0xff);
	assert_false(vi8042_reset_wanted(&keyboard));
}

static void test_pci_address(void **state)
{
	(void)state;
	/* As Linux probes: mechanism 1 by what can be read back, 2 by what reads as 0. */
	vpci_write(&pci, 0xcfb, 1, 0x01);
	assert_int_equal(vpci_read(&pci, 0xcf8, 4), 0);
	vpci_write(&pci, 0xcf8, 4, 0x80000000);
	assert_int_equal(vpci_read(&pci, 0xcf8, 4), 0x80000000);
	vpci_write(&pci, 0xcf8, 1, 0);
	vpci_write(&pci, 0xcfa, 1, 0);
	assert_int_equal(vpci_read(&pci, 0xcf8, 1), 0xff);
	assert_int_equal(vpci_read(&pci, 0xcfa, 1), 0xff);
	assert_int_equal(vpci_read(&pci, 0xcf8, 4), 0x80000000);
}

static uint32_t config(uint32_t address, uint16_t port, unsigned bytes)
{
	vpci_write(&pci, 0xcf8, 4, address);
	return vpci_read(&pci, port, bytes);
}

/* What Linux looks for before it believes in mechanism 1, and what a scan of the bus sees. */
static void test_pci_bridge(void **state)
{
	(void)state;
	assert_int_equal(config(0x80000000, 0xcfc, 4), 0x00081b36);
	assert_int_equal(config(0x80000000, 0xcfc, 2), 0x1b36);
	assert_int_equal(config(0x80000000, 0xcfe, 2), 0x0008);
	assert_int_equal(config(0x80000000, 0xcfd, 1), 0x1b);
	assert_int_equal(config(0x80000008, 0xcfe, 2), 0x0600);
	assert_int_equal(config(0x80000008, 0xcfc, 4), 0x06000000);
	/* No BAR, no capability, one function; registers are words, whatever the last two bits. */
	for (uint32_t offset = 0x0c; offset < 0x100; offset += 4) {
		vpci_write(&pci, 0xcf8, 4, 0x80000000 | offset);
		vpci_write(&pci, 0xcfc, 4, 0xffffffff);
		assert_int_equal(vpci_read(&pci, 0xcfc, 4), 0);
	}
	assert_int_equal(config(0x80000003, 0xcfc, 4), 0x00081b36);
	assert_int_equal(config(0x80000000, 0xcff, 2), 0xff00); /* half of it beyond the ports */
	/* Not enabled, or of a part of the address that means nothing. */
	assert_int_equal(config(0x00000000, 0xcfc, 4), 0xffffffff);
	assert_int_equal(config(0x80000100, 0xcfc, 4), 0xffffffff);
	assert_int_equal(config(0x80000800, 0xcfc, 4), 0xffffffff);
	assert_int_equal(config(0x80010000, 0xcfc, 4), 0xffffffff);
}

static void test_pci_bus_is_empty_otherwise(void **state)
{
	(void)state;
	for (uint32_t address = 0x104; address < 0x1000000; address += 0x1004) {
		vpci_write(&pci, 0xcf8, 4, 0x80000000 | address);
		vpci_write(&pci, 0xcfc, 4, address);
		for (unsigned bytes = 1; bytes <= 4; bytes *= 2) {
			uint32_t ones = bytes == 4 ? 0xffffffff : (1u << (8 * bytes)) - 1;
			for (uint16_t port = 0xcfc; port < 0xd00; port++) {
				assert_int_equal(vpci_read(&pci, port, bytes), ones);
			}
		}
	}
	assert_false(vpci_reset_wanted(&pci));
}

static void test_pci_reset_register(void **state)
{
	static const struct {
		uint16_t port;
		unsigned bytes;
		uint32_t value;
	} ways[] = {{0xcf9, 1, 0x06}, {0xcf9, 2, 0xff0e}, {0xcf8, 2, 0x0400}, {0xcf9, 4, 4}};
	(void)state;
	/* A cold reset in two steps. */
	vpci_write(&pci, 0xcf9, 1, 0x02);
	assert_int_equal(vpci_read(&pci, 0xcf9, 1), 0x02);
	assert_int_equal(vpci_read(&pci, 0xcf8, 2), 0x02ff);
	assert_false(vpci_reset_wanted(&pci));
	for (unsigned i = 0; i < 4; i++) {
		vpci_reset(&pci);
		vpci_write(&pci, 0xcf8, 4, 0xffffffff);
		vpci_write(&pci, 0xcf8, 1, 0xff);
		vpci_write(&pci, 0xcfa, 2, 0xffff);
		vpci_write(&pci, 0xcfc, 4, 0xffffffff);
		assert_false(vpci_reset_wanted(&pci));
		vpci_write(&pci, ways[i].port, ways[i].bytes, ways[i].value);
		assert_true(vpci_reset_wanted(&pci));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_commands, setup),
		cmocka_unit_test_setup(test_command_byte, setup),
		cmocka_unit_test_setup(test_no_mouse_and_no_keyboard, setup),
		cmocka_unit_test_setup(test_ways_to_reset, setup),
		cmocka_unit_test_setup(test_a20, setup),
		cmocka_unit_test_setup(test_pci_address, setup),
		cmocka_unit_test_setup(test_pci_bridge, setup),
		cmocka_unit_test_setup(test_pci_bus_is_empty_otherwise, setup),
		cmocka_unit_test_setup(test_pci_reset_register, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
