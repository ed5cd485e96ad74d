/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernels by the multiboot specification, version 0.6.96: a header in the first 8 KiB says what the
 * kernel wants; the file is ELF, or the header itself says what goes where. Pure: looks at the
 * file's bytes only and believes none of them.
 */
#ifndef KERNEL_LIB_MULTIBOOT1_H
#define KERNEL_LIB_MULTIBOOT1_H

#include "kernel/lib/elf.h"

/* The file has a header whose checksum is right. */
bool multiboot1_is(const void *file, uint64_t bytes);

/*
 * Checks header and file and fills *image. INVALID: *error says what is wrong, of the header or of
 * the ELF file (kernel/lib/foreign_elf.h, which says where segments may lie in [0, limit_bytes)).
 */
MUST_CHECK enum status multiboot1_check(const void *file, uint64_t bytes, uint64_t limit_bytes,
					struct elf_image *image, struct error *error);

#endif
