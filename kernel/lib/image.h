/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What kind of kernel a file is, by its content alone. Pure. The rule, which docs/guests.md
 *explains:
 *
 *	LINUX		a boot sector with Linux's setup header
 *	PVH		an ELF file for x86 with the note of a PVH entry
 *	NATIVE		an ELF64 file for x86-64 with the note of a native guest
 *	MULTIBOOT	a multiboot (version 1) header in the first 8 KiB
 *	NATIVE		all others: an ELF64 file for x86-64, or nothing that can be booted
 */
#ifndef KERNEL_LIB_IMAGE_H
#define KERNEL_LIB_IMAGE_H

#include "base/types.h"

enum image_kind {
	IMAGE_NATIVE,
	IMAGE_LINUX,
	IMAGE_PVH,
	IMAGE_MULTIBOOT,
};

/* The first that fits, from the top of the list above. */
enum image_kind image_kind(const void *file, uint64_t bytes);

/* A file of this kind may also be a native guest, where its VM has no devices. */
bool image_may_be_native(const void *file, uint64_t bytes);

#endif
