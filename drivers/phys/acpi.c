/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From ACPI's root pointer to the list of processors (ACPI 6.4: root pointer 5.2.5.3, header 5.2.6,
 * root tables 5.2.7 and 5.2.8, processors 5.2.12). Pure, but for physical_read(), and without
 * state, so that host tests and fuzzers run it as it is. A table is used when its checksum is right
 * and every entry lies inside it, or not at all.
 */
#include "drivers/phys/acpi.h"

#include "base/bits.h"
#include "base/string.h"
#include "drivers/phys/firmware.h"
#include "drivers/phys/physical.h"

#define ROOT_SIGNATURE "RSD PTR "
#define ROOT_OLD_BYTES 20
#define ROOT_BYTES_MAX 4096
#define ROOT_REVISION_NEW 2
#define EBDA_SEARCH_BYTES 1024
#define BIOS_SEARCH_START 0xe0000

#define TABLE_BYTES_MAX 0x100000 /* a table that claims more is not believed */

#define ENTRY_LOCAL_APIC 0
#define ENTRY_LOCAL_X2APIC 9
/* Bit 1, "online capable", means that one could be plugged in, not that there is one. */
#define FLAG_ENABLED BIT(0)
#define APIC_ID_NONE 0xff
#define X2APIC_ID_NONE 0xffffffff

struct root {
	char signature[8];
	uint8_t checksum;
	char oem[6];
	uint8_t revision;
	uint32_t rsdt;
	/* from here on since revision 2 */
	uint32_t length;
	uint64_t xsdt;
	uint8_t checksum_all;
	uint8_t reserved[3];
} __attribute__((packed));

struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char names[26];
} __attribute__((packed));

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

#define MADT_ENTRIES_OFFSET (sizeof(struct header) + 8) /* local APIC's address, flags */

_Static_assert(sizeof(struct root) == 36, "layout of the specification");
_Static_assert(sizeof(struct header) == 36, "layout of the specification");
_Static_assert(sizeof(struct local_apic) == 8, "layout of the specification");
_Static_assert(sizeof(struct local_x2apic) == 16, "layout of the specification");

/* ---- The root pointer ------------------------------------------------------------------------ */

/* What revision 1 does not have reads as 0. */
static bool read_root(uint64_t place, struct root *root)
{
	memset(root, 0, sizeof(*root));
	if (!physical_read(place, root, ROOT_OLD_BYTES) ||
	    memcmp(root->signature, ROOT_SIGNATURE, sizeof(root->signature)) != 0 ||
	    !firmware_checksum_is_right(place, ROOT_OLD_BYTES)) {
		return false;
	}
	if (root->revision < ROOT_REVISION_NEW) {
		return true;
	}
	return physical_read(place, root, sizeof(*root)) && root->length >= sizeof(*root) &&
	       root->length <= ROOT_BYTES_MAX && firmware_checksum_is_right(place, root->length);
}

static bool search_root(uint64_t start, uint64_t end, struct root *root)
{
	uint64_t place = firmware_search(start, end, ROOT_SIGNATURE, sizeof(root->signature));

	while (place != 0 && !read_root(place, root)) {
		place = firmware_search(place + FIRMWARE_SEARCH_STEP, end, ROOT_SIGNATURE,
					sizeof(root->signature));
	}
	return place != 0;
}

static bool find_root(uint64_t hint, struct root *root)
{
	if (hint != 0 && read_root(hint, root)) {
		return true;
	}
	uint64_t ebda = firmware_ebda();
	return (ebda != 0 && search_root(ebda, ebda + EBDA_SEARCH_BYTES, root)) ||
	       search_root(BIOS_SEARCH_START, FIRMWARE_BIOS_END, root);
}

/* ---- Tables ---------------------------------------------------------------------------------- */

/* INVALID: it is not a sound table of at least `least` bytes called `signature`. */
static enum status read_table(uint64_t place, const char *signature, uint64_t least,
			      struct header *header, char *sentence)
{
	if (!physical_read(place, header, sizeof(*header))) {
		return firmware_refuse(sentence,
				       "ACPI's table %s is said to lie at 0x%lx, beyond all memory",
				       signature, place);
	}
	if (memcmp(header->signature, signature, sizeof(header->signature)) != 0) {
		return firmware_refuse(sentence, "there is no table %s where ACPI says, at 0x%lx",
				       signature, place);
	}
	if (header->length < least || header->length > TABLE_BYTES_MAX) {
		return firmware_refuse(sentence, "ACPI's table %s has the impossible length %u",
				       signature, header->length);
	}
	if (!firmware_checksum_is_right(place, header->length)) {
		return firmware_refuse(sentence, "ACPI's table %s has a wrong checksum", signature);
	}
	return STATUS_OK;
}

static void add_processor(struct processors *found, uint32_t apic_id, uint32_t none, uint32_t flags)
{
	if ((flags & FLAG_ENABLED) && apic_id != none) {
		processors_add(found, apic_id);
	}
}

/* One entry, which lies inside its table. */
static enum status take_entry(uint64_t place, struct entry entry, struct processors *found,
			      char *sentence)
{
	struct local_apic apic;
	struct local_x2apic x2apic;
	uint64_t least = entry.type == ENTRY_LOCAL_APIC	    ? sizeof(apic)
			 : entry.type == ENTRY_LOCAL_X2APIC ? sizeof(x2apic)
							    : sizeof(entry);

	if (entry.length < least) {
		return firmware_refuse(
			sentence,
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

static enum status take_madt(uint64_t place, struct processors *found, char *sentence)
{
	struct header header;
	enum status status = read_table(place, "APIC", MADT_ENTRIES_OFFSET, &header, sentence);
	uint64_t at = MADT_ENTRIES_OFFSET;

	while (status == STATUS_OK && at < header.length) {
		uint64_t left = header.length - at;
		struct entry entry;

		if (left < sizeof(entry) || !physical_read(place + at, &entry, sizeof(entry)) ||
		    entry.length > left) {
			return firmware_refuse(sentence, "ACPI's table APIC ends inside an entry");
		}
		status = take_entry(place + at, entry, found, sentence);
		at += entry.length;
	}
	if (status == STATUS_OK && found->count == 0) {
		return firmware_refuse(sentence,
				       "ACPI's table APIC names no processor that is switched on");
	}
	return status;
}

/* Looks through a root table whose pointers have `pointer_bytes` bytes, 4 or 8. */
static enum status search_root_table(uint64_t place, const char *signature, unsigned pointer_bytes,
				     struct processors *found, char *sentence)
{
	struct header header;
	enum status status = read_table(place, signature, sizeof(header), &header, sentence);

	if (status != STATUS_OK) {
		return status;
	}
	for (uint64_t at = sizeof(header); at + pointer_bytes <= header.length;
	     at += pointer_bytes) {
		uint64_t table = 0;
		char name[sizeof(header.signature)];

		if (physical_read(place + at, &table, pointer_bytes) && table != 0 &&
		    physical_read(table, name, sizeof(name)) &&
		    memcmp(name, "APIC", sizeof(name)) == 0) {
			return take_madt(table, found, sentence);
		}
	}
	return STATUS_NOT_FOUND;
}

enum status acpi_find_processors(uint64_t rsdp, struct processors *found, char *sentence)
{
	struct root root;
	enum status status = STATUS_NOT_FOUND;

	memset(found, 0, sizeof(*found));
	sentence[0] = '\0';
	if (!find_root(rsdp, &root)) {
		return STATUS_NOT_FOUND;
	}
	/* The new root table is the one to use where there is one; the old may be all that is
	 * sound. */
	if (root.xsdt != 0) {
		status = search_root_table(root.xsdt, "XSDT", sizeof(root.xsdt), found, sentence);
	}
	if (status != STATUS_OK && root.rsdt != 0) {
		memset(found, 0, sizeof(*found));
		status = search_root_table(root.rsdt, "RSDT", sizeof(root.rsdt), found, sentence);
	}
	if (status == STATUS_OK) {
		sentence[0] = '\0';
	} else {
		memset(found, 0, sizeof(*found));
	}
	if (sentence[0] != '\0') {
		return STATUS_INVALID;
	}
	return status;
}
