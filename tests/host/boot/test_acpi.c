/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drivers/phys/acpi.c, acpi_tables.c and processors.c: what machines and emulators hand over, each
 * way of finding it, and each kind of damage. Damaged tables are told from missing ones, and
 * neither is used.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "drivers/phys/acpi.h"
#include "fake/firmware.h"

#define ROOT 0xf5a40
#define RSDT 0x100100
#define XSDT 0x100800
#define MADT 0x101000
#define OTHER 0x110000

static uint8_t entries[4096];
static size_t entries_bytes;
static struct processors found;
static struct error error;

static int setup(void **state)
{
	(void)state;
	firmware_clear();
	/* The table starts with the local APIC's address and flags. */
	memcpy(entries, (const uint8_t[]){0, 0, 0xe0, 0xfe, 1, 0, 0, 0}, 8);
	entries_bytes = 8;
	memset(&found, 0xee, sizeof(found));
	memset(&error, 'x', sizeof(error));
	return 0;
}

static void put_entry(const void *from, size_t bytes)
{
	memcpy(entries + entries_bytes, from, bytes);
	entries_bytes += bytes;
}

static void put_local(uint8_t apic_id, uint8_t flags)
{
	put_entry((const uint8_t[]){0, 8, apic_id, apic_id, flags, 0, 0, 0}, 8);
}

static void put_x2apic(uint32_t apic_id, uint8_t flags)
{
	uint8_t entry[16] = {9, 16, 0, 0};

	memcpy(entry + 4, &apic_id, 4);
	entry[8] = flags;
	put_entry(entry, sizeof(entry));
}

/* Writes the processor table and a root that leads to it by the old table, the new one, or both. */
static void publish(bool old, bool new)
{
	const uint64_t tables[] = {OTHER, MADT};

	firmware_table(OTHER, "FACP", "something", 9);
	firmware_table(MADT, "APIC", entries, entries_bytes);
	firmware_root_table(RSDT, "RSDT", tables, 2);
	firmware_root_table(XSDT, "XSDT", tables, 2);
	firmware_root(ROOT, new ? 2 : 0, old ? RSDT : 0, new ? XSDT : 0);
}

static enum status find(uint64_t hint)
{
	return acpi_find_processors(hint, &found, &error);
}

static void check_found(unsigned count, const uint32_t *apic_ids)
{
	assert_string_equal(error.text, "");
	assert_int_equal(found.count, count);
	assert_memory_equal(found.apic_ids, apic_ids, count * sizeof(*apic_ids));
}

static void check_refused(const char *words)
{
	assert_int_equal(find(ROOT), STATUS_INVALID);
	assert_int_equal(found.count, 0);
	assert_non_null(strstr(error.text, words));
}

static void old_table_is_read(void **state)
{
	(void)state;
	put_local(0, 1);
	put_local(4, 1);
	publish(true, false);
	assert_int_equal(find(ROOT), STATUS_OK);
	check_found(2, (const uint32_t[]){0, 4});
	assert_int_equal(found.left_out, 0);
}

static void new_table_is_preferred(void **state)
{
	(void)state;
	put_local(0, 1);
	put_local(1, 1);
	publish(true, true);
	/* The old root table leads nowhere. */
	firmware_put_32(RSDT, 0);
	assert_int_equal(find(ROOT), STATUS_OK);
	check_found(2, (const uint32_t[]){0, 1});
}

static void old_table_serves_when_new_is_damaged(void **state)
{
	(void)state;
	put_local(0, 1);
	publish(true, true);
	firmware_memory[XSDT + 20] ^= 1;
	assert_int_equal(find(ROOT), STATUS_OK);
	check_found(1, (const uint32_t[]){0});
}

static void only_what_is_switched_on_counts(void **state)
{
	(void)state;
	put_local(0, 1);
	put_local(1, 0); /* off */
	put_local(2, 2); /* could be plugged in */
	put_local(3, 3);
	put_local(0xff, 1); /* no id */
	put_x2apic(0xffffffff, 1);
	put_x2apic(0x100, 0);
	publish(true, false);
	assert_int_equal(find(ROOT), STATUS_OK);
	check_found(2, (const uint32_t[]){0, 3});
}

static void large_ids_come_from_x2apic_entries(void **state)
{
	(void)state;
	put_local(0, 1);
	put_entry((const uint8_t[]){1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0}, 12); /* I/O APIC */
	put_x2apic(0x12345, 1);
	put_x2apic(0, 1); /* some firmware names each processor both ways */
	publish(false, true);
	assert_int_equal(find(ROOT), STATUS_OK);
	check_found(2, (const uint32_t[]){0, 0x12345});
}

static void more_than_fit_are_counted(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PROCESSORS_MAX + 6; i++) {
		put_local((uint8_t)i, 1);
	}
	publish(true, true);
	assert_int_equal(find(ROOT), STATUS_OK);
	assert_int_equal(found.count, PROCESSORS_MAX);
	assert_int_equal(found.left_out, 6);
	assert_int_equal(found.apic_ids[PROCESSORS_MAX - 1], PROCESSORS_MAX - 1);
}

static void bios_area_is_searched(void **state)
{
	(void)state;
	put_local(7, 1);
	publish(true, false);
	assert_int_equal(find(0), STATUS_OK);
	check_found(1, (const uint32_t[]){7});
	/* The loader's pointer is no use. */
	assert_int_equal(find(0x1000), STATUS_OK);
	assert_int_equal(find(UINT64_MAX - 3), STATUS_OK);
}

static void ends_of_search_area(void **state)
{
	(void)state;
	put_local(7, 1);
	publish(true, false);
	for (unsigned i = 0; i < 2; i++) {
		memset(firmware_memory + 0xe0000, 0, 0x20000);
		firmware_root(i == 0 ? 0xe0000 : 0xfffe0, 0, RSDT, 0);
		assert_int_equal(find(0), STATUS_OK);
	}
	memset(firmware_memory + 0xe0000, 0, 0x20000);
	firmware_root(0xdfff0, 0, RSDT, 0);
	assert_int_equal(find(0), STATUS_NOT_FOUND);
}

static void data_area_is_searched_first(void **state)
{
	(void)state;
	put_local(7, 1);
	publish(true, false);
	firmware_put_16(0x40e, 0x9fc0);
	firmware_root(0x9fc00 + 1008, 0, RSDT, 0);
	firmware_root(ROOT, 0, OTHER, 0);
	assert_int_equal(find(0), STATUS_OK);
	check_found(1, (const uint32_t[]){7});
}

/* One with a wrong sum is passed over: text can look like a signature. */
static void search_goes_on_after_a_wrong_root(void **state)
{
	(void)state;
	put_local(7, 1);
	publish(true, true);
	firmware_put(0xe0100, "RSD PTR ", 8);
	firmware_root(0xe0200, 2, RSDT, XSDT);
	firmware_memory[0xe0200 + 32] ^= 1;
	firmware_root(0xe0300, 2, OTHER, OTHER);
	firmware_put_32(0xe0300 + 20, 35); /* too short */
	firmware_sum(0xe0300, 35, 32);
	assert_int_equal(find(0), STATUS_OK);
	check_found(1, (const uint32_t[]){7});
}

static void no_acpi_is_no_fault(void **state)
{
	(void)state;
	assert_int_equal(find(0), STATUS_NOT_FOUND);
	assert_string_equal(error.text, "");
	assert_int_equal(found.count, 0);
	/* Nor is ACPI without a table of processors. */
	const uint64_t tables[] = {0, OTHER, UINT32_MAX};
	firmware_table(OTHER, "FACP", "something", 9);
	firmware_root_table(RSDT, "RSDT", tables, 3);
	firmware_root(ROOT, 0, RSDT, 0);
	assert_int_equal(find(ROOT), STATUS_NOT_FOUND);
	assert_string_equal(error.text, "");
}

static void wrong_sums_are_refused(void **state)
{
	(void)state;
	put_local(0, 1);
	publish(true, false);
	firmware_memory[MADT + 30] ^= 4;
	check_refused("APIC has a wrong checksum");
	publish(true, false);
	firmware_memory[RSDT + 30] ^= 4;
	check_refused("RSDT has a wrong checksum");
}

static void impossible_lengths_are_refused(void **state)
{
	static const uint32_t lengths[] = {0, 35, 43, 0x100001, UINT32_MAX};

	(void)state;
	put_local(0, 1);
	for (unsigned i = 0; i < 5; i++) {
		publish(true, false);
		firmware_put_32(MADT + 4, lengths[i]);
		check_refused("impossible length");
	}
	/* It ends where there is no memory. */
	const uint64_t table = FIRMWARE_BYTES - 0x100;
	publish(true, false);
	firmware_table(table, "APIC", entries, entries_bytes);
	firmware_put_32(table + 4, 0x1000);
	firmware_root_table(RSDT, "RSDT", &table, 1);
	check_refused("wrong checksum");
}

static void root_table_elsewhere_is_refused(void **state)
{
	(void)state;
	put_local(0, 1);
	publish(true, false);
	firmware_root(ROOT, 0, OTHER, 0);
	check_refused("no table RSDT");
	firmware_root(ROOT, 2, 0, UINT64_MAX - 7);
	check_refused("beyond all memory");
}

static void entries_must_lie_inside(void **state)
{
	static const uint8_t bad[][2] = {{0, 0}, {0, 1}, {0, 7}, {9, 8}, {9, 15}, {5, 0}, {5, 1}};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t entry[18] = {bad[i][0], bad[i][1]};

		/* What follows is in order, so that nothing else is wrong. */
		if (bad[i][1] >= 2) {
			entry[bad[i][1]] = 0x80;
			entry[bad[i][1] + 1] = (uint8_t)(sizeof(entry) - bad[i][1]);
		}
		setup(NULL);
		put_local(0, 1);
		put_entry(entry, sizeof(entry));
		publish(true, false);
		check_refused("impossible length");
	}
	setup(NULL);
	put_local(0, 1);
	put_entry((const uint8_t[]){0, 8, 1, 1, 1, 0, 0}, 7);
	publish(true, false);
	check_refused("ends inside an entry");
	setup(NULL);
	put_local(0, 1);
	put_entry((const uint8_t[]){4}, 1);
	publish(true, false);
	check_refused("ends inside an entry");
}

static void table_without_processors_is_refused(void **state)
{
	(void)state;
	put_local(0, 0);
	publish(true, true);
	check_refused("no processor");
}

/* ---- The list that the boot processor goes by ------------------------------------------------ */

static struct error mp_error;

static void list(uint32_t own_id)
{
	processors_find(ROOT, own_id, &found, &error, &mp_error);
	assert_string_equal(mp_error.text, "");
}

/* Firmware names only the other one: the one that asks is there all the same, and both run. */
static void own_processor_left_out(void **state)
{
	(void)state;
	put_local(1, 1);
	publish(true, false);
	list(0);
	check_found(2, (const uint32_t[]){1, 0});
	assert_int_equal(found.left_out, 0);
	/* It is switched off, could be plugged in, or has its other kind of entry only. */
	setup(NULL);
	put_local(0, 0);
	put_local(1, 1);
	put_local(2, 2);
	put_x2apic(0x80, 0);
	publish(true, false);
	list(0);
	check_found(2, (const uint32_t[]){1, 0});
	list(0x80);
	check_found(2, (const uint32_t[]){1, 0x80});
}

static void twice_is_once(void **state)
{
	(void)state;
	put_local(0, 1);
	put_local(1, 1);
	put_local(1, 1);
	put_local(0, 1);
	put_x2apic(1, 1);
	put_x2apic(0xff, 1); /* an id in its own right there */
	put_x2apic(0xff, 1);
	publish(true, false);
	list(0);
	check_found(3, (const uint32_t[]){0, 1, 0xff});
	list(1);
	check_found(3, (const uint32_t[]){0, 1, 0xff});
}

/* Behind more others than there are places, or not named at all: it has a place in any case. */
static void own_processor_behind_the_last_place(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= PROCESSORS_MAX + 2; i++) {
		put_local((uint8_t)i, 1);
	}
	publish(true, false);
	for (uint32_t own_id = 0; own_id <= PROCESSORS_MAX + 2; own_id++) {
		list(own_id);
		unsigned seen = 0;
		for (unsigned i = 0; i < found.count; i++) {
			seen += found.apic_ids[i] == own_id ? 1 : 0;
		}
		assert_int_equal(found.count, PROCESSORS_MAX);
		assert_int_equal(seen, 1);
		assert_int_equal(found.left_out, own_id == 0 ? 3 : 2);
	}
}

static void no_table_leaves_one(void **state)
{
	(void)state;
	list(5);
	assert_string_equal(found.source, "none");
	check_found(1, (const uint32_t[]){5});
	assert_int_equal(found.left_out, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(old_table_is_read, setup),
		cmocka_unit_test_setup(new_table_is_preferred, setup),
		cmocka_unit_test_setup(old_table_serves_when_new_is_damaged, setup),
		cmocka_unit_test_setup(only_what_is_switched_on_counts, setup),
		cmocka_unit_test_setup(large_ids_come_from_x2apic_entries, setup),
		cmocka_unit_test_setup(more_than_fit_are_counted, setup),
		cmocka_unit_test_setup(bios_area_is_searched, setup),
		cmocka_unit_test_setup(ends_of_search_area, setup),
		cmocka_unit_test_setup(data_area_is_searched_first, setup),
		cmocka_unit_test_setup(search_goes_on_after_a_wrong_root, setup),
		cmocka_unit_test_setup(no_acpi_is_no_fault, setup),
		cmocka_unit_test_setup(wrong_sums_are_refused, setup),
		cmocka_unit_test_setup(impossible_lengths_are_refused, setup),
		cmocka_unit_test_setup(root_table_elsewhere_is_refused, setup),
		cmocka_unit_test_setup(entries_must_lie_inside, setup),
		cmocka_unit_test_setup(table_without_processors_is_refused, setup),
		cmocka_unit_test_setup(own_processor_left_out, setup),
		cmocka_unit_test_setup(twice_is_once, setup),
		cmocka_unit_test_setup(own_processor_behind_the_last_place, setup),
		cmocka_unit_test_setup(no_table_leaves_one, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
