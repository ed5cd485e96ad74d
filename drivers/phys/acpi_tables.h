/* SPDX-License-Identifier: BSD-2-Clause */
/* Where ACPI's tables are (ACPI 6.4, 5.2.5 to 5.2.8). Pure, but for physical_read(). */
#ifndef DRIVERS_PHYS_ACPI_TABLES_H
#define DRIVERS_PHYS_ACPI_TABLES_H

#include "base/error.h"
#include "base/types.h"

#define ACPI_HEADER_BYTES 36

/* Both root tables; 0: there is none of this kind. */
struct acpi_roots {
	uint32_t rsdt;
	uint64_t xsdt;
};

/* From the root pointer: at `hint` unless that is 0, else where BIOSes put it. False: no ACPI. */
bool acpi_find_roots(uint64_t hint, struct acpi_roots *roots);

struct acpi_table {
	uint64_t place;
	uint32_t bytes; /* header included; its checksum is right */
};

/* Which of the two: a machine is asked by the new one first. */
enum acpi_root {
	ACPI_ROOT_NEW,
	ACPI_ROOT_OLD,
};

/*
 * The `index`-th table called `signature` that has at least `least` bytes. NOT_FOUND: there is no
 * such root table, or no such table in it, and *error is unchanged. INVALID: *error says what is
 * wrong with it, or with the root table.
 */
MUST_CHECK enum status acpi_find_table(const struct acpi_roots *roots, enum acpi_root root,
				       const char *signature, unsigned index, uint64_t least,
				       struct acpi_table *table, struct error *error);

/* The table called `signature` at `place`: OK or INVALID, as above. */
MUST_CHECK enum status acpi_open_table(uint64_t place, const char *signature, uint64_t least,
				       struct acpi_table *table, struct error *error);

#endif
