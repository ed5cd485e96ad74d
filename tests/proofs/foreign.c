/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernels of others: ELF files of both classes, their notes, and the multiboot header. Real:
 * kernel/lib/foreign_elf.c, kernel/lib/multiboot1.c, kernel/lib/string.c. Stubbed: error messages.
 */
#include "tests/proofs/proof.h"

#include "kernel/lib/foreign_elf.c"

#define FILE_BYTES 128u
#define NOTES_BYTES 40u
#define BYTES_MAX (1ull << 48)

/* The end of the array is that of the file. */
static const uint8_t *any_file(uint8_t *array, size_t room, uint64_t *bytes)
{
	*bytes = any_below(room + 1);
	return array + room - *bytes;
}

/*
 * PROOF foreign_headers_are_inside
 * Shows: of a file of any content, whichever class it says it has, no byte behind its end is read;
 * each program header that an accepted one counts lies in it
 * Bound: files of up to 128 bytes of any content, any index
 * Assumes: nothing
 * Classes: files
 * Sources: kernel/lib/foreign_elf.c kernel/lib/string.c
 * Options: --unwind 9
 * Fault: kernel/lib/foreign_elf.c | return layout != NULL && bytes >= layout->header_bytes ? layout :
 * NULL; | return layout != NULL && bytes >= layout->entry ? layout : NULL;
 */
void foreign_headers_are_inside(void)
{
	uint8_t array[FILE_BYTES];
	HAVOC(array);
	uint64_t bytes;
	const uint8_t *file = any_file(array, sizeof(array), &bytes);
	const struct layout *layout = layout_of(file, bytes);
	if (layout == NULL || !has_programs(file, bytes, layout)) {
		return;
	}
	unsigned count = program_count(file, layout);
	unsigned index = any_u32();
	PROVE(count > 0);
	ASSUME(index < count);
	struct program program = program_at(file, layout, index);
	if (is_in_file(&program, bytes)) {
		PROVE((unsigned __int128)program.offset + program.file_bytes <= bytes);
	}
}

/*
 * PROOF foreign_notes_are_inside
 * Shows: notes of any content are read inside their segment only, whatever lengths they claim; each
 * step comes behind the one before, so the walk ends
 * Bound: segments of up to 40 bytes of any content, either alignment; one note from any place
 * Assumes: the segment lies in its file
 * Classes: files
 * Sources: kernel/lib/foreign_elf.c kernel/lib/string.c
 * Options: --unwind 10
 * Fault: kernel/lib/foreign_elf.c | if (end > bytes) { | if (contents > bytes) {
 */
void foreign_notes_are_inside(void)
{
	uint8_t array[NOTES_BYTES];
	HAVOC(array);
	uint64_t bytes;
	struct note note;
	struct foreign_elf_notes notes = {0};
	const uint8_t *segment = any_file(array, sizeof(array), &bytes);
	uint64_t at = any_below(2 * NOTES_BYTES);
	uint64_t before = at;
	if (next_note(segment, bytes, any_bool() ? 4 : 8, &at, &note)) {
		PROVE(at > before);
		PROVE(note.name_bytes <= bytes && note.bytes <= bytes);
		PROVE(note.contents + note.bytes <= segment + bytes);
		take_note(&note, &notes);
	}
}

static bool is_apart(const struct elf_segment *a, const struct elf_segment *b)
{
	return a->address + a->memory_bytes <= b->address ||
	       b->address + b->memory_bytes <= a->address;
}

/*
 * PROOF foreign_segments_are_inside_and_apart
 * Shows: a segment that is taken lies in the file and in the RAM that kernels may have, overlaps
 * no other one, and no sum wraps; a refused one leaves the image as it was; where a guest begins is
 * below 4 GiB and in a segment
 * Bound: all segments and entries, one other segment in the image, files and RAM below 2^48 bytes
 * Assumes: the other one lies in RAM
 * Classes: files
 * Sources: kernel/lib/foreign_elf.c
 * Options: --unwind 4 --unsigned-overflow-check
 * Fault: kernel/lib/foreign_elf.c | return start <= end && bytes <= end - start; | return start + bytes
 * <= end;
 */
void foreign_segments_are_inside_and_apart(void)
{
	struct elf_image image = {.segment_count = 1};
	struct error error;
	struct program program;
	struct entry_search search = {0};
	uint64_t bytes = any_below(BYTES_MAX);
	uint64_t limit = any_below(BYTES_MAX);
	struct elf_segment *other = &image.segments[0];
	HAVOC(program);
	other->address = any_below(BYTES_MAX);
	other->memory_bytes = any_below(BYTES_MAX);
	ASSUME(is_in_ram(other, limit));
	if (take_program(&program, bytes, limit, &image, &error) != STATUS_OK) {
		PROVE(image.segment_count == 1);
		return;
	}
	const struct elf_segment *segment = &image.segments[1];
	PROVE(image.segment_count == 2 && is_in_ram(segment, limit));
	PROVE(segment->address + segment->memory_bytes <= limit);
	PROVE(segment->file_bytes <= segment->memory_bytes);
	PROVE(segment->file_offset + segment->file_bytes <= bytes);
	PROVE(segment->memory_bytes == 0 || other->memory_bytes == 0 || is_apart(segment, other));
	uint64_t entry = any_u64();
	look_for_entry(&program, entry, &search);
	PROVE(!search.is_physical || entry - segment->address < segment->memory_bytes);
	if (foreign_elf_set_entry(&image, entry, &error) == STATUS_OK) {
		PROVE(image.entry == entry);
	}
}
