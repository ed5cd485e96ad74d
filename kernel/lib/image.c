/* SPDX-License-Identifier: BSD-2-Clause */
/* Tells kinds of kernels apart. See the header. */
#include "kernel/lib/image.h"

#include "kernel/lib/bzimage.h"
#include "kernel/lib/foreign_elf.h"
#include "kernel/lib/multiboot1.h"

enum image_kind image_kind(const void *file, uint64_t bytes)
{
	struct foreign_elf_notes notes;
	if (bzimage_is(file, bytes)) {
		return IMAGE_LINUX;
	}
	foreign_elf_notes(file, bytes, &notes);
	if (notes.has_pvh_entry) {
		return IMAGE_PVH;
	}
	/* The search for the header is the longest part of all this. */
	if (notes.is_native && foreign_elf_is_64(file, bytes)) {
		return IMAGE_NATIVE;
	}
	return multiboot1_is(file, bytes) ? IMAGE_MULTIBOOT : IMAGE_NATIVE;
}

bool image_may_be_native(const void *file, uint64_t bytes)
{
	return foreign_elf_is_64(file, bytes);
}
