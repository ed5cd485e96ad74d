/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF kernels that were not written for us: ELF32 and ELF64 for x86, loaded by physical addresses
 * and entered in 32-bit mode. More is let through than kernel/lib/elf.h takes of a native guest:
 * such kernels have virtual addresses of any kind, and segments that no loader needs. Pure: looks
 * at the file's bytes only and believes none of them.
 */
#ifndef KERNEL_LIB_FOREIGN_ELF_H
#define KERNEL_LIB_FOREIGN_ELF_H

#include "kernel/lib/elf.h"

/* Notes that we look for (Xen, public/elfnote.h). */
struct foreign_elf_notes {
	bool has_pvh_entry;
	uint64_t pvh_entry; /* XEN_ELFNOTE_PHYS32_ENTRY */
	bool is_linux;	    /* a note of Linux itself, or a guest OS of that name */
	bool is_native;	    /* AEROSTAT_NOTE_NATIVE */
};

/* The file begins as an ELF file of these classes for x86. The rest may be damaged. */
bool foreign_elf_is_32(const void *file, uint64_t bytes);
bool foreign_elf_is_64(const void *file, uint64_t bytes);

/* Reads the notes of all PT_NOTE segments as far as they make sense. */
void foreign_elf_notes(const void *file, uint64_t bytes, struct foreign_elf_notes *notes);

/*
 * Checks the segments to load and fills *image. Those that have bytes lie in what a VM with devices
 * has for its kernel, [0, PC_TABLES) and [1 MiB, limit_bytes), and do not overlap. INVALID: *error
 * says what is wrong. *entry is the header's, made a physical address where it is a virtual one;
 * image->entry stays 0, because another entry may count (foreign_elf_set_entry).
 */
MUST_CHECK enum status foreign_elf_check(const void *file, uint64_t bytes, uint64_t limit_bytes,
					 struct elf_image *image, uint64_t *entry,
					 struct error *error);

/* Sets image->entry. INVALID, with *error: it is in no segment, or beyond 4 GiB. */
MUST_CHECK enum status foreign_elf_set_entry(struct elf_image *image, uint64_t entry,
					     struct error *error);

/*
 * Adds one segment to *image, as above. INVALID: it lies elsewhere, overlaps another, or there are
 * ELF_SEGMENTS_MAX already.
 */
MUST_CHECK enum status foreign_elf_add(struct elf_image *image, const struct elf_segment *segment,
				       uint64_t limit_bytes, struct error *error);

#endif
