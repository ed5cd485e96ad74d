/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ACPI's list of processors (ACPI 6.4, 5.2.12). Pure, but for physical_read(), and without state,
 * so that host tests and fuzzers run it as it is. A table is used when every entry lies inside it,
 * or not at all.
 */
#include "drivers/phys/acpi.h"

#include "base/bits.h"
#include "base/string.h"
#include "drivers/phys/acpi_tables.h"
#include "drivers/phys/firmware.h"
#include "drivers/phys/physical.h"

#define ENTRY_LOCAL_APIC 0
#define ENTRY_LOCAL_X2APIC 9
/* Bit 1, "online capable", means that one could be plugged in, not that there is one. */
#define FLAG_ENABLED BIT(0)
#define APIC_ID_NONE 0xff
#define X2APIC_ID_NONE 0xffffffff

struct entry {
	uint8_t type;
	uint8_t length;
};

struct local_apic {
	struct entry entry;
	uint8_t processor;
	uint8_t apic_id;
	uint32_t flags;
};

struct local_x2apic {
	struct entry entry;
	uint16_t reserved;
	uint32_t apic_id;
	uint32_t flags;
	uint32_t processor;
};

#define MADT_ENTRIES_OFFSET (ACPI_HEADER_BYTES + 8) /* local APIC's address, flags */

_Static_assert(sizeof(struct local_apic) == 8, "layout of the specification");
_Static_assert(sizeof(struct local_x2apic) == 16, "layout of the specification");

static void add_processor(struct processors *found, uint32_t apic_id, uint32_t none, uint32_t flags)
{
	if ((flags & FLAG_ENABLED) && apic_id != none) {
		processors_add(found, apic_id);
	}
}

/* One entry, which lies inside its table. */
static enum status take_entry(uint64_t place, struct entry entry, struct processors *found,
			      struct error *error)
{
	struct local_apic apic;
	struct local_x2apic x2apic;
	uint64_t least = entry.type == ENTRY_LOCAL_APIC	    ? sizeof(apic)
			 : entry.type == ENTRY_LOCAL_X2APIC ? sizeof(x2apic)
							    : sizeof(entry);

	if (entry.length < least) {
		return error_set(error, STATUS_INVALID,
				 "ACPI's table APIC has an entry of type %u with the impossible "
				 "length %u",
				 entry.type, entry.length);
	}
	if (entry.type == ENTRY_LOCAL_APIC && physical_read(place, &apic, sizeof(apic))) {
		add_processor(found, apic.apic_id, APIC_ID_NONE, apic.flags);
	} else if (entry.type == ENTRY_LOCAL_X2APIC &&
		   physical_read(place, &x2apic, sizeof(x2apic))) {
		add_processor(found, x2apic.apic_id, X2APIC_ID_NONE, x2apic.flags);
	}
	return STATUS_OK;
}

static enum status take_madt(const struct acpi_table *table, struct processors *found,
			     struct error *error)
{
	enum status status = STATUS_OK;
	uint64_t at = MADT_ENTRIES_OFFSET;

	while (status == STATUS_OK && at < table->bytes) {
		uint64_t left = table->bytes - at;
		struct entry entry;

		if (left < sizeof(entry) ||
		    !physical_read(table->place + at, &entry, sizeof(entry)) ||
		    entry.length > left) {
			return error_set(error, STATUS_INVALID,
					 "ACPI's table APIC ends inside an entry");
		}
		status = take_entry(table->place + at, entry, found, error);
		at += entry.length;
	}
	if (status == STATUS_OK && found->count == 0) {
		return error_set(error, STATUS_INVALID,
				 "ACPI's table APIC names no processor that is switched on");
	}
	return status;
}

enum status acpi_find_processors(uint64_t rsdp, struct processors *found, struct error *error)
{
	struct acpi_roots roots;
	struct acpi_table table;

	processors_clear(found);
	error->text[0] = '\0';
	if (!acpi_find_roots(rsdp, &roots)) {
		return STATUS_NOT_FOUND;
	}
	/* The new root table is the one to use where there is one; the old may be all that is
	 * sound. */
	for (enum acpi_root root = ACPI_ROOT_NEW; root <= ACPI_ROOT_OLD; root++) {
		enum status status = acpi_find_table(&roots, root, "APIC", 0, MADT_ENTRIES_OFFSET,
						     &table, error);

		if (status == STATUS_OK) {
			status = take_madt(&table, found, error);
		}
		if (status == STATUS_OK) {
			error->text[0] = '\0';
			return STATUS_OK;
		}
		processors_clear(found);
	}
	return error->text[0] != '\0' ? STATUS_INVALID : STATUS_NOT_FOUND;
}
