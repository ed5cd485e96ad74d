/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What we accept as a guest: a static ELF64 executable for x86-64 (System V ABI, ELF chapter 4 and
 * 5). Pure: looks at the file's bytes only and believes none of them.
 */
#ifndef KERNEL_LIB_ELF_H
#define KERNEL_LIB_ELF_H

#include "base/error.h"
#include "base/types.h"

#define ELF_SEGMENTS_MAX 16

struct elf_segment {
	uint64_t address;      /* guest-physical, bytes */
	uint64_t memory_bytes; /* those behind file_bytes are zero */
	uint64_t file_offset;
	uint64_t file_bytes;
};

struct elf_image {
	uint32_t entry; /* guest-physical */
	uint64_t end;	/* first byte behind the highest segment */
	unsigned segment_count;
	struct elf_segment segments[ELF_SEGMENTS_MAX];
};

/*
 * Checks the file and fills *image. INVALID: *error says what is wrong.
 * Segments lie in [0, limit_bytes), do not overlap, and the entry is in an executable one below
 * 4 GiB: in its physical range, or in its virtual range and then translated. What a header says of
 * a segment without bytes, in the file or in memory, is not looked at.
 */
MUST_CHECK enum status elf_check(const void *file, uint64_t bytes, uint64_t limit_bytes,
				 struct elf_image *image, struct error *error);

#endif
