/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ACPI's list of processors, and its root tables. Real: drivers/phys/acpi.c and
 * drivers/phys/acpi_tables.c. Stubbed: physical_read(), which gives anything and proves that the
 * read lies inside the table; the checksum, which is right.
 */
#include "tests/proofs/proof.h"

#include "drivers/phys/acpi.c"

#define PLACE 0x1000u

static uint64_t table_bytes;
static unsigned added;
static bool is_table_read;

bool physical_read(uint64_t place, void *to, size_t bytes)
{
	uint8_t *at = to;
	if (is_table_read) {
		PROVE(place >= PLACE && place - PLACE <= table_bytes);
		PROVE(bytes <= table_bytes - (place - PLACE));
	}
	for (size_t i = 0; i < bytes; i++) {
		at[i] = any_u8();
	}
	return any_bool();
}

uint64_t firmware_ebda(void)
{
	return any_u64();
}

uint64_t firmware_search(uint64_t start, uint64_t end, const char *signature, size_t bytes)
{
	(void)start;
	(void)end;
	(void)signature;
	(void)bytes;
	return any_u64();
}

bool firmware_checksum_is_right(uint64_t place, uint64_t bytes)
{
	(void)place;
	(void)bytes;
	return any_bool();
}

void processors_clear(struct processors *found)
{
	found->count = 0;
}

void processors_add(struct processors *found, uint32_t apic_id)
{
	(void)apic_id;
	added++;
	found->count = found->count < PROCESSORS_MAX ? found->count + 1 : found->count;
}

/*
 * PROOF madt_is_read_inside
 * Shows: whatever entries a table of processors has, nothing outside of it is read, the walk ends,
 * and a table that is accepted names a processor
 * Bound: tables of up to 16 bytes of entries, any contents
 * Assumes: the table itself lies inside its memory, as acpi_open_table() checks
 * Classes: files
 * Sources: drivers/phys/acpi.c
 * Options: --unwind 18
 * Fault: drivers/phys/acpi.c | entry.length > left) { | entry.length > left + 1) {
 */
void madt_is_read_inside(void)
{
	static struct processors found;
	struct error error;
	is_table_read = true;
	table_bytes = any_below(MADT_ENTRIES_OFFSET + 17);
	struct acpi_table table = {PLACE, (uint32_t)table_bytes};
	ASSUME(table_bytes >= MADT_ENTRIES_OFFSET);
	if (take_madt(&table, &found, &error) == STATUS_OK) {
		PROVE(found.count > 0 && added > 0);
	}
}
