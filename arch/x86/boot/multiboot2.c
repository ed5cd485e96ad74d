/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parser of multiboot2 boot information (specification 2.0, chapter 3.6). It trusts nothing:
 * each tag must lie inside the whole, each text must end inside its tag, each range must be a
 * range. Pure and without state, so that host tests and fuzzers run it as it is.
 */
#include "arch/x86/boot/multiboot2.h"

#include "arch/x86/boot/multiboot2_screen.h"
#include "base/bits.h"
#include "base/string.h"

#define TAG_END 0
#define TAG_COMMAND_LINE 1
#define TAG_LOADER_NAME 2
#define TAG_MODULE 3
#define TAG_MEMORY_MAP 6
#define TAG_SCREEN 8
#define TAG_ACPI_OLD 14
#define TAG_ACPI_NEW 15

#define TAG_ALIGN 8
#define MEMORY_AVAILABLE 1
#define RSDP_BYTES_MIN 20
#define CUT_TEXT_BYTES 256 /* kept of a text that does not fit: enough to say whose it is */

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
	struct error *error;
	bool map_seen;
	bool command_line_seen;
	unsigned acpi_tag; /* the one that out->rsdp is from: 0, OLD or NEW */
};

/* ---- Texts ----------------------------------------------------------------------------------- */

static bool is_escaped(const char *at, const char *end)
{
	return *at == '\\' && at + 1 < end && (at[1] == '\\' || at[1] == '"' || at[1] == '\'');
}

/* The quote that ends the word which begins behind the quote at `at`, or NULL. */
static const char *find_closing_quote(const char *at, const char *end)
{
	for (at++; at < end; at++) {
		if (is_escaped(at, end)) {
			at++;
		} else if (*at == '"') {
			return at + 1 == end || at[1] == ' ' ? at : NULL;
		}
	}
	return NULL;
}

/*
 * Copies text [from, end) as it was before GRUB put it together: that puts a word with a space in
 * it between double quotes, and a backslash in front of every quote and backslash. What GRUB would
 * not have written is copied as it is. At most `room` bytes; answers how many.
 */
static size_t copy_unquoted(char *to, size_t room, const char *from, const char *end)
{
	const char *closing = NULL;
	size_t used = 0;

	for (const char *at = from; at < end && used < room; at++) {
		if (at == closing) {
			closing = NULL;
			continue;
		}
		if (*at == '"' && closing == NULL && (at == from || at[-1] == ' ')) {
			closing = find_closing_quote(at, end);
			if (closing != NULL) {
				continue;
			}
		}
		at += is_escaped(at, end) ? 1 : 0;
		to[used++] = *at;
	}
	return used;
}

/* NULL: the text that starts at `from` does not end before `from + limit`. */
static const char *find_end(const char *from, size_t limit)
{
	size_t length = strnlen(from, limit);

	return length == limit ? NULL : from + length;
}

/*
 * Keeps the text [from, end), all of it or its first words. Answers where it is now. There is
 * always room for the terminating zero.
 */
static const char *keep_text(struct boot_info *out, const char *from, const char *end,
			     bool *truncated)
{
	size_t room = sizeof(out->texts) - out->text_bytes - 1;
	char *to = &out->texts[out->text_bytes];
	size_t length = 0;

	/* Quotes and backslashes only make it shorter. */
	*truncated = (size_t)(end - from) > room;
	if (*truncated) {
		length = copy_unquoted(to, min_u64(room, CUT_TEXT_BYTES), from, end);
		while (length > 0 && to[length - 1] != ' ') {
			length--;
		}
	} else {
		length = copy_unquoted(to, room, from, end);
	}
	to[length] = '\0';
	/* The last byte is the zero of the last text, and the next one if that is empty. */
	out->text_bytes = (unsigned)min_u64(out->text_bytes + length + 1, sizeof(out->texts) - 1);
	return to;
}

static enum status parse_command_line(struct parser *parser, const struct tag *tag)
{
	const char *from = (const char *)(tag + 1);
	const char *end = find_end(from, tag->size - sizeof(*tag));
	struct boot_info *out = parser->out;

	if (parser->command_line_seen) {
		return error_set(parser->error, STATUS_INVALID,
				 "the boot loader gave two command lines");
	}
	parser->command_line_seen = true;
	if (end == NULL) {
		return error_set(parser->error, STATUS_INVALID,
				 "the boot loader's command line does not end");
	}
	out->command_line = keep_text(out, from, end, &out->command_line_truncated);
	return STATUS_OK;
}

/* Only shown to people: a shorter name is good enough. */
static enum status parse_loader_name(struct parser *parser, const struct tag *tag)
{
	const char *from = (const char *)(tag + 1);
	const char *end = find_end(from, tag->size - sizeof(*tag));
	struct boot_info *out = parser->out;

	if (end == NULL) {
		return error_set(parser->error, STATUS_INVALID,
				 "the boot loader's name does not end");
	}
	snprintf(out->loader_name, sizeof(out->loader_name), "%s", from);
	return STATUS_OK;
}

/* ---- Modules and memory ---------------------------------------------------------------------- */

static enum status parse_module(struct parser *parser, const struct tag *tag)
{
	const struct module_tag *from = (const struct module_tag *)tag;
	struct boot_info *out = parser->out;
	unsigned number = out->module_count;

	if (tag->size < sizeof(*from)) {
		return error_set(parser->error, STATUS_INVALID,
				 "the boot loader's record of module %u is too short", number);
	}
	if (from->end < from->start) {
		return error_set(parser->error, STATUS_INVALID,
				 "module %u ends at 0x%x, before its start at 0x%x", number,
				 from->end, from->start);
	}
	const char *text = (const char *)(from + 1);
	const char *text_end = find_end(text, tag->size - sizeof(*from));
	if (text_end == NULL) {
		return error_set(parser->error, STATUS_INVALID,
				 "the text of module %u does not end", number);
	}
	if (number == BOOT_MODULES_MAX) {
		out->modules_left_out++;
		return STATUS_OK;
	}
	struct boot_module *module = &out->modules[number];
	module->text = keep_text(out, text, text_end, &module->text_truncated);
	module->start = from->start;
	module->end = from->end;
	out->module_count++;
	return STATUS_OK;
}

bool multiboot2_region(const struct boot_map *map, unsigned index, struct boot_region *region)
{
	const struct map_entry *entry =
		(const struct map_entry *)((const char *)map->entries +
					   (size_t)index * map->entry_bytes);
	bool available = entry->type == MEMORY_AVAILABLE;
	uint64_t end = entry->base + entry->length;

	if (end < entry->base) {
		/* The last byte of all addresses is neither RAM nor of any use. */
		if (available && end != 0) {
			return false; /* nonsense is not RAM, but it may forbid some */
		}
		end = UINT64_MAX;
	}
	*region = (struct boot_region){entry->base, end, available};
	return entry->base < end;
}

static void count_regions(struct boot_map *map, size_t bytes)
{
	for (size_t at = 0; at + sizeof(struct map_entry) <= bytes; at += map->entry_bytes) {
		struct boot_region region;
		const struct map_entry *entry =
			(const struct map_entry *)((const char *)map->entries + at);

		if (!multiboot2_region(map, map->count++, &region) && entry->length != 0) {
			map->senseless++;
		}
	}
}

static enum status parse_memory_map(struct parser *parser, const struct tag *tag)
{
	const struct map_tag *from = (const struct map_tag *)tag;
	struct boot_info *out = parser->out;

	if (parser->map_seen) {
		return error_set(parser->error, STATUS_INVALID,
				 "the boot loader gave two memory maps");
	}
	parser->map_seen = true;
	if (tag->size < sizeof(*from)) {
		return error_set(parser->error, STATUS_INVALID,
				 "the boot loader's memory map is too short");
	}
	/* Larger entries than we know are allowed: the fields that we know come first. */
	if (from->entry_size < sizeof(struct map_entry) || from->entry_size % TAG_ALIGN != 0) {
		return error_set(parser->error, STATUS_INVALID,
				 "the boot loader's memory map has entries of %u bytes",
				 from->entry_size);
	}
	out->map.entries = from + 1;
	out->map.entry_bytes = from->entry_size;
	count_regions(&out->map, tag->size - sizeof(*from));
	return STATUS_OK;
}

/* The tag carries a copy of ACPI's root pointer; the newer form wins. */
static enum status parse_acpi(struct parser *parser, const struct tag *tag)
{
	struct boot_info *out = parser->out;

	if (tag->size < sizeof(*tag) + RSDP_BYTES_MIN) {
		return error_set(parser->error, STATUS_INVALID,
				 "the boot loader's copy of the ACPI root pointer is too short");
	}
	if (tag->type >= parser->acpi_tag) {
		parser->acpi_tag = tag->type;
		out->rsdp_bytes = (unsigned)min_u64(tag->size - sizeof(*tag), sizeof(out->rsdp));
		memset(out->rsdp, 0, sizeof(out->rsdp));
		memcpy(out->rsdp, tag + 1, out->rsdp_bytes);
	}
	return STATUS_OK;
}

/* A screen that cannot be used is no error: most machines have another console. */
static enum status parse_screen(struct parser *parser, const struct tag *tag)
{
	struct boot_info *out = parser->out;

	out->screen_message = multiboot2_read_screen(tag, tag->size, &out->screen);
	return STATUS_OK;
}

/* Who draws on what firmware calls RAM draws on a VM's memory, or our own. */
static void check_screen(struct boot_info *out)
{
	struct boot_region region;
	const struct screen *screen = &out->screen;

	for (unsigned i = 0; screen->kind != SCREEN_NONE && i < out->map.count; i++) {
		if (multiboot2_region(&out->map, i, &region) && region.available &&
		    region.start < screen->place + screen->bytes && screen->place < region.end) {
			out->screen_message = "it lies in RAM";
			out->screen = (struct screen){.kind = SCREEN_NONE};
		}
	}
}

static enum status parse_tag(struct parser *parser, const struct tag *tag)
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
	case TAG_SCREEN:
		return parse_screen(parser, tag);
	case TAG_ACPI_OLD:
	case TAG_ACPI_NEW:
		return parse_acpi(parser, tag);
	default:
		return STATUS_OK; /* the specification: skip what you do not know */
	}
}

static enum status parse_all(const void *buffer, size_t bytes, struct boot_info *out,
			     struct error *error)
{
	struct parser parser = {.out = out, .error = error};
	const struct head *head = buffer;

	if (bytes < sizeof(*head) || head->total_size < sizeof(*head) || head->total_size > bytes) {
		return error_set(error, STATUS_INVALID,
				 "the boot information has an impossible size");
	}
	size_t at = sizeof(*head);
	for (;;) {
		const struct tag *tag = (const struct tag *)((const char *)buffer + at);
		size_t left = head->total_size - at;

		if (left < sizeof(*tag)) {
			return error_set(error, STATUS_INVALID, "the boot information has no end");
		}
		if (tag->size < sizeof(*tag) || tag->size > left) {
			return error_set(error, STATUS_INVALID,
					 "boot information of type %u has the impossible size %u",
					 tag->type, tag->size);
		}
		if (tag->type == TAG_END) {
			break;
		}
		enum status status = parse_tag(&parser, tag);
		if (status != STATUS_OK) {
			return status;
		}
		at += min_u64(align_up_u64(tag->size, TAG_ALIGN), left);
	}
	if (out->map.count == 0) {
		return error_set(error, STATUS_INVALID, "the boot loader gave no memory map");
	}
	check_screen(out);
	return STATUS_OK;
}

enum status multiboot2_parse(const void *buffer, size_t bytes, struct boot_info *out,
			     struct error *error)
{
	memset(out, 0, sizeof(*out));
	out->command_line = out->texts; /* empty */
	out->text_bytes = 1;
	error->text[0] = '\0';
	enum status status = parse_all(buffer, bytes, out, error);
	if (status != STATUS_OK && out->screen.kind != SCREEN_NONE) {
		out->screen_message = "it cannot be compared with a whole memory map";
		out->screen = (struct screen){.kind = SCREEN_NONE};
	}
	return status;
}
