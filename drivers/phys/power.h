/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Switching the machine off and resetting it. For the last CPU that runs. Every function tries one
 * way and returns when the machine does not obey at once; a machine may take some time to.
 */
#ifndef DRIVERS_PHYS_POWER_H
#define DRIVERS_PHYS_POWER_H

#include "drivers/phys/acpi_power.h"

/* ACPI's state S5 (ACPI 6.4, 4.8.3.2 and 4.8.3.7). False: a register cannot be reached. */
bool power_sleep(const struct acpi_sleep *sleep);

/* ACPI's reset register (4.8.3.6). False: it cannot be reached. */
bool power_reset_acpi(const struct acpi_reset *reset);

/* The keyboard controller's line to the processors. False: there is no such controller. */
bool power_reset_keyboard(void);

/* The chipset's reset control register at port 0xcf9 (Intel ICH and its successors). */
void power_reset_chipset(void);

#endif
