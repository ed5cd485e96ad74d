/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/phys/pci.c: a machine of some functions, each kind of serial card, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "drivers/phys/pci.h"
#include "fake/board.h"

#define FUNCTIONS_MAX 8

static struct function {
	uint32_t number;
	uint32_t words[64];
} functions[FUNCTIONS_MAX];

static unsigned function_count;
static bool has_ports;
static uint32_t chosen;
static unsigned config_writes;

static uint32_t *config_word(void)
{
	for (unsigned i = 0; i < function_count; i++) {
		if (functions[i].number == (chosen >> 8 & 0xffff) && chosen >> 31) {
			return &functions[i].words[chosen >> 2 & 63];
		}
	}
	return NULL;
}

void board_write(uint16_t port, unsigned bytes, uint32_t value)
{
	if (port == 0xcf8) {
		assert_int_equal(bytes, 4);
		chosen = has_ports ? value : chosen;
		return;
	}
	uint32_t *word = config_word();
	assert_true(port >= 0xcfc && port <= 0xcff);
	config_writes++;
	if (word != NULL && bytes == 1) {
		memcpy((uint8_t *)word + (port - 0xcfc), &value, 1);
	} else if (word != NULL) {
		*word = value;
	}
}

uint32_t board_read(uint16_t port, unsigned bytes)
{
	assert_int_equal(bytes, 4);
	if (port == 0xcf8) {
		return has_ports ? chosen : 0xffffffff;
	}
	assert_int_equal(port, 0xcfc);
	uint32_t *word = config_word();
	return word != NULL ? *word : 0xffffffff;
}

static int setup(void **state)
{
	(void)state;
	memset(functions, 0, sizeof(functions));
	function_count = 0;
	config_writes = 0;
	has_ports = true;
	chosen = 0;
	return 0;
}

static struct function *put(uint32_t number, uint32_t class, uint32_t bar)
{
	struct function *function = &functions[function_count++];
	function->number = number;
	function->words[0] = 0x00021b36;
	function->words[1] = 0x02900000;
	function->words[2] = class << 16 | 0x0201;
	function->words[4] = bar;
	return function;
}

static struct pci_serial serial;

static void check_refused(uint32_t function, const char *words)
{
	memset(&serial, 0xee, sizeof(serial));
	const char *message = pci_find_serial(function, &serial);
	assert_non_null(message);
	assert_non_null(strstr(message, words));
	assert_int_equal(config_writes, 0);
}

static void test_first_card(void **state)
{
	(void)state;
	put(PCI_FUNCTION(0, 0, 0), 0x0600, 0);
	put(PCI_FUNCTION(3, 7, 0), 0x0700, 0xc041);
	put(PCI_FUNCTION(4, 0, 0), 0x0700, 0xd041);
	assert_null(pci_find_serial(PCI_FUNCTION_NONE, &serial));
	assert_false(serial.memory);
	assert_int_equal(serial.place, 0xc040);
	/* Ports were off; the status half is not written back, for that would clear it. */
	assert_int_equal(functions[1].words[1], 0x0001);
	assert_int_equal(functions[2].words[1], 0x02900000);
	/* On already: nothing is written. */
	config_writes = 0;
	assert_null(pci_find_serial(PCI_FUNCTION(3, 7, 0), &serial));
	assert_int_equal(config_writes, 0);
}

/* Functions behind the first one count only where the device says that it has some. */
static void test_later_functions(void **state)
{
	(void)state;
	struct function *first = put(PCI_FUNCTION(0, 31, 0), 0x0601, 0);
	put(PCI_FUNCTION(0, 31, 3), 0x0700, 0xe001);
	check_refused(PCI_FUNCTION_NONE, "no PCI serial card");
	first->words[3] = 1u << 23;
	assert_null(pci_find_serial(PCI_FUNCTION_NONE, &serial));
	assert_int_equal(serial.place, 0xe000);
}

static void test_named_card(void **state)
{
	(void)state;
	put(PCI_FUNCTION(0, 1, 0), 0x0700, 0xc041);
	put(PCI_FUNCTION(0, 2, 1), 0x0702, 0xd041);
	put(PCI_FUNCTION(0, 3, 0), 0x0200, 0xe041);
	put(PCI_FUNCTION(0, 4, 0), 0x0700, 0xe041)->words[3] = 1u << 16; /* a bridge's header */
	assert_null(pci_find_serial(PCI_FUNCTION(0, 2, 1), &serial));
	assert_int_equal(serial.place, 0xd040);
	config_writes = 0;
	check_refused(PCI_FUNCTION(0, 3, 0), "is no serial card");
	check_refused(PCI_FUNCTION(0, 4, 0), "is no serial card");
	check_refused(PCI_FUNCTION(0, 9, 0), "there is no PCI function");
}

static void test_base_addresses(void **state)
{
	(void)state;
	struct function *card = put(PCI_FUNCTION(0, 1, 0), 0x0700, 0);
	check_refused(PCI_FUNCTION_NONE, "no address");
	card->words[4] = 1; /* ports, never given */
	check_refused(PCI_FUNCTION_NONE, "no address");
	card->words[4] = 0x10001; /* beyond all ports */
	check_refused(PCI_FUNCTION_NONE, "no address");
	card->words[4] = 0xfeb00008;
	assert_null(pci_find_serial(PCI_FUNCTION_NONE, &serial));
	assert_true(serial.memory);
	assert_int_equal(serial.place, 0xfeb00000);
	assert_int_equal(card->words[1], 0x0002);
	/* 64 bits wide: the next one is its upper half and none of its own. */
	card->words[4] = 0x00000004;
	card->words[5] = 0x00000081;
	assert_null(pci_find_serial(PCI_FUNCTION_NONE, &serial));
	assert_true(serial.memory);
	assert_int_equal(serial.place, 0x8100000000);
	/* Ports are preferred, wherever they come. */
	card->words[8] = 0xc0a1;
	assert_null(pci_find_serial(PCI_FUNCTION_NONE, &serial));
	assert_false(serial.memory);
	assert_int_equal(serial.place, 0xc0a0);
	/* The upper half of the last one would lie outside. */
	memset(&card->words[4], 0, 6 * sizeof(uint32_t));
	card->words[9] = 0xfeb00004;
	card->words[10] = 1;
	assert_null(pci_find_serial(PCI_FUNCTION_NONE, &serial));
	assert_int_equal(serial.place, 0xfeb00000);
}

static void test_machine_without_pci(void **state)
{
	(void)state;
	has_ports = false;
	check_refused(PCI_FUNCTION_NONE, "no PCI configuration ports");
	check_refused(PCI_FUNCTION(0, 1, 0), "no PCI configuration ports");
}

static void test_single_bytes(void **state)
{
	(void)state;
	struct function *function = put(PCI_FUNCTION(0, 31, 0), 0x0601, 0);
	function->words[0x20] = 0x11223344;
	pci_write_8(PCI_FUNCTION(0, 31, 0), 0x82, 0xaa);
	assert_int_equal(function->words[0x20], 0x11aa3344);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_first_card, setup),
		cmocka_unit_test_setup(test_later_functions, setup),
		cmocka_unit_test_setup(test_named_card, setup),
		cmocka_unit_test_setup(test_base_addresses, setup),
		cmocka_unit_test_setup(test_machine_without_pci, setup),
		cmocka_unit_test_setup(test_single_bytes, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
