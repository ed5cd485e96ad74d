/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MP floating pointer and its configuration table (MultiProcessor Specification 1.4, chapters 4
 * and 5). Pure, but for physical_read(), and without state.
 */
#include "drivers/phys/mp_table.h"

#include "base/bits.h"
#include "base/string.h"
#include "drivers/phys/firmware.h"
#include "drivers/phys/physical.h"

#define POINTER_SIGNATURE "_MP_"
#define TABLE_SIGNATURE "PCMP"
#define SEARCH_BYTES 1024
#define BIOS_SEARCH_START 0xf0000
#define DEFAULT_CONFIGURATION_MAX 7
#define DEFAULT_PROCESSORS 2

#define ENTRY_PROCESSOR 0
#define ENTRY_LAST_KNOWN 4
#define ENTRY_OTHER_BYTES 8
#define FLAG_ENABLED BIT(0)
#define APIC_ID_NONE 0xff

struct pointer {
	char signature[4];
	uint32_t table;
	uint8_t paragraphs; /* its own length */
	uint8_t revision;
	uint8_t checksum;
	uint8_t configuration; /* 0: see the table, else one of the standard ones */
	uint8_t features[4];
};

struct table {
	char signature[4];
	uint16_t length;
	uint8_t revision;
	uint8_t checksum;
	char names[20];
	uint32_t oem_table;
	uint16_t oem_length;
	uint16_t entry_count;
	uint32_t local_apic;
	uint16_t extended_length;
	uint8_t extended_checksum;
	uint8_t reserved;
};

struct processor {
	uint8_t type;
	uint8_t apic_id;
	uint8_t apic_version;
	uint8_t flags;
	uint32_t signature;
	uint32_t features;
	uint32_t reserved[2];
};

_Static_assert(sizeof(struct pointer) == 16, "layout of the specification");
_Static_assert(sizeof(struct table) == 44, "layout of the specification");
_Static_assert(sizeof(struct processor) == 20, "layout of the specification");

static bool search(uint64_t start, uint64_t end, struct pointer *pointer)
{
	uint64_t place = start;

	while ((place = firmware_search(place, end, POINTER_SIGNATURE,
					sizeof(pointer->signature))) != 0) {
		if (physical_read(place, pointer, sizeof(*pointer)) && pointer->paragraphs == 1 &&
		    firmware_checksum_is_right(place, sizeof(*pointer))) {
			return true;
		}
		place += FIRMWARE_SEARCH_STEP;
	}
	return false;
}

/* The order of the specification, 4: data area, end of base memory, BIOS. */
static bool find_pointer(struct pointer *pointer)
{
	uint64_t ebda = firmware_ebda();
	uint64_t end = firmware_base_memory_end();

	return (ebda != 0 && search(ebda, ebda + SEARCH_BYTES, pointer)) ||
	       (end != 0 && search(end - SEARCH_BYTES, end, pointer)) ||
	       search(BIOS_SEARCH_START, FIRMWARE_BIOS_END, pointer);
}

static enum status read_table(uint64_t place, struct table *table, struct error *error)
{
	if (!physical_read(place, table, sizeof(*table)) ||
	    memcmp(table->signature, TABLE_SIGNATURE, sizeof(table->signature)) != 0) {
		return error_set(error, STATUS_INVALID,
				 "there is no MP table at 0x%lx, where firmware says", place);
	}
	if (table->length < sizeof(*table)) {
		return error_set(error, STATUS_INVALID, "the MP table has the impossible length %u",
				 table->length);
	}
	if (!firmware_checksum_is_right(place, table->length)) {
		return error_set(error, STATUS_INVALID, "the MP table has a wrong checksum");
	}
	return STATUS_OK;
}

static enum status take_entries(uint64_t place, const struct table *table, struct processors *found,
				struct error *error)
{
	uint64_t at = sizeof(*table);

	for (unsigned i = 0; i < table->entry_count; i++) {
		struct processor processor;
		uint64_t left = table->length - at;
		uint8_t type;

		if (left == 0 || !physical_read(place + at, &type, sizeof(type))) {
			return error_set(error, STATUS_INVALID,
					 "the MP table has fewer entries than it says");
		}
		if (type > ENTRY_LAST_KNOWN) {
			return error_set(error, STATUS_INVALID,
					 "the MP table has an entry of the unknown type %u", type);
		}
		uint64_t bytes = type == ENTRY_PROCESSOR ? sizeof(processor) : ENTRY_OTHER_BYTES;
		if (bytes > left) {
			return error_set(error, STATUS_INVALID,
					 "the MP table ends inside an entry");
		}
		if (type == ENTRY_PROCESSOR &&
		    physical_read(place + at, &processor, sizeof(processor)) &&
		    (processor.flags & FLAG_ENABLED) && processor.apic_id != APIC_ID_NONE) {
			processors_add(found, processor.apic_id);
		}
		at += bytes;
	}
	if (found->count == 0) {
		return error_set(error, STATUS_INVALID,
				 "the MP table names no processor that is switched on");
	}
	return STATUS_OK;
}

/* The standard configurations all have two processors (chapter 5). */
static enum status take_default(unsigned configuration, struct processors *found,
				struct error *error)
{
	if (configuration > DEFAULT_CONFIGURATION_MAX) {
		return error_set(error, STATUS_INVALID,
				 "firmware names the unknown standard configuration %u",
				 configuration);
	}
	for (unsigned i = 0; i < DEFAULT_PROCESSORS; i++) {
		processors_add(found, i);
	}
	return STATUS_OK;
}

enum status mp_find_processors(struct processors *found, struct error *error)
{
	struct pointer pointer;
	struct table table;

	processors_clear(found);
	error->text[0] = '\0';
	if (!find_pointer(&pointer)) {
		return STATUS_NOT_FOUND;
	}
	if (pointer.configuration != 0) {
		return take_default(pointer.configuration, found, error);
	}
	if (pointer.table == 0) {
		return STATUS_NOT_FOUND;
	}
	enum status status = read_table(pointer.table, &table, error);
	if (status == STATUS_OK) {
		status = take_entries(pointer.table, &table, found, error);
	}
	if (status != STATUS_OK) {
		processors_clear(found);
	}
	return status;
}
