/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Native guest images. Real: kernel/lib/elf.c, kernel/lib/string.c. Stubbed: error messages.
 */
#include "tests/proofs/proof.h"

#include "kernel/lib/elf.c"

static struct elf64_program any_program(void)
{
	struct elf64_program program;
	HAVOC(program);
	return program;
}

/*
 * PROOF elf_header_leads_inside_the_file
 * Shows: with a header that is accepted, every program header that it counts lies in the file
 * Bound: all headers, files below 2^48 bytes, any index
 * Assumes: nothing
 * Classes: files
 * Sources: kernel/lib/elf.c kernel/lib/string.c
 * Options: --unwind 6
 * Fault: kernel/lib/elf.c | (header->program_offset > bytes || table_bytes > bytes -
 * header->program_offset)) { | (header->program_offset + table_bytes > bytes)) {
 */
void elf_header_leads_inside_the_file(void)
{
	struct elf64_header header;
	struct error error;
	HAVOC(header);
	uint64_t bytes = any_below(1ull << 48);
	uint64_t i = any_u16();
	if (check_header(&header, bytes, &error) == STATUS_OK && i < header.program_count) {
		uint64_t place = header.program_offset + i * sizeof(struct elf64_program);
		PROVE(place >= header.program_offset);
		PROVE(place <= bytes && sizeof(struct elf64_program) <= bytes - place);
	}
}

/*
 * PROOF elf_segments_are_inside_and_apart
 * Shows: a segment that is taken lies in the file and in RAM, overlaps no other one, and no sum
 * wraps; a refused one leaves the image as it was
 * Bound: all segments, one other segment in the image, files and RAM below 2^48 bytes
 * Assumes: the other one lies in RAM
 * Classes: files
 * Sources: kernel/lib/elf.c
 * Options: --unwind 3
 * Fault: kernel/lib/elf.c | if (start < other->address + other->memory_bytes && other->address <
 * end) { | if (start < other->address + other->memory_bytes && other->address < start) {
 */
void elf_segments_are_inside_and_apart(void)
{
	static struct elf_image image;
	struct error error;
	struct entry_search entry = {.address = any_u64()};
	struct elf64_program program = any_program();
	uint64_t bytes = any_below(1ull << 48);
	uint64_t limit = any_below(1ull << 48);
	struct elf_segment other = {.address = any_u64(), .memory_bytes = any_u64()};
	ASSUME(other.address <= limit && other.memory_bytes <= limit - other.address);
	image.segment_count = 1;
	image.segments[0] = other;
	image.end = other.address + other.memory_bytes;
	enum status status = take_program(&program, &entry, bytes, limit, &image, &error);
	PROVE(image.segment_count == 1 || status == STATUS_OK);
	if (image.segment_count == 1) {
		return;
	}
	const struct elf_segment *segment = &image.segments[1];
	PROVE(segment->address <= limit && segment->memory_bytes <= limit - segment->address);
	PROVE(segment->file_bytes <= segment->memory_bytes);
	PROVE(segment->file_offset <= bytes && segment->file_bytes <= bytes - segment->file_offset);
	PROVE(segment->address + segment->memory_bytes <= other.address ||
	      other.address + other.memory_bytes <= segment->address);
	PROVE(image.end <= limit && image.end >= segment->address + segment->memory_bytes);
}

/*
 * PROOF elf_entry_is_in_a_segment
 * Shows: where a guest begins is below 4 GiB and in an executable segment, as the linker or as the
 * loader counts
 * Bound: all entries, one segment
 * Assumes: the segment lies in RAM
 * Classes: files
 * Sources: kernel/lib/elf.c
 * Fault: kernel/lib/elf.c | if ((!entry->is_physical && !entry->is_virtual) || address >
 * UINT32_MAX) { | if (address > UINT32_MAX) {
 */
void elf_entry_is_in_a_segment(void)
{
	static struct elf_image image;
	struct error error;
	struct entry_search entry = {.address = any_u64()};
	struct elf64_program program = any_program();
	ASSUME(program.memory_bytes <= UINT64_MAX - program.physical_address);
	look_for_entry(&entry, &program);
	if (set_entry(&image, &entry, &error) == STATUS_OK) {
		PROVE(image.entry >= program.physical_address);
		PROVE(image.entry - program.physical_address < program.memory_bytes);
		PROVE((program.flags & FLAG_EXECUTE) != 0);
	}
}
