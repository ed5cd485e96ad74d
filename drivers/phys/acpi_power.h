/* SPDX-License-Identifier: BSD-2-Clause */
/* How ACPI says that a machine is switched off and reset (ACPI 6.4, 4.8.3, 5.2.9 and 7.4). */
#ifndef DRIVERS_PHYS_ACPI_POWER_H
#define DRIVERS_PHYS_ACPI_POWER_H

#include "base/error.h"
#include "drivers/phys/acpi_tables.h"
#include "drivers/phys/processors.h"

/* A register somewhere in the machine (5.2.3.2). */
enum acpi_space {
	ACPI_MEMORY = 0,
	ACPI_PORT = 1,
	ACPI_PCI = 2, /* configuration space of bus 0 */
};

struct acpi_register {
	uint8_t space;	/* enum acpi_space */
	uint64_t place; /* 0: there is no such register */
};

/* How a machine is switched off: by sleeping state S5. */
struct acpi_sleep {
	bool reduced;			 /* `control[0]` is the sleep control register, 4.8.3.7 */
	struct acpi_register control[2]; /* else the PM1 control registers, 4.8.3.2; b may be 0 */
	uint8_t type[2];		 /* what S5 is called there, 0 to 7 */
	uint16_t enable_port;		 /* 0: ACPI is always on; else written to switch it on */
	uint8_t enable_value;
};

/* How it is reset, 4.8.3.6. */
struct acpi_reset {
	struct acpi_register where;
	uint8_t value;
};

/*
 * From the fixed table and \_S5 of the differentiated or a secondary table. Anything else than OK:
 * *error says what is wrong or missing.
 */
MUST_CHECK enum status acpi_find_sleep(const struct acpi_roots *roots, struct acpi_sleep *sleep,
				       struct error *error);
MUST_CHECK enum status acpi_find_reset(const struct acpi_roots *roots, struct acpi_reset *reset,
				       struct error *error);

/*
 * Both, and why there is none: what is needed at the end, from tables that firmware may have put
 * where VMs have their memory afterwards.
 */
struct acpi_ways {
	bool has_sleep;
	bool has_reset;
	struct acpi_sleep sleep;
	struct acpi_reset reset;
	struct error no_sleep;
};

/* `rsdp` is where the boot loader put ACPI's root pointer, or 0. Boot, before any VM runs. */
void acpi_find_ways(uint64_t rsdp, struct acpi_ways *ways);

#endif
