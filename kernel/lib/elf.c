/* SPDX-License-Identifier: BSD-2-Clause */
/* Validation of guest images. Every offset is checked against the file before it is followed. */
#include "kernel/lib/elf.h"

#include "base/bits.h"
#include "base/string.h"

struct elf64_header {
	uint8_t ident[16];
	uint16_t type;
	uint16_t machine;
	uint32_t version;
	uint64_t entry;
	uint64_t program_offset;
	uint64_t section_offset;
	uint32_t flags;
	uint16_t header_bytes;
	uint16_t program_bytes;
	uint16_t program_count;
	uint16_t section_bytes;
	uint16_t section_count;
	uint16_t section_names;
};

struct elf64_program {
	uint32_t type;
	uint32_t flags;
	uint64_t offset;
	uint64_t virtual_address;
	uint64_t physical_address;
	uint64_t file_bytes;
	uint64_t memory_bytes;
	uint64_t align;
};

_Static_assert(sizeof(struct elf64_header) == 64, "ELF64");
_Static_assert(sizeof(struct elf64_program) == 56, "ELF64");

#define IDENT_CLASS 4
#define IDENT_DATA 5
#define CLASS_64 2
#define DATA_LITTLE_ENDIAN 1
#define TYPE_EXECUTABLE 2
#define MACHINE_X86_64 62
#define PROGRAM_LOAD 1
#define PROGRAM_DYNAMIC 2
#define PROGRAM_INTERPRETER 3
#define FLAG_EXECUTE 1

static enum status check_header(const struct elf64_header *header, uint64_t bytes,
				struct error *error)
{
	if (memcmp(header->ident, "\177ELF", 4) != 0) {
		return error_set(error, STATUS_INVALID, "it is not an ELF file");
	}
	if (header->ident[IDENT_CLASS] != CLASS_64 ||
	    header->ident[IDENT_DATA] != DATA_LITTLE_ENDIAN || header->machine != MACHINE_X86_64) {
		return error_set(error, STATUS_INVALID,
				 "it is an ELF file, but not ELF64 for x86-64");
	}
	if (header->type != TYPE_EXECUTABLE) {
		return error_set(error, STATUS_INVALID,
				 "it is not a static executable (ELF type is not EXEC)");
	}
	if (header->program_count > 0 && header->program_bytes != sizeof(struct elf64_program)) {
		return error_set(error, STATUS_INVALID, "its program headers have the wrong size");
	}
	uint64_t table_bytes = (uint64_t)header->program_count * sizeof(struct elf64_program);
	if (table_bytes > 0 &&
	    (header->program_offset > bytes || table_bytes > bytes - header->program_offset)) {
		return error_set(error, STATUS_INVALID,
				 "it is truncated: its program headers lie beyond its end");
	}
	return STATUS_OK;
}

static enum status check_segment(const struct elf64_program *program, uint64_t bytes,
				 uint64_t limit_bytes, struct error *error)
{
	uint64_t address = program->physical_address;
	/* Where no bytes are said to lie does not matter: linkers leave any offset there. */
	if (program->file_bytes > 0 &&
	    (program->offset > bytes || program->file_bytes > bytes - program->offset)) {
		return error_set(error, STATUS_INVALID,
				 "it is truncated: its segment at 0x%lx lies beyond its end",
				 address);
	}
	if (program->file_bytes > program->memory_bytes) {
		return error_set(error, STATUS_INVALID,
				 "its segment at 0x%lx has more bytes in the file than in memory",
				 address);
	}
	if (program->physical_address > limit_bytes ||
	    program->memory_bytes > limit_bytes - program->physical_address) {
		return error_set(error, STATUS_INVALID,
				 "its segment at 0x%lx, %lu bytes, does not fit into max=%luK",
				 address, program->memory_bytes, limit_bytes >> 10);
	}
	return STATUS_OK;
}

static enum status add_segment(struct elf_image *image, const struct elf64_program *program,
			       struct error *error)
{
	uint64_t start = program->physical_address;
	uint64_t end = start + program->memory_bytes;
	for (unsigned i = 0; i < image->segment_count; i++) {
		const struct elf_segment *other = &image->segments[i];
		if (start < other->address + other->memory_bytes && other->address < end) {
			return error_set(error, STATUS_INVALID,
					 "its segments at 0x%lx and 0x%lx overlap", other->address,
					 start);
		}
	}
	if (image->segment_count == ELF_SEGMENTS_MAX) {
		return error_set(error, STATUS_INVALID, "it has more than 16 segments");
	}
	image->segments[image->segment_count++] = (struct elf_segment){
		.address = start,
		.memory_bytes = program->memory_bytes,
		.file_offset = program->file_bytes > 0 ? program->offset : 0,
		.file_bytes = program->file_bytes,
	};
	image->end = max_u64(image->end, end);
	return STATUS_OK;
}

/*
 * The entry of a program is the virtual address that its linker knows; a kernel that is linked high
 * and loaded low may name the physical one instead. The physical range of an executable segment
 * decides first, because the guest starts without paging.
 */
struct entry_search {
	uint64_t address; /* as the header gives it */
	bool is_physical;
	bool is_virtual;
	uint64_t translated; /* the physical address, where it is virtual */
};

static void look_for_entry(struct entry_search *entry, const struct elf64_program *program)
{
	if ((program->flags & FLAG_EXECUTE) == 0) {
		return;
	}
	if (entry->address >= program->physical_address &&
	    entry->address - program->physical_address < program->memory_bytes) {
		entry->is_physical = true;
	}
	if (!entry->is_virtual && entry->address >= program->virtual_address &&
	    entry->address - program->virtual_address < program->memory_bytes) {
		entry->is_virtual = true;
		entry->translated =
			entry->address - program->virtual_address + program->physical_address;
	}
}

static bool is_empty(const struct elf64_program *program)
{
	return program->memory_bytes == 0 && program->file_bytes == 0;
}

/* Takes in one program header. Nothing in the header of an empty one is looked at. */
static enum status take_program(const struct elf64_program *program, struct entry_search *entry,
				uint64_t bytes, uint64_t limit_bytes, struct elf_image *image,
				struct error *error)
{
	if (is_empty(program)) {
		return STATUS_OK;
	}
	if (program->type == PROGRAM_DYNAMIC || program->type == PROGRAM_INTERPRETER) {
		return error_set(error, STATUS_INVALID,
				 "it is dynamically linked; a static executable is needed");
	}
	if (program->type != PROGRAM_LOAD) {
		return STATUS_OK;
	}
	enum status status = check_segment(program, bytes, limit_bytes, error);
	if (status != STATUS_OK) {
		return status;
	}
	look_for_entry(entry, program);
	return add_segment(image, program, error);
}

static enum status set_entry(struct elf_image *image, const struct entry_search *entry,
			     struct error *error)
{
	uint64_t address = entry->is_physical ? entry->address : entry->translated;
	if ((!entry->is_physical && !entry->is_virtual) || address > UINT32_MAX) {
		return error_set(error, STATUS_INVALID,
				 "its entry 0x%lx is not in an executable segment below 4G",
				 entry->address);
	}
	image->entry = (uint32_t)address;
	return STATUS_OK;
}

enum status elf_check(const void *file, uint64_t bytes, uint64_t limit_bytes,
		      struct elf_image *image, struct error *error)
{
	struct elf64_header header;
	memset(image, 0, sizeof(*image));
	error->text[0] = '\0';
	if (bytes == 0) {
		return error_set(error, STATUS_INVALID,
				 "it is empty: the boot loader loaded no byte of it");
	}
	if (bytes < sizeof(header)) {
		return error_set(error, STATUS_INVALID, "it is not an ELF file");
	}
	memcpy(&header, file, sizeof(header));
	enum status status = check_header(&header, bytes, error);
	struct entry_search entry = {.address = header.entry};
	for (unsigned i = 0; status == STATUS_OK && i < header.program_count; i++) {
		struct elf64_program program;
		uint64_t place = header.program_offset + i * sizeof(program);
		memcpy(&program, (const uint8_t *)file + place, sizeof(program));
		status = take_program(&program, &entry, bytes, limit_bytes, image, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	if (image->segment_count == 0) {
		return error_set(error, STATUS_INVALID, "it has no segment to load");
	}
	return set_entry(image, &entry, error);
}
