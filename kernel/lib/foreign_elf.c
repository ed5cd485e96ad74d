/* SPDX-License-Identifier: BSD-2-Clause */
/* ELF kernels of others, read field by field in both classes. See the header. */
#include "kernel/lib/foreign_elf.h"

#include "abi/aerostat.h"
#include "base/bits.h"
#include "base/string.h"
#include "kernel/lib/pc_layout.h"

#define IDENT_BYTES 16
#define IDENT_CLASS 4
#define IDENT_DATA 5
#define CLASS_32 1
#define CLASS_64 2
#define DATA_LITTLE_ENDIAN 1
#define AT_TYPE 16
#define AT_MACHINE 18
#define TYPE_EXECUTABLE 2
#define TYPE_SHARED 3
#define MACHINE_386 3
#define MACHINE_X86_64 62
#define PROGRAM_LOAD 1
#define PROGRAM_NOTE 4

#define NOTE_HEAD_BYTES 12
#define NOTES_MAX 4096 /* of one file: kernels have a dozen */
#define XEN_GUEST_OS 6
#define XEN_PHYS32_ENTRY 18

/* Offsets of the fields of both classes (System V ABI, ELF chapters 4 and 5), and their width. */
struct layout {
	uint8_t width; /* of addresses, offsets and sizes */
	uint8_t header_bytes;
	uint8_t entry;
	uint8_t program_offset;
	uint8_t program_bytes;
	uint8_t program_count;
	struct {
		uint8_t bytes;
		uint8_t offset;
		uint8_t virtual_address;
		uint8_t physical_address;
		uint8_t file_bytes;
		uint8_t memory_bytes;
		uint8_t align;
	} program;
};

static const struct layout layout_32 = {4, 52, 24, 28, 42, 44, {32, 4, 8, 12, 16, 20, 28}};
static const struct layout layout_64 = {8, 64, 24, 32, 54, 56, {56, 8, 16, 24, 32, 40, 48}};

struct program {
	uint64_t type;
	uint64_t offset;
	uint64_t virtual_address;
	uint64_t physical_address;
	uint64_t file_bytes;
	uint64_t memory_bytes;
	uint64_t align;
};

static uint64_t field(const void *file, uint64_t offset, unsigned bytes)
{
	uint64_t value = 0;
	memcpy(&value, (const uint8_t *)file + offset, bytes);
	return value;
}

static bool is_class(const void *file, uint64_t bytes, uint8_t class, uint16_t machine)
{
	const uint8_t *ident = file;
	return bytes >= AT_MACHINE + 2 && memcmp(ident, "\177ELF", 4) == 0 &&
	       ident[IDENT_CLASS] == class && ident[IDENT_DATA] == DATA_LITTLE_ENDIAN &&
	       field(file, AT_MACHINE, 2) == machine;
}

bool foreign_elf_is_32(const void *file, uint64_t bytes)
{
	return is_class(file, bytes, CLASS_32, MACHINE_386);
}

bool foreign_elf_is_64(const void *file, uint64_t bytes)
{
	return is_class(file, bytes, CLASS_64, MACHINE_X86_64);
}

/* NULL: it is not an ELF file for x86, or ends in its header. */
static const struct layout *layout_of(const void *file, uint64_t bytes)
{
	const struct layout *layout = foreign_elf_is_32(file, bytes)   ? &layout_32
				      : foreign_elf_is_64(file, bytes) ? &layout_64
								       : NULL;
	return layout != NULL && bytes >= layout->header_bytes ? layout : NULL;
}

/* False: the table has entries of another size, or is not in the file. */
static bool has_programs(const void *file, uint64_t bytes, const struct layout *layout)
{
	uint64_t offset = field(file, layout->program_offset, layout->width);
	uint64_t table = field(file, layout->program_count, 2) * layout->program.bytes;
	return field(file, layout->program_bytes, 2) == layout->program.bytes && table > 0 &&
	       offset <= bytes && table <= bytes - offset;
}

static unsigned program_count(const void *file, const struct layout *layout)
{
	return (unsigned)field(file, layout->program_count, 2);
}

static struct program program_at(const void *file, const struct layout *layout, unsigned index)
{
	uint64_t at = field(file, layout->program_offset, layout->width) +
		      (uint64_t)index * layout->program.bytes;
	unsigned width = layout->width;
	return (struct program){
		.type = field(file, at, 4),
		.offset = field(file, at + layout->program.offset, width),
		.virtual_address = field(file, at + layout->program.virtual_address, width),
		.physical_address = field(file, at + layout->program.physical_address, width),
		.file_bytes = field(file, at + layout->program.file_bytes, width),
		.memory_bytes = field(file, at + layout->program.memory_bytes, width),
		.align = field(file, at + layout->program.align, width),
	};
}

static bool is_in_file(const struct program *program, uint64_t bytes)
{
	return program->offset <= bytes && program->file_bytes <= bytes - program->offset;
}

/* ---- Notes ----------------------------------------------------------------------------------- */

struct note {
	const uint8_t *name;
	const uint8_t *contents;
	uint64_t name_bytes;
	uint64_t bytes;
	uint64_t type;
};

static bool note_is_of(const struct note *note, const char *name)
{
	uint64_t bytes = strlen(name) + 1;
	return note->name_bytes == bytes && memcmp(note->name, name, bytes) == 0;
}

static void take_note(const struct note *note, struct foreign_elf_notes *notes)
{
	if (note_is_of(note, "Linux")) {
		notes->is_linux = true;
	}
	if (note_is_of(note, AEROSTAT_NOTE_OWNER) && note->type == AEROSTAT_NOTE_NATIVE) {
		notes->is_native = true;
	}
	if (!note_is_of(note, "Xen")) {
		return;
	}
	/* 32-bit kernels have a word of 4 bytes, 64-bit ones of 8. The first one counts. */
	if (note->type == XEN_PHYS32_ENTRY && !notes->has_pvh_entry &&
	    (note->bytes == 4 || note->bytes == 8)) {
		notes->has_pvh_entry = true;
		notes->pvh_entry = field(note->contents, 0, (unsigned)note->bytes);
	}
	if (note->type == XEN_GUEST_OS && note->bytes >= 5 &&
	    memcmp(note->contents, "linux", 5) == 0) {
		notes->is_linux = true;
	}
}

/* The note at *at of a segment; moves behind it. False: there is none, or it sticks out. */
static bool next_note(const uint8_t *segment, uint64_t bytes, uint64_t align, uint64_t *at,
		      struct note *note)
{
	if (*at > bytes || bytes - *at < NOTE_HEAD_BYTES) {
		return false;
	}
	note->name_bytes = field(segment, *at, 4);
	note->bytes = field(segment, *at + 4, 4);
	note->type = field(segment, *at + 8, 4);
	uint64_t name = *at + NOTE_HEAD_BYTES;
	uint64_t contents = align_up_u64(name + note->name_bytes, align);
	uint64_t end = contents + note->bytes;
	if (end > bytes) {
		return false;
	}
	note->name = segment + name;
	note->contents = segment + contents;
	*at = align_up_u64(end, align);
	return true;
}

static void take_notes(const uint8_t *segment, uint64_t bytes, uint64_t align, unsigned *left,
		       struct foreign_elf_notes *notes)
{
	struct note note;
	uint64_t at = 0;
	while (*left > 0 && next_note(segment, bytes, align, &at, &note)) {
		take_note(&note, notes);
		(*left)--;
	}
}

/*
 * A linker script that puts all notes into one section makes a segment of notes with both
 * alignments: .note.gnu.property of compilers has 8, all others have 4, and the segment has the
 * larger one. Who goes by that steps over notes, or finds a length in the middle of one.
 */
void foreign_elf_notes(const void *file, uint64_t bytes, struct foreign_elf_notes *notes)
{
	memset(notes, 0, sizeof(*notes));
	const struct layout *layout = layout_of(file, bytes);
	if (layout == NULL || !has_programs(file, bytes, layout)) {
		return;
	}
	unsigned left = NOTES_MAX;
	for (unsigned i = 0; i < program_count(file, layout); i++) {
		struct program program = program_at(file, layout, i);
		if (program.type != PROGRAM_NOTE || !is_in_file(&program, bytes)) {
			continue;
		}
		const uint8_t *segment = (const uint8_t *)file + program.offset;
		if (program.align == 8) {
			take_notes(segment, program.file_bytes, 8, &left, notes);
		}
		take_notes(segment, program.file_bytes, 4, &left, notes);
	}
}

/* ---- Segments -------------------------------------------------------------------------------- */

static enum status check_header(const void *file, uint64_t bytes, struct error *error)
{
	const struct layout *layout = layout_of(file, bytes);
	if (layout == NULL) {
		return error_set(error, STATUS_INVALID,
				 "it is not an ELF file for x86, or it ends in its header");
	}
	uint64_t type = field(file, AT_TYPE, 2);
	if (type != TYPE_EXECUTABLE && type != TYPE_SHARED) {
		return error_set(error, STATUS_INVALID,
				 "it is not a program (ELF type %lu is neither EXEC nor DYN)",
				 type);
	}
	if (!has_programs(file, bytes, layout)) {
		return error_set(error, STATUS_INVALID,
				 "it has no program headers, or they lie beyond its end");
	}
	return STATUS_OK;
}

/* Neither the tables below 1 MiB nor what is beyond RAM may be overwritten. */
static bool is_in_ram(const struct elf_segment *segment, uint64_t limit_bytes)
{
	uint64_t start = segment->address;
	uint64_t bytes = segment->memory_bytes;
	uint64_t end = start < PC_HIGH_RAM ? min_u64(PC_TABLES, limit_bytes) : limit_bytes;
	return start <= end && bytes <= end - start;
}

enum status foreign_elf_add(struct elf_image *image, const struct elf_segment *segment,
			    uint64_t limit_bytes, struct error *error)
{
	uint64_t start = segment->address;
	if (!is_in_ram(segment, limit_bytes)) {
		return error_set(error, STATUS_INVALID,
				 "its segment at 0x%lx, %lu bytes, does not lie in the RAM that "
				 "kernels may have: below 0x%x, or from 0x%x to max=%luK",
				 start, segment->memory_bytes, PC_TABLES, PC_HIGH_RAM,
				 limit_bytes >> 10);
	}
	for (unsigned i = 0; i < image->segment_count; i++) {
		const struct elf_segment *other = &image->segments[i];
		if (start < other->address + other->memory_bytes &&
		    other->address < start + segment->memory_bytes) {
			return error_set(error, STATUS_INVALID,
					 "its segments at 0x%lx and 0x%lx overlap", other->address,
					 start);
		}
	}
	if (image->segment_count == ELF_SEGMENTS_MAX) {
		return error_set(error, STATUS_INVALID, "it has more than %u segments",
				 ELF_SEGMENTS_MAX);
	}
	image->segments[image->segment_count++] = *segment;
	image->end = max_u64(image->end, start + segment->memory_bytes);
	return STATUS_OK;
}

static enum status take_program(const struct program *program, uint64_t bytes, uint64_t limit_bytes,
				struct elf_image *image, struct error *error)
{
	if (program->file_bytes > 0 && !is_in_file(program, bytes)) {
		return error_set(error, STATUS_INVALID,
				 "it is truncated: its segment at 0x%lx lies beyond its end",
				 program->physical_address);
	}
	if (program->file_bytes > program->memory_bytes) {
		return error_set(error, STATUS_INVALID,
				 "its segment at 0x%lx has more bytes in the file than in memory",
				 program->physical_address);
	}
	struct elf_segment segment = {
		.address = program->physical_address,
		.memory_bytes = program->memory_bytes,
		.file_offset = program->file_bytes > 0 ? program->offset : 0,
		.file_bytes = program->file_bytes,
	};
	return foreign_elf_add(image, &segment, limit_bytes, error);
}

static bool is_within(uint64_t address, uint64_t start, uint64_t bytes)
{
	return address >= start && address - start < bytes;
}

/* A physical address counts before a virtual one: the kernel starts without paging. */
struct entry_search {
	bool is_physical;
	bool is_virtual;
	uint64_t translated;
};

static void look_for_entry(const struct program *program, uint64_t entry,
			   struct entry_search *search)
{
	if (is_within(entry, program->physical_address, program->memory_bytes)) {
		search->is_physical = true;
	}
	if (!search->is_virtual &&
	    is_within(entry, program->virtual_address, program->memory_bytes)) {
		search->is_virtual = true;
		search->translated = entry - program->virtual_address + program->physical_address;
	}
}

enum status foreign_elf_check(const void *file, uint64_t bytes, uint64_t limit_bytes,
			      struct elf_image *image, uint64_t *entry, struct error *error)
{
	memset(image, 0, sizeof(*image));
	error->text[0] = '\0';
	*entry = 0;
	enum status status = check_header(file, bytes, error);
	if (status != STATUS_OK) {
		return status;
	}
	const struct layout *layout = layout_of(file, bytes);
	struct entry_search search = {0};
	*entry = field(file, layout->entry, layout->width);
	for (unsigned i = 0; status == STATUS_OK && i < program_count(file, layout); i++) {
		struct program program = program_at(file, layout, i);
		if (program.type != PROGRAM_LOAD ||
		    (program.memory_bytes == 0 && program.file_bytes == 0)) {
			continue;
		}
		look_for_entry(&program, *entry, &search);
		status = take_program(&program, bytes, limit_bytes, image, error);
	}
	if (status == STATUS_OK && image->segment_count == 0) {
		status = error_set(error, STATUS_INVALID, "it has no segment to load");
	}
	if (!search.is_physical && search.is_virtual) {
		*entry = search.translated;
	}
	return status;
}

enum status foreign_elf_set_entry(struct elf_image *image, uint64_t entry, struct error *error)
{
	bool found = false;
	for (unsigned i = 0; i < image->segment_count; i++) {
		const struct elf_segment *segment = &image->segments[i];
		found = found || is_within(entry, segment->address, segment->memory_bytes);
	}
	if (!found || entry > UINT32_MAX) {
		return error_set(error, STATUS_INVALID,
				 "its entry 0x%lx is not in a segment below 4G", entry);
	}
	image->entry = (uint32_t)entry;
	return STATUS_OK;
}
