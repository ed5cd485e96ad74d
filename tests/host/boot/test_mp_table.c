/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/phys/mp_table.c and processors.c: machines without ACPI, and which table is asked first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "drivers/phys/mp_table.h"
#include "fake/firmware.h"

#define POINTER 0xf5b90
#define TABLE 0xf5ba0

static uint8_t entries[2048];
static size_t entries_bytes;
static uint16_t entry_count;
static struct processors found;
static struct error error;

static int setup(void **state)
{
	(void)state;
	firmware_clear();
	entries_bytes = 0;
	entry_count = 0;
	memset(&found, 0xee, sizeof(found));
	memset(&error, 'x', sizeof(error));
	return 0;
}

static void put_entry(uint8_t type, uint8_t apic_id, uint8_t flags)
{
	uint8_t entry[20] = {type, apic_id, 0x14, flags};
	size_t bytes = type == 0 ? 20 : 8;

	memcpy(entries + entries_bytes, entry, bytes);
	entries_bytes += bytes;
	entry_count++;
}

static void publish(void)
{
	firmware_mp_table(TABLE, entries, entries_bytes, entry_count);
	firmware_mp_pointer(POINTER, TABLE, 0);
}

static enum status find(void)
{
	return mp_find_processors(&found, &error);
}

static void check_found(unsigned count, const uint32_t *apic_ids)
{
	assert_string_equal(error.text, "");
	assert_int_equal(found.count, count);
	assert_memory_equal(found.apic_ids, apic_ids, count * sizeof(*apic_ids));
}

static void check_refused(const char *words)
{
	assert_int_equal(find(), STATUS_INVALID);
	assert_int_equal(found.count, 0);
	assert_non_null(strstr(error.text, words));
}

static void table_is_read(void **state)
{
	(void)state;
	put_entry(0, 0, 3);
	put_entry(0, 1, 1);
	put_entry(0, 2, 0); /* off */
	put_entry(1, 0, 0); /* bus */
	put_entry(2, 9, 1); /* I/O APIC */
	put_entry(0, 6, 1);
	publish();
	assert_int_equal(find(), STATUS_OK);
	check_found(3, (const uint32_t[]){0, 1, 6});
}

static void every_area_is_searched(void **state)
{
	static const uint64_t places[] = {0x9fc00, 0x9fff0, 0x9f800, 0xf0000, 0xffff0};

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		setup(NULL);
		put_entry(0, 5, 1);
		firmware_mp_table(0x100000, entries, entries_bytes, entry_count);
		firmware_put_16(0x40e, 0x9fc0);
		firmware_put_16(0x413, 0x9fc00 >> 10);
		firmware_mp_pointer(places[i], 0x100000, 0);
		assert_int_equal(find(), STATUS_OK);
		check_found(1, (const uint32_t[]){5});
	}
	firmware_clear();
	firmware_mp_pointer(0xefff0, 0x100000, 0);
	assert_int_equal(find(), STATUS_NOT_FOUND);
	assert_string_equal(error.text, "");
}

static void whole_base_memory_is_possible(void **state)
{
	(void)state;
	put_entry(0, 5, 1);
	firmware_mp_table(0x100000, entries, entries_bytes, entry_count);
	firmware_put_16(0x413, 640);
	firmware_mp_pointer(0x9fc00, 0x100000, 0);
	assert_int_equal(find(), STATUS_OK);
	/* Words that cannot be meant. */
	firmware_put_16(0x413, 641);
	assert_int_equal(find(), STATUS_NOT_FOUND);
	firmware_put_16(0x413, 1);
	firmware_put_16(0x40e, 0xffff);
	assert_int_equal(find(), STATUS_NOT_FOUND);
}

static void standard_configurations_have_two(void **state)
{
	(void)state;
	firmware_mp_pointer(POINTER, 0, 5);
	assert_int_equal(find(), STATUS_OK);
	check_found(2, (const uint32_t[]){0, 1});
	firmware_mp_pointer(POINTER, 0, 8);
	check_refused("standard configuration 8");
}

static void pointer_without_table_is_none(void **state)
{
	(void)state;
	firmware_mp_pointer(POINTER, 0, 0);
	assert_int_equal(find(), STATUS_NOT_FOUND);
	assert_string_equal(error.text, "");
}

static void wrong_pointer_is_passed_over(void **state)
{
	(void)state;
	put_entry(0, 5, 1);
	publish();
	firmware_put(0xf0000, "_MP_", 4);
	firmware_mp_pointer(0xf0010, 0x1000, 0);
	firmware_memory[0xf0010 + 8] = 2; /* says that it is longer than it is */
	firmware_sum(0xf0010, 16, 10);
	assert_int_equal(find(), STATUS_OK);
	check_found(1, (const uint32_t[]){5});
}

static void damaged_tables_are_refused(void **state)
{
	(void)state;
	put_entry(0, 5, 1);
	publish();
	firmware_memory[TABLE + 44] ^= 1;
	check_refused("wrong checksum");
	publish();
	firmware_put_16(TABLE + 4, 43);
	check_refused("impossible length");
	firmware_put_32(TABLE, 0);
	check_refused("no MP table");
	firmware_mp_pointer(POINTER, 0xfffffff0, 0);
	check_refused("no MP table");
}

static void entries_must_lie_inside(void **state)
{
	(void)state;
	put_entry(0, 5, 1);
	entry_count = 2;
	publish();
	check_refused("fewer entries");
	put_entry(1, 0, 0);
	entry_count = 2;
	entries_bytes -= 1;
	publish();
	check_refused("ends inside an entry");
	setup(NULL);
	put_entry(0, 5, 1);
	put_entry(5, 0, 0);
	publish();
	check_refused("unknown type 5");
	setup(NULL);
	put_entry(0, 5, 0);
	publish();
	check_refused("no processor");
}

/* ---- processors_find ------------------------------------------------------------------------- */

static struct error mp_error;

static void put_acpi(void)
{
	static const uint8_t contents[] = {0, 0, 0xe0, 0xfe, 1, 0, 0, 0, 0, 8, 0, 3, 1, 0, 0, 0};
	const uint64_t table = 0x101000;

	firmware_table(table, "APIC", contents, sizeof(contents));
	firmware_root_table(0x100000, "RSDT", &table, 1);
	firmware_root(0xe0000, 0, 0x100000, 0);
}

static void acpi_comes_first(void **state)
{
	(void)state;
	put_entry(0, 5, 1);
	publish();
	put_acpi();
	processors_find(0xe0000, 3, &found, &error, &mp_error);
	check_found(1, (const uint32_t[]){3});
	assert_string_equal(found.source, "acpi");
	assert_string_equal(mp_error.text, "");
}

static void mp_table_serves_when_acpi_is_damaged(void **state)
{
	(void)state;
	put_entry(0, 5, 1);
	publish();
	put_acpi();
	firmware_memory[0x101000 + 40] ^= 1;
	/* The one that asks is not in the table. */
	processors_find(0, 4, &found, &error, &mp_error);
	assert_non_null(strstr(error.text, "checksum"));
	assert_string_equal(mp_error.text, "");
	assert_int_equal(found.count, 2);
	assert_int_equal(found.apic_ids[0], 5);
	assert_int_equal(found.apic_ids[1], 4);
	assert_string_equal(found.source, "mp-table");
}

static void neither_leaves_one(void **state)
{
	(void)state;
	processors_find(0, 6, &found, &error, &mp_error);
	assert_int_equal(found.count, 1);
	assert_int_equal(found.apic_ids[0], 6);
	assert_string_equal(found.source, "none");
	put_acpi();
	firmware_memory[0x101000 + 40] ^= 1;
	put_entry(0, 5, 1);
	publish();
	firmware_memory[TABLE + 44] ^= 1;
	processors_find(0, 6, &found, &error, &mp_error);
	assert_int_equal(found.count, 1);
	assert_non_null(strstr(error.text, "ACPI"));
	assert_non_null(strstr(mp_error.text, "MP table"));
	assert_string_equal(found.source, "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(table_is_read, setup),
		cmocka_unit_test_setup(every_area_is_searched, setup),
		cmocka_unit_test_setup(whole_base_memory_is_possible, setup),
		cmocka_unit_test_setup(standard_configurations_have_two, setup),
		cmocka_unit_test_setup(pointer_without_table_is_none, setup),
		cmocka_unit_test_setup(wrong_pointer_is_passed_over, setup),
		cmocka_unit_test_setup(damaged_tables_are_refused, setup),
		cmocka_unit_test_setup(entries_must_lie_inside, setup),
		cmocka_unit_test_setup(acpi_comes_first, setup),
		cmocka_unit_test_setup(mp_table_serves_when_acpi_is_damaged, setup),
		cmocka_unit_test_setup(neither_leaves_one, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
