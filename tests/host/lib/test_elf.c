/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel/lib/elf.c: a good image, each way to damage it, and mutations by the ten thousand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "kernel/lib/elf.h"

#define LIMIT MIB(16)
#define FILE_BYTES 0x3000u
#define PROGRAMS 3

/* A good image of three segments; tests change its fields. */
static struct {
	Elf64_Ehdr header;
	Elf64_Phdr programs[PROGRAMS];
	uint8_t rest[FILE_BYTES - sizeof(Elf64_Ehdr) - PROGRAMS * sizeof(Elf64_Phdr)];
} good, file;
_Static_assert(sizeof(good) == FILE_BYTES, "layout");

static struct elf_image image;
static struct error error;

static Elf64_Phdr program(uint32_t flags, uint64_t offset, uint64_t address, uint64_t file_bytes,
			  uint64_t memory_bytes)
{
	return (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_flags = flags,
		.p_offset = offset,
		.p_vaddr = address,
		.p_paddr = address,
		.p_filesz = file_bytes,
		.p_memsz = memory_bytes,
		.p_align = 4096,
	};
}

static int start(void **state)
{
	(void)state;
	memset(&good, 0x5a, sizeof(good));
	good.header = (Elf64_Ehdr){
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_entry = 0x100010,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = PROGRAMS,
	};
	good.programs[0] = program(PF_R | PF_X, 0x1000, 0x100000, 0x800, 0x800);
	good.programs[1] = program(PF_R, 0x1800, 0x101000, 0x400, 0x400);
	good.programs[2] = program(PF_R | PF_W, 0x2000, 0x102000, 0x1000, 0x8000);
	file = good;
	return 0;
}

/* Judges the first `bytes` of the file, in a buffer of exactly that size. */
static enum status check_bytes(uint64_t bytes, uint64_t limit)
{
	uint8_t *copy = malloc(bytes + 1);
	uint8_t *exact = copy;
	memcpy(exact, &file, bytes);
	exact = realloc(copy, bytes == 0 ? 1 : bytes);
	memset(&image, 0xa5, sizeof(image));
	memset(&error, 0xa5, sizeof(error));
	enum status status = elf_check(exact, bytes, limit, &image, &error);
	free(exact);
	assert_non_null(memchr(error.text, 0, sizeof(error.text)));
	assert_int_equal(status == STATUS_OK, error.text[0] == '\0');
	return status;
}

static void refused(const char *text)
{
	assert_int_equal(check_bytes(FILE_BYTES, LIMIT), STATUS_INVALID);
	if (strstr(error.text, text) == NULL) {
		fail_msg("the error message is \"%s\", expected \"%s\"", error.text, text);
	}
	file = good;
}

static void test_good(void **state)
{
	(void)state;
	assert_int_equal(check_bytes(FILE_BYTES, LIMIT), STATUS_OK);
	assert_int_equal(image.entry, 0x100010);
	assert_int_equal(image.segment_count, 3);
	assert_int_equal(image.end, 0x10a000);
	assert_int_equal(image.segments[2].address, 0x102000);
	assert_int_equal(image.segments[2].memory_bytes, 0x8000);
	assert_int_equal(image.segments[2].file_offset, 0x2000);
	assert_int_equal(image.segments[2].file_bytes, 0x1000);
	/* Exactly as much RAM as the image reaches. */
	assert_int_equal(check_bytes(FILE_BYTES, 0x10a000), STATUS_OK);
	assert_int_equal(check_bytes(FILE_BYTES, 0x109fff), STATUS_INVALID);
}

static void test_not_our_kind_of_file(void **state)
{
	(void)state;
	file.header.e_ident[0] = 'M';
	refused("not an ELF");
	file.header.e_ident[3] = 'f';
	refused("not an ELF");
	file.header.e_ident[EI_CLASS] = ELFCLASS32;
	refused("not ELF64 for x86-64");
	file.header.e_ident[EI_CLASS] = 0;
	refused("not ELF64 for x86-64");
	file.header.e_ident[EI_DATA] = ELFDATA2MSB;
	refused("not ELF64 for x86-64");
	file.header.e_machine = EM_AARCH64;
	refused("not ELF64 for x86-64");
	file.header.e_machine = EM_386;
	refused("not ELF64 for x86-64");
	file.header.e_type = ET_DYN;
	refused("not a static executable");
	file.header.e_type = ET_REL;
	refused("not a static executable");
	file.header.e_type = ET_CORE;
	refused("not a static executable");
	file.programs[1].p_type = PT_INTERP;
	refused("dynamically linked");
	file.programs[1].p_type = PT_DYNAMIC;
	refused("dynamically linked");
}

static void test_program_headers(void **state)
{
	(void)state;
	file.header.e_phentsize = 32;
	refused("wrong size");
	file.header.e_phentsize = 0;
	refused("wrong size");
	file.header.e_phoff = FILE_BYTES - 56;
	refused("truncated");
	file.header.e_phoff = UINT64_MAX;
	refused("truncated");
	file.header.e_phoff = UINT64_MAX - 2 * 56;
	refused("truncated");
	file.header.e_phnum = 0xffff;
	refused("truncated");
	file.header.e_phnum = 0;
	refused("no segment");
	for (unsigned i = 0; i < PROGRAMS; i++) {
		file.programs[i].p_type = PT_NOTE;
	}
	refused("no segment");
}

static void test_truncated_at_every_length(void **state)
{
	(void)state;
	for (uint64_t bytes = 0; bytes < FILE_BYTES; bytes += bytes < 0x200 ? 1 : 61) {
		assert_int_equal(check_bytes(bytes, LIMIT), STATUS_INVALID);
		assert_non_null(strstr(error.text, bytes == 0	? "is empty"
						   : bytes < 64 ? "not an ELF"
								: "truncated"));
	}
}

static void test_segments(void **state)
{
	(void)state;
	file.programs[2].p_offset = FILE_BYTES - 0xfff;
	refused("0x102000 lies beyond");
	file.programs[2].p_offset = UINT64_MAX;
	refused("truncated");
	file.programs[2].p_offset = UINT64_MAX - 0xfff;
	refused("truncated");
	file.programs[2].p_filesz = UINT64_MAX;
	refused("truncated");
	file.programs[2].p_memsz = 0xfff;
	refused("more bytes in the file than in memory");
	file.programs[2].p_memsz = UINT64_MAX;
	refused("does not fit");
	file.programs[2].p_paddr = UINT64_MAX;
	refused("does not fit");
	file.programs[2].p_paddr = UINT64_MAX - 0x7fff;
	refused("does not fit");
	file.programs[2].p_paddr = LIMIT - 0x7fff;
	refused("does not fit");
	file.programs[2].p_paddr = LIMIT;
	refused("does not fit");
	file.programs[2].p_paddr = LIMIT - 0x8000;
	assert_int_equal(check_bytes(FILE_BYTES, LIMIT), STATUS_OK);
}

static void test_overlap(void **state)
{
	(void)state;
	file.programs[1].p_paddr = 0x1007ff; /* one byte */
	refused("0x100000 and 0x1007ff overlap");
	file.programs[1].p_paddr = 0x100800; /* none */
	assert_int_equal(check_bytes(FILE_BYTES, LIMIT), STATUS_OK);
	file = good;
	file.programs[2].p_paddr = 0x100100; /* around: the first ends within it */
	refused("overlap");
	file.programs[0].p_paddr = 0x103000; /* inside the last */
	file.header.e_entry = 0x103000;
	refused("overlap");
	file.programs[1] = file.programs[0];
	refused("overlap");
}

/* Regression: bytes in the file but none in memory passed as a segment of nothing. */
static void test_segment_without_memory(void **state)
{
	(void)state;
	file.programs[1].p_memsz = 0;
	refused("more bytes in the file than in memory");
	file.programs[1].p_memsz = 0;
	file.programs[1].p_filesz = 0;
	file.programs[1].p_paddr = UINT64_MAX;
	assert_int_equal(check_bytes(FILE_BYTES, LIMIT), STATUS_OK);
	assert_int_equal(image.segment_count, 2);
}

static void test_entry(void **state)
{
	(void)state;
	file.header.e_entry = 0x100000;
	assert_int_equal(check_bytes(FILE_BYTES, LIMIT), STATUS_OK);
	file.header.e_entry = 0x1007ff;
	assert_int_equal(check_bytes(FILE_BYTES, LIMIT), STATUS_OK);
	file.header.e_entry = 0x100800;
	refused("0x100800");
	file.header.e_entry = 0xfffff;
	refused("0xfffff");
	file.header.e_entry = 0x101000; /* in a segment, but not an executable one */
	refused("executable");
	file.header.e_entry = 0;
	refused("entry 0x0");
	file.header.e_entry = UINT64_MAX;
	refused("0xffffffffffffffff");
	/* Above 4 GiB a guest cannot be entered in 32-bit mode. */
	file.programs[0].p_paddr = GIB(5);
	file.header.e_entry = GIB(5);
	assert_int_equal(check_bytes(FILE_BYTES, GIB(8)), STATUS_INVALID);
	assert_non_null(strstr(error.text, "below 4G"));
}

/* ---- Fields that do not matter ---- */

/* Regression: a segment without bytes in the file was refused for the offset of those. */
static void test_offset_of_no_bytes(void **state)
{
	static const uint64_t offsets[] = {FILE_BYTES, FILE_BYTES + 1, BIT(32), UINT64_MAX};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(offsets); i++) {
		file = good;
		file.programs[2].p_filesz = 0;
		file.programs[2].p_offset = offsets[i];
		assert_int_equal(check_bytes(FILE_BYTES, LIMIT), STATUS_OK);
		assert_int_equal(image.segment_count, 3);
		assert_int_equal(image.segments[2].memory_bytes, 0x8000);
		assert_int_equal(image.segments[2].file_bytes, 0);
		assert_int_equal(image.segments[2].file_offset, 0); /* inside any file */
		assert_int_equal(image.end, 0x10a000);
	}
	/* Where one byte is, the offset matters. */
	file.programs[2].p_filesz = 1;
	refused("truncated");
	/* What it takes in memory still counts. */
	file.programs[2].p_filesz = 0;
	file.programs[2].p_offset = UINT64_MAX;
	file.programs[2].p_paddr = LIMIT - 0x7fff;
	refused("does not fit");
	file.programs[2].p_filesz = 0;
	file.programs[2].p_paddr = 0x1007ff;
	refused("overlap");
}

/* Every field of every kind of empty segment, with the values that break most arithmetic. */
static void test_empty_segments(void **state)
{
	static const uint32_t types[] = {PT_LOAD,	  PT_NOTE,	PT_DYNAMIC, PT_INTERP,
					 PT_PHDR,	  PT_TLS,	PT_NULL,    PT_GNU_STACK,
					 PT_GNU_EH_FRAME, PT_GNU_RELRO, PT_LOPROC,  UINT32_MAX};
	static const uint64_t values[] = {0,	   1,	      0xfff, 0x100000, FILE_BYTES + 1,
					  BIT(63), UINT64_MAX};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(types); i++) {
		for (unsigned j = 0; j < ARRAY_COUNT(values); j++) {
			file = good;
			file.programs[1] = (Elf64_Phdr){
				.p_type = types[i],
				.p_flags = UINT32_MAX,
				.p_offset = values[j],
				.p_vaddr = values[j],
				.p_paddr = values[j],
				.p_align = values[j],
			};
			assert_int_equal(check_bytes(FILE_BYTES, LIMIT), STATUS_OK);
			assert_int_equal(image.segment_count, 2);
			assert_int_equal(image.entry, 0x100010);
			assert_int_equal(image.end, 0x10a000);
		}
	}
	/* One that is not empty says how the program is to be linked. */
	file.programs[1].p_type = PT_INTERP;
	file.programs[1].p_filesz = 1;
	refused("dynamically linked");
}

/* What is not for loading is not looked at, whatever its size; nor is what stripping removes. */
static void test_fields_of_others(void **state)
{
	static const uint32_t types[] = {PT_NOTE,	  PT_PHDR,	PT_TLS, PT_GNU_STACK,
					 PT_GNU_EH_FRAME, PT_GNU_RELRO, PT_NULL};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(types); i++) {
		file = good;
		memset(&file.programs[1], 0xff, sizeof(file.programs[1]));
		file.programs[1].p_type = types[i];
		file.header.e_shoff = i % 2 == 0 ? 0 : UINT64_MAX;
		file.header.e_shnum = i % 2 == 0 ? 0 : UINT16_MAX;
		file.header.e_shentsize = (uint16_t)i;
		file.header.e_shstrndx = UINT16_MAX;
		file.header.e_flags = UINT32_MAX;
		file.header.e_version = 0;
		file.header.e_ehsize = 0;
		file.header.e_ident[EI_OSABI] = 0xff;
		file.programs[0].p_align = i % 3 == 0 ? 0 : UINT64_MAX;
		file.programs[0].p_vaddr = UINT64_MAX - i;
		assert_int_equal(check_bytes(FILE_BYTES, LIMIT), STATUS_OK);
		assert_int_equal(image.segment_count, 2);
	}
	/* Without program headers their size and place do not matter: there is nothing to load. */
	file = good;
	file.header.e_phnum = 0;
	file.header.e_phentsize = 0;
	file.header.e_phoff = UINT64_MAX;
	refused("no segment");
}

/*
 * The program headers that linkers of November 2026 write for one guest: with its own script, with
 * their own, and linked high and loaded low. `cut` is where a tool that strips headers and all that
 * no segment needs ends the file.
 */
static void test_shapes_of_linkers(void **state)
{
	static const struct {
		const char *name;
		uint64_t entry;
		uint64_t start; /* physical, of the entry */
		unsigned segments;
		uint64_t cut;
		Elf64_Phdr programs[6];
	} shapes[] = {
#define P(type, flags, offset, virtual, physical, file, memory, align)                             \
	{type, flags, offset, virtual, physical, file, memory, align}
		{"bfd",
		 0x100000,
		 0x100000,
		 3,
		 0x5760,
		 {P(PT_LOAD, 5, 0x1000, 0x100000, 0x100000, 0x3b0d, 0x3b0d, 0x1000),
		  P(PT_LOAD, 4, 0x5000, 0x104000, 0x104000, 0x760, 0x760, 0x1000),
		  P(PT_LOAD, 6, 0, 0x105000, 0x105000, 0, 0x2600c, 0x1000)}},
		{"lld, gold",
		 0x100000,
		 0x100000,
		 3,
		 0x5768,
		 {P(PT_LOAD, 5, 0x1000, 0x100000, 0x100000, 0x3b0d, 0x3b0d, 0x1000),
		  P(PT_LOAD, 4, 0x5000, 0x104000, 0x104000, 0x768, 0x768, 0x1000),
		  P(PT_LOAD, 6, 0x6000, 0x105000, 0x105000, 0, 0x2600c, 0x1000)}},
		{"bfd, own script",
		 0x100000,
		 0x100000,
		 4,
		 0x6760,
		 {P(PT_LOAD, 4, 0, 0xff000, 0xff000, 0x158, 0x158, 0x1000),
		  P(PT_LOAD, 5, 0x1000, 0x100000, 0x100000, 0x4486, 0x4486, 0x1000),
		  P(PT_LOAD, 4, 0x6000, 0x105000, 0x105000, 0x760, 0x760, 0x1000),
		  P(PT_LOAD, 6, 0, 0x106000, 0x106000, 0, 0x26010, 0x1000),
		  P(PT_GNU_STACK, 6, 0, 0, 0, 0, 0, 0x10)}},
		{"lld, own script",
		 0x100000,
		 0x100000,
		 4,
		 0x5c08,
		 {P(PT_PHDR, 4, 0x40, 0x200040, 0x200040, 0x150, 0x150, 8),
		  P(PT_LOAD, 4, 0, 0x200000, 0x200000, 0x190, 0x190, 0x1000),
		  P(PT_LOAD, 5, 0x1000, 0x100000, 0x100000, 0x4486, 0x4486, 0x1000),
		  P(PT_LOAD, 4, 0x54a0, 0x1054a0, 0x1054a0, 0x768, 0x768, 0x1000),
		  P(PT_LOAD, 6, 0x5c08, 0x106c08, 0x106c08, 0, 0x26404, 0x1000),
		  P(PT_GNU_STACK, 6, 0, 0, 0, 0, 0, 0)}},
		{"gold, own script",
		 0x100100,
		 0x100100,
		 2,
		 0x4ce8,
		 {P(PT_LOAD, 5, 0, 0x100000, 0x100000, 0x4ce8, 0x4ce8, 0x1000),
		  P(PT_LOAD, 6, 0x5000, 0x105000, 0x105000, 0, 0x2600c, 0x1000),
		  P(PT_GNU_STACK, 6, 0, 0, 0, 0, 0, 0x10)}},
		{"all, linked high",
		 0xffffffff80100000,
		 0x100000,
		 2,
		 0x6768,
		 {P(PT_LOAD, 5, 0x1000, 0xffffffff80100000, 0x100000, 0x448c, 0x448c, 0x1000),
		  P(PT_LOAD, 6, 0x6000, 0xffffffff80105000, 0x105000, 0x768, 0x2700c, 0x1000),
		  P(PT_NOTE, 4, 0, 0, 0, 0, 0, 0)}},
#undef P
	};
	static uint8_t bytes[0x8000];
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(shapes); i++) {
		Elf64_Ehdr header = good.header;
		header.e_entry = shapes[i].entry;
		header.e_phnum = ARRAY_COUNT(shapes[i].programs); /* those left over are PT_NULL */
		memcpy(bytes, &header, sizeof(header));
		memcpy(bytes + sizeof(header), shapes[i].programs, sizeof(shapes[i].programs));
		const uint64_t lengths[] = {sizeof(bytes), shapes[i].cut};
		for (unsigned j = 0; j < ARRAY_COUNT(lengths); j++) {
			uint8_t *exact = malloc(lengths[j]);
			memcpy(exact, bytes, lengths[j]);
			enum status status = elf_check(exact, lengths[j], LIMIT, &image, &error);
			free(exact);
			if (status != STATUS_OK) {
				fail_msg("%s: %s", shapes[i].name, error.text);
			}
			assert_int_equal(image.segment_count, shapes[i].segments);
			assert_int_equal(image.entry, shapes[i].start);
		}
		/* One byte less is one too few. */
		assert_int_equal(elf_check(bytes, shapes[i].cut - 1, LIMIT, &image, &error),
				 STATUS_INVALID);
		assert_non_null(strstr(error.text, "truncated"));
	}
}

/* The physical range decides first; else the virtual one, and the entry is translated. */
static void test_entry_is_translated(void **state)
{
	(void)state;
	file.programs[0].p_vaddr = 0xffffffff80000000;
	file.header.e_entry = 0xffffffff80000010;
	assert_int_equal(check_bytes(FILE_BYTES, LIMIT), STATUS_OK);
	assert_int_equal(image.entry, 0x100010);
	file.header.e_entry = 0xffffffff800007ff;
	assert_int_equal(check_bytes(FILE_BYTES, LIMIT), STATUS_OK);
	assert_int_equal(image.entry, 0x1007ff);
	file.header.e_entry = 0xffffffff80000800; /* one behind */
	assert_int_equal(check_bytes(FILE_BYTES, LIMIT), STATUS_INVALID);
	file.header.e_entry = 0xffffffff7fffffff; /* one before */
	assert_int_equal(check_bytes(FILE_BYTES, LIMIT), STATUS_INVALID);
	/* Virtually in a segment that is not executable. */
	file.programs[1].p_vaddr = 0xffffffff90000000;
	file.header.e_entry = 0xffffffff90000000;
	assert_int_equal(check_bytes(FILE_BYTES, LIMIT), STATUS_INVALID);
	/* A physical place of one segment that is a virtual one of another. */
	file = good;
	file.programs[1].p_flags = PF_R | PF_X;
	file.programs[1].p_vaddr = 0x100000;
	file.programs[0].p_vaddr = 0x101000;
	file.header.e_entry = 0x100010;
	assert_int_equal(check_bytes(FILE_BYTES, LIMIT), STATUS_OK);
	assert_int_equal(image.entry, 0x100010);
	/* Translated, it is above 4 GiB. */
	file = good;
	file.programs[0].p_paddr = GIB(5);
	assert_int_equal(check_bytes(FILE_BYTES, GIB(8)), STATUS_INVALID);
	assert_non_null(strstr(error.text, "below 4G"));
}

static void test_too_many_segments(void **state)
{
	(void)state;
	for (unsigned count = 16; count <= 17; count++) {
		Elf64_Phdr *programs = (Elf64_Phdr *)((uint8_t *)&file + 0x200);
		file.header.e_phoff = 0x200;
		file.header.e_phnum = (uint16_t)count;
		for (unsigned i = 0; i < count; i++) {
			programs[i] = program(PF_X, 0x1000, 0x100000 + i * 0x1000, 0x100, 0x1000);
		}
		assert_int_equal(check_bytes(FILE_BYTES, LIMIT),
				 count == 16 ? STATUS_OK : STATUS_INVALID);
	}
	assert_non_null(strstr(error.text, "16 segments"));
}

/* What is accepted keeps all that the loader relies on. */
static void expect_sound(uint64_t bytes)
{
	bool entry_found = false;
	assert_in_range(image.segment_count, 1, ELF_SEGMENTS_MAX);
	for (unsigned i = 0; i < image.segment_count; i++) {
		const struct elf_segment *a = &image.segments[i];
		assert_true(a->file_bytes <= a->memory_bytes);
		assert_true(a->file_offset <= bytes && a->file_bytes <= bytes - a->file_offset);
		assert_true(a->address <= LIMIT && a->memory_bytes <= LIMIT - a->address);
		assert_true(a->address + a->memory_bytes <= image.end);
		entry_found |=
			image.entry >= a->address && image.entry - a->address < a->memory_bytes;
		for (unsigned j = 0; j < i; j++) {
			const struct elf_segment *b = &image.segments[j];
			assert_true(a->address + a->memory_bytes <= b->address ||
				    b->address + b->memory_bytes <= a->address);
		}
	}
	assert_true(entry_found);
}

static void test_mutations(void **state)
{
	static const uint64_t values[] = {0, 1, 0x7f, 0xff, 0x1000, 0x100000, UINT32_MAX, BIT(63)};
	unsigned accepted = 0;
	(void)state;
	srand(17);
	for (unsigned round = 0; round < 60000; round++) {
		file = good;
		uint64_t bytes = rand() % 8 == 0 ? (uint64_t)rand() % FILE_BYTES : FILE_BYTES;
		for (unsigned i = 0; i < 1 + (unsigned)rand() % 3; i++) {
			size_t at = (size_t)rand() % (sizeof(good.header) + sizeof(good.programs));
			uint8_t *place = (uint8_t *)&file + at;
			if (rand() % 2 == 0) {
				*place = (uint8_t)rand();
			} else {
				uint64_t value = values[(unsigned)rand() % ARRAY_COUNT(values)];
				memcpy((uint8_t *)&file + at / 8 * 8, &value, 8);
			}
		}
		if (check_bytes(bytes, LIMIT) == STATUS_OK) {
			expect_sound(bytes);
			accepted++;
		}
	}
	assert_in_range(accepted, 1000, 50000); /* the mutations reach beyond the first check */
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_good),
		TEST(test_not_our_kind_of_file),
		TEST(test_program_headers),
		TEST(test_truncated_at_every_length),
		TEST(test_segments),
		TEST(test_overlap),
		TEST(test_segment_without_memory),
		TEST(test_offset_of_no_bytes),
		TEST(test_empty_segments),
		TEST(test_fields_of_others),
		TEST(test_shapes_of_linkers),
		TEST(test_entry),
		TEST(test_entry_is_translated),
		TEST(test_too_many_segments),
		TEST(test_mutations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
