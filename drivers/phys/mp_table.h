/* SPDX-License-Identifier: BSD-2-Clause */
/* Which processors there are on machines without ACPI (MultiProcessor Specification 1.4). */
#ifndef DRIVERS_PHYS_MP_TABLE_H
#define DRIVERS_PHYS_MP_TABLE_H

#include "base/error.h"
#include "drivers/phys/processors.h"

/* As acpi_find_processors(). */
MUST_CHECK enum status mp_find_processors(struct processors *found, struct error *error);

#endif
