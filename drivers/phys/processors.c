/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of processors, and which table is asked first. Boot CPU only; no state. */
#include "drivers/phys/processors.h"

#include "drivers/phys/acpi.h"
#include "drivers/phys/mp_table.h"

void processors_clear(struct processors *found)
{
	found->count = 0;
	found->left_out = 0;
}

void processors_add(struct processors *found, uint32_t apic_id)
{
	for (unsigned i = 0; i < found->count; i++) {
		if (found->apic_ids[i] == apic_id) {
			return;
		}
	}
	if (found->count == PROCESSORS_MAX) {
		found->left_out++;
		if (apic_id == found->own_id) {
			found->apic_ids[PROCESSORS_MAX - 1] = apic_id;
		}
		return;
	}
	found->apic_ids[found->count++] = apic_id;
}

void processors_find(uint64_t rsdp, uint32_t own_id, struct processors *found, struct error *acpi,
		     struct error *mp)
{
	mp->text[0] = '\0';
	found->own_id = own_id;
	if (acpi_find_processors(rsdp, found, acpi) == STATUS_OK) {
		found->source = "acpi";
	} else if (mp_find_processors(found, mp) == STATUS_OK) {
		found->source = "mp-table";
	} else {
		found->source = "none";
	}
	/* Firmware may have named others only. */
	processors_add(found, own_id);
}
