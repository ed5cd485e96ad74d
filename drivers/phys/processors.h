/* SPDX-License-Identifier: BSD-2-Clause */
/* Which processors firmware says this machine has. */
#ifndef DRIVERS_PHYS_PROCESSORS_H
#define DRIVERS_PHYS_PROCESSORS_H

#include "base/error.h"
#include "base/limits.h"
#include "base/types.h"

#define PROCESSORS_MAX CPUS_MAX

/*
 * Those that may be started now, each once, in firmware's order. One that firmware has left out of
 * its table is the last.
 */
struct processors {
	unsigned count;
	unsigned left_out; /* found, but behind the last place */
	uint32_t apic_ids[PROCESSORS_MAX];
	uint32_t own_id;    /* of the processor that asks; it has a place however many there are */
	const char *source; /* "acpi", "mp-table" or "none" */
};

/*
 * Asks ACPI, else the MP table; `rsdp` is where the boot loader put ACPI's root pointer, or 0. Each
 * of the two error messages says what is wrong with that table, or is empty. `own_id` is this
 * processor's, which runs whatever firmware says: it is always in the list, the only one when
 * neither table can be used.
 */
void processors_find(uint64_t rsdp, uint32_t own_id, struct processors *found, struct error *acpi,
		     struct error *mp);

/* Forgets all that were added. */
void processors_clear(struct processors *found);

/* Adds one, unless it is in the list. */
void processors_add(struct processors *found, uint32_t apic_id);

#endif
