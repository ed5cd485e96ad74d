/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A Linux kernel as its packages have it: bzImage, entered by the 32-bit protocol (Linux,
 * Documentation/arch/x86/boot.rst). Pure: looks at the file's bytes only and believes none of them.
 */
#ifndef KERNEL_LIB_BZIMAGE_H
#define KERNEL_LIB_BZIMAGE_H

#include "base/error.h"
#include "base/types.h"

/* The setup header lies at the same place in the file and in the zero page (struct boot_params). */
#define BZIMAGE_HEADER_START 0x1f1u
#define BZIMAGE_HEADER_END_MAX 0x290u

struct bzimage {
	uint16_t version;	   /* of the boot protocol: major, minor */
	uint16_t header_end;	   /* the setup header is [BZIMAGE_HEADER_START, header_end) */
	uint32_t kernel_offset;	   /* where the file goes on with the protected-mode kernel */
	uint32_t kernel_bytes;	   /* how much of it is loaded */
	uint32_t load;		   /* guest-physical address of that, */
	uint32_t entry;		   /* and where it begins to run */
	uint64_t end;		   /* first byte behind what it needs before it knows memory */
	uint64_t initrd_end_max;   /* first byte behind the highest place of an initrd */
	uint32_t command_line_max; /* characters, without the terminating zero */
};

/* It begins as a boot sector, with the magic word of a setup header: the rest may be damaged. */
bool bzimage_is(const void *file, uint64_t bytes);

/*
 * Checks the setup header and fills *image. INVALID: *error says what is wrong. Protocols below
 * 2.12 are refused: kernels since 2012 have it. The kernel goes where it prefers to run. A
 * relocatable one could lie lower, but moves itself up to that place, so that would not save RAM.
 */
MUST_CHECK enum status bzimage_check(const void *file, uint64_t bytes, struct bzimage *image,
				     struct error *error);

/*
 * Where an initrd of `initrd_bytes` (0: none) goes in RAM [0, ram_bytes): as high as allowed, on a
 * page of its own. INVALID: *error says how much RAM kernel and initrd need.
 */
MUST_CHECK enum status bzimage_place(const struct bzimage *image, uint64_t ram_bytes,
				     uint64_t initrd_bytes, uint64_t *initrd, struct error *error);

#endif
