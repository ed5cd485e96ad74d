/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From ACPI's root pointer to a table (ACPI 6.4: root pointer 5.2.5.3, header 5.2.6, root tables
 * 5.2.7 and 5.2.8). Pure, but for physical_read(), and without state, so that host tests and
 * fuzzers run it as it is. A table is used when its checksum is right, or not at all.
 */
#include "drivers/phys/acpi_tables.h"

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

_Static_assert(sizeof(struct root) == 36, "layout of the specification");
_Static_assert(sizeof(struct header) == ACPI_HEADER_BYTES, "layout of the specification");

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

bool acpi_find_roots(uint64_t hint, struct acpi_roots *roots)
{
	struct root root;

	if (!find_root(hint, &root)) {
		return false;
	}
	*roots = (struct acpi_roots){root.rsdt, root.xsdt};
	return true;
}

/* ---- Tables ---------------------------------------------------------------------------------- */

enum status acpi_open_table(uint64_t place, const char *signature, uint64_t least,
			    struct acpi_table *table, struct error *error)
{
	struct header header;

	*table = (struct acpi_table){0};
	if (!physical_read(place, &header, sizeof(header))) {
		return error_set(error, STATUS_INVALID,
				 "ACPI's table %s is said to lie at 0x%lx, beyond all memory",
				 signature, place);
	}
	if (memcmp(header.signature, signature, sizeof(header.signature)) != 0) {
		return error_set(error, STATUS_INVALID,
				 "there is no table %s where ACPI says, at 0x%lx", signature,
				 place);
	}
	if (header.length < least || header.length > TABLE_BYTES_MAX) {
		return error_set(error, STATUS_INVALID,
				 "ACPI's table %s has the impossible length %u", signature,
				 header.length);
	}
	if (!firmware_checksum_is_right(place, header.length)) {
		return error_set(error, STATUS_INVALID, "ACPI's table %s has a wrong checksum",
				 signature);
	}
	*table = (struct acpi_table){place, header.length};
	return STATUS_OK;
}

/* Whether there is a table of that name at `place`, whatever else is wrong with it. */
static bool is_called(uint64_t place, const char *signature)
{
	char name[sizeof(((struct header *)0)->signature)];

	return place != 0 && physical_read(place, name, sizeof(name)) &&
	       memcmp(name, signature, sizeof(name)) == 0;
}

enum status acpi_find_table(const struct acpi_roots *roots, enum acpi_root root,
			    const char *signature, unsigned index, uint64_t least,
			    struct acpi_table *table, struct error *error)
{
	bool new = root == ACPI_ROOT_NEW;
	uint64_t place = new ? roots->xsdt : roots->rsdt;
	uint64_t pointer_bytes = new ? sizeof(roots->xsdt) : sizeof(roots->rsdt);
	struct acpi_table list;

	if (place == 0) {
		return STATUS_NOT_FOUND;
	}
	enum status status =
		acpi_open_table(place, new ? "XSDT" : "RSDT", ACPI_HEADER_BYTES, &list, error);
	if (status != STATUS_OK) {
		return status;
	}
	for (uint64_t at = ACPI_HEADER_BYTES; at + pointer_bytes <= list.bytes;
	     at += pointer_bytes) {
		uint64_t found = 0;

		if (physical_read(list.place + at, &found, pointer_bytes) &&
		    is_called(found, signature) && index-- == 0) {
			return acpi_open_table(found, signature, least, table, error);
		}
	}
	return STATUS_NOT_FOUND;
}
