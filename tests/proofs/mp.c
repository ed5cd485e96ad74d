/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MP table. Real: drivers/phys/mp_table.c. Stubbed: physical_read(), which gives anything and
 * proves that the read lies inside the table.
 */
#include "tests/proofs/proof.h"

#include "drivers/phys/mp_table.c"

#define PLACE 0x1000u

static uint64_t table_bytes;
static unsigned added;

bool physical_read(uint64_t place, void *to, size_t bytes)
{
	uint8_t *at = to;
	PROVE(place >= PLACE && place - PLACE <= table_bytes);
	PROVE(bytes <= table_bytes - (place - PLACE));
	for (size_t i = 0; i < bytes; i++) {
		at[i] = any_u8();
	}
	return any_bool();
}

void processors_clear(struct processors *found)
{
	found->count = 0;
}

void processors_add(struct processors *found, uint32_t apic_id)
{
	PROVE(apic_id < APIC_ID_NONE);
	added++;
	found->count++;
}

/*
 * PROOF mp_table_is_read_inside
 * Shows: whatever entries an MP table has, and however many it claims, nothing outside of it is
 * read, and a table that is accepted names a processor
 * Bound: tables of up to 40 bytes of entries, any contents; up to 6 claimed entries
 * Assumes: its length is at least that of its header, as read_table() checks
 * Classes: files
 * Sources: drivers/phys/mp_table.c
 * Options: --unwind 21
 * Fault: drivers/phys/mp_table.c | if (bytes > left) { | if (bytes > left + 1) {
 */
void mp_table_is_read_inside(void)
{
	static struct processors found;
	struct error error;
	struct table table = {.length = any_u16(), .entry_count = any_u16()};
	ASSUME(table.length >= sizeof(table) && table.length <= sizeof(table) + 40);
	ASSUME(table.entry_count <= 6);
	table_bytes = table.length;
	if (take_entries(PLACE, &table, &found, &error) == STATUS_OK) {
		PROVE(found.count > 0 && added == found.count);
	}
}
