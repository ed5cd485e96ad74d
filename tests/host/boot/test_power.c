/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drivers/phys/acpi_power.c and power.c: the tables of machines that are switched off and reset in
 * each way, each kind of damage to them, and what is written to the machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "drivers/phys/acpi_power.h"
#include "drivers/phys/physical.h"
#include "drivers/phys/power.h"
#include "drivers/phys/processors.h"
#include "fake/board.h"
#include "fake/firmware.h"

#define RSDT 0x100100
#define XSDT 0x100400
#define FADT 0x101000
#define DSDT 0x110000
#define SSDT 0x120000
#define SSDT_2 0x130000
#define HEADER 36
#define SLEEP (1u << 13)
#define EVENTS_MAX 64

/* What was written to the machine, in order. */
static struct event {
	uint16_t port;
	unsigned bytes;
	uint32_t value;
} events[EVENTS_MAX];

static unsigned event_count;
static uint16_t pm1[2]; /* at ports 0x604 and 0x704 */
static bool acpi_obeys;
static uint8_t keyboard_status;
static unsigned keyboard_busy;
static uint8_t chipset;
static uint8_t device_memory[64];
static uint64_t device_place;

void board_write(uint16_t port, unsigned bytes, uint32_t value)
{
	assert_true(event_count < EVENTS_MAX);
	events[event_count++] = (struct event){port, bytes, value};
	if (port == 0x604 || port == 0x704) {
		pm1[port == 0x704] = (uint16_t)value;
	} else if (port == 0xb2 && acpi_obeys) {
		pm1[0] |= 1;
	}
}

uint32_t board_read(uint16_t port, unsigned bytes)
{
	switch (port) {
	case 0x604:
	case 0x704:
		assert_int_equal(bytes, 2);
		return pm1[port == 0x704];
	case 0x64:
		if (keyboard_busy > 0) {
			keyboard_busy--;
			return keyboard_status | 2;
		}
		return keyboard_status;
	case 0xcf9:
		return chipset;
	default:
		return bytes == 1 ? 0xff : 0xffff;
	}
}

volatile void *physical_map_device(uint64_t place, size_t bytes)
{
	device_place = place;
	assert_true(bytes <= 2);
	return place < 0x1000000000 ? device_memory : NULL;
}

static uint8_t fadt[276 - HEADER];
static const struct acpi_roots old_roots = {.rsdt = RSDT};
static const struct acpi_roots both_roots = {RSDT, XSDT};
static struct acpi_sleep found;
static struct acpi_reset reset;
static struct error error;

/* \_S5 as compilers write it: Name (\_S5, Package (4) {5, 6, 0, 0}). */
static const uint8_t s5[] = {0x10, 0x20, 0x08, '_',  'S',  '5',	 '_',  0x12,
			     0x08, 0x04, 0x0a, 0x05, 0x0a, 0x06, 0x00, 0x00};

static void put_8(unsigned offset, uint8_t value)
{
	fadt[offset - HEADER] = value;
}

static void put_32(unsigned offset, uint32_t value)
{
	memcpy(fadt + offset - HEADER, &value, sizeof(value));
}

static void put_register(unsigned offset, uint8_t space, uint64_t place)
{
	put_8(offset, space);
	memcpy(fadt + offset + 4 - HEADER, &place, sizeof(place));
}

static void publish(size_t fadt_bytes)
{
	const uint64_t tables[] = {SSDT, FADT, SSDT_2};
	firmware_table(FADT, "FACP", fadt, fadt_bytes - HEADER);
	firmware_root_table(RSDT, "RSDT", tables, 3);
	firmware_root_table(XSDT, "XSDT", tables, 3);
}

static int setup(void **state)
{
	(void)state;
	firmware_clear();
	memset(fadt, 0, sizeof(fadt));
	memset(events, 0, sizeof(events));
	event_count = 0;
	pm1[0] = pm1[1] = 0;
	acpi_obeys = true;
	keyboard_status = 0;
	keyboard_busy = 0;
	chipset = 0;
	memset(device_memory, 0, sizeof(device_memory));
	memset(&found, 0xee, sizeof(found));
	memset(&reset, 0xee, sizeof(reset));
	memset(&error, 'x', sizeof(error));
	put_32(40, DSDT);
	put_32(64, 0x604);
	firmware_table(DSDT, "DSDT", s5, sizeof(s5));
	publish(116);
	return 0;
}

static enum status find_sleep(void)
{
	enum status status = acpi_find_sleep(&old_roots, &found, &error);
	assert_non_null(memchr(error.text, '\0', sizeof(error.text)));
	assert_true((status == STATUS_OK) == (error.text[0] == '\0'));
	return status;
}

static void check_refused(const char *words)
{
	assert_int_not_equal(find_sleep(), STATUS_OK);
	if (strstr(error.text, words) == NULL) {
		fail_msg("\"%s\" does not say \"%s\"", error.text, words);
	}
}

/* ---- Tables ---------------------------------------------------------------------------------- */

static void test_first_revision(void **state)
{
	(void)state;
	assert_int_equal(find_sleep(), STATUS_OK);
	assert_false(found.reduced);
	assert_int_equal(found.control[0].space, ACPI_PORT);
	assert_int_equal(found.control[0].place, 0x604);
	assert_int_equal(found.control[1].place, 0);
	assert_int_equal(found.type[0], 5);
	assert_int_equal(found.type[1], 6);
	assert_int_equal(found.enable_port, 0);
	assert_int_equal(acpi_find_reset(&old_roots, &reset, &error), STATUS_NOT_FOUND);
	assert_string_equal(error.text, "ACPI names no register to reset by");
}

static void test_wide_fields_are_preferred(void **state)
{
	(void)state;
	put_32(64, 0x999);
	put_32(68, 0x704);
	put_32(48, 0xb2);
	put_8(52, 0xf1);
	put_register(172, ACPI_PORT, 0x604);
	put_32(140, DSDT);
	put_32(40, SSDT);
	publish(276);
	assert_int_equal(find_sleep(), STATUS_OK);
	assert_int_equal(found.control[0].place, 0x604);
	assert_int_equal(found.control[1].place, 0x704);
	assert_int_equal(found.enable_port, 0xb2);
	assert_int_equal(found.enable_value, 0xf1);
	/* One that no processor can reach is none. */
	put_register(172, ACPI_PORT, 0x10604);
	publish(276);
	assert_int_equal(find_sleep(), STATUS_OK);
	assert_int_equal(found.control[0].place, 0x999);
	put_register(172, 0x7f, 0x604);
	publish(276);
	assert_int_equal(find_sleep(), STATUS_OK);
	assert_int_equal(found.control[0].place, 0x999);
	/* What lies behind the end of a short table is not read. */
	firmware_put_32(FADT + 176, 0x604);
	publish(172);
	assert_int_equal(find_sleep(), STATUS_OK);
	assert_int_equal(found.control[0].place, 0x999);
}

static void test_reduced_hardware(void **state)
{
	(void)state;
	put_32(112, 1u << 20);
	put_register(244, ACPI_MEMORY, 0x9000f000);
	publish(276);
	assert_int_equal(find_sleep(), STATUS_OK);
	assert_true(found.reduced);
	assert_int_equal(found.control[0].space, ACPI_MEMORY);
	assert_int_equal(found.control[0].place, 0x9000f000);
	/* The other registers do not count there. */
	put_register(244, 0, 0);
	publish(276);
	check_refused("no register to switch off by");
	put_register(244, ACPI_PCI, 0x40);
	publish(276);
	check_refused("no register to switch off by");
}

static void test_reset_register(void **state)
{
	(void)state;
	put_32(112, 1u << 10);
	put_register(116, ACPI_PORT, 0xcf9);
	put_8(128, 0x0f);
	publish(129);
	assert_int_equal(acpi_find_reset(&old_roots, &reset, &error), STATUS_OK);
	assert_int_equal(reset.where.space, ACPI_PORT);
	assert_int_equal(reset.where.place, 0xcf9);
	assert_int_equal(reset.value, 0x0f);
	put_32(112, 0);
	publish(129);
	assert_int_equal(acpi_find_reset(&old_roots, &reset, &error), STATUS_NOT_FOUND);
}

/* Regression: a register in RAM was mapped and written to: a VM's page, or one of ours. */
static void test_registers_in_ram(void **state)
{
	(void)state;
	firmware_ram_start = 0x80001000;
	firmware_ram_end = 0x80002000;
	static const struct {
		uint64_t place;
		bool good;
	} places[] = {
		{0x80000ffe, true},  {0x80000fff, false}, {0x80001000, false},
		{0x80001ffe, false}, {0x80002000, true},
	};
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		put_32(112, 1u << 10);
		put_register(116, ACPI_MEMORY, places[i].place);
		put_register(172, ACPI_MEMORY, places[i].place);
		publish(276);
		assert_int_equal(find_sleep(), places[i].good ? STATUS_OK : STATUS_INVALID);
		if (!places[i].good) {
			assert_non_null(strstr(error.text, "lie in RAM, at 0x8000"));
		}
		bool one_byte_good = places[i].good || places[i].place == 0x80000fff;
		assert_int_equal(acpi_find_reset(&old_roots, &reset, &error),
				 one_byte_good ? STATUS_OK : STATUS_INVALID);
	}
	/* The second block is looked at as well, and the same number as a port is no place in RAM.
	 */
	put_register(172, ACPI_PORT, 0x604);
	put_register(184, ACPI_MEMORY, 0x80001800);
	publish(276);
	check_refused("lie in RAM");
	firmware_ram_start = 0x600;
	firmware_ram_end = 0x700;
	publish(276);
	assert_int_equal(find_sleep(), STATUS_OK);
}

static void test_both_ways(void **state)
{
	struct acpi_ways ways;
	(void)state;
	put_32(112, 1u << 10);
	put_register(116, ACPI_PORT, 0xcf9);
	put_8(128, 0x0f);
	publish(129);
	acpi_find_ways(0, &ways);
	assert_false(ways.has_sleep || ways.has_reset);
	assert_string_equal(ways.no_sleep.text, "this machine has no ACPI");
	firmware_root(0xf0010, 0, RSDT, 0);
	acpi_find_ways(0, &ways);
	assert_true(ways.has_sleep && ways.has_reset);
	assert_int_equal(ways.sleep.control[0].place, 0x604);
	assert_int_equal(ways.reset.where.place, 0xcf9);
	firmware_memory[DSDT + 40] ^= 1;
	acpi_find_ways(0xf0010, &ways);
	assert_false(ways.has_sleep);
	assert_true(ways.has_reset);
	assert_string_equal(ways.no_sleep.text, "ACPI's table DSDT has a wrong checksum");
}

static void test_old_root_serves_when_new_is_damaged(void **state)
{
	(void)state;
	firmware_memory[XSDT + 20] ^= 1;
	assert_int_equal(acpi_find_sleep(&both_roots, &found, &error), STATUS_OK);
	assert_string_equal(error.text, "");
}

static void test_damaged_tables(void **state)
{
	(void)state;
	firmware_memory[FADT + 70] ^= 1;
	check_refused("FACP has a wrong checksum");
	publish(115);
	check_refused("FACP has the impossible length");
	publish(116);
	firmware_memory[DSDT + 40] ^= 1;
	check_refused("DSDT has a wrong checksum");
	firmware_memory[DSDT] = 'X';
	check_refused("no table DSDT");
	put_32(40, 0xfffffff0);
	publish(116);
	check_refused("beyond all memory");
	put_32(40, 0);
	publish(116);
	check_refused("do not say what state S5 is");
	put_32(64, 0);
	publish(116);
	check_refused("no register to switch off by");
	const uint64_t none[] = {SSDT};
	firmware_root_table(RSDT, "RSDT", none, 1);
	check_refused("no table FACP");
	const struct acpi_roots nothing = {0, 0};
	assert_int_equal(acpi_find_sleep(&nothing, &found, &error), STATUS_NOT_FOUND);
	assert_int_equal(acpi_find_reset(&nothing, &reset, &error), STATUS_NOT_FOUND);
}

/* ---- \_S5 ------------------------------------------------------------------------------------ */

static bool reads(const void *aml, size_t bytes, uint8_t a, uint8_t b)
{
	firmware_table(DSDT, "DSDT", aml, bytes);
	return find_sleep() == STATUS_OK && found.type[0] == a && found.type[1] == b;
}

static bool refuses(const void *aml, size_t bytes)
{
	firmware_table(DSDT, "DSDT", aml, bytes);
	return find_sleep() == STATUS_NOT_FOUND;
}

#define READS(a, b, ...)                                                                           \
	reads((const uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}), a, b)
#define REFUSES(...) refuses((const uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}))
#define S5 0x08, '_', 'S', '5', '_'

static void test_every_encoding(void **state)
{
	(void)state;
	assert_true(READS(0, 0, S5, 0x12, 6, 4, 0, 0, 0, 0));
	assert_true(READS(1, 0, S5, 0x12, 4, 2, 1, 0));
	assert_true(READS(7, 7, S5, 0x12, 6, 2, 0x0a, 7, 0x0a, 7));
	assert_true(READS(3, 4, S5, 0x12, 8, 2, 0x0b, 3, 0, 0x0b, 4, 0));
	assert_true(READS(3, 4, S5, 0x12, 12, 2, 0x0c, 3, 0, 0, 0, 0x0c, 4, 0, 0, 0));
	assert_true(READS(2, 0, S5, 0x12, 12, 2, 0x0e, 2, 0, 0, 0, 0, 0, 0, 0, 0));
	/* From the root, and with longer forms of the length. */
	assert_true(READS(5, 6, 0x08, '\\', '_', 'S', '5', '_', 0x12, 6, 2, 0x0a, 5, 0x0a, 6));
	assert_true(READS(5, 6, S5, 0x12, 0x47, 0, 2, 0x0a, 5, 0x0a, 6));
	assert_true(READS(5, 6, S5, 0x12, 0x88, 0, 0, 2, 0x0a, 5, 0x0a, 6));
	/* One element has both. */
	assert_true(READS(5, 3, S5, 0x12, 5, 1, 0x0b, 5, 3));
	assert_true(READS(5, 0, S5, 0x12, 4, 1, 0x0a, 5));
}

static void test_what_is_no_definition(void **state)
{
	(void)state;
	assert_true(REFUSES('_', 'S', '5', '_')); /* the end of the table */
	assert_true(REFUSES(S5));		  /* nothing follows */
	assert_true(REFUSES(S5, 0x12));
	assert_true(REFUSES(0x10, '_', 'S', '5', '_', 0x12, 6, 4, 0, 0, 0, 0)); /* no Name */
	assert_true(REFUSES(S5, 0x14, 6, 4, 0, 0, 0, 0));			/* a method */
	assert_true(REFUSES(S5, 0x12, 6, 0, 0, 0, 0, 0));			/* no element */
	assert_true(REFUSES(S5, 0x12, 1, 4, 0, 0, 0, 0)); /* its length ends it */
	assert_true(REFUSES(S5, 0x12, 0, 4, 0, 0, 0, 0));
	assert_true(REFUSES(S5, 0x12, 60, 4, 0, 0, 0, 0)); /* beyond the table */
	assert_true(REFUSES(S5, 0x12, 0xff, 0xff, 0xff, 0xff, 2, 0, 0));
	assert_true(REFUSES(S5, 0x12, 0xc0));
	assert_true(REFUSES(S5, 0x12, 5, 2, 0x0a, 5, 0x0a));	/* half a constant */
	assert_true(REFUSES(S5, 0x12, 6, 2, 0x0a, 8, 0x0a, 0)); /* no such type */
	assert_true(REFUSES(S5, 0x12, 4, 2, 0xff, 0));
	assert_true(REFUSES(S5, 0x12, 9, 2, 'A', 'B', 'C', 'D', 0x0a, 5)); /* a name */
	/* The search goes on behind it. */
	assert_true(READS(4, 0, S5, 0x14, 0, S5, 0x12, 5, 2, 0x0a, 4, 0));
}

/* The name may lie across the pieces in which the table is read, and at its very end. */
static void test_every_place(void **state)
{
	static uint8_t aml[700];
	(void)state;
	for (unsigned place = 0; place + sizeof(s5) - 2 <= sizeof(aml); place++) {
		memset(aml, 0xa0, sizeof(aml));
		memcpy(aml + place, s5 + 2, sizeof(s5) - 2);
		assert_true(reads(aml, sizeof(aml), 5, 6));
	}
}

static void test_secondary_tables(void **state)
{
	(void)state;
	firmware_table(DSDT, "DSDT", "nothing", 7);
	firmware_table(SSDT, "SSDT", "neither", 7);
	firmware_table(SSDT_2, "SSDT", s5, sizeof(s5));
	assert_int_equal(find_sleep(), STATUS_OK);
	assert_int_equal(found.type[0], 5);
	/* Others of its kind may be damaged, as long as one is sound. */
	firmware_memory[SSDT + 38] ^= 1;
	assert_int_equal(find_sleep(), STATUS_OK);
	firmware_memory[SSDT_2 + 38] ^= 1;
	check_refused("SSDT has a wrong checksum");
}

/* ---- What is written ------------------------------------------------------------------------- */

static void check_event(unsigned index, uint16_t port, unsigned bytes, uint32_t value)
{
	assert_true(index < event_count);
	assert_int_equal(events[index].port, port);
	assert_int_equal(events[index].bytes, bytes);
	assert_int_equal(events[index].value, value);
}

static void test_sleep_by_both_blocks(void **state)
{
	struct acpi_sleep sleep = {
		.control = {{ACPI_PORT, 0x604}, {ACPI_PORT, 0x704}},
		.type = {5, 6},
	};
	(void)state;
	/* Old types and reserved bits: the first go, the second stay. */
	pm1[0] = 0x1c03;
	pm1[1] = 0xc200;
	assert_true(power_sleep(&sleep));
	assert_int_equal(event_count, 4);
	check_event(0, 0x604, 2, 5u << 10 | 3);
	check_event(1, 0x704, 2, 6u << 10 | 0xc200);
	check_event(2, 0x604, 2, 5u << 10 | 3 | SLEEP);
	check_event(3, 0x704, 2, 6u << 10 | 0xc200 | SLEEP);
}

static void test_acpi_mode_is_switched_on(void **state)
{
	struct acpi_sleep sleep = {
		.control = {{ACPI_PORT, 0x604}},
		.enable_port = 0xb2,
		.enable_value = 0xf1,
	};
	(void)state;
	assert_true(power_sleep(&sleep));
	assert_int_equal(event_count, 3);
	check_event(0, 0xb2, 1, 0xf1);
	check_event(1, 0x604, 2, 1);
	check_event(2, 0x604, 2, 1 | SLEEP);
	/* Not where it is on. */
	event_count = 0;
	assert_true(power_sleep(&sleep));
	assert_int_equal(event_count, 2);
	/* Firmware that does not answer is not waited for for ever. */
	pm1[0] = 0;
	event_count = 0;
	acpi_obeys = false;
	assert_true(power_sleep(&sleep));
	assert_int_equal(event_count, 3);
}

static void test_sleep_in_memory(void **state)
{
	struct acpi_sleep sleep = {.control = {{ACPI_MEMORY, 0x9000f004}}, .type = {3, 0}};
	uint16_t value;
	(void)state;
	device_memory[1] = 0x40;
	assert_true(power_sleep(&sleep));
	memcpy(&value, device_memory, sizeof(value));
	assert_int_equal(value, 0x4000 | SLEEP | 3u << 10);
	assert_int_equal(device_place, 0x9000f004);
	sleep.reduced = true;
	assert_true(power_sleep(&sleep));
	assert_int_equal(device_memory[0], 3 << 2 | 1 << 5);
	sleep.control[0] = (struct acpi_register){ACPI_PORT, 0x500};
	assert_true(power_sleep(&sleep));
	assert_int_equal(event_count, 1);
	check_event(0, 0x500, 1, 3 << 2 | 1 << 5);
}

/* Nothing is written when one of the registers cannot be reached. */
static void test_unreachable_registers(void **state)
{
	static const struct acpi_register bad[] = {
		{ACPI_MEMORY, 0x1000000000}, {ACPI_PCI, 0x40},	   {ACPI_PORT, 0x605},
		{ACPI_MEMORY, 0x9000f001},   {ACPI_PORT, 0x10000},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct acpi_sleep sleep = {.control = {{ACPI_PORT, 0x604}, bad[i]}};
		assert_false(power_sleep(&sleep));
		assert_int_equal(event_count, 0);
	}
	struct acpi_reset wrong = {{ACPI_MEMORY, 0x1000000000}, 6};
	assert_false(power_reset_acpi(&wrong));
	wrong.where = (struct acpi_register){ACPI_PCI, 0x2000000040};
	assert_false(power_reset_acpi(&wrong));
	wrong.where.place = 0x80040;
	assert_false(power_reset_acpi(&wrong));
	wrong.where.place = 0x100;
	assert_false(power_reset_acpi(&wrong));
	assert_int_equal(event_count, 0);
}

static void test_reset_ways(void **state)
{
	struct acpi_reset by = {{ACPI_PORT, 0xcf9}, 0x0e};
	(void)state;
	assert_true(power_reset_acpi(&by));
	check_event(0, 0xcf9, 1, 0x0e);
	by.where = (struct acpi_register){ACPI_MEMORY, 0xfed00001};
	assert_true(power_reset_acpi(&by));
	assert_int_equal(device_memory[0], 0x0e);
	/* Device 31, function 5, offset 0x41. */
	by.where = (struct acpi_register){ACPI_PCI, 31ull << 32 | 5u << 16 | 0x41};
	event_count = 0;
	assert_true(power_reset_acpi(&by));
	check_event(0, 0xcf8, 4, 0x80000000 | 31u << 11 | 5u << 8 | 0x40);
	check_event(1, 0xcfd, 1, 0x0e);
	event_count = 0;
	keyboard_busy = 3;
	assert_true(power_reset_keyboard());
	assert_int_equal(event_count, 1);
	check_event(0, 0x64, 1, 0xfe);
	keyboard_status = 2; /* busy for ever */
	assert_true(power_reset_keyboard());
	keyboard_status = 0xff; /* none */
	event_count = 0;
	assert_false(power_reset_keyboard());
	assert_int_equal(event_count, 0);
	/* The middle bit rises last; bits of others stay. */
	chipset = 0xa6;
	power_reset_chipset();
	assert_int_equal(event_count, 2);
	check_event(0, 0xcf9, 1, 0xa2);
	check_event(1, 0xcf9, 1, 0xae);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_first_revision, setup),
		cmocka_unit_test_setup(test_wide_fields_are_preferred, setup),
		cmocka_unit_test_setup(test_reduced_hardware, setup),
		cmocka_unit_test_setup(test_reset_register, setup),
		cmocka_unit_test_setup(test_registers_in_ram, setup),
		cmocka_unit_test_setup(test_both_ways, setup),
		cmocka_unit_test_setup(test_old_root_serves_when_new_is_damaged, setup),
		cmocka_unit_test_setup(test_damaged_tables, setup),
		cmocka_unit_test_setup(test_every_encoding, setup),
		cmocka_unit_test_setup(test_what_is_no_definition, setup),
		cmocka_unit_test_setup(test_every_place, setup),
		cmocka_unit_test_setup(test_secondary_tables, setup),
		cmocka_unit_test_setup(test_sleep_by_both_blocks, setup),
		cmocka_unit_test_setup(test_acpi_mode_is_switched_on, setup),
		cmocka_unit_test_setup(test_sleep_in_memory, setup),
		cmocka_unit_test_setup(test_unreachable_registers, setup),
		cmocka_unit_test_setup(test_reset_ways, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
