/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI's list of processors (ACPI 6.4, 5.2.12). */
#ifndef DRIVERS_PHYS_ACPI_H
#define DRIVERS_PHYS_ACPI_H

#include "base/error.h"
#include "drivers/phys/processors.h"

/*
 * Fills *found from the multiple APIC description table. `rsdp` is where the boot loader put the
 * root pointer, or 0; when it is no use the places that BIOSes put it at are searched. Anything
 * else than OK leaves *found empty. NOT_FOUND: this machine has no such table, and the message is
 * empty. INVALID: *error says what is wrong with the table.
 */
MUST_CHECK enum status acpi_find_processors(uint64_t rsdp, struct processors *found,
					    struct error *error);

#endif
