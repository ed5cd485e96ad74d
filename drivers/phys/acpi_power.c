/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How ACPI switches a machine off and resets it (ACPI 6.4: fixed table 5.2.9, registers 4.8.3,
 * \_S5 7.4.2, its encoding 20.2). Pure, but for physical_read(), and without state. There is no
 * interpreter: \_S5 is a package of constants in every table that was ever seen, so the bytes that
 * name it are looked for, and what follows is read when it is such a package. Firmware is believed
 * no more than a file is: every length is checked before it is used.
 */
#include "drivers/phys/acpi_power.h"

#include "base/bits.h"
#include "base/string.h"
#include "drivers/phys/firmware.h"
#include "drivers/phys/physical.h"

/* Offsets into the fixed table; older tables end earlier, and what they lack reads as 0. */
#define FADT_BYTES_LEAST 116
#define FADT_BYTES_MOST 276
#define FADT_DSDT 40
#define FADT_SMI_COMMAND 48
#define FADT_ACPI_ENABLE 52
#define FADT_PM1A 64
#define FADT_PM1B 68
#define FADT_FLAGS 112
#define FADT_RESET 116
#define FADT_RESET_VALUE 128
#define FADT_DSDT_64 140
#define FADT_PM1A_64 172
#define FADT_PM1B_64 184
#define FADT_SLEEP_CONTROL 244
#define FLAG_RESET BIT(10)
#define FLAG_REDUCED BIT(20)

#define PORT_LAST 0xffff

/* AML */
#define OP_ZERO 0x00
#define OP_ONE 0x01
#define OP_NAME 0x08
#define OP_BYTE 0x0a
#define OP_WORD 0x0b
#define OP_DWORD 0x0c
#define OP_QWORD 0x0e
#define OP_PACKAGE 0x12
#define OP_ONES 0xff
#define PACKAGE_BYTES_MAX 64 /* of \_S5: four small constants in fact */
#define NAME "_S5_"
#define NAME_BYTES 4
#define TYPE_LAST 7
#define CHUNK_BYTES 256

/* ---- The fixed table ------------------------------------------------------------------------- */

struct fadt {
	enum acpi_root root;
	uint8_t bytes[FADT_BYTES_MOST];
};

static uint32_t fadt_32(const struct fadt *fadt, unsigned offset)
{
	uint32_t value;

	memcpy(&value, fadt->bytes + offset, sizeof(value));
	return value;
}

static uint64_t fadt_64(const struct fadt *fadt, unsigned offset)
{
	uint64_t value;

	memcpy(&value, fadt->bytes + offset, sizeof(value));
	return value;
}

/* A generic address: space, bits, offset, access size, 8 bytes of address. */
static struct acpi_register fadt_register(const struct fadt *fadt, unsigned offset)
{
	struct acpi_register found = {fadt->bytes[offset], fadt_64(fadt, offset + 4)};

	if (found.space > ACPI_PCI || (found.space == ACPI_PORT && found.place > PORT_LAST)) {
		found.place = 0;
	}
	return found;
}

/* The newer of two descriptions of one register, where there is one. */
static struct acpi_register fadt_port(const struct fadt *fadt, unsigned old, unsigned new)
{
	struct acpi_register found = fadt_register(fadt, new);

	if (found.place == 0 || found.space == ACPI_PCI) {
		uint32_t port = fadt_32(fadt, old);
		found = (struct acpi_register){ACPI_PORT, port <= PORT_LAST ? port : 0};
	}
	return found;
}

static enum status read_fadt(const struct acpi_roots *roots, struct fadt *fadt, struct error *error)
{
	enum status status = STATUS_NOT_FOUND;
	struct acpi_table table;

	memset(fadt, 0, sizeof(*fadt));
	error->text[0] = '\0';
	for (enum acpi_root root = ACPI_ROOT_NEW; status != STATUS_OK && root <= ACPI_ROOT_OLD;
	     root++) {
		fadt->root = root;
		status = acpi_find_table(roots, fadt->root, "FACP", 0, FADT_BYTES_LEAST, &table,
					 error);
	}
	if (status != STATUS_OK) {
		if (error->text[0] != '\0') {
			return STATUS_INVALID;
		}
		return error_set(error, STATUS_NOT_FOUND, "ACPI has no table FACP");
	}
	if (!physical_read(table.place, fadt->bytes, min_u64(table.bytes, FADT_BYTES_MOST))) {
		return error_set(error, STATUS_INVALID, "ACPI's table FACP cannot be read");
	}
	error->text[0] = '\0';
	return STATUS_OK;
}

/* A register in RAM would be a VM's page, or one of ours. */
static enum status check_place(const struct acpi_register *where, size_t bytes, struct error *error)
{
	if (where->space != ACPI_MEMORY || where->place == 0 ||
	    !physical_is_ram(where->place, bytes)) {
		return STATUS_OK;
	}
	return error_set(error, STATUS_INVALID, "ACPI's register is said to lie in RAM, at 0x%lx",
			 where->place);
}

/* ---- \_S5 ------------------------------------------------------------------------------------ */

/* The bytes of one object that are left. */
struct aml {
	const uint8_t *at;
	const uint8_t *end;
};

static bool aml_take(struct aml *aml, unsigned bytes, uint64_t *value)
{
	if ((size_t)(aml->end - aml->at) < bytes) {
		return false;
	}
	*value = 0;
	memcpy(value, aml->at, bytes);
	aml->at += bytes;
	return true;
}

/* 20.2.4: the two highest bits of the first byte say how many follow. Cuts *aml to the package. */
static bool aml_enter_package(struct aml *aml)
{
	const uint8_t *start = aml->at;
	uint64_t lead;
	uint64_t rest;

	if (!aml_take(aml, 1, &lead) || !aml_take(aml, (unsigned)lead >> 6, &rest)) {
		return false;
	}
	uint64_t length = lead >> 6 == 0 ? lead : (lead & 0xf) | rest << 4;
	if (length > (uint64_t)(aml->end - start)) {
		return false;
	}
	aml->end = start + length;
	return aml->end >= aml->at;
}

static bool aml_take_constant(struct aml *aml, uint64_t *value)
{
	uint64_t op;

	if (!aml_take(aml, 1, &op)) {
		return false;
	}
	switch (op) {
	case OP_ZERO:
	case OP_ONE:
	case OP_ONES:
		*value = op;
		return true;
	case OP_BYTE:
		return aml_take(aml, 1, value);
	case OP_WORD:
		return aml_take(aml, 2, value);
	case OP_DWORD:
		return aml_take(aml, 4, value);
	case OP_QWORD:
		return aml_take(aml, 8, value);
	default:
		return false;
	}
}

/* What follows the name. A package of one element has both values in it, the first one below. */
static bool read_package(struct aml aml, uint8_t *type)
{
	uint64_t op;
	uint64_t count;
	uint64_t values[2];

	if (!aml_take(&aml, 1, &op) || op != OP_PACKAGE || !aml_enter_package(&aml) ||
	    !aml_take(&aml, 1, &count) || count == 0 || !aml_take_constant(&aml, &values[0])) {
		return false;
	}
	if (count == 1) {
		values[1] = values[0] >> 8;
		values[0] &= 0xff;
	} else if (!aml_take_constant(&aml, &values[1])) {
		return false;
	}
	if (values[0] > TYPE_LAST || values[1] > TYPE_LAST) {
		return false;
	}
	type[0] = (uint8_t)values[0];
	type[1] = (uint8_t)values[1];
	return true;
}

/* Whether what begins at `place` is the definition of \_S5, with or without its root. */
static bool is_definition(const struct acpi_table *table, uint64_t offset, uint8_t *type)
{
	uint8_t bytes[PACKAGE_BYTES_MAX];
	uint8_t before[2];
	uint64_t count = min_u64(sizeof(bytes), table->bytes - offset - NAME_BYTES);

	if (!physical_read(table->place + offset - sizeof(before), before, sizeof(before)) ||
	    !physical_read(table->place + offset + NAME_BYTES, bytes, count)) {
		return false;
	}
	if (before[1] != OP_NAME && !(before[1] == '\\' && before[0] == OP_NAME)) {
		return false;
	}
	return read_package((struct aml){bytes, bytes + count}, type);
}

/* The first definition in the table. */
static bool search_table(const struct acpi_table *table, uint8_t *type)
{
	uint8_t chunk[CHUNK_BYTES];
	uint64_t step = sizeof(chunk) - (NAME_BYTES - 1);

	for (uint64_t offset = ACPI_HEADER_BYTES; offset + NAME_BYTES <= table->bytes;
	     offset += step) {
		uint64_t count = min_u64(sizeof(chunk), table->bytes - offset);

		if (!physical_read(table->place + offset, chunk, count)) {
			return false;
		}
		for (uint64_t i = 0; i + NAME_BYTES <= count; i++) {
			if (chunk[i] == '_' && memcmp(chunk + i, NAME, NAME_BYTES) == 0 &&
			    is_definition(table, offset + i, type)) {
				return true;
			}
		}
	}
	return false;
}

static enum status find_types(const struct acpi_roots *roots, const struct fadt *fadt,
			      uint8_t *type, struct error *error)
{
	uint64_t place = fadt_64(fadt, FADT_DSDT_64);
	struct acpi_table table;
	enum status status = STATUS_NOT_FOUND;

	place = place != 0 ? place : fadt_32(fadt, FADT_DSDT);
	if (place != 0) {
		status = acpi_open_table(place, "DSDT", ACPI_HEADER_BYTES, &table, error);
	}
	if (status == STATUS_OK && search_table(&table, type)) {
		return STATUS_OK;
	}
	for (unsigned i = 0;; i++) {
		status = acpi_find_table(roots, fadt->root, "SSDT", i, ACPI_HEADER_BYTES, &table,
					 error);
		if (status == STATUS_NOT_FOUND) {
			break;
		}
		if (status == STATUS_OK && search_table(&table, type)) {
			error->text[0] = '\0';
			return STATUS_OK;
		}
	}
	if (error->text[0] == '\0') {
		return error_set(error, STATUS_NOT_FOUND,
				 "ACPI's tables do not say what state S5 is");
	}
	return STATUS_INVALID;
}

enum status acpi_find_sleep(const struct acpi_roots *roots, struct acpi_sleep *sleep,
			    struct error *error)
{
	struct fadt fadt;
	enum status status = read_fadt(roots, &fadt, error);

	memset(sleep, 0, sizeof(*sleep));
	if (status != STATUS_OK) {
		return status;
	}
	sleep->reduced = fadt_32(&fadt, FADT_FLAGS) & FLAG_REDUCED;
	if (sleep->reduced) {
		sleep->control[0] = fadt_register(&fadt, FADT_SLEEP_CONTROL);
	} else {
		uint32_t command = fadt_32(&fadt, FADT_SMI_COMMAND);

		sleep->control[0] = fadt_port(&fadt, FADT_PM1A, FADT_PM1A_64);
		sleep->control[1] = fadt_port(&fadt, FADT_PM1B, FADT_PM1B_64);
		sleep->enable_value = fadt.bytes[FADT_ACPI_ENABLE];
		if (sleep->enable_value != 0 && command <= PORT_LAST) {
			sleep->enable_port = (uint16_t)command;
		}
	}
	if (sleep->control[0].place == 0 || sleep->control[0].space == ACPI_PCI) {
		return error_set(error, STATUS_NOT_FOUND,
				 "ACPI names no register to switch off by");
	}
	for (unsigned i = 0; i < 2; i++) {
		status = check_place(&sleep->control[i], sizeof(uint16_t), error);

		if (status != STATUS_OK) {
			return status;
		}
	}
	return find_types(roots, &fadt, sleep->type, error);
}

/* ---- Reset ----------------------------------------------------------------------------------- */

enum status acpi_find_reset(const struct acpi_roots *roots, struct acpi_reset *reset,
			    struct error *error)
{
	struct fadt fadt;
	enum status status = read_fadt(roots, &fadt, error);

	memset(reset, 0, sizeof(*reset));
	if (status != STATUS_OK) {
		return status;
	}
	reset->where = fadt_register(&fadt, FADT_RESET);
	reset->value = fadt.bytes[FADT_RESET_VALUE];
	if ((fadt_32(&fadt, FADT_FLAGS) & FLAG_RESET) == 0 || reset->where.place == 0) {
		return error_set(error, STATUS_NOT_FOUND, "ACPI names no register to reset by");
	}
	return check_place(&reset->where, sizeof(uint8_t), error);
}

/* ---- Both ------------------------------------------------------------------------------------ */

void acpi_find_ways(uint64_t rsdp, struct acpi_ways *ways)
{
	struct acpi_roots roots;
	struct error no_reset;
	enum status sleep, reset;

	memset(ways, 0, sizeof(*ways));
	if (acpi_find_roots(rsdp, &roots)) {
		sleep = acpi_find_sleep(&roots, &ways->sleep, &ways->no_sleep);
		reset = acpi_find_reset(&roots, &ways->reset, &no_reset);
	} else {
		sleep = error_set(&ways->no_sleep, STATUS_NOT_FOUND, "this machine has no ACPI");
		reset = sleep;
	}
	ways->has_sleep = sleep == STATUS_OK;
	ways->has_reset = reset == STATUS_OK;
}
