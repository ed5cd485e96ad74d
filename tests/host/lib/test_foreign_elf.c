/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/lib/foreign_elf.c, multiboot1.c and image.c: small kernels of both classes made here,
 * every field of theirs damaged, and what kind of kernel they are taken for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "abi/aerostat.h"
#include "kernel/lib/foreign_elf.h"
#include "kernel/lib/image.h"
#include "kernel/lib/multiboot1.h"

#define FILE_BYTES 0x3000
#define LIMIT MIB(64)

static uint8_t file[FILE_BYTES];
static struct elf_image image;
static struct error error;
static bool wide; /* ELF64 */

static void put(uint64_t offset, uint64_t value, unsigned bytes)
{
	memcpy(file + offset, &value, bytes);
}

/* Where the fields of a program header are, in both classes. */
enum program_field { OFFSET, VIRTUAL, PHYSICAL, FILE_SIZE, MEMORY_SIZE, ALIGN };
static const uint8_t fields_32[] = {4, 8, 12, 16, 20, 28};
static const uint8_t fields_64[] = {8, 16, 24, 32, 40, 48};

static uint64_t program_place(unsigned index)
{
	return wide ? 64 + index * 56u : 52 + index * 32u;
}

static void put_program(unsigned index, enum program_field which, uint64_t value)
{
	put(program_place(index) + (wide ? fields_64 : fields_32)[which], value, wide ? 8 : 4);
}

static void set_program(unsigned index, uint32_t type, uint64_t offset, uint64_t physical,
			uint64_t file_bytes, uint64_t memory_bytes)
{
	put(program_place(index), type, 4);
	put_program(index, OFFSET, offset);
	put_program(index, VIRTUAL, physical + 0x40000000);
	put_program(index, PHYSICAL, physical);
	put_program(index, FILE_SIZE, file_bytes);
	put_program(index, MEMORY_SIZE, memory_bytes);
	put_program(index, ALIGN, 4);
}

static void put_note(uint64_t at, const char *name, uint32_t type, uint64_t value, unsigned bytes)
{
	put(at, strlen(name) + 1, 4);
	put(at + 4, bytes, 4);
	put(at + 8, type, 4);
	memcpy(file + at + 12, name, strlen(name) + 1);
	put(at + 12 + align_up_u64(strlen(name) + 1, 4), value, bytes);
}

/*
 * Two segments, at 1 MiB and at 2 MiB, and between them in the table notes: one of GNU, then that
 * of a PVH entry. The header's entry is virtual.
 */
static void make(bool is_wide)
{
	wide = is_wide;
	memset(file, 0, sizeof(file));
	memcpy(file, "\177ELF\1\1\1", 7);
	file[4] = wide ? 2 : 1;
	put(16, 2, 2);
	put(18, wide ? 62 : 3, 2);
	put(24, 0x40100010, wide ? 8 : 4);
	put(wide ? 32 : 28, wide ? 64 : 52, wide ? 8 : 4);
	put(wide ? 54 : 42, wide ? 56 : 32, 2);
	put(wide ? 56 : 44, 3, 2);
	set_program(0, 1, 0x1000, 0x100000, 0x800, 0x1000);
	set_program(1, 4, 0x2800, 0, 0x100, 0x100);
	set_program(2, 1, 0x2000, 0x200000, 0x100, 0x200000);
	put_note(0x2800, "GNU", 3, 0x1234, 4);
	put_note(0x2814, "Xen", 18, 0x200020, wide ? 8 : 4);
}

static void make_multiboot(uint32_t flags)
{
	put(0x1004, 0x1badb002, 4);
	put(0x1008, flags, 4);
	put(0x100c, -(0x1badb002u + flags), 4);
}

/* The header's own addresses, of what follows from offset 0x1000 of the file. */
static void put_addresses(uint32_t header, uint32_t load, uint32_t load_end, uint32_t bss_end,
			  uint32_t entry)
{
	put(0x1010, header, 4);
	put(0x1014, load, 4);
	put(0x1018, load_end, 4);
	put(0x101c, bss_end, 4);
	put(0x1020, entry, 4);
}

/* Every reader looks at an exact copy. */
static enum status check_part(size_t bytes, uint64_t *entry)
{
	struct foreign_elf_notes notes;
	uint8_t *copy = malloc(bytes > 0 ? bytes : 1);
	memcpy(copy, file, bytes);
	(void)image_kind(copy, bytes);
	(void)image_may_be_native(copy, bytes);
	(void)(multiboot1_check(copy, bytes, LIMIT, &image, &error) == STATUS_OK);
	foreign_elf_notes(copy, bytes, &notes);
	memset(&error, 0xa5, sizeof(error));
	enum status status = foreign_elf_check(copy, bytes, LIMIT, &image, entry, &error);
	free(copy);
	assert_non_null(memchr(error.text, 0, sizeof(error.text)));
	assert_int_equal(status == STATUS_OK, error.text[0] == '\0');
	return status;
}

static void check_good(uint64_t entry)
{
	uint64_t found;
	if (check_part(FILE_BYTES, &found) != STATUS_OK) {
		fail_msg("%s", error.text);
	}
	assert_int_equal(found, entry);
}

static void check_refused(const char *reason)
{
	uint64_t entry;
	assert_int_equal(check_part(FILE_BYTES, &entry), STATUS_INVALID);
	if (strstr(error.text, reason) == NULL) {
		fail_msg("\"%s\" does not say \"%s\"", error.text, reason);
	}
}

static void test_good(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		make(i == 1);
		check_good(0x100010);
		assert_int_equal(image.segment_count, 2);
		assert_int_equal(image.end, 0x400000);
		assert_int_equal(image.segments[0].address, 0x100000);
		assert_int_equal(image.segments[0].file_offset, 0x1000);
		assert_int_equal(image.segments[0].file_bytes, 0x800);
		assert_int_equal(image.segments[1].memory_bytes, 0x200000);
		assert_int_equal(foreign_elf_is_64(file, FILE_BYTES), i == 1);
		assert_int_equal(foreign_elf_is_32(file, FILE_BYTES), i == 0);
	}
	/* A physical entry counts as it is, even where a virtual range has it, too. */
	put_program(2, VIRTUAL, 0x100000);
	put(24, 0x100010, 8);
	check_good(0x100010);
	/* What is in no segment stays; the caller may have another. */
	put(24, 0x77, 8);
	check_good(0x77);
	/* Virtual addresses, also of other segments, may be anything: Linux 6.1 has one at 0. */
	put_program(2, VIRTUAL, 0);
	check_good(0x200077);
	put_program(0, VIRTUAL, UINT64_MAX);
	check_good(0x200077);
	put(16, 3, 2); /* DYN is a program, too */
	check_good(0x200077);
}

static void test_header(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		static const struct {
			unsigned offset;
			unsigned value;
		} wrong[] = {{0, 'X'}, {3, 'f'}, {4, 0}, {4, 3}, {5, 2}, {18, 40}};
		for (unsigned j = 0; j < ARRAY_COUNT(wrong); j++) {
			make(i == 1);
			put(wrong[j].offset, wrong[j].value, 1);
			check_refused("not an ELF file for x86");
		}
		make(i == 1);
		put(16, 1, 2);
		check_refused("ELF type 1");
		static const uint64_t counts[] = {0, 0xffff};
		for (unsigned j = 0; j < ARRAY_COUNT(counts); j++) {
			make(i == 1);
			put(wide ? 56 : 44, counts[j], 2);
			check_refused("no program headers");
		}
		make(i == 1);
		put(wide ? 54 : 42, wide ? 57 : 31, 2);
		check_refused("no program headers");
		make(i == 1);
		put(wide ? 32 : 28, UINT64_MAX - 8, wide ? 8 : 4);
		check_refused("no program headers");
	}
}

static void test_truncated_at_every_length(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		make(i == 1);
		make_multiboot(0);
		for (size_t bytes = 0; bytes < FILE_BYTES; bytes++) {
			uint64_t entry;
			enum status status = check_part(bytes, &entry);
			assert_int_equal(status == STATUS_OK, bytes >= 0x2100);
		}
	}
}

static void test_segments(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		make(i == 1);
		put_program(0, FILE_SIZE, 0x1001);
		check_refused("more bytes in the file than in memory");
		make(i == 1);
		put_program(0, OFFSET, FILE_BYTES - 0x7ff);
		check_refused("0x100000 lies beyond its end");
		put_program(0, OFFSET, UINT64_MAX);
		check_refused("beyond its end");
		make(i == 1);
		put_program(2, PHYSICAL, 0x100fff);
		check_refused("0x100000 and 0x100fff overlap");
		put_program(2, PHYSICAL, 0x101000);
		check_good(0x100010);
		/* The end of RAM, and the tables. */
		put_program(2, PHYSICAL, LIMIT - 0x200000);
		check_good(0x100010);
		put_program(2, PHYSICAL, LIMIT - 0x200000 + 1);
		check_refused("does not lie in the RAM");
		put_program(2, PHYSICAL, UINT64_MAX - 0x1000);
		check_refused("does not lie in the RAM");
		make(i == 1);
		put_program(2, MEMORY_SIZE, UINT64_MAX);
		check_refused("does not lie in the RAM");
		make(i == 1);
		put_program(0, PHYSICAL, 0x7f000);
		check_good(0x7f010);
		put_program(0, PHYSICAL, 0x7f001);
		check_refused("does not lie in the RAM");
		put_program(0, PHYSICAL, 0xff000);
		check_refused("does not lie in the RAM");
		put_program(0, PHYSICAL, 0x80000);
		check_refused("does not lie in the RAM");
		/* Nothing to load. */
		make(i == 1);
		put(program_place(0), 0, 4);
		put(program_place(2), 6, 4);
		check_refused("no segment to load");
	}
	make(true);
	put(56, 0x20, 2);
	for (unsigned i = 0; i < 0x20; i++) {
		set_program(i, 1, 0, 0x100000 + 0x1000 * i, 0, i < ELF_SEGMENTS_MAX ? 0x1000 : 0);
	}
	check_good(0x100010);
	assert_int_equal(image.segment_count, ELF_SEGMENTS_MAX);
	put_program(0x1f, MEMORY_SIZE, 1);
	check_refused("more than 16 segments");
}

static void test_entry(void **state)
{
	(void)state;
	make(true);
	check_good(0x100010);
	assert_int_equal(foreign_elf_set_entry(&image, 0x100fff, &error), STATUS_OK);
	assert_int_equal(image.entry, 0x100fff);
	static const uint64_t outside[] = {0,	     0xfffff,	  0x101000,  0x1fffff,
					   0x400000, 0x100100000, UINT64_MAX};
	for (unsigned i = 0; i < ARRAY_COUNT(outside); i++) {
		assert_int_equal(foreign_elf_set_entry(&image, outside[i], &error), STATUS_INVALID);
		assert_non_null(strstr(error.text, "not in a segment"));
		assert_int_equal(image.entry, 0x100fff);
	}
}

static struct foreign_elf_notes notes_now(void)
{
	struct foreign_elf_notes notes;
	memset(&notes, 0xa5, sizeof(notes));
	foreign_elf_notes(file, FILE_BYTES, &notes);
	return notes;
}

static void test_notes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		make(i == 1);
		assert_true(notes_now().has_pvh_entry);
		assert_int_equal(notes_now().pvh_entry, 0x200020);
		assert_false(notes_now().is_linux);
		/* Another name, another type, another length: another note. */
		put_note(0x2814, "Xeo", 18, 0x200020, 4);
		assert_false(notes_now().has_pvh_entry);
		put_note(0x2814, "Xen", 17, 0x200020, 4);
		assert_false(notes_now().has_pvh_entry);
		put_note(0x2814, "Xen", 18, 0x200020, 2);
		assert_false(notes_now().has_pvh_entry);
		put_note(0x2814, "Xen", 18, 0x200020, 8);
		assert_true(notes_now().has_pvh_entry);
		/* One before it that sticks out hides it. */
		make(i == 1);
		put(0x2804, 0x100, 4);
		assert_false(notes_now().has_pvh_entry);
		put(0x2804, UINT32_MAX, 4);
		assert_false(notes_now().has_pvh_entry);
		put(0x2800, UINT32_MAX, 4);
		assert_false(notes_now().has_pvh_entry);
		/* It ends with its segment. */
		make(i == 1);
		put_program(1, FILE_SIZE, 0x14 + 12 + 4 + (wide ? 8 : 4));
		assert_true(notes_now().has_pvh_entry);
		put_program(1, FILE_SIZE, 0x14 + 12 + 4 + (wide ? 8 : 4) - 1);
		assert_false(notes_now().has_pvh_entry);
		put_program(1, FILE_SIZE, FILE_BYTES);
		assert_false(notes_now().has_pvh_entry);
	}
	make(true);
	put_note(0x2814, "Xen", 6, 0x78756e696c /* linux */, 8);
	assert_true(notes_now().is_linux);
	put_note(0x2814, "Xen", 6, 0x696c, 4);
	assert_false(notes_now().is_linux);
}

static void test_notes_of_two_alignments(void **state)
{
	(void)state;
	/* Notes that stand at multiples of 8, as their segment says. */
	make(true);
	put_program(1, ALIGN, 8);
	put_note(0x2818, "Xen", 18, 0x200020, 8);
	assert_true(notes_now().has_pvh_entry);
	put_note(0x2830, "Linux", 0x101, 0, 0);
	assert_true(notes_now().is_linux);
	/* At multiples of 4, although a segment with a note of 8 says 8: one is stepped over. */
	make(true);
	put_program(1, ALIGN, 8);
	assert_true(notes_now().has_pvh_entry);
	assert_int_equal(notes_now().pvh_entry, 0x200020);
	/* What steps of 8 find is not looked for again: steps of 4 find another one. */
	put_note(0x2818, "Xen", 18, 0x200040, 8);
	put(0x2814, 0x20, 4);
	put_note(0x2844, "Xen", 18, 0x200060, 8);
	assert_int_equal(notes_now().pvh_entry, 0x200040);
	/* Steps of 8 find the entry, and step over the owner's note behind another one. */
	memset(file + 0x2800, 0, 0x100);
	put_note(0x2800, "Xen", 18, 0x200020, 8);
	put_note(0x2818, "Xen", 4, 0, 4);
	put_note(0x282c, "Linux", 0x101, 0, 0);
	assert_true(notes_now().is_linux);
	assert_int_equal(notes_now().pvh_entry, 0x200020);
	/* The last one of the segment, which ends where a step of 8 would not. */
	memset(file + 0x2800, 0, 0x100);
	put_note(0x2800, "GNU", 5, 0, 0);
	put(0x2804, 16, 4);
	put_note(0x2820, "Xen", 18, 0x200020, 4);
	put_program(1, FILE_SIZE, 0x20 + 20);
	assert_int_equal(notes_now().pvh_entry, 0x200020);
	put_program(1, FILE_SIZE, 0x20 + 19);
	assert_false(notes_now().has_pvh_entry);
}

static void multiboot_good(uint32_t entry)
{
	if (multiboot1_check(file, FILE_BYTES, LIMIT, &image, &error) != STATUS_OK) {
		fail_msg("%s", error.text);
	}
	assert_int_equal(image.entry, entry);
}

static void multiboot_refused(const char *reason)
{
	assert_int_equal(multiboot1_check(file, FILE_BYTES, LIMIT, &image, &error), STATUS_INVALID);
	if (strstr(error.text, reason) == NULL) {
		fail_msg("\"%s\" does not say \"%s\"", error.text, reason);
	}
}

static void test_multiboot_elf(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		make(i == 1);
		assert_false(multiboot1_is(file, FILE_BYTES));
		multiboot_refused("no multiboot header");
		make_multiboot(3);
		assert_true(multiboot1_is(file, FILE_BYTES));
		multiboot_good(0x100010);
		make_multiboot(4);
		multiboot_refused("a video mode");
		make_multiboot(8);
		multiboot_refused("what no loader knows");
		make_multiboot(0x20000); /* may be ignored */
		multiboot_good(0x100010);
		put(0x100c, 1, 4);
		assert_false(multiboot1_is(file, FILE_BYTES));
		make_multiboot(0);
		put(24, 0x50000000, 4);
		multiboot_refused("entry 0x50000000");
	}
	/* All of the header is in the first 8 KiB, at a multiple of 4. */
	memset(file, 0, sizeof(file));
	memcpy(file + 8192 - 12, "\x02\xb0\xad\x1b\x00\x00\x00\x00\xfe\x4f\x52\xe4", 12);
	assert_true(multiboot1_is(file, FILE_BYTES));
	memmove(file + 8192 - 8, file + 8192 - 12, 12);
	memset(file + 8192 - 12, 0, 4);
	assert_false(multiboot1_is(file, FILE_BYTES));
	memset(file, 0, sizeof(file));
	memcpy(file + 2, "\x02\xb0\xad\x1b\x00\x00\x00\x00\xfe\x4f\x52\xe4", 12);
	assert_false(multiboot1_is(file, FILE_BYTES));
}

/* A file that is not ELF: the header at 0x1004 of the file, what is loaded from 0x1000 on. */
static void make_flat(uint32_t header, uint32_t load, uint32_t load_end, uint32_t bss_end,
		      uint32_t entry)
{
	memset(file, 0x5a, sizeof(file));
	make_multiboot(0x10003);
	put_addresses(header, load, load_end, bss_end, entry);
}

static void test_multiboot_addresses(void **state)
{
	(void)state;
	make_flat(0x200004, 0x200000, 0x201000, 0x300000, 0x200800);
	multiboot_good(0x200800);
	assert_int_equal(image.segment_count, 1);
	assert_int_equal(image.segments[0].address, 0x200000);
	assert_int_equal(image.segments[0].file_offset, 0x1000);
	assert_int_equal(image.segments[0].file_bytes, 0x1000);
	assert_int_equal(image.segments[0].memory_bytes, 0x100000);
	assert_int_equal(image.end, 0x300000);
	/* 0: to the end of the file, and no zeros behind. */
	make_flat(0x200004, 0x200000, 0, 0, 0x200800);
	multiboot_good(0x200800);
	assert_int_equal(image.segments[0].file_bytes, FILE_BYTES - 0x1000);
	assert_int_equal(image.segments[0].memory_bytes, FILE_BYTES - 0x1000);
	/* From the first byte of the file on. */
	make_flat(0x201004, 0x200000, 0, 0, 0x200800);
	multiboot_good(0x200800);
	assert_int_equal(image.segments[0].file_offset, 0);
	make_flat(0x201005, 0x200000, 0, 0, 0x200800);
	multiboot_refused("not in the file");
	make_flat(0x1fffff, 0x200000, 0, 0, 0x200800);
	multiboot_refused("not in the file");
	make_flat(0x200004, 0x200000, 0x200000, 0, 0x200800);
	multiboot_refused("ends before starts");
	make_flat(0x200004, 0x200000, 0x1fffff, 0, 0x200800);
	multiboot_refused("ends before starts");
	make_flat(0x200004, 0x200000, 0x201000, 0x200fff, 0x200800);
	multiboot_refused("ends before starts");
	make_flat(0x200004, 0x200000, 0x202001, 0, 0x200800);
	multiboot_refused("truncated");
	make_flat(0x200004, 0x200000, 0x201000, LIMIT + 1, 0x200800);
	multiboot_refused("does not lie in the RAM");
	make_flat(0xfffff004, 0xfffff000, 0, 0, 0xfffff800);
	multiboot_refused("does not lie in the RAM");
	make_flat(0x80004, 0x80000, 0, 0, 0x80800);
	multiboot_refused("does not lie in the RAM");
	make_flat(0x200004, 0x200000, 0x201000, 0x300000, 0x300000);
	multiboot_refused("entry 0x300000");
	/* The addresses are part of the header, and in the first 8 KiB, too. */
	memset(file, 0, sizeof(file));
	memcpy(file + 8192 - 12, "\x02\xb0\xad\x1b\x00\x00\x01\x00\xfe\x4f\x51\xe4", 12);
	assert_true(multiboot1_is(file, FILE_BYTES));
	multiboot_refused("multiboot header lies beyond");
}

static void test_kinds(void **state)
{
	(void)state;
	make(true);
	assert_int_equal(image_kind(file, FILE_BYTES), IMAGE_PVH);
	assert_true(image_may_be_native(file, FILE_BYTES));
	/* The note counts before the header, and both before the plain ELF file. */
	make_multiboot(0);
	assert_int_equal(image_kind(file, FILE_BYTES), IMAGE_PVH);
	put(0x2814 + 8, 17, 4);
	assert_int_equal(image_kind(file, FILE_BYTES), IMAGE_MULTIBOOT);
	/* A native guest's note: its header is not looked for, but a PVH entry counts before. */
	put_note(0x2814, AEROSTAT_NOTE_OWNER, AEROSTAT_NOTE_NATIVE, 0, 0);
	assert_int_equal(image_kind(file, FILE_BYTES), IMAGE_NATIVE);
	put_note(0x2814, AEROSTAT_NOTE_OWNER, AEROSTAT_NOTE_NATIVE + 1, 0, 0);
	assert_int_equal(image_kind(file, FILE_BYTES), IMAGE_MULTIBOOT);
	put_note(0x2814, "Aerostats", AEROSTAT_NOTE_NATIVE, 0, 0);
	assert_int_equal(image_kind(file, FILE_BYTES), IMAGE_MULTIBOOT);
	put(0x100c, 0, 4);
	assert_int_equal(image_kind(file, FILE_BYTES), IMAGE_NATIVE);
	make(false);
	assert_int_equal(image_kind(file, FILE_BYTES), IMAGE_PVH);
	assert_false(image_may_be_native(file, FILE_BYTES));
	/* No native guest is an ELF32 file, whatever its notes say. */
	make_multiboot(0);
	put_note(0x2814, AEROSTAT_NOTE_OWNER, AEROSTAT_NOTE_NATIVE, 0, 0);
	assert_int_equal(image_kind(file, FILE_BYTES), IMAGE_MULTIBOOT);
	/* A boot sector of Linux counts before all. */
	memset(file, 0, sizeof(file));
	make_multiboot(0);
	put(0x1fe, 0xaa55, 2);
	memcpy(file + 0x202, "HdrS", 4);
	assert_int_equal(image_kind(file, FILE_BYTES), IMAGE_LINUX);
	put(0x1fe, 0, 2);
	assert_int_equal(image_kind(file, FILE_BYTES), IMAGE_MULTIBOOT);
	memset(file, 0, sizeof(file));
	assert_int_equal(image_kind(file, FILE_BYTES), IMAGE_NATIVE);
	assert_int_equal(image_kind(file, 0), IMAGE_NATIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_truncated_at_every_length),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_entry),
		cmocka_unit_test(test_notes),
		cmocka_unit_test(test_notes_of_two_alignments),
		cmocka_unit_test(test_multiboot_elf),
		cmocka_unit_test(test_multiboot_addresses),
		cmocka_unit_test(test_kinds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
