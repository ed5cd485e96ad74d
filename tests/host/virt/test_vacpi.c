/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drivers/virt/vacpi.c: a walk from the root pointer that shares nothing with what built the
 * tables, every byte of them accounted for, and ACPICA's own compiler, if it is installed, as a
 * second opinion.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/aerostat.h"
#include "base/bits.h"
#include "drivers/virt/vacpi.h"

#define PLACE 0xe0000u
#define ROOM 4096

static uint8_t tables[ROOM];
static size_t used;

static uint64_t get(const uint8_t *at, unsigned bytes)
{
	uint64_t value = 0;
	for (unsigned i = bytes; i > 0; i--) {
		value = value << 8 | at[i - 1];
	}
	return value;
}

static void build(unsigned vcpus)
{
	memset(tables, 0xa5, sizeof(tables));
	used = vacpi_build(vcpus, NULL, tables, sizeof(tables), PLACE);
	assert_in_range(used, 1, ROOM);
	for (size_t i = used; i < ROOM; i++) {
		assert_int_equal(tables[i], 0xa5);
	}
}

static void check_sum(const uint8_t *at, size_t bytes)
{
	uint8_t sum = 0;
	for (size_t i = 0; i < bytes; i++) {
		sum = (uint8_t)(sum + at[i]);
	}
	assert_int_equal(sum, 0);
}

/* The table at a guest-physical address: inside what was built, aligned, its checksum right. */
static const uint8_t *table_at(uint64_t address, const char *signature, uint64_t revision)
{
	assert_in_range(address, PLACE, PLACE + used - 36);
	assert_int_equal(address % 16, 0);
	const uint8_t *table = tables + (address - PLACE);
	assert_memory_equal(table, signature, 4);
	assert_in_range(get(table + 4, 4), 36, PLACE + used - address);
	assert_int_equal(table[8], revision);
	check_sum(table, get(table + 4, 4));
	return table;
}

static const uint8_t *find(const char *signature, uint64_t revision)
{
	assert_memory_equal(tables, "RSD PTR ", 8);
	check_sum(tables, 20);
	check_sum(tables, get(tables + 20, 4));
	assert_int_equal(tables[15], 2);
	assert_int_equal(get(tables + 16, 4), 0);
	const uint8_t *xsdt = table_at(get(tables + 24, 8), "XSDT", 1);
	uint64_t bytes = get(xsdt + 4, 4);
	assert_int_equal((bytes - 36) % 8, 0);
	for (uint64_t i = 36; i < bytes; i += 8) {
		uint64_t address = get(xsdt + i, 8);
		assert_in_range(address, PLACE, PLACE + used - 36);
		if (memcmp(tables + (address - PLACE), signature, 4) == 0) {
			return table_at(address, signature, revision);
		}
	}
	fail_msg("there is no %s", signature);
	return NULL;
}

static void check_port(const uint8_t *at, uint64_t port)
{
	static const uint8_t byte_of_io[] = {1, 8, 0, 1};
	assert_memory_equal(at, byte_of_io, sizeof(byte_of_io));
	assert_int_equal(get(at + 4, 8), port);
}

static void test_fixed_table(void **state)
{
	(void)state;
	build(1);
	const uint8_t *fadt = find("FACP", 6);
	assert_int_equal(get(fadt + 4, 4), 276);
	assert_int_equal(fadt[131], 4);
	uint64_t flags = get(fadt + 112, 4);
	assert_true(flags & BIT(20)); /* hardware-reduced */
	assert_true(flags & BIT(10)); /* with a reset register */
	assert_true(flags & BIT(4));  /* neither button is a fixed one */
	assert_true(flags & BIT(5));
	/* Legacy devices and the clock, but neither keyboard controller nor screen nor MSI. */
	assert_int_equal(get(fadt + 109, 2), 0x000d);
	check_port(fadt + 116, 0xcf9);
	assert_int_equal(fadt[128], 6);
	check_port(fadt + 244, 0x600);
	check_port(fadt + 256, 0x601);
	assert_int_equal(get(fadt + 40, 4), get(fadt + 140, 8));
	/* In this profile all other registers are absent: no SCI, no PM block, no FACS. */
	for (unsigned i = 44; i < 244; i++) {
		bool set = i == 109 || (i >= 112 && i < 120) || (i >= 120 && i < 129) || i == 131 ||
			   (i >= 140 && i < 148);
		if (!set && fadt[i] != 0) {
			fail_msg("byte %u of the FADT is 0x%02x", i, fadt[i]);
		}
	}
	(void)table_at(get(fadt + 140, 8), "DSDT", 2);
}

static void test_interrupt_controllers(void **state)
{
	(void)state;
	for (unsigned vcpus = 1; vcpus <= AEROSTAT_VCPUS_MAX; vcpus++) {
		build(vcpus);
		const uint8_t *madt = find("APIC", 5);
		unsigned lapics = 0;
		unsigned ioapics = 0;
		unsigned overrides = 0;
		uint64_t bytes = get(madt + 4, 4);
		assert_int_equal(get(madt + 36, 4), 0xfee00000);
		assert_int_equal(get(madt + 40, 4), 1);
		for (uint64_t at = 44; at < bytes; at += madt[at + 1]) {
			const uint8_t *entry = madt + at;
			assert_in_range(entry[1], 2, bytes - at);
			if (entry[0] == 0) {
				assert_int_equal(entry[1], 8);
				assert_int_equal(entry[2], lapics);
				assert_int_equal(entry[3], lapics);
				assert_int_equal(get(entry + 4, 4), 1);
				lapics++;
			} else if (entry[0] == 1) {
				assert_int_equal(entry[1], 12);
				assert_int_equal(get(entry + 4, 4), 0xfec00000);
				assert_int_equal(get(entry + 8, 4), 0);
				ioapics++;
			} else {
				static const uint8_t timer[] = {2, 10, 0, 0, 2, 0, 0, 0, 0, 0};
				assert_memory_equal(entry, timer, sizeof(timer));
				overrides++;
			}
		}
		assert_int_equal(lapics, vcpus);
		assert_int_equal(ioapics, 1);
		assert_int_equal(overrides, 1);
	}
}

/*
 * Lengths of AML are part of what holds them, so each must end exactly where the next thing begins:
 * walked here for the three forms that the block has.
 */
static uint64_t package_end(const uint8_t *aml, uint64_t *at)
{
	uint64_t start = *at;
	unsigned more = aml[*at] >> 6;
	uint64_t length = more == 0 ? aml[*at] & 0x3f : aml[*at] & 0x0f;
	assert_in_range(more, 0, 1);
	if (more == 1) {
		length |= (uint64_t)aml[*at + 1] << 4;
	}
	*at += 1 + more;
	return start + length;
}

/* Name(NAME, ..) at `at`: checks the name, answers where its object is. */
static uint64_t check_name(const uint8_t *aml, uint64_t at, const char *name)
{
	assert_int_equal(aml[at], 0x08);
	assert_memory_equal(aml + at + 1, name, 4);
	return at + 5;
}

static uint64_t check_resources(const uint8_t *aml, uint64_t at, uint16_t port, uint8_t ports,
				unsigned interrupt)
{
	at = check_name(aml, at, "_CRS");
	assert_int_equal(aml[at++], 0x11);
	uint64_t end = package_end(aml, &at);
	assert_int_equal(aml[at], 0x0a);
	assert_int_equal(aml[at + 1], 8 + 3 + 2);
	at += 2;
	const uint8_t io[] = {0x47,	 1, (uint8_t)port, port >> 8, (uint8_t)port,
			      port >> 8, 1, ports};
	assert_memory_equal(aml + at, io, sizeof(io));
	assert_int_equal(aml[at + 8], 0x22);
	assert_int_equal(get(aml + at + 9, 2), BIT(interrupt));
	assert_int_equal(aml[at + 11], 0x79);
	assert_int_equal(at + 13, end);
	return end;
}

static uint64_t check_device(const uint8_t *aml, uint64_t at, const char *name, uint32_t identifier,
			     uint64_t *end)
{
	assert_int_equal(aml[at], 0x5b);
	assert_int_equal(aml[at + 1], 0x82);
	at += 2;
	*end = package_end(aml, &at);
	assert_memory_equal(aml + at, name, 4);
	at = check_name(aml, at + 4, "_HID");
	assert_int_equal(aml[at], 0x0c);
	assert_int_equal(get(aml + at + 1, 4), identifier);
	return at + 5;
}

static void test_definition_block(void **state)
{
	(void)state;
	build(2);
	const uint8_t *fadt = find("FACP", 6);
	const uint8_t *dsdt = table_at(get(fadt + 140, 8), "DSDT", 2);
	uint64_t bytes = get(dsdt + 4, 4);
	uint64_t at = 36;
	uint64_t end;
	assert_int_equal(dsdt[at++], 0x10);
	uint64_t scope_end = package_end(dsdt, &at);
	assert_memory_equal(dsdt + at, "_SB_", 4);
	/* Identifiers as EISA packs them: PNP0501, PNP0B00. */
	at = check_device(dsdt, at + 4, "COM1", 0x0105d041, &end);
	at = check_name(dsdt, at, "_UID");
	assert_int_equal(dsdt[at], 0x01);
	assert_int_equal(check_resources(dsdt, at + 1, 0x3f8, 8, 4), end);
	at = check_device(dsdt, end, "RTC_", 0x000bd041, &end);
	assert_int_equal(check_resources(dsdt, at, 0x70, 2, 8), end);
	assert_int_equal(end, scope_end);
	at = check_name(dsdt, end, "_S5_");
	static const uint8_t four[] = {0x12, 7, 4, 0x0a, VACPI_S5_TYPE, 0, 0, 0};
	assert_memory_equal(dsdt + at, four, sizeof(four));
	assert_int_equal(at + sizeof(four), bytes);
}

static void test_room(void **state)
{
	(void)state;
	for (unsigned vcpus = 1; vcpus <= AEROSTAT_VCPUS_MAX; vcpus++) {
		build(vcpus);
		size_t needed = used;
		for (size_t room = 0; room < needed; room++) {
			memset(tables, 0xa5, sizeof(tables));
			assert_int_equal(vacpi_build(vcpus, NULL, tables, room, PLACE), 0);
			assert_int_equal(tables[0], 0xa5);
		}
		assert_int_equal(vacpi_build(vcpus, NULL, tables, needed, PLACE), needed);
	}
	/* Addresses follow the place. */
	assert_int_equal(vacpi_build(1, NULL, tables, sizeof(tables), PLACE + 0x1000),
			 used - 7 * 8);
	assert_int_equal(get(tables + 24, 8) >> 12, (PLACE >> 12) + 1);
}

/* ---- A second opinion ------------------------------------------------------------------------ */

static char folder[] = "/var/tmp/aerostat-acpi-XXXXXX";

/* Runs iasl in the folder; fails unless it says that there is nothing to complain of. */
static void run_iasl(const char *arguments, const char *wanted)
{
	char command[256];
	char output[8192];
	snprintf(command, sizeof(command), "cd %s && iasl %s 2>&1", folder, arguments);
	FILE *pipe = popen(command, "r");
	assert_non_null(pipe);
	size_t bytes = fread(output, 1, sizeof(output) - 1, pipe);
	output[bytes] = '\0';
	int status = pclose(pipe);
	if (status != 0 || strstr(output, wanted) == NULL || strstr(output, "Warning ") != NULL ||
	    strstr(output, "Error ") != NULL || strstr(output, "Remark ") != NULL) {
		fail_msg("iasl %s: status %d\n%s", arguments, status, output);
	}
}

static void ask_iasl(const uint8_t *table, const char *name)
{
	char path[128];
	char arguments[64];
	snprintf(path, sizeof(path), "%s/%s.dat", folder, name);
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(table, 1, get(table + 4, 4), file), get(table + 4, 4));
	fclose(file);
	snprintf(arguments, sizeof(arguments), "-d %s.dat", name);
	run_iasl(arguments, ".dsl - ");
	snprintf(arguments, sizeof(arguments), "-p again-%s %s.dsl", name, name);
	run_iasl(arguments, "Compilation successful. 0 Errors, 0 Warnings, 0 Remarks");
}

static void test_compiler_agrees(void **state)
{
	(void)state;
	if (system("command -v iasl >/dev/null 2>&1") != 0) {
		print_message("iasl (package acpica-tools) is not installed\n");
		skip();
	}
	assert_non_null(mkdtemp(folder));
	build(4);
	const uint8_t *fadt = find("FACP", 6);
	ask_iasl(fadt, "facp");
	ask_iasl(find("APIC", 5), "apic");
	ask_iasl(table_at(get(tables + 24, 8), "XSDT", 1), "xsdt");
	ask_iasl(table_at(get(fadt + 140, 8), "DSDT", 2), "dsdt");
	char command[64];
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fixed_table),
		cmocka_unit_test(test_interrupt_controllers),
		cmocka_unit_test(test_definition_block),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_compiler_agrees),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
