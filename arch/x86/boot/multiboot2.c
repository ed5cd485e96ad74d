/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parser of multiboot2 boot information (specification 2.0, chapter 3.6). It trusts nothing:
 * each tag must lie inside the whole, each text must end inside its tag, each range must be a
 * range. Pure and without state, so that host tests and fuzzers run it as it is.
 */
#include "arch/x86/boot/multiboot2.h"

#include "base/bits.h"
#include "base/string.h"

#define TAG_END 0
#define TAG_COMMAND_LINE 1
#define TAG_LOADER_NAME 2
#define TAG_MODULE 3
#define TAG_MEMORY_MAP 6
#define TAG_ACPI_OLD 14
#define TAG_ACPI_NEW 15

#define TAG_ALIGN 8
#define MEMORY_AVAILABLE 1
#define RSDP_BYTES_MIN 20

struct head {
	uint32_t total_size;
	uint32_t reserved;
};

struct tag {
	uint32_t type;
	uint32_t size; /* header included, padding to the next tag excluded */
};

struct module_tag {
	struct tag tag;
	uint32_t start;
	uint32_t end;
};

struct map_tag {
	struct tag tag;
	uint32_t entry_size;
	uint32_t entry_version;
};

struct map_entry {
	uint64_t base;
	uint64_t length;
	uint32_t type;
	uint32_t reserved;
};

_Static_assert(sizeof(struct head) == MULTIBOOT2_HEAD_BYTES, "layout of the specification");
_Static_assert(sizeof(struct module_tag) == 16, "layout of the specification");
_Static_assert(sizeof(struct map_tag) == 16, "layout of the specification");
_Static_assert(sizeof(struct map_entry) == 24, "layout of the specification");

struct parser {
	struct boot_info *out;
	char *sentence;
	bool map_seen;
	bool command_line_seen;
	unsigned acpi_tag; /* the one that out->acpi_rsdp is from: 0, OLD or NEW */
};

static enum status refuse(struct parser *parser, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static enum status refuse(struct parser *parser, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(parser->sentence, MULTIBOOT2_SENTENCE_BYTES, format, arguments);
	va_end(arguments);
	return STATUS_INVALID;
}

/*
 * Copies the text that starts at `from` and must end before `from + limit`. *cut says that `to` was
 * too small. False: the text does not end, and `to` is empty.
 */
static bool copy_text(char *to, size_t room, const char *from, size_t limit, bool *cut)
{
	size_t length = strnlen(from, limit);

	to[0] = '\0';
	if (length == limit) {
		return false;
	}
	*cut = length >= room;
	if (*cut) {
		length = room - 1;
	}
	memcpy(to, from, length);
	to[length] = '\0';
	return true;
}

static enum status parse_command_line(struct parser *parser, const struct tag *tag)
{
	struct boot_info *out = parser->out;
	bool cut;

	if (parser->command_line_seen) {
		return refuse(parser, "the boot loader gave two command lines");
	}
	parser->command_line_seen = true;
	if (!copy_text(out->command_line, sizeof(out->command_line), (const char *)(tag + 1),
		       tag->size - sizeof(*tag), &cut)) {
		return refuse(parser, "the boot loader's command line does not end");
	}
	if (cut) {
		return refuse(parser, "the command line is longer than %u characters",
			      (unsigned)sizeof(out->command_line) - 1);
	}
	return STATUS_OK;
}

static enum status parse_loader_name(struct parser *parser, const struct tag *tag)
{
	struct boot_info *out = parser->out;
	bool cut; /* only shown to people: a shorter name is good enough */

	if (!copy_text(out->loader_name, sizeof(out->loader_name), (const char *)(tag + 1),
		       tag->size - sizeof(*tag), &cut)) {
		return refuse(parser, "the boot loader's name does not end");
	}
	return STATUS_OK;
}

static enum status parse_module(struct parser *parser, const struct tag *tag)
{
	const struct module_tag *from = (const struct module_tag *)tag;
	struct boot_info *out = parser->out;
	unsigned number = out->module_count;

	if (tag->size < sizeof(*from)) {
		return refuse(parser, "the boot loader's record of module %u is too short", number);
	}
	if (number == BOOT_MODULES_MAX) {
		return refuse(parser, "there are more than %u modules", BOOT_MODULES_MAX);
	}
	if (from->end < from->start) {
		return refuse(parser, "module %u ends at 0x%x, before its start at 0x%x", number,
			      from->end, from->start);
	}
	struct boot_module *module = &out->modules[number];
	if (!copy_text(module->text, sizeof(module->text), (const char *)(from + 1),
		       tag->size - sizeof(*from), &module->text_truncated)) {
		return refuse(parser, "the text of module %u does not end", number);
	}
	module->start = from->start;
	module->end = from->end;
	out->module_count++;
	return STATUS_OK;
}

static enum status parse_memory_map(struct parser *parser, const struct tag *tag)
{
	const struct map_tag *from = (const struct map_tag *)tag;
	struct boot_info *out = parser->out;

	if (parser->map_seen) {
		return refuse(parser, "the boot loader gave two memory maps");
	}
	parser->map_seen = true;
	if (tag->size < sizeof(*from)) {
		return refuse(parser, "the boot loader's memory map is too short");
	}
	/* Larger entries than we know are allowed: the fields that we know come first. */
	if (from->entry_size < sizeof(struct map_entry) || from->entry_size % TAG_ALIGN != 0) {
		return refuse(parser, "the boot loader's memory map has entries of %u bytes",
			      from->entry_size);
	}
	size_t bytes = tag->size - sizeof(*from);
	for (size_t at = 0; at + sizeof(struct map_entry) <= bytes; at += from->entry_size) {
		const struct map_entry *entry =
			(const struct map_entry *)((const char *)(from + 1) + at);

		if (entry->length > UINT64_MAX - entry->base) {
			return refuse(parser, "the memory map has a region that wraps around");
		}
		if (entry->length == 0) {
			continue;
		}
		if (out->region_count == BOOT_REGIONS_MAX) {
			return refuse(parser, "the memory map has more than %u regions",
				      BOOT_REGIONS_MAX);
		}
		out->regions[out->region_count++] = (struct boot_region){
			entry->base, entry->base + entry->length, entry->type == MEMORY_AVAILABLE};
	}
	return STATUS_OK;
}

/* The tag carries a copy of ACPI's root pointer; the newer form wins. */
static enum status parse_acpi(struct parser *parser, const struct tag *tag, uint64_t place)
{
	if (tag->size < sizeof(*tag) + RSDP_BYTES_MIN) {
		return refuse(parser,
			      "the boot loader's copy of the ACPI root pointer is too short");
	}
	if (tag->type >= parser->acpi_tag) {
		parser->acpi_tag = tag->type;
		parser->out->acpi_rsdp = place + sizeof(*tag);
	}
	return STATUS_OK;
}

static enum status parse_tag(struct parser *parser, const struct tag *tag, uint64_t place)
{
	switch (tag->type) {
	case TAG_COMMAND_LINE:
		return parse_command_line(parser, tag);
	case TAG_LOADER_NAME:
		return parse_loader_name(parser, tag);
	case TAG_MODULE:
		return parse_module(parser, tag);
	case TAG_MEMORY_MAP:
		return parse_memory_map(parser, tag);
	case TAG_ACPI_OLD:
	case TAG_ACPI_NEW:
		return parse_acpi(parser, tag, place);
	default:
		return STATUS_OK; /* the specification: skip what you do not know */
	}
}

enum status multiboot2_parse(const void *buffer, size_t bytes, hpa_t place, struct boot_info *out,
			     char *sentence)
{
	struct parser parser = {.out = out, .sentence = sentence};
	const struct head *head = buffer;

	memset(out, 0, sizeof(*out));
	sentence[0] = '\0';
	if (bytes < sizeof(*head) || head->total_size < sizeof(*head) || head->total_size > bytes) {
		return refuse(&parser, "the boot information has an impossible size");
	}
	size_t at = sizeof(*head);
	for (;;) {
		const struct tag *tag = (const struct tag *)((const char *)buffer + at);
		size_t left = head->total_size - at;

		if (left < sizeof(*tag)) {
			return refuse(&parser, "the boot information has no end");
		}
		if (tag->size < sizeof(*tag) || tag->size > left) {
			return refuse(&parser,
				      "boot information of type %u has the impossible size %u",
				      tag->type, tag->size);
		}
		if (tag->type == TAG_END) {
			break;
		}
		enum status status = parse_tag(&parser, tag, place.v + at);
		if (status != STATUS_OK) {
			return status;
		}
		at += min_u64(align_up_u64(tag->size, TAG_ALIGN), left);
	}
	if (out->region_count == 0) {
		return refuse(&parser, "the boot loader gave no memory map");
	}
	return STATUS_OK;
}
